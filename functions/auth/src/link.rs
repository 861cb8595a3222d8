//! `GET /api/auth/link`: the page that the links of mails open.
//!
//! The token is in the address's fragment, which browsers keep to themselves. Opening the page uses nothing
//! up: programs that look for dangerous mails open links too. A person sends the token with a button.

use axum::Extension;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use sha2::{Digest as _, Sha256};

use crate::Auth;

const STYLE: &str = include_str!("link/page.css");
const SCRIPT: &str = include_str!("link/page.js");

/// The page, and what it may do.
pub(crate) struct Page {
    html: String,
    policy: HeaderValue,
}

impl Page {
    /// Nothing but the style and the script that are in it, and requests to where it came from.
    pub(crate) fn new() -> Self {
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT),
        );
        Self {
            html: include_str!("link/page.html").replace("STYLE", STYLE).replace("SCRIPT", SCRIPT),
            // Of letters, digits and signs, so it is one; without its script the page only does less.
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }
}

/// Answers the page.
pub(crate) async fn page(Extension(auth): Extension<Auth>) -> Response {
    let mut response = auth.page.html.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, auth.page.policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
