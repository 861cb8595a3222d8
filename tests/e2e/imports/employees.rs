//! Imports of employees: counted places, a history, and private fields.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{act, counts, errors, proposed, records, settled, started, undone};
use crate::employees::{department, position};

#[tokio::test]
async fn employees_take_their_places_and_give_them_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 2).await);
    let (dep, pos) = (it["id"].as_str().unwrap(), dev["id"].as_str().unwrap());
    let row = |number: &str, name: &str| {
        format!("{number},{name},L,{number}@acme.example,{dep},{pos},2026-01-15,1990-12-10\n")
    };
    let header =
        "Employee Number,First Name,Last Name,Work Email,Department ID,Position ID,Hire Date,Birth Date\n";
    let text =
        [header.to_owned(), row("1", "Ada"), row("2", "Bob"), row("3", "Cy"), row("1", "Eve")].concat();
    let import = proposed(&nexo, &company, "employees", text.as_bytes()).await;
    let done = started(&nexo, &company, &import, &json!({"dryRun": false})).await;
    assert_eq!(counts(&done), [2, 0, 0, 2], "{done} {:?}", errors(&company, &import).await);
    let refused = errors(&company, &import).await;
    assert_eq!(refused[0], ["4", "Position ID", "positionId", "full"].map(str::to_owned));
    assert_eq!(refused[1][0], "5");
    let filled = company.get(&format!("/api/positions/{pos}")).await.body["filled"].clone();
    assert_eq!(filled, 2);

    // Matched by the number, in another case of the address; and private fields are there for who may.
    let text =
        "employeeNumber,firstName,pay.amountMinor,pay.currency\n1,Augusta,100,EUR\n2,Bob,,\n9,Nobody,,\n";
    let change = proposed(&nexo, &company, "employees", text.as_bytes()).await;
    let done =
        started(&nexo, &company, &change, &json!({"dryRun": false, "matchBy": "employeeNumber"})).await;
    assert_eq!(counts(&done), [0, 1, 1, 1], "{done} {:?}", errors(&company, &change).await);
    let found = records(&company, "employees").await;
    assert_eq!((&found[0]["firstName"], &found[0]["pay"]["amountMinor"]), (&json!("Augusta"), &json!(100)));
    assert_eq!(found[0]["birthDate"], "1990-12-10");
    let back = undone(&nexo, &company, &change).await;
    assert_eq!((&back["undone"], &back["conflicts"]), (&json!(1), &json!(0)), "{back}");
    let found = records(&company, "employees").await;
    assert_eq!((&found[0]["firstName"], &found[0]["pay"]), (&json!("Ada"), &Value::Null));

    // The one that was changed and changed back is not as the first import left it.
    let back = undone(&nexo, &company, &import).await;
    assert_eq!((&back["undone"], &back["conflicts"]), (&json!(1), &json!(1)), "{back}");
    let filled = company.get(&format!("/api/positions/{pos}")).await.body["filled"].clone();
    assert_eq!(filled, 1);
}

#[tokio::test]
async fn private_columns_are_for_those_who_may_give_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let manager = company.colleague("manager").await;
    let import = proposed(&nexo, &manager, "employees", b"employeeNumber,birthDate\n1,1990-12-10\n").await;
    act(&manager, &import, "start", &json!({"dryRun": true})).await.assert_problem(403, "permission_denied");
    let columns = json!([{"column": "employeeNumber", "field": "employeeNumber"}]);
    let start = json!({"dryRun": true, "columns": columns});
    assert_eq!(act(&manager, &import, "start", &start).await.status, 202);
    settled(&nexo, &manager, &import).await;
    let member = company.colleague("member").await;
    let body = json!({"fileId": "fil_01ARZ3NDEKTSV4RRFFQ69G5FAV", "resource": "employees"});
    member.post("/api/imports", &body).await.assert_problem(403, "permission_denied");
}
