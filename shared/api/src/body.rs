//! Reads JSON bodies.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::context::header;
use crate::parse::{FieldErrors, escape, parse};
use crate::strict::Strict;
use crate::{Code, Problem};

/// The largest body of JSON, in bytes. A record is at most 400 KB in the table.
const LARGEST: usize = 512 * 1024;

/// A body's type: what it must hold, and what must hold across its fields.
pub trait Input: DeserializeOwned + Send {
    /// The smallest valid body, in JSON. Its members are the required ones; it is also the
    /// example in the API's description.
    const SAMPLE: &'static str;

    /// Rules across fields.
    fn validate(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: Input, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let document = read_object(request, JSON).await?;
        read(document).map(Self)
    }
}

/// A JSON body, or none at all.
pub struct OptionalBody<T>(pub Option<T>);

impl<T: Input, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = collect(Request::from_parts(parts.clone(), body)).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        expect_type(&parts.headers, JSON)?;
        read(object(&bytes)?).map(|read| Self(Some(read)))
    }
}

pub(crate) fn read<T: Input>(document: Map<String, Value>) -> Result<T, Problem> {
    let value: T = parse(document, &sample(T::SAMPLE)?).map_err(Problem::invalid)?;
    let mut errors = FieldErrors::default();
    value.validate(&mut errors);
    if errors.is_empty() { Ok(value) } else { Err(Problem::invalid(errors)) }
}

/// A merge patch (RFC 7396) of a flat document.
pub struct Patch<T> {
    /// The new values; of these, only `fields` count.
    pub values: T,
    /// The members the patch has. One without a value is to be removed.
    pub fields: Vec<String>,
}

/// The media type of every other body.
pub(crate) const JSON: &[&str] = &["application/json"];

/// The media types of a merge patch.
pub(crate) const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

impl<T: Input + Serialize, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let patch = read_object(request, MERGE_PATCH).await?;
        let sample = sample(T::SAMPLE)?;
        let known = members(&parse::<T>(sample.clone(), &sample).map_err(Problem::invalid)?)?;
        // No member of a flat document is an object: the types say so.
        let (mut document, errors) = lay_over(&patch, &sample, &known);
        let objects = patch.iter().filter(|(_, value)| value.is_object());
        document.extend(objects.map(|(name, value)| (name.clone(), value.clone())));
        let values = settle(parse::<T>(document, &sample), errors)?;
        Ok(Self { values, fields: patch.into_iter().map(|(name, _)| name).collect() })
    }
}

/// Lays a patch over the sample, so that its members can be checked like those of a whole body.
/// `null` sets a member back to what it is when it is not given, which the required ones refuse.
/// A nested object is left out: it is checked once it is merged, since a part need not be valid
/// alone.
pub(crate) fn lay_over(
    patch: &Map<String, Value>,
    sample: &Map<String, Value>,
    known: &Map<String, Value>,
) -> (Map<String, Value>, FieldErrors) {
    let mut errors = FieldErrors::default();
    let mut document = sample.clone();
    for (name, value) in patch {
        let pointer = format!("/{}", escape(name));
        let is_known = known.contains_key(name);
        match value {
            Value::Null if sample.contains_key(name) => {
                errors.add(&pointer, "required", "is required and cannot be removed");
            }
            Value::Null if !is_known => errors.add(&pointer, "unknown_field", "is not a field here"),
            Value::Null | Value::Object(_) if is_known => {}
            value => {
                document.insert(name.clone(), value.clone());
            }
        }
    }
    (document, errors)
}

/// What was read, unless there are errors of either sort.
pub(crate) fn settle<T>(read: Result<T, FieldErrors>, mut errors: FieldErrors) -> Result<T, Problem> {
    match read {
        Ok(value) if errors.is_empty() => Ok(value),
        Ok(_) => Err(Problem::invalid(errors)),
        Err(others) => {
            errors.extend(others);
            Err(Problem::invalid(errors))
        }
    }
}

/// The members of a value when it is written out.
pub(crate) fn members<T: Serialize>(value: &T) -> Result<Map<String, Value>, Problem> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Problem::internal(&"a document that is no object")),
    }
}

/// A sample as a document.
pub(crate) fn sample(text: &str) -> Result<Map<String, Value>, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::internal(&format!("sample: {error}")))
}

/// The body as a JSON object.
pub(crate) async fn read_object(request: Request, types: &[&str]) -> Result<Map<String, Value>, Problem> {
    expect_type(request.headers(), types)?;
    object(&collect(request).await?)
}

fn expect_type(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let given = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if types.iter().any(|wanted| essence.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format!("Send the body as `Content-Type: {}`.", types.join("` or `")),
    ))
}

async fn collect(request: Request) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), LARGEST).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Code::PayloadTooLarge, format!("A body has at most {LARGEST} bytes.")))
        }
        Err(error) => {
            Err(Problem::new(Code::MalformedRequest, "The body could not be read.").because(&error))
        }
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let malformed = |what: String| Problem::new(Code::MalformedRequest, what);
    match serde_json::from_slice(bytes) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err(malformed("The body must be a JSON object.".to_owned())),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(malformed(match error.classify() {
                // The only thing `Strict` itself refuses.
                Category::Data => {
                    format!("A member of the body is given twice, at line {line}, column {column}.")
                }
                _ => {
                    format!("The body must be a JSON object; it is not JSON at line {line}, column {column}.")
                }
            }))
        }
    }
}

#[cfg(test)]
mod tests;
