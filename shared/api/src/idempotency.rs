//! `Idempotency-Key`: which retry is the same request.

use axum::extract::{FromRequest, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use nexo_store::Idempotency;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::body::{Input, JSON, read, read_object};
use crate::{Code, Problem, Resource};

const LONGEST_KEY: usize = 255;

/// `Idempotency-Key`, as sent: 1 to 255 visible characters.
pub(crate) fn given_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Problem::new(
            Code::MalformedRequest,
            format!("`Idempotency-Key` must have 1 to {LONGEST_KEY} visible ASCII characters."),
        )
    })
}

/// A JSON body, and what makes a retry of it the same request.
pub struct Once<T>(pub T, pub Option<Idempotency>);

impl<T: Input, S: Send + Sync> FromRequest<S> for Once<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (key, path) = (given_key(request.headers())?, request.uri().path().to_owned());
        let document = read_object(request, JSON).await?;
        let idempotency = key.map(|key| Idempotency { key, request_digest: digest_at(&path, &document) });
        read(document).map(|input| Self(input, idempotency))
    }
}

/// What the request was: the same members in another order are the same request.
pub(crate) fn digest<R: Resource>(document: &Map<String, Value>) -> String {
    digest_at(R::PATH, document)
}

fn digest_at(path: &str, document: &Map<String, Value>) -> String {
    let mut hash = Sha256::new();
    hash.update(path);
    hash.update(canonical(document));
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

fn canonical(document: &Map<String, Value>) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let ordered: std::collections::BTreeMap<_, _> = members.iter().collect();
                Value::Object(
                    ordered.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
                )
            }
            Value::Array(elements) => Value::Array(elements.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(&Value::Object(document.clone())).to_string()
}
