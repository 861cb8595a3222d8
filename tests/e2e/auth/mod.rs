//! Accounts, logins, sessions and profiles.

mod attempts;
mod cookie;
mod keys;
mod login;
mod password;
mod profile;
mod refresh;
mod register;
mod renewal;
mod sessions;

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
