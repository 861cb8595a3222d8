//! The API's description, and an answer in our format for every address that has none.
//!
//! The gateway sends here what no route of the template takes. The description itself says which
//! addresses there are, so that a known address with a wrong method is 405 and names the right ones.

use std::sync::OnceLock;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use nexo_api::{Access, Operation, Platform, Problem, Routes, Verb, shape};
use serde_json::Value;

/// The description, as it is checked in.
const DESCRIPTION: &str = include_str!("../../../openapi.json");

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    Routes::new(platform, "/api").on(OPENAPI, openapi).otherwise(async |request: Request| unmatched(&request))
}

const OPENAPI: Operation = Operation {
    method: Verb::Get,
    path: "/openapi.json",
    id: "getOpenApi",
    summary: "This description",
    access: Access::Public,
    problems: &[],
    success: 200,
    shape: shape!(|draft| _ = draft.any_answer()),
};

async fn openapi() -> Response {
    let mut response = (StatusCode::OK, DESCRIPTION).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unmatched(request: &Request) -> Problem {
    let allowed = allowed(request.uri().path());
    // A method that is allowed would have been routed: the path was another on its way here, with dots in
    // it that are gone by now.
    if allowed.is_empty() || allowed.iter().any(|method| method == request.method().as_str()) {
        return Problem::not_found();
    }
    Problem::method_not_allowed(&allowed.join(", "))
}

/// The methods the description knows for an address. None when it knows no such address.
fn allowed(path: &str) -> Vec<String> {
    static KNOWN: OnceLock<Value> = OnceLock::new();
    let description = KNOWN.get_or_init(|| serde_json::from_str(DESCRIPTION).unwrap_or_default());
    let Some(paths) = description["paths"].as_object() else { return Vec::new() };
    // An address of its own is no other one's with something in place of its `{…}`.
    let own = paths.get(path).into_iter();
    let others = paths.iter().filter(|_| !paths.contains_key(path)).filter(|(known, _)| matches(known, path));
    let mut allowed: Vec<String> = own
        .chain(others.map(|(_, operations)| operations))
        .filter_map(Value::as_object)
        .flat_map(|operations| operations.keys().map(|method| method.to_uppercase()))
        .collect();
    allowed.sort();
    allowed.dedup();
    allowed
}

/// Whether `path` is an address of the form `known`, where `{…}` stands for any one segment.
fn matches(known: &str, path: &str) -> bool {
    let (mut known, mut path) = (known.split('/'), path.split('/'));
    loop {
        match (known.next(), path.next()) {
            (None, None) => return true,
            (Some(known), Some(given)) if known == given || (known.starts_with('{') && !given.is_empty()) => {
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use nexo_api::Code;

    use super::*;

    #[test]
    fn a_known_address_names_its_methods() {
        assert_eq!(allowed("/api/clients"), ["GET", "POST"]);
        assert_eq!(allowed("/api/clients/anything"), ["DELETE", "GET", "PATCH", "PUT"]);
        assert_eq!(allowed("/api/auth/login"), ["POST"]);
        assert_eq!(allowed("/api/users/invitations"), ["GET", "POST"]);
    }

    #[test]
    fn a_method_is_refused_only_where_it_is_not_allowed() {
        let code = |method: &str, path: &str| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.method_mut() = method.parse().unwrap();
            *request.uri_mut() = path.parse().unwrap();
            unmatched(&request).code()
        };
        assert_eq!(code("DELETE", "/api/clients"), Code::MethodNotAllowed);
        assert_eq!(code("HEAD", "/api/clients"), Code::MethodNotAllowed);
        // The gateway routed `/api/./clients`, and found nothing.
        assert_eq!(code("GET", "/api/clients"), Code::NotFound);
        assert_eq!(code("DELETE", "/api/nothing"), Code::NotFound);
    }

    #[test]
    fn an_unknown_address_has_none() {
        for path in ["/", "", "/api", "/api/clients/", "/api/clients/a/b", "/api/client", "/health/"] {
            assert_eq!(allowed(path), Vec::<String>::new(), "{path}");
        }
    }
}
