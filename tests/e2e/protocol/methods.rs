//! Unknown addresses and wrong methods.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;

use super::routes;

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_on_every_path() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (path, allowed) in routes() {
        let mut wanted = allowed.clone();
        wanted.sort();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if allowed.iter().any(|known| known == method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            // The same for those who are signed in and those who are not.
            for request in [nexo.request(method.clone(), &path), company.request(method.clone(), &path)] {
                let answer = Answer::of(request).await;
                answer.assert_problem(405, "method_not_allowed");
                assert_eq!(answer.header("allow"), wanted.join(", "), "{method} {path}");
                assert_eq!(answer.body["detail"], format!("Allowed here: {}.", wanted.join(", ")));
            }
        }
        if path == "/api/openapi.json" {
            // The function behind every unknown route is also the one that has this.
            continue;
        }
        let head = Answer::of(nexo.request(Method::HEAD, &path)).await;
        assert_eq!((head.status.as_u16(), head.header("allow")), (405, wanted.join(", ").as_str()), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_address_is_not_found_whatever_the_method() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/clients/",
        "/api/client",
        "/API/clients",
        "/api//clients",
        "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV/",
        "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV/contacts",
        "/api/auth",
        "/api/auth/register/",
        "/api/openapi.yaml",
        "/health/",
        "/health/other",
        "/favicon.ico",
        "/%2e%2e/api/nothing",
        "/api/..%2f..%2fetc/passwd",
        "/api/%ff",
        "/dev",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        {
            let answer = Answer::of(company.request(method.clone(), path)).await;
            answer.assert_problem(404, "not_found");
            assert_eq!(answer.header("allow"), "", "{method} {path}");
        }
        nexo.get(path).await.assert_problem(404, "not_found");
    }
}
