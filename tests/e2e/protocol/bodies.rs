//! Bodies that are too large, of another type, or no JSON.

use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::{at_nothing, description};

/// Method, path and the media type of every route that takes a body; ids name nothing.
fn writes() -> Vec<(Method, String, String)> {
    let description = description();
    let mut writes = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let path = at_nothing(&description, path);
                writes.push((method, path, content.keys().next().unwrap().clone()));
            }
        }
    }
    assert!(writes.len() >= 7, "{writes:?}");
    writes
}

async fn send(company: &Company<'_>, write: &(Method, String, String), kind: &str, body: Vec<u8>) -> Answer {
    let request = company.request(write.0.clone(), &write.1);
    let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
    Answer::of(request.body(body)).await
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused_everywhere() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for write in writes() {
        for kind in
            ["text/plain", "application/xml", "application/jsonp", "application/x-www-form-urlencoded", ""]
        {
            let answer = send(&company, &write, kind, b"{\"name\":\"x\"}".to_vec()).await;
            answer.assert_problem(415, "unsupported_media_type");
            assert!(answer.body["detail"].as_str().unwrap().contains("json"), "{answer:?}");
        }
        let answer =
            send(&company, &write, "Application/JSON ; charset=\"utf-8\"", b"{\"x\":1}".to_vec()).await;
        answer.assert_problem(422, "validation_failed");
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_everywhere_with_its_place() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for write in writes() {
        for (body, place) in [
            (&b"{\n  \"name\": \"x\",\n}"[..], Some("line 3, column 1")),
            (b"{\"name\": \"x\"", Some("line 1, column 12")),
            (b"{'name': 'x'}", Some("line 1, column 2")),
            (b"{\"name\": \"\xff\"}", Some("line 1, column 11")),
            (b"{\"name\": NaN}", Some("line 1, column 10")),
            (b"{} {}", Some("line 1, column 4")),
            (b"\"text\"", None),
            (b"[{}]", None),
            (b"null", None),
            (b"42", None),
            (deep.as_bytes(), Some("line 1")),
        ] {
            let answer = send(&company, &write, &write.2, body.to_vec()).await;
            answer.assert_problem(400, "malformed_request");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.starts_with("The body must be a JSON object"), "{detail}");
            assert_eq!(detail.contains("line"), place.is_some(), "{detail}");
            assert!(detail.contains(place.unwrap_or_default()), "{detail}, not {place:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_body_is_told_from_an_optional_one() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for write in writes() {
        let answer = send(&company, &write, &write.2, Vec::new()).await;
        if write.1.ends_with("/refresh") {
            answer.assert_problem(401, "unauthenticated");
        } else {
            answer.assert_problem(400, "malformed_request");
        }
    }
}

#[tokio::test]
async fn a_body_is_at_most_half_a_megabyte() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let padded = |length: usize| {
        let mut body = b"{\"x\":1".to_vec();
        body.resize(length - 1, b' ');
        body.push(b'}');
        body
    };
    for write in writes() {
        let largest = send(&company, &write, &write.2, padded(512 * 1024)).await;
        largest.assert_problem(422, "validation_failed");
        let too_large = send(&company, &write, &write.2, padded(512 * 1024 + 1)).await;
        too_large.assert_problem(413, "payload_too_large");
    }
    // The gateway's own limit, and its own words.
    let write = (Method::POST, "/api/clients".to_owned(), String::new());
    let answer = send(&company, &write, "application/json", padded(11 * 1024 * 1024)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.body, json!({"message": "Request Entity Too Large"}));
}

#[tokio::test]
async fn fifty_errors_are_enough() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let members: serde_json::Map<String, Value> = (0..500).map(|n| (format!("x{n}"), json!(n))).collect();
    let answer = company.post("/api/clients", &Value::Object(members)).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 50);
}
