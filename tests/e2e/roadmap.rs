//! The product's first promise, from start to end.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_company_registers_logs_in_and_runs_its_clients() {
    let nexo = Nexo::start().await;
    let health = Answer::of(nexo.request(Method::GET, "/health")).await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("healthy")));

    let mut company = nexo.register().await;
    let credentials = json!({"email": company.email, "password": nexo_tests::PASSWORD});
    let login = Answer::of(nexo.request(Method::POST, "/api/auth/login").json(&credentials)).await;
    assert_eq!(login.status.as_u16(), 200, "{login:?}");
    assert_eq!(login.body["user"]["email"], company.email);
    company.tokens = login.body;

    let created = company.client("Analytical Engines").await;
    let path = format!("/api/clients/{}", created["id"].as_str().unwrap());
    assert_eq!(company.get("/api/clients").await.body, json!({"data": [created], "nextCursor": null}));

    let updated = company.patch(&path, &json!({"status": "active"})).await;
    assert_eq!((updated.status.as_u16(), &updated.body["status"]), (200, &json!("active")));
    assert_eq!(updated.body["version"], 2);

    assert_eq!(company.delete(&path).await.status.as_u16(), 204);
    company.get(&path).await.assert_problem(404, "not_found");
    assert_eq!(company.get("/api/clients").await.body["data"], json!([]));

    let stranger = Answer::of(nexo.request(Method::GET, "/api/clients")).await;
    stranger.assert_problem(401, "unauthenticated");
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
}
