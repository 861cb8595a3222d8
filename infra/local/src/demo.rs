//! The demo account of a new data folder, and registering in general.

use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// Logs in to the demo account.
pub const EMAIL: &str = "demo@nexo.example";

/// Logs in to the demo account.
pub const PASSWORD: &str = "demo account of nexo";

/// Registers the demo account through the server's own door, unless it exists.
///
/// # Errors
/// When the server answers anything else.
pub async fn ensure(server: &Server) -> Result<(), String> {
    // A known account is logged in to, and out of: that needs no mail.
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    let (status, tokens) = post(server, "/api/auth/login", &credentials, "").await?;
    if status == StatusCode::OK {
        let token = tokens["accessToken"].as_str().unwrap_or_default();
        return post(server, "/api/auth/logout", &json!({}), token).await.map(drop);
    }
    let company = json!({
        "companyName": "NEXO Demo", "email": EMAIL, "password": PASSWORD, "firstName": "Demo", "lastName": "User",
    });
    register(server, &company).await.map(drop)
}

/// Registers a company through the server's own door, and confirms its address with the mail's link. Answers
/// the owner's tokens; `None` when the address has an account already.
///
/// # Errors
/// When the server answers anything else.
pub async fn register(server: &Server, company: &Value) -> Result<Option<Value>, String> {
    match post(server, "/api/auth/register", company, "").await? {
        (StatusCode::ACCEPTED, _) => {}
        (status, body) => return Err(format!("registering is answered {status}: {body}")),
    }
    let email = company["email"].as_str().unwrap_or_default();
    let path = format!("/dev/mail.json?to={email}");
    let request = Request::builder().uri(path).header("host", "127.0.0.1").body(Body::empty());
    let (_, mails) = send(server, request).await?;
    let Some(token) = link_token(mails["data"].as_array().map(Vec::as_slice).unwrap_or_default(), "register")
    else {
        return Ok(None);
    };
    match post(server, "/api/auth/register/confirm", &json!({ "token": token }), "").await? {
        (StatusCode::CREATED, tokens) => Ok(Some(tokens)),
        (StatusCode::GONE | StatusCode::CONFLICT, _) => Ok(None),
        (status, body) => Err(format!("confirming is answered {status}: {body}")),
    }
}

/// The token of the latest link of this word in mails, as `/dev/mail.json` shows them.
pub fn link_token(mails: &[Value], word: &str) -> Option<String> {
    let links = mails.iter().rev().filter_map(|mail| mail["links"].as_array()).flatten();
    let fragments = links.filter_map(|link| link.as_str()?.split_once('#')?.1.split_once('='));
    fragments.filter(|(of, _)| *of == word).map(|(_, token)| token.to_owned()).next()
}

async fn post(server: &Server, path: &str, body: &Value, token: &str) -> Result<(StatusCode, Value), String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    send(server, request.body(Body::from(body.to_string()))).await
}

async fn send(server: &Server, request: http::Result<Request<Body>>) -> Result<(StatusCode, Value), String> {
    let answer = server.handle(request.map_err(|error| error.to_string())?).await;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.map_err(|error| error.to_string())?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
