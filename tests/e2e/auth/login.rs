//! `POST /api/auth/login`.

use nexo_tests::{Answer, Nexo, PASSWORD};
use serde_json::{Value, json};

use super::attempts::from;
use super::{MINUTE, get_as, log_in, text};

#[tokio::test]
async fn a_login_answers_tokens_and_the_user() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let answer = log_in(&nexo, &company.email, PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = &answer.body;
    let wanted = json!({
        "accessToken": body["accessToken"], "refreshToken": body["refreshToken"],
        "tokenType": "Bearer", "expiresIn": 900, "user": company.tokens["user"],
    });
    assert_eq!(*body, wanted);
    assert_ne!(body["accessToken"], company.tokens["accessToken"]);
    assert_ne!(body["refreshToken"], company.tokens["refreshToken"]);
    assert_eq!(get_as(&nexo, text(body, "accessToken"), "/api/clients").await.status, 200);
}

#[tokio::test]
async fn a_login_from_a_network_that_is_new_to_it_is_mailed_about() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let told = async || {
        let mails = nexo.mails(&company.email).await;
        let new = mails.into_iter().filter(|mail| mail["subject"] == "New sign-in to your account");
        new.map(|mail| text(&mail, "text").to_owned()).collect::<Vec<_>>()
    };
    // The registration's own network is known.
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    assert!(told().await.is_empty());
    // A wrong password from elsewhere is no sign-in.
    assert_eq!(from(&nexo, "127.0.0.2", &company.email, "not the right password").await.status, 401);
    assert!(told().await.is_empty());
    for _ in 0..2 {
        assert_eq!(from(&nexo, "127.0.0.2", &company.email, PASSWORD).await.status, 200);
        let told = told().await;
        let [text] = &told[..] else { panic!("not one: {told:?}") };
        assert!(text.contains("\nFrom: 127.0.0.2\n"), "{text}");
    }
}

/// An answer without what differs from one to the next.
fn uniform(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "apigw-requestid", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    let mut body = answer.body.clone();
    for varying in ["requestId", "timestamp"] {
        body.as_object_mut().unwrap().remove(varying);
    }
    (answer.status.as_u16(), headers, body)
}

#[tokio::test]
async fn whatever_is_wrong_with_a_login_the_answer_and_the_work_are_alike() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let disabled = company.colleague("member").await;
    let path = format!("/api/users/{}", disabled.user());
    assert_eq!(company.patch(&path, &json!({"status": "disabled"})).await.status, 200);
    let calls = |calls: &[std::sync::Arc<nexo_local::StoreCall>]| {
        calls.iter().map(|call| (call.operation.clone(), call.keys.len(), call.status)).collect::<Vec<_>>()
    };
    let (wrong, of_wrong) = nexo.calls_of(log_in(&nexo, &company.email, "not the right password")).await;
    wrong.assert_problem(401, "invalid_credentials");
    for (email, password) in [
        ("nobody@acme.example", PASSWORD),
        (disabled.email.as_str(), PASSWORD),
        (disabled.email.as_str(), "not the right password"),
    ] {
        let (answer, of_answer) = nexo.calls_of(log_in(&nexo, email, password)).await;
        assert_eq!(uniform(&answer), uniform(&wrong));
        assert_eq!(calls(&of_answer), calls(&of_wrong));
    }
}

#[tokio::test]
async fn what_is_not_a_login_is_refused_before_it_counts() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (body, wanted) in [
        (json!({"email": company.email}), ("/password", "required")),
        (json!({"password": PASSWORD}), ("/email", "required")),
        (json!({"email": "x", "password": PASSWORD}), ("/email", "invalid_email")),
        (json!({"email": company.email, "password": 1}), ("/password", "invalid_type")),
        (
            json!({"email": company.email, "password": PASSWORD, "account": "x"}),
            ("/account", "unknown_field"),
        ),
    ] {
        for _ in 0..2 {
            let answer = nexo.post("/api/auth/login", &body).await;
            answer.assert_problem(422, "validation_failed");
            assert_eq!(answer.field_errors(), [(wanted.0.to_owned(), wanted.1.to_owned())]);
        }
    }
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    // However short: what may be chosen is another question than what was typed.
    log_in(&nexo, &company.email, "short").await.assert_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn an_access_token_ends_after_15_minutes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    nexo.clock.advance(15 * MINUTE - 5_000);
    assert_eq!(company.get("/api/clients").await.status, 200);
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    nexo.clock.advance(6_000);
    for path in ["/api/clients", "/api/auth/profile"] {
        let answer = company.get(path).await;
        answer.assert_problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}
