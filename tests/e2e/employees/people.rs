//! Employees: what is unique, what they name, and what counts them.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{act, assert_invalid, at, day, department, employee, employee_body, made, now, position};

#[tokio::test]
async fn an_employee_is_counted_where_it_works() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, hr) =
        (department(&company, "IT", &Value::Null).await, department(&company, "HR", &Value::Null).await);
    let (dev, ops) = (position(&company, "Dev", 2).await, position(&company, "Ops", 1).await);
    let one = employee(&company, "1", &it, &dev).await;
    let two = employee(&company, "2", &it, &dev).await;
    let counts = async || {
        let count = async |collection, record, field: &str| {
            now(&company, collection, record).await[field].as_u64().unwrap()
        };
        [
            count("departments", &it, "staff").await,
            count("departments", &hr, "staff").await,
            count("positions", &dev, "filled").await,
            count("positions", &ops, "filled").await,
        ]
    };
    assert_eq!(counts().await, [2, 0, 2, 0]);
    let third = company.post("/api/employees", &employee_body("3", &it, &dev)).await;
    assert_invalid(&third, &[("/positionId", "full")]);
    for (collection, record) in [("departments", &it), ("positions", &dev)] {
        company.delete(&at(collection, record)).await.assert_problem(409, "in_use");
    }
    let fewer = company.patch(&at("positions", &dev), &json!({"headcount": 1})).await;
    assert_invalid(&fewer, &[("/headcount", "too_small")]);
    // Moved by a PATCH, by a PUT, and not at all.
    let moved = company
        .patch(&at("employees", &one), &json!({"departmentId": hr["id"], "positionId": ops["id"]}))
        .await;
    assert_eq!(moved.status, 200, "{moved:?}");
    assert_eq!(counts().await, [1, 1, 1, 1]);
    let same = company.put(&at("employees", &two), &employee_body("2", &it, &dev)).await;
    assert_eq!(same.status, 200, "{same:?}");
    assert_eq!(counts().await, [1, 1, 1, 1]);
    let back = company.put(&at("employees", &one), &employee_body("1", &it, &dev)).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(counts().await, [2, 0, 2, 0]);
    // Whoever leaves, or is deleted, makes room.
    assert_eq!(act(&company, &one, "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    assert_eq!(counts().await, [1, 0, 1, 0]);
    assert_eq!(company.delete(&at("employees", &one)).await.status, 204);
    assert_eq!(counts().await, [1, 0, 1, 0]);
    assert_eq!(company.delete(&at("employees", &two)).await.status, 204);
    assert_eq!(counts().await, [0; 4]);
    let restore = |one: &Value| format!("{}/restore", at("employees", one));
    let both = [employee(&company, "3", &it, &dev).await, employee(&company, "4", &it, &dev).await];
    company.post(&restore(&two), &json!({})).await.assert_problem(409, "conflict");
    assert_eq!(company.delete(&at("employees", &both[0])).await.status, 204);
    assert_eq!(company.post(&restore(&two), &json!({})).await.status, 200);
    assert_eq!(company.post(&restore(&one), &json!({})).await.status, 200);
    assert_eq!(counts().await, [2, 0, 2, 0]);
}

#[tokio::test]
async fn a_position_or_department_that_is_not_open_takes_nobody() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let it = department(&company, "IT", &Value::Null).await;
    let dev = position(&company, "Dev", 5).await;
    let one = employee(&company, "1", &it, &dev).await;
    for status in ["filled", "frozen", "closed"] {
        assert_eq!(company.patch(&at("positions", &dev), &json!({"status": status})).await.status, 200);
        let other = company.post("/api/employees", &employee_body("2", &it, &dev)).await;
        assert_invalid(&other, &[("/positionId", "not_open")]);
        // Whoever is in it stays.
        let put = company.put(&at("employees", &one), &employee_body("1", &it, &dev)).await;
        assert_eq!(put.status, 200, "{put:?}");
    }
    assert_eq!(company.patch(&at("positions", &dev), &json!({"status": "open"})).await.status, 200);
    let patch = company.patch(&at("departments", &it), &json!({"status": "inactive"})).await;
    assert_eq!(patch.status, 200, "{patch:?}");
    let other = company.post("/api/employees", &employee_body("2", &it, &dev)).await;
    assert_invalid(&other, &[("/departmentId", "not_open")]);
    assert_eq!(company.patch(&at("departments", &it), &json!({"status": "active"})).await.status, 200);
    employee(&company, "2", &it, &dev).await;
}

