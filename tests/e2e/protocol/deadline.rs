//! A handler that panics, never ends or warns, behind the gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use nexo_api::{Access, Operation, Problem, RequestContext, Routes, Shape, Verb, app_with_deadline};
use nexo_local::{Gateway, Template, function, system_clock};
use nexo_tests::project;
use serde_json::Value;

const fn operation(path: &'static str, id: &'static str) -> Operation {
    Operation {
        method: Verb::Get,
        path,
        id,
        summary: "For this test",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: Shape::new(|_| ()),
    }
}

#[expect(clippy::panic, reason = "what a handler must not do, and might")]
async fn panics() -> Result<(), Problem> {
    panic!("the secret of src/handler.rs")
}

async fn hangs() -> Result<(), Problem> {
    tokio::time::sleep(Duration::from_mins(1)).await;
    Ok(())
}

/// A gateway with the project's template, whose `HealthFunction` is made of the handlers above.
fn gateway(log: &Arc<Mutex<Vec<String>>>) -> Gateway {
    let mut platform = crate::openapi::platform_without_table();
    let lines = log.clone();
    platform.log = Arc::new(move |line| lines.lock().unwrap().push(line.to_owned()));
    let routes = Routes::new(&platform, "/health")
        .on(operation("/auth", "panics"), panics)
        .on(operation("/crm", "hangs"), hangs)
        .on(operation("", "works"), async |context: RequestContext| {
            context.warn("done, but for one thing".to_owned());
            StatusCode::OK
        });
    let handle = function(app_with_deadline(routes, Duration::from_millis(200)));
    let mut template = Template::read(&project().join("template.yaml"), &BTreeMap::new()).unwrap();
    template.functions.retain(|id, _| id == "HealthFunction");
    let code = BTreeMap::from([("HealthFunction".to_owned(), handle)]);
    Gateway::new(&template, code, None, system_clock()).unwrap()
}

async fn get(gateway: &Gateway, path: &str) -> (StatusCode, http::HeaderMap, Value) {
    let request = Request::get(path).header("host", "localhost").header("x-request-id", "mine");
    let peer = "127.0.0.1:1".parse().unwrap();
    let response = gateway.handle(request.body(Body::empty()).unwrap(), peer).await;
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn a_panic_is_a_500_that_says_nothing_of_it() {
    let log = Arc::default();
    let gateway = gateway(&log);
    for _ in 0..2 {
        let (status, headers, body) = get(&gateway, "/health/auth").await;
        assert_eq!((status.as_u16(), &body["code"]), (500, &Value::from("internal")));
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(
            (&headers["x-request-id"], &body["requestId"]),
            (&"mine".parse().unwrap(), &Value::from("mine"))
        );
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    // The log knows, and the function goes on.
    let line: Value = serde_json::from_str(&log.lock().unwrap()[0]).unwrap();
    assert_eq!((&line["status"], &line["level"]), (&Value::from(500), &Value::from("ERROR")));
    assert_eq!(line["cause"], "panic: the secret of src/handler.rs");
    assert_eq!(get(&gateway, "/health").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_504_before_the_gateway_gives_up() {
    let log = Arc::default();
    let gateway = gateway(&log);
    let (status, headers, body) = get(&gateway, "/health/crm").await;
    assert_eq!((status.as_u16(), &body["code"]), (504, &Value::from("deadline_exceeded")));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(body["requestId"], "mine");
    let line: Value = serde_json::from_str(&log.lock().unwrap()[0]).unwrap();
    assert_eq!((&line["status"], &line["code"]), (&Value::from(504), &Value::from("deadline_exceeded")));
}

#[tokio::test]
async fn what_went_wrong_besides_is_in_the_log_of_a_request_that_succeeds() {
    let log = Arc::default();
    let gateway = gateway(&log);
    assert_eq!(get(&gateway, "/health").await.0, StatusCode::OK);
    let line: Value = serde_json::from_str(&log.lock().unwrap()[0]).unwrap();
    assert_eq!((&line["status"], &line["level"]), (&Value::from(200), &Value::from("WARN")));
    assert_eq!((&line["warning"], line.get("cause")), (&Value::from("done, but for one thing"), None));
}
