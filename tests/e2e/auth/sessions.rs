//! Sessions: who is logged in where, and how that ends.

use nexo_tests::{Answer, Nexo, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};

use super::{DAY, SECOND, get_as, refresh, second_device, text};

async fn call(nexo: &Nexo, method: Method, path: &str, token: &str) -> Answer {
    Answer::of(nexo.request(method, path).bearer_auth(token)).await
}

#[tokio::test]
async fn a_user_sees_where_they_are_logged_in() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    nexo.clock.advance(5 * SECOND);
    let body = json!({"email": company.email, "password": PASSWORD});
    let login = nexo.request(Method::POST, "/api/auth/login").header("user-agent", "x".repeat(300));
    let phone = Answer::of(login.json(&body)).await.body;
    let list = get_as(&nexo, text(&phone, "accessToken"), "/api/auth/sessions").await;
    assert_eq!(list.status, 200, "{list:?}");
    let data = list.body["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    for (session, current) in data.iter().zip([true, false]) {
        assert_eq!(
            *session,
            json!({
                "id": session["id"], "current": current, "createdAt": session["createdAt"],
                "lastUsedAt": session["createdAt"], "expiresAt": session["expiresAt"], "ip": "127.0.0.1",
                "userAgent": if current { json!("x".repeat(200)) } else { Value::Null },
            })
        );
        assert!(text(session, "id").starts_with("ses_"), "{session}");
    }
    assert!(data[0]["createdAt"].as_str() > data[1]["createdAt"].as_str(), "latest first");
    // The other one asks: the flag follows.
    let own = company.get("/api/auth/sessions").await;
    let current: Vec<_> = own.body["data"].as_array().unwrap().iter().map(|s| s["current"].clone()).collect();
    assert_eq!(current, [false, true]);
    // A refresh is a use.
    nexo.clock.advance(SECOND);
    refresh(&nexo, text(&phone, "refreshToken")).await;
    let used = company.get("/api/auth/sessions").await.body["data"][0].clone();
    assert!(used["lastUsedAt"].as_str() > used["createdAt"].as_str(), "{used}");
    assert_eq!(other.get("/api/auth/sessions").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_listed() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    nexo.clock.advance(30 * DAY + SECOND);
    company.log_in().await;
    let list = company.get("/api/auth/sessions").await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 1, "{list:?}");
    assert_eq!(list.body["data"][0]["current"], true);
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let phone = second_device(&nexo, &company).await;
    let answer = call(&nexo, Method::POST, "/api/auth/logout", text(&phone, "accessToken")).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (204, &Value::Null));
    // At once here, where every request looks.
    get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile")
        .await
        .assert_problem(401, "unauthenticated");
    refresh(&nexo, text(&phone, "refreshToken")).await.assert_problem(401, "unauthenticated");
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    assert_eq!(refresh(&nexo, company.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_the_user() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let mut family = vec![company.tokens.clone()];
    for _ in 0..3 {
        family.push(second_device(&nexo, &company).await);
    }
    let answer = call(&nexo, Method::POST, "/api/auth/logout-all", company.token()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    for tokens in &family {
        let access = get_as(&nexo, text(tokens, "accessToken"), "/api/auth/sessions").await;
        access.assert_problem(401, "unauthenticated");
        refresh(&nexo, text(tokens, "refreshToken")).await.assert_problem(401, "unauthenticated");
    }
    assert_eq!(other.get("/api/auth/profile").await.status, 200);
    assert_eq!(super::log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_session_can_be_ended_from_another() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    nexo.clock.advance(SECOND);
    let phone = second_device(&nexo, &company).await;
    let sessions = company.get("/api/auth/sessions").await.body;
    let path = format!("/api/auth/sessions/{}", text(&sessions["data"][0], "id"));
    // A stranger does not see it, to say nothing of ending it.
    other.delete(&path).await.assert_problem(404, "not_found");
    assert_eq!(get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile").await.status, 200);
    let ended = company.delete(&path).await;
    assert_eq!((ended.status.as_u16(), &ended.body), (204, &Value::Null));
    get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile")
        .await
        .assert_problem(401, "unauthenticated");
    refresh(&nexo, text(&phone, "refreshToken")).await.assert_problem(401, "unauthenticated");
    company.delete(&path).await.assert_problem(404, "not_found");
    for id in ["ses_01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        company.delete(&format!("/api/auth/sessions/{id}")).await.assert_problem(404, "not_found");
    }
    assert_eq!(company.get("/api/auth/sessions").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revocation_is_seen_everywhere_within_a_minute() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    nexo.clock.advance(50 * SECOND);
    // Looked at now or not: what counts is the time of the revocation.
    assert_eq!(company.get("/api/clients").await.status, 200);
    assert_eq!(call(&nexo, Method::POST, "/api/auth/logout", company.token()).await.status, 204);
    company.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
    nexo.clock.advance(60 * SECOND);
    let answer = company.get("/api/clients").await;
    answer.assert_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}