#[tokio::test]
async fn number_address_and_user_are_one_employees() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let it = department(&company, "IT", &Value::Null).await;
    let dev = position(&company, "Dev", 5).await;
    let mut body = employee_body("A1", &it, &dev);
    body["userId"] = json!(company.user());
    let one = made(&company, "employees", &body).await;
    let two = employee(&company, "B2", &it, &dev).await;
    for (field, value) in [
        ("employeeNumber", json!("a1")),
        ("workEmail", json!("A1@ACME.example")),
        ("userId", json!(company.user())),
    ] {
        let mut twin = employee_body("C3", &it, &dev);
        twin[field] = value.clone();
        let refused = company.post("/api/employees", &twin).await;
        refused.assert_problem(409, "already_exists");
        assert_eq!(refused.field_errors(), super::errors(&[(&format!("/{field}"), "taken")]));
        let refused = company.patch(&at("employees", &two), &json!({field: value})).await;
        refused.assert_problem(409, "already_exists");
    }
    assert_eq!(now(&company, "departments", &it).await["staff"], 2);
    assert_eq!(company.delete(&at("employees", &one)).await.status, 204);
    let renamed = company.patch(&at("employees", &two), &json!({"employeeNumber": "A1"})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    company
        .post(&format!("{}/restore", at("employees", &one)), &json!({}))
        .await
        .assert_problem(409, "already_exists");
}

#[tokio::test]
async fn what_an_employee_names_exists() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let it = department(&company, "IT", &Value::Null).await;
    let dev = position(&company, "Dev", 5).await;
    let one = employee(&company, "1", &it, &dev).await;
    let theirs = department(&other, "IT", &Value::Null).await;
    let gone = department(&company, "Gone", &Value::Null).await;
    company.delete(&at("departments", &gone)).await;
    for (field, value) in [
        ("departmentId", theirs["id"].clone()),
        ("departmentId", gone["id"].clone()),
        ("positionId", json!("pos_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
        ("managerId", json!("emp_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
        ("userId", json!(other.user())),
    ] {
        let pointer = format!("/{field}");
        let wanted = [(pointer.as_str(), "no_such_record")];
        let mut body = employee_body("2", &it, &dev);
        body[field] = value.clone();
        assert_invalid(&company.post("/api/employees", &body).await, &wanted);
        body["employeeNumber"] = json!("1");
        body["workEmail"] = json!("1@acme.example");
        assert_invalid(&company.put(&at("employees", &one), &body).await, &wanted);
        let patch = company.patch(&at("employees", &one), &json!({field: value})).await;
        assert_invalid(&patch, &wanted);
    }
    assert_eq!(now(&company, "employees", &one).await, one);
    // A head is an employee.
    let head = company.patch(&at("departments", &it), &json!({"headEmployeeId": one["id"]})).await;
    assert_eq!((head.status.as_u16(), &head.body["headEmployeeId"]), (200, &one["id"]));
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let empty = company.post("/api/employees", &json!({})).await;
    let required =
        ["departmentId", "employeeNumber", "firstName", "hireDate", "lastName", "positionId", "workEmail"];
    let wanted: Vec<_> = required.iter().map(|field| (format!("/{field}"), "required".to_owned())).collect();
    assert_eq!(empty.field_errors(), wanted);
    let it = department(&company, "IT", &Value::Null).await;
    let dev = position(&company, "Dev", 5).await;
    for (more, wanted) in [
        (json!({"endDate": "2026-02-01"}), ("/endDate", "not_terminated")),
        (json!({"status": "terminated"}), ("/endDate", "required")),
        (json!({"status": "terminated", "endDate": "2026-01-14"}), ("/endDate", "invalid_range")),
        (json!({"birthDate": "2026-01-15"}), ("/birthDate", "invalid_range")),
        (json!({"employmentRecordId": null}), ("/employmentRecordId", "unknown_field")),
        (json!({"event": {}}), ("/event", "unknown_field")),
    ] {
        let mut body = employee_body("1", &it, &dev);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_invalid(&company.post("/api/employees", &body).await, &[wanted]);
    }
}

#[tokio::test]
async fn a_create_is_made_once_for_an_idempotency_key() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let it = department(&company, "IT", &Value::Null).await;
    let dev = position(&company, "Dev", 1).await;
    let body = employee_body("1", &it, &dev);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = company.request(reqwest::Method::POST, "/api/employees").header("idempotency-key", "k");
        answers.push(nexo_tests::Answer::of(request.json(&body)).await);
    }
    assert_eq!((answers[0].status.as_u16(), answers[1].status.as_u16()), (201, 201), "{answers:?}");
    // Kept fields follow from the request, too.
    assert_eq!(answers[0].body, answers[1].body);
    assert_eq!(answers[1].header("idempotency-replayed"), "true");
    assert_eq!(now(&company, "positions", &dev).await["filled"], 1);
}
