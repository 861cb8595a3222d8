//! The gateway's answers: its own, and those it makes of a function's reply.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use nexo_domain::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::limits::Standing;

/// Headers of a connection, which a function has none of.
const OF_CONNECTIONS: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A function's reply. Everything but the status may be missing or null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    status_code: u16,
    headers: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    cookies: Option<Vec<String>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: Option<bool>,
}

/// What the gateway itself says: `{"message": …}`.
pub(super) fn message(status: StatusCode, text: &str) -> Response<Body> {
    let body = json!({ "message": text }).to_string();
    typed(status, "application/json", body)
}

/// The answer to a preflight, before its CORS headers.
pub(super) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The refusal of an address that asks too often, in the API's format (RFC 9457).
pub(super) fn rate_limited(standing: &Standing, request_id: &str, now_ms: u64) -> Response<Body> {
    let timestamp = Timestamp::from_millis(i64::try_from(now_ms).unwrap_or(i64::MAX));
    let body = json!({
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": format!(
            "More than {} requests in {} seconds from this address. Try again in {} seconds.",
            standing.limit.requests,
            standing.limit.window.as_secs(),
            standing.reset,
        ),
        "code": "rate_limited",
        "requestId": request_id,
        "timestamp": timestamp.to_string(),
    });
    let mut response = typed(StatusCode::TOO_MANY_REQUESTS, "application/problem+json", body.to_string());
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The HTTP answer a function's reply stands for; `None` when it is no such reply.
pub(super) fn from_function(reply: &[u8]) -> Option<Response<Body>> {
    let reply: Reply<'_> = serde_json::from_slice(reply).ok()?;
    let body = match (reply.body, reply.is_base64_encoded.unwrap_or_default()) {
        (None, _) => Bytes::new(),
        (Some(text), false) => Bytes::from(text.into_owned()),
        (Some(text), true) => Bytes::from(BASE64_STANDARD.decode(text.as_bytes()).ok()?),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(reply.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, values) in reply.multi_value_headers.into_iter().flatten() {
        for value in values {
            append(headers, &name, &value)?;
        }
    }
    for (name, value) in reply.headers.into_iter().flatten() {
        append(headers, &name, &value)?;
    }
    for cookie in reply.cookies.into_iter().flatten() {
        append(headers, SET_COOKIE.as_str(), &cookie)?;
    }
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    Some(response)
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.append(name, HeaderValue::from_str(value).ok()?);
    Some(())
}
