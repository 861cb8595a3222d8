//! Positions have room for so many.

use nexo_tests::Nexo;
use serde_json::json;

use super::{assert_invalid, at, department, made, now, position};

#[tokio::test]
async fn a_position_has_a_headcount_of_one_unless_it_says_otherwise() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let one = made(&company, "positions", &json!({"title": "Engineer"})).await;
    assert_eq!((&one["headcount"], &one["filled"], &one["status"]), (&json!(1), &json!(0), &json!("open")));
    let body = json!({"title": "x", "headcount": 100_001});
    assert_invalid(&company.post("/api/positions", &body).await, &[("/headcount", "too_large")]);
    let body = json!({"title": "x", "headcount": -1, "status": "gone"});
    assert_invalid(
        &company.post("/api/positions", &body).await,
        &[("/headcount", "invalid_type"), ("/status", "invalid_choice")],
    );
    assert_eq!(position(&company, "Twenty", 20).await["headcount"], 20);
}

#[tokio::test]
async fn positions_of_a_department_are_counted_and_listed() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, hr) =
        (department(&company, "IT", &json!(null)).await, department(&company, "HR", &json!(null)).await);
    let body = json!({"title": "Engineer", "code": "ENG", "departmentId": it["id"], "status": "frozen"});
    let engineer = made(&company, "positions", &body).await;
    company
        .post("/api/positions", &json!({"title": "x", "code": "eng"}))
        .await
        .assert_problem(409, "already_exists");
    let list = |query: &str| format!("/api/positions?{query}");
    for (query, count) in [
        (format!("departmentId={}", it["id"].as_str().unwrap()), 1),
        (format!("departmentId={}", hr["id"].as_str().unwrap()), 0),
        ("status=frozen&q=eng".to_owned(), 1),
        ("status=open".to_owned(), 0),
    ] {
        let page = company.get(&list(&query)).await;
        assert_eq!(page.body["data"].as_array().unwrap().len(), count, "{query}: {page:?}");
    }
    company.get(&list("status=gone")).await.assert_problem(400, "invalid_parameter");
    let moved = company.patch(&at("positions", &engineer), &json!({"departmentId": hr["id"]})).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    for (department, count) in [(&it, 0), (&hr, 1)] {
        assert_eq!(now(&company, "departments", department).await["positions"], count);
    }
}
