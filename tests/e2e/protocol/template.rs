//! The template is the one source: change it, and the local gateway changes.

use nexo_local::server::{Options, Server};
use nexo_tests::{Answer, Nexo, options, options_with_template};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn another_origin_in_the_template_is_another_origin_at_the_gateway() {
    let (options, _folder) =
        options_with_template(&[("Default: http://localhost:3000", "Default: https://portal.example")]);
    let nexo = Nexo::with(options).await;
    for (origin, leave) in
        [("https://portal.example", "https://portal.example"), ("http://localhost:3000", "")]
    {
        let answer = Answer::of(nexo.request(Method::GET, "/health").header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), leave, "{origin}");
    }
}

#[tokio::test]
async fn another_throttle_in_the_template_is_another_throttle_at_the_gateway() {
    let (options, _folder) = options_with_template(&[
        (
            "AuthThrottleRate:\n    Type: Number\n    Default: 20",
            "AuthThrottleRate:\n    Type: Number\n    Default: 1",
        ),
        (
            "AuthThrottleBurst:\n    Type: Number\n    Default: 40",
            "AuthThrottleBurst:\n    Type: Number\n    Default: 3",
        ),
    ]);
    let nexo = Nexo::with(options).await;
    let body = json!({"x": 1});
    let answers = futures::future::join_all((0..10).map(|_| nexo.post("/api/auth/refresh", &body))).await;
    let passed = answers.iter().filter(|answer| answer.status == 422).count();
    assert!((3..=5).contains(&passed), "{passed}");
    assert!(answers.iter().all(|answer| [422, 429].contains(&answer.status.as_u16())));
}

#[tokio::test]
async fn another_limit_by_address_in_the_template_is_another_at_the_gateway() {
    let (options, _folder) = options_with_template(&[
        (
            "IpRateLimit:\n    Type: Number\n    Default: 100",
            "IpRateLimit:\n    Type: Number\n    Default: 12",
        ),
        (
            "IpRateWindow:\n    Type: Number\n    Default: 60",
            "IpRateWindow:\n    Type: Number\n    Default: 300",
        ),
    ]);
    let nexo = Nexo::with(Options { rate_limit: None, ..options }).await;
    for _ in 0..12 {
        assert_eq!(nexo.get("/health").await.header("ratelimit-policy"), "\"ip\";q=12;w=300");
    }
    nexo.get("/health").await.assert_problem(429, "rate_limited");
}

#[tokio::test]
async fn a_route_that_is_not_in_the_template_does_not_exist() {
    let (options, _folder) = options_with_template(&[(
        "Method: POST, Path: /api/clients }",
        "Method: POST, Path: /api/customers }",
    )]);
    let nexo = Nexo::with(options).await;
    let company = nexo.register().await;
    // The function still has it, but nothing leads there.
    let answer = company.post("/api/clients", &json!({"name": "Acme"})).await;
    answer.assert_problem(404, "not_found");
    company.post("/api/customers", &json!({"name": "Acme"})).await.assert_problem(404, "not_found");
    assert_eq!(company.get("/api/clients").await.body["data"], json!([]));
}

#[tokio::test]
async fn a_broken_template_is_one_clear_line() {
    for (from, to, wanted) in [
        (
            "  ClientsFunction:\n    Type: AWS::Serverless::Function",
            "  CustomersFunction:\n    Type: AWS::Serverless::Function",
            "ClientsFunction",
        ),
        (
            "Method: GET, Path: /api/auth/profile",
            "Method: PATCH, Path: /api/auth/profile",
            "/api/auth/profile",
        ),
        ("AttributeName: pk, KeyType: HASH", "AttributeName: pk, KeyType: MASH", "KeyType"),
        ("Resources:\n", "Resources: [\n", "template.yaml"),
        ("!Ref ThrottleRate", "!Ref ThrottleSpeed", "ThrottleSpeed"),
    ] {
        let (options, _folder) = options_with_template(&[(from, to)]);
        let Err(error) = Server::start(options).await else { panic!("started with {to}") };
        let line = error.to_string();
        assert!(line.contains(wanted) && !line.contains('\n'), "{to}: {line}");
        assert!(line.starts_with("template.yaml"), "{line}");
    }
    let missing = Options { template: "/nowhere/template.yaml".into(), ..options() };
    let Err(error) = Server::start(missing).await else { panic!("started without a template") };
    assert!(error.to_string().contains("/nowhere/template.yaml"), "{error}");
}
