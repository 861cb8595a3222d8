use http_body_util::BodyExt as _;
use serde_json::json;

use super::*;

const AT: &str = "2026-01-25T10:00:00.000Z";

/// The body of a problem, as it is answered.
pub(crate) async fn rendered(problem: &Problem) -> Value {
    let body = problem.render("req-1", AT.to_owned()).into_body();
    serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
}

/// The headers of a problem, as it is answered.
fn headers(problem: &Problem) -> Vec<(String, String)> {
    let response = problem.render("req-1", AT.to_owned());
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn with_content_type<const N: usize>(others: [(&str, &str); N]) -> Vec<(String, String)> {
    let own = [("content-type", "application/problem+json")];
    own.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const CODES: [Code; 21] = [
    Code::MalformedRequest,
    Code::InvalidParameter,
    Code::InvalidCursor,
    Code::Unauthenticated,
    Code::InvalidCredentials,
    Code::PermissionDenied,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::Conflict,
    Code::AlreadyExists,
    Code::IdempotencyInProgress,
    Code::QuotaExceeded,
    Code::StaleVersion,
    Code::PayloadTooLarge,
    Code::UnsupportedMediaType,
    Code::ValidationFailed,
    Code::IdempotencyKeyReused,
    Code::TooManyAttempts,
    Code::Internal,
    Code::Unavailable,
    Code::DeadlineExceeded,
];

#[tokio::test]
async fn a_problem_has_the_members_of_rfc_9457_and_ours() {
    assert_eq!(
        rendered(&Problem::not_found()).await,
        json!({
            "type": "about:blank",
            "title": "Not found",
            "status": 404,
            "detail": "There is nothing at this address.",
            "code": "not_found",
            "requestId": "req-1",
            "timestamp": AT,
        })
    );
}

#[tokio::test]
async fn every_code_has_its_name_status_and_title() {
    let mut names = Vec::new();
    for code in CODES {
        let problem = Problem::new(code, "This happened.");
        let response = problem.render("req-1", AT.to_owned());
        assert_eq!(response.status(), code.status());
        assert!(code.status().is_client_error() || code.status().is_server_error());
        let debug = format!("{code:?}");
        assert_eq!(code.as_str().replace('_', ""), debug.to_lowercase());
        let expected = json!({
            "type": "about:blank",
            "title": code.title(),
            "status": code.status().as_u16(),
            "detail": "This happened.",
            "code": code.as_str(),
            "requestId": "req-1",
            "timestamp": AT,
        });
        assert_eq!(rendered(&problem).await, expected);
        assert_eq!(headers(&problem), with_content_type([]));
        names.push(code.as_str());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CODES.len());
}

#[tokio::test]
async fn invalid_fields_are_listed_in_the_order_of_their_pointers() {
    let mut errors = FieldErrors::default();
    errors.add("/name", "required", "is required");
    errors.add("/emails/0/value", "invalid_email", "must be an e-mail address");
    let problem = rendered(&Problem::invalid(errors)).await;
    assert_eq!(
        problem,
        json!({
            "type": "about:blank",
            "title": "Some fields are not valid",
            "status": 422,
            "detail": "Some fields are not valid; see `errors`.",
            "code": "validation_failed",
            "requestId": "req-1",
            "timestamp": AT,
            "errors": [
                { "pointer": "/emails/0/value", "code": "invalid_email", "message": "must be an e-mail address" },
                { "pointer": "/name", "code": "required", "message": "is required" },
            ],
        })
    );
    let single = rendered(&Problem::invalid_field("/name", "empty", "must not be empty")).await;
    assert_eq!(single["detail"], "One field is not valid; see `errors`.");
    assert_eq!(
        single["errors"],
        json!([{ "pointer": "/name", "code": "empty", "message": "must not be empty" }])
    );
}

#[tokio::test]
async fn a_refusal_names_the_permission_that_is_missing() {
    let problem = rendered(&Problem::denied(Permission::ClientDelete)).await;
    assert_eq!(
        problem,
        json!({
            "type": "about:blank",
            "title": "You may not do this",
            "status": 403,
            "detail": "This needs the permission `client:delete`.",
            "code": "permission_denied",
            "requestId": "req-1",
            "timestamp": AT,
            "permission": "client:delete",
        })
    );
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let problem = rendered(&Problem::invalid_parameter("limit", "must be less")).await;
    assert_eq!(
        (&problem["status"], &problem["detail"], &problem["parameter"]),
        (&json!(400), &json!("The parameter `limit` must be less."), &json!("limit"))
    );
}

#[tokio::test]
async fn the_cause_is_for_the_log_alone() {
    for problem in [
        Problem::internal(&"the secret cause"),
        Problem::unavailable(&"the secret cause"),
        Problem::unauthenticated(&"the secret cause"),
        Problem::not_found().because(&"the secret cause"),
    ] {
        assert_eq!(problem.cause(), Some("the secret cause"));
        let answer = format!("{}{:?}", rendered(&problem).await, headers(&problem));
        assert!(!answer.contains("secret"), "{answer}");
    }
}

#[test]
fn headers_say_what_a_client_can_do() {
    assert_eq!(headers(&Problem::unauthenticated(&"")), with_content_type([("www-authenticate", "Bearer")]));
    assert_eq!(headers(&Problem::unavailable(&"")), with_content_type([("retry-after", "1")]));
    assert_eq!(
        headers(&Problem::method_not_allowed("GET, POST")),
        with_content_type([("allow", "GET, POST")])
    );
    let late = Problem::new(Code::TooManyAttempts, "").retry_after(900);
    assert_eq!(headers(&late), with_content_type([("retry-after", "900")]));
}

/// Status, code and whether it can be tried again, for each way a store call can fail.
#[tokio::test]
async fn what_goes_wrong_in_the_store_becomes_a_problem() {
    let field = "taxId";
    let text = || "an internal text".to_owned();
    let table = [
        (StoreError::NotFound, 404, "not_found", false),
        (StoreError::Stale { version: 7 }, 412, "stale_version", false),
        (StoreError::Taken { field }, 409, "already_exists", false),
        (StoreError::NoSuchReference { field }, 422, "validation_failed", false),
        (StoreError::Cycle { field }, 422, "validation_failed", false),
        (StoreError::TooDeep { field }, 422, "validation_failed", false),
        (StoreError::KeyReused, 422, "idempotency_key_reused", false),
        (StoreError::Busy, 409, "conflict", true),
        (StoreError::Throttled, 503, "unavailable", true),
        (StoreError::Unavailable { operation: "Query", reason: text() }, 503, "unavailable", true),
        (StoreError::Denied { operation: "Query", reason: text() }, 500, "internal", false),
        (StoreError::Corrupt(text()), 500, "internal", false),
    ];
    for (error, status, code, again) in table {
        let name = format!("{error:?}");
        let problem = Problem::from(error);
        let body = rendered(&problem).await;
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{name}");
        assert_eq!(headers(&problem).iter().any(|(name, _)| name == "retry-after"), again, "{name}");
        assert!(!body.to_string().contains("internal text"), "{body}");
    }
}

#[tokio::test]
async fn a_conflict_over_a_value_names_its_field() {
    let problem = rendered(&StoreError::Taken { field: "taxId" }.into()).await;
    assert_eq!(problem["detail"], "Another record has this `taxId`.");
    assert_eq!(problem["errors"], json!([{ "pointer": "/taxId", "code": "taken", "message": "is taken" }]));
}

#[tokio::test]
async fn members_of_its_own_stand_beside_the_others() {
    let problem = Problem::new(Code::StaleVersion, "").with_member("current", json!({ "version": 8 }));
    assert_eq!(rendered(&problem).await["current"], json!({ "version": 8 }));
}
