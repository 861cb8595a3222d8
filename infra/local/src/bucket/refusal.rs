//! S3's errors.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

/// An error, as S3 names it.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: u16,
    /// S3's word for it.
    pub(super) code: &'static str,
    /// Its sentence.
    pub(super) message: String,
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// What went wrong on this machine.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        Self::new(500, "InternalError", error.to_string())
    }

    /// The answer; to a `HEAD` it has no body.
    pub(super) fn into_response(self, request_id: &str) -> Response<Body> {
        let message = self.message.replace('&', "&amp;").replace('<', "&lt;");
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{message}</Message>\
             <RequestId>{request_id}</RequestId></Error>",
            self.code
        );
        let mut response = Response::new(Body::from(xml));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response
    }
}
