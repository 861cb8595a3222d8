//! What the gateway does before a function is called: throttles, the limit per address, CORS.

use super::*;

#[tokio::test]
async fn a_route_has_a_throttle_of_its_own() {
    let gateway = gateway();
    let login = async || send(&gateway, Request::post("/login"), Body::empty()).await;
    for _ in 0..2 {
        assert_eq!(login().await.status(), 200);
    }
    says(&login().await, 429, "Too Many Requests");
    assert_eq!(get_path(&gateway, "/echo/1").await.status(), 200);
}

#[tokio::test]
async fn an_address_is_limited_in_the_apis_format() {
    let gateway = gateway_of(&TEMPLATE.replace("Default: 1000", "Default: 3"));
    for left in ["2", "1", "0"] {
        let response = get_path(&gateway, "/echo/1").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["ratelimit"], format!("\"ip\";r={left};t=60"));
        assert_eq!(response.headers()["ratelimit-policy"], "\"ip\";q=3;w=60");
        assert!(!response.headers().contains_key("retry-after"));
    }
    let request = Request::get("/echo/1").header("origin", "http://localhost:3000");
    let response = send(&gateway, request, Body::empty()).await;
    let body: Json = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "about:blank",
            "title": "Too Many Requests",
            "status": 429,
            "detail": "More than 3 requests in 60 seconds from this address. Try again in 60 seconds.",
            "code": "rate_limited",
            "requestId": response.headers()["apigw-requestid"].to_str().unwrap(),
            "timestamp": "2020-03-12T19:03:58.000Z",
        })
    );
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["retry-after"], "60");
    assert!(response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn preflights_are_answered_by_the_gateway() {
    let preflight = |origin| {
        Request::options("/echo/1").header("origin", origin).header("access-control-request-method", "POST")
    };
    let allowed = send(&gateway(), preflight("http://localhost:3000"), Body::empty()).await;
    let cors = |response: &Response<Bytes>| -> BTreeMap<String, String> {
        response
            .headers()
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("access-control-"))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    };
    let expect = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (format!("access-control-{name}"), (*value).to_owned())).collect()
    };
    assert_eq!(allowed.status(), 204);
    assert_eq!(
        cors(&allowed),
        expect(&[
            ("allow-origin", "http://localhost:3000"),
            ("allow-methods", "GET,POST"),
            ("allow-headers", "authorization"),
            ("allow-credentials", "true"),
            ("expose-headers", "etag"),
            ("max-age", "600"),
        ])
    );
    let other = send(&gateway(), preflight("http://evil.example"), Body::empty()).await;
    assert_eq!((other.status().as_u16(), cors(&other)), (204, BTreeMap::new()));

    let request = Request::get("/headers").header("origin", "http://localhost:3000");
    let answer = send(&gateway(), request, Body::empty()).await;
    assert_eq!(
        cors(&answer),
        expect(&[
            ("allow-origin", "http://localhost:3000"),
            ("allow-credentials", "true"),
            ("expose-headers", "etag"),
        ])
    );
    let plain = send(&gateway(), Request::options("/echo/1"), Body::empty()).await;
    assert_eq!(plain.status(), 200, "no preflight: it goes to its route");
}
