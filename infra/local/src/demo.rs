//! The demo account of a new data folder.

use http::{Method, Request, StatusCode};
use serde_json::json;

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
    let body = json!({
        "companyName": "NEXO Demo", "email": EMAIL, "password": PASSWORD, "firstName": "Demo", "lastName": "User",
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/auth/register")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    match server.handle(request).await.status() {
        StatusCode::CREATED | StatusCode::CONFLICT => Ok(()),
        status => Err(format!("registering it was answered {status}")),
    }
}
