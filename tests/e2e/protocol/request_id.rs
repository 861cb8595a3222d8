//! `x-request-id`, in and out.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for id in ["a", "7f3e-0_1.2:3", &"x".repeat(64)] {
        for path in ["/health", "/api/clients", "/api/auth/profile", "/nothing"] {
            let answer = Answer::of(company.request(Method::GET, path).header("x-request-id", id)).await;
            assert_eq!(answer.header("x-request-id"), id, "{path}");
        }
        let refused = Answer::of(nexo.request(Method::GET, "/api/clients").header("x-request-id", id)).await;
        refused.assert_problem(401, "unauthenticated");
        assert_eq!(refused.body["requestId"], id);
        assert!(nexo.log().last().unwrap().contains(&format!("\"requestId\":\"{id}\"")));
    }
}

#[tokio::test]
async fn an_id_that_does_not_fit_is_replaced() {
    let nexo = Nexo::start().await;
    let mut seen = Vec::new();
    for id in ["", "with space", "quote\"", "new\tline", "a/b", "<b>", "ü", &"x".repeat(65)] {
        let value = reqwest::header::HeaderValue::from_bytes(id.as_bytes()).unwrap();
        let answer = Answer::of(nexo.request(Method::GET, "/health").header("x-request-id", value)).await;
        let given = answer.header("x-request-id").to_owned();
        assert!((12..=64).contains(&given.len()) && given != id, "{id}: {given}");
        seen.push(given);
    }
    seen.push(nexo.get("/health").await.header("x-request-id").to_owned());
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "each has its own");
}
