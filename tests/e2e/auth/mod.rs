//! Accounts, logins, sessions and profiles.

mod activity;
mod attempts;
mod bearer;
mod cookie;
mod email;
mod keys;
mod link;
mod login;
pub(crate) mod mfa;
pub(crate) mod passkeys;
mod password;
mod profile;
mod refresh;
mod register;
mod renewal;
mod reset;
mod sessions;
mod step_up;

use nexo_local::StoreCall;
use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use serde_json::{Value, json};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// A login of `email` with `password`.
async fn log_in(nexo: &Nexo, email: &str, password: &str) -> Answer {
    nexo.post("/api/auth/login", &json!({"email": email, "password": password})).await
}

/// Logs the owner in on another device and answers its tokens.
async fn second_device<'a>(nexo: &'a Nexo, company: &Company<'a>) -> Value {
    let answer = log_in(nexo, &company.email, PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// An exchange of a refresh token.
async fn refresh(nexo: &Nexo, token: &str) -> Answer {
    nexo.post("/api/auth/refresh", &json!({"refreshToken": token})).await
}

/// `GET` with an access token.
async fn get_as(nexo: &Nexo, token: &str, path: &str) -> Answer {
    Answer::of(nexo.request(reqwest::Method::GET, path).bearer_auth(token)).await
}

/// A member that is text.
fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}"))
}

/// All of an answer but the time and the request's id.
fn said(answer: &Answer) -> (u16, Value, Vec<String>) {
    let mut body = answer.body.clone();
    for member in ["requestId", "timestamp"] {
        if let Some(member) = body.get_mut(member) {
            *member = Value::Null;
        }
    }
    let headers = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status.as_u16(), body, headers)
}

/// What was asked of the store, and what it cost.
fn work(calls: &[std::sync::Arc<StoreCall>]) -> Vec<(String, u16, nexo_local::engine::Capacity)> {
    calls.iter().map(|call| (call.operation.clone(), call.status, call.capacity)).collect()
}
