//! Of records that change others with them: employees, their departments and positions.

use nexo_tests::Nexo;
use reqwest::Method;
use serde_json::{Value, json};

use super::{cost, measured};
use crate::employees::{at, day, department, employee, employee_body, position};

#[tokio::test]
async fn an_employee_is_a_read_and_a_transaction() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, hr) =
        (department(&company, "IT", &Value::Null).await, department(&company, "HR", &Value::Null).await);
    let (dev, ops) = (position(&company, "Dev", 9).await, position(&company, "Ops", 9).await);
    let boss = employee(&company, "0", &it, &dev).await;
    let request = |method: Method, path: &str, body: &Value| company.request(method, path).json(body);
    let mut body = employee_body("1", &it, &dev);

    // Written, each twice because it is in a transaction: the employee, the markers of its number and its
    // address, the counts of department and position, and the record. Once: two index entries of the employee,
    // and three of each record that counts, where the one by last change moves.
    let (made, spent) = measured(&nexo, 201, request(Method::POST, "/api/employees", &body)).await;
    assert_eq!(spent, cost(&["TransactWriteItems"], 0.0, CREATE));
    let one = made.body;
    let path = at("employees", &one);
    // With a manager, who is read, and checked to have the same one still.
    body["employeeNumber"] = json!("2");
    body["workEmail"] = json!("2@acme.example");
    body["managerId"] = boss["id"].clone();
    let (_, spent) = measured(&nexo, 201, request(Method::POST, "/api/employees", &body)).await;
    assert_eq!(spent, cost(&["GetItem", "TransactWriteItems"], 1.0, CREATE + 2.0));

    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, &path)).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    let list = "/api/employees?status=active";
    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, list)).await;
    assert_eq!(spent, cost(&["Query"], 0.5, 0.0));
    // With sub-departments: the tree, consistently.
    let list = format!("/api/employees?withinDepartmentId={}", it["id"].as_str().unwrap());
    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, &list)).await;
    assert_eq!(spent, cost(&["Query", "Query"], 1.5, 0.0));
    for path in ["/api/employees/org-chart", "/api/departments/tree"] {
        let (_, spent) = measured(&nexo, 200, company.request(Method::GET, path)).await;
        assert_eq!(spent, cost(&["Query"], 0.5, 0.0), "{path}");
    }
    let reports = format!("{path}/reports?depth=all");
    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, &reports)).await;
    assert_eq!(spent, cost(&["GetItem", "Query"], 1.0, 0.0));
    let history = format!("{path}/employment-records");
    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, &history)).await;
    assert_eq!(spent, cost(&["GetItem", "Query"], 1.5, 0.0));

    // A field of its own is one update; one that is judged with others is read first.
    let patch = |body: Value| request(Method::PATCH, &path, &body);
    let (_, spent) = measured(&nexo, 200, patch(json!({"phone": "+4930901820"}))).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 4.0));
    let (_, spent) = measured(&nexo, 200, patch(json!({"status": "suspended"}))).await;
    assert_eq!(spent, cost(&["GetItem", "UpdateItem"], 1.0, 4.0));

    // The employee, the ended and the new record, and two counts, or four.
    let act = |action: &str, body: Value| request(Method::POST, &format!("{path}/{action}"), &body);
    let read_and_written = |write: f64| cost(&["GetItem", "TransactWriteItems"], 1.0, write);
    let (_, spent) = measured(&nexo, 200, act("promote", json!({"positionId": ops["id"]}))).await;
    assert_eq!(spent, read_and_written(CHANGE + 2.0 * COUNT));
    let both = json!({"departmentId": hr["id"], "positionId": dev["id"]});
    let (_, spent) = measured(&nexo, 200, act("transfer", both)).await;
    assert_eq!(spent, read_and_written(CHANGE + 4.0 * COUNT));
    let (_, spent) = measured(&nexo, 200, act("leave", json!({}))).await;
    assert_eq!(spent, read_and_written(CHANGE));
    let (_, spent) = measured(&nexo, 200, act("terminate", json!({"endDate": day(&nexo, 0)}))).await;
    assert_eq!(spent, read_and_written(CHANGE + 2.0 * COUNT));
    let (_, spent) = measured(&nexo, 200, act("rehire", json!({"hireDate": day(&nexo, 1)}))).await;
    // Nothing was open, so nothing is ended.
    assert_eq!(spent, read_and_written(CHANGE - 2.0 + 2.0 * COUNT));

    let (_, spent) = measured(&nexo, 204, company.request(Method::DELETE, &path)).await;
    assert_eq!(spent, read_and_written(4.0 + 2.0 * COUNT));
    let (_, spent) = measured(&nexo, 200, act("restore", json!({}))).await;
    assert_eq!(spent, read_and_written(4.0 + 2.0 * 2.0 + 2.0 * COUNT));
}

/// One more, or one less: twice the record that counts, and three index entries.
const COUNT: f64 = 5.0;
const CREATE: f64 = 4.0 + 2.0 * 2.0 + 2.0 * COUNT + 2.0;
/// Twice the employee with three index entries, and twice a record of its history, two times.
const CHANGE: f64 = 5.0 + 2.0 + 2.0;

#[tokio::test]
async fn a_change_of_the_tree_reads_the_tree() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let top = department(&company, "Top", &Value::Null).await;
    let request = |method: Method, path: &str, body: &Value| company.request(method, path).json(body);
    // Read, consistently: how often the tree has changed, and the tree. Written, each twice: the department,
    // the marker of its code, the count of the one above, how often the tree has changed.
    let body = json!({"name": "Part", "code": "Part", "parentId": top["id"]});
    let (made, spent) = measured(&nexo, 201, request(Method::POST, "/api/departments", &body)).await;
    assert_eq!(spent, cost(&["GetItem", "Query", "TransactWriteItems"], 2.0, 4.0 + 2.0 + COUNT + 2.0));
    let path = at("departments", &made.body);
    let moved = request(Method::PATCH, &path, &json!({"parentId": null}));
    let (_, spent) = measured(&nexo, 200, moved).await;
    let calls = ["GetItem", "GetItem", "Query", "TransactWriteItems"];
    assert_eq!(spent, cost(&calls, 3.0, 5.0 + COUNT + 2.0));
    let (_, spent) =
        measured(&nexo, 200, request(Method::PATCH, &path, &json!({"name": "Part of it"}))).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 5.0));
}
