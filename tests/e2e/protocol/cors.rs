//! Cross-origin requests: the portal may, other pages may not.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;

const PORTAL: &str = "http://localhost:3000";

#[tokio::test]
async fn a_preflight_of_the_portal_is_allowed_what_the_template_says() {
    let nexo = Nexo::start().await;
    for path in ["/api/clients", "/api/auth/login", "/api/clients/x", "/nothing"] {
        let request = nexo
            .request(Method::OPTIONS, path)
            .header("origin", PORTAL)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization,if-match");
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        for (name, value) in [
            ("access-control-allow-origin", PORTAL),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST,PUT,PATCH,DELETE"),
            (
                "access-control-allow-headers",
                "authorization,content-type,idempotency-key,if-match,if-none-match,x-request-id",
            ),
            ("access-control-max-age", "7200"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
}

#[tokio::test]
async fn answers_to_the_portal_may_be_read_also_the_refusals() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (request, status) in [
        (company.request(Method::GET, "/api/clients"), 200),
        (nexo.request(Method::GET, "/api/clients"), 401),
        (nexo.request(Method::GET, "/nothing"), 404),
        (nexo.request(Method::DELETE, "/health"), 405),
    ] {
        let answer = Answer::of(request.header("origin", PORTAL)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), PORTAL);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        let exposed: Vec<_> = answer.header("access-control-expose-headers").split(',').collect();
        for name in [
            "content-disposition",
            "etag",
            "link",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ] {
            assert!(exposed.contains(&name), "{name}: {exposed:?}");
        }
        assert_eq!(answer.header("access-control-allow-methods"), "", "for preflights only");
    }
}

#[tokio::test]
async fn other_origins_get_no_leave() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for origin in
        ["http://localhost:3001", "https://localhost:3000", "http://localhost:3000.evil.example", "null", "*"]
    {
        let answer = Answer::of(company.request(Method::GET, "/api/clients").header("origin", origin)).await;
        let preflight = nexo
            .request(Method::OPTIONS, "/api/clients")
            .header("origin", origin)
            .header("access-control-request-method", "GET");
        for answer in [answer, Answer::of(preflight).await] {
            let leave = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(leave, None, "{origin}: {answer:?}");
            assert_eq!(answer.header("vary"), "Origin");
        }
    }
    let plain = company.get("/api/clients").await;
    assert_eq!(plain.header("access-control-allow-origin"), "");
}
