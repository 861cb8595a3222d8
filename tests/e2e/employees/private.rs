//! What is private of employees is read, and given, by those who may.

use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::{act, assert_invalid, at, department, employee_body, made, now, position};

const PRIVATE: [&str; 4] = ["birthDate", "personalEmail", "emergencyContact", "pay"];

fn private() -> Value {
    json!({
        "birthDate": "1990-12-10", "personalEmail": "ada@home.example",
        "emergencyContact": {"name": "Charles", "phone": "+4930901820", "relation": null},
        "pay": {"amountMinor": 7_500_000, "currency": "EUR"},
    })
}

async fn with_private(company: &Company<'_>) -> (Value, Value) {
    let it = department(company, "IT", &Value::Null).await;
    let dev = position(company, "Dev", 5).await;
    let body = employee_body("1", &it, &dev);
    let mut whole = body.clone();
    whole.as_object_mut().unwrap().extend(private().as_object().unwrap().clone());
    (body, made(company, "employees", &whole).await)
}

#[track_caller]
fn assert_hidden(record: &Value) {
    let text = record.to_string();
    for secret in ["1990-12-10", "home.example", "Charles", "7500000"] {
        assert!(!text.contains(secret), "{secret} shows: {text}");
    }
    for field in PRIVATE {
        assert!(record.get(field).is_none(), "{field} shows: {text}");
    }
}

#[tokio::test]
async fn private_fields_are_in_no_answer_to_others() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (body, one) = with_private(&company).await;
    for field in PRIVATE {
        assert_eq!(one[field], private()[field]);
    }
    let path = at("employees", &one);
    for role in ["viewer", "member", "manager"] {
        let colleague = company.colleague(role).await;
        assert_hidden(&colleague.get(&path).await.body);
        let list = colleague.get("/api/employees").await.body;
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        assert_hidden(&list["data"][0]);
        for path in ["/api/employees/org-chart", &format!("{path}/employment-records")] {
            assert_hidden(&colleague.get(path).await.body);
        }
    }
    assert_eq!(company.colleague("admin").await.get(&path).await.body, one);
    let manager = company.colleague("manager").await;
    for answer in [
        manager.patch(&path, &json!({"phone": "+4930901821"})).await,
        manager.patch(&path, &json!({"firstName": "Grace"})).await,
        manager.put(&path, &body).await,
        act(&manager, &one, "leave", &json!({})).await,
    ] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_hidden(&answer.body);
    }
    let stale = manager.request(Method::PUT, &path).header("if-match", "\"1\"").json(&body);
    let stale = Answer::of(stale).await;
    stale.assert_problem(412, "stale_version");
    assert_hidden(&stale.body["current"]);
    assert_eq!(manager.delete(&path).await.status, 204);
    assert_hidden(&manager.post(&format!("{path}/restore"), &json!({})).await.body);
    // Whoever does not see them does not erase them.
    let after = now(&company, "employees", &one).await;
    for field in PRIVATE {
        assert_eq!(after[field], private()[field], "{field}");
    }
    // Whoever does, does.
    let put = company.put(&path, &body).await;
    assert_eq!((put.status.as_u16(), &put.body["pay"]), (200, &Value::Null), "{put:?}");
}

#[tokio::test]
async fn private_fields_are_given_by_those_who_read_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (mut body, one) = with_private(&company).await;
    let path = at("employees", &one);
    let manager = company.colleague("manager").await;
    for field in PRIVATE {
        for value in [private()[field].clone(), Value::Null] {
            let patch = manager.patch(&path, &json!({field: value})).await;
            patch.assert_problem(403, "permission_denied");
            assert_eq!(patch.body["permission"], "employee:read-private");
        }
        let mut whole = body.clone();
        whole[field] = private()[field].clone();
        manager.put(&path, &whole).await.assert_problem(403, "permission_denied");
        whole["employeeNumber"] = json!("2");
        whole["workEmail"] = json!("2@acme.example");
        manager.post("/api/employees", &whole).await.assert_problem(403, "permission_denied");
    }
    assert_eq!(now(&company, "employees", &one).await, one);
    body["employeeNumber"] = json!("2");
    body["workEmail"] = json!("2@acme.example");
    let made = manager.post("/api/employees", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_hidden(&made.body);
    let contact = json!({"emergencyContact": {"relation": "friend"}});
    let patch = company.patch(&path, &contact).await;
    assert_eq!(patch.body["emergencyContact"]["relation"], "friend");
    assert_eq!(patch.body["emergencyContact"]["name"], "Charles");
}

#[tokio::test]
async fn a_reach_holds_for_private_fields_too() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (mut body, one) = with_private(&company).await;
    let officer = company
        .colleague_who_may(&[
            "department:read",
            "position:read",
            "employee:read:all",
            "employee:write:all",
            "employee:read-private:own",
        ])
        .await;
    assert_hidden(&officer.get(&at("employees", &one)).await.body);
    // Nor by making the record one's own first.
    for change in [json!({"pay": null}), json!({"ownerId": officer.user()})] {
        officer.patch(&at("employees", &one), &change).await.assert_problem(403, "permission_denied");
    }
    body["employeeNumber"] = json!("2");
    body["workEmail"] = json!("2@acme.example");
    body["pay"] = private()["pay"].clone();
    let own = officer.post("/api/employees", &body).await;
    assert_eq!((own.status.as_u16(), &own.body["pay"]), (201, &private()["pay"]), "{own:?}");
    assert_eq!(officer.get(&at("employees", &own.body)).await.body["pay"], private()["pay"]);
}

#[tokio::test]
async fn no_error_tells_of_a_hidden_birth_date() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (body, one) = with_private(&company).await;
    let manager = company.colleague("manager").await;
    let birth = private()["birthDate"].as_str().unwrap().to_owned();
    let year: u32 = birth[..4].parse().unwrap();
    for year in [year - 1, year + 1] {
        let hire = json!({"hireDate": format!("{year}-01-01")});
        let patched = manager.patch(&at("employees", &one), &hire).await;
        assert_invalid(&patched, &[("/hireDate", "unchangeable")]);
        let mut put = body.clone();
        put.as_object_mut().unwrap().retain(|name, _| private().get(name).is_none());
        put["hireDate"] = hire["hireDate"].clone();
        let put = Answer::of(manager.request(Method::PUT, &at("employees", &one)).json(&put)).await;
        assert_invalid(&put, &[("/hireDate", "unchangeable")]);
    }
}
