use axum::http::Request;
use nexo_domain::{ClientId, kind};
use proptest::prelude::*;

use super::*;
use crate::Code;

fn parts(name: &str, value: &[u8]) -> Parts {
    let value = http::HeaderValue::from_bytes(value).unwrap();
    Request::builder().header(name, value).body(()).unwrap().into_parts().0
}

async fn if_match(value: &[u8]) -> Result<Option<u64>, Code> {
    let read = IfMatch::from_request_parts(&mut parts("if-match", value), &()).await;
    read.map(|IfMatch(version)| version).map_err(|problem| problem.code())
}

async fn if_none_match(value: &str) -> IfNoneMatch {
    let Ok(read) = IfNoneMatch::from_request_parts(&mut parts("if-none-match", value.as_bytes()), &()).await;
    read
}

#[tokio::test]
async fn without_if_match_any_version_will_do() {
    let mut parts = Request::new(()).into_parts().0;
    assert_eq!(IfMatch::from_request_parts(&mut parts, &()).await.unwrap().0, None);
    assert_eq!(if_match(b"*").await, Ok(None));
    assert_eq!(if_match(b" * ").await, Ok(None));
}

#[tokio::test]
async fn if_match_holds_one_etag_as_it_was_answered() {
    assert_eq!(if_match(b"\"3\"").await, Ok(Some(3)));
    assert_eq!(if_match(b" \"1\" ").await, Ok(Some(1)));
    assert_eq!(if_match(b"\"18446744073709551615\"").await, Ok(Some(u64::MAX)));
}

#[tokio::test]
async fn anything_else_in_if_match_is_refused() {
    let refused = Err(Code::MalformedRequest);
    for value in [
        "",
        "3",
        "\"",
        "\"\"",
        "\"3",
        "3\"",
        "'3'",
        "\"+3\"",
        "\"03\"",
        "\"-3\"",
        "\" 3\"",
        "\"3.0\"",
        "W/\"3\"",
        "\"3\", \"4\"",
        "\"18446744073709551616\"",
        "**",
    ] {
        assert_eq!(if_match(value.as_bytes()).await, refused, "{value}");
    }
    assert_eq!(if_match(b"\"\xff\"").await, refused);
}

#[tokio::test]
async fn if_none_match_names_etags_strong_or_weak() {
    for value in ["\"3\"", "W/\"3\"", "\"1\", \"3\"", "\"1\",W/\"3\" ,\"4\"", "*"] {
        assert!(if_none_match(value).await.names("\"3\""), "{value}");
    }
    for value in ["", "3", "\"33\"", "\"1\", \"2\"", "w/\"3\"", "\"3"] {
        assert!(!if_none_match(value).await.names("\"3\""), "{value}");
    }
    let mut parts = Request::new(()).into_parts().0;
    let Ok(absent) = IfNoneMatch::from_request_parts(&mut parts, &()).await;
    assert!(!absent.names("\"3\""));
}

/// What a route with an id answers to `path`.
async fn id_in(path: &str) -> Result<ClientId, http::StatusCode> {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let router: axum::Router = axum::Router::new()
        .route("/clients/{id}", axum::routing::get(async |Id(id): Id<kind::Client>| id.to_string()));
    let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    if !response.status().is_success() {
        return Err(response.status());
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Ok(std::str::from_utf8(&body).unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_malformed_id_is_like_an_unknown_one() {
    let id = "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(id_in(&format!("/clients/{id}")).await, Ok(id.parse().unwrap()));
    for malformed in [
        "1",
        "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "cli_01arz3ndektsv4rrffq69g5fav",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "%FF",
        "..",
        "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV%00",
    ] {
        assert_eq!(
            id_in(&format!("/clients/{malformed}")).await,
            Err(http::StatusCode::NOT_FOUND),
            "{malformed}"
        );
    }
}

proptest! {
    #[test]
    fn every_version_reads_back_from_its_etag(version in any::<u64>()) {
        let mut parts = parts("if-match", format!("\"{version}\"").as_bytes());
        let read = futures_util::FutureExt::now_or_never(IfMatch::from_request_parts(&mut parts, &())).unwrap();
        prop_assert_eq!(read.unwrap().0, Some(version));
    }
}
