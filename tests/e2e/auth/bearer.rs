//! Where an access token may stand in a request (RFC 6750).

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_schemes_case_does_not_matter() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let header = format!("{scheme} {}", company.token());
        let request = nexo.request(Method::GET, "/api/auth/profile").header("authorization", header);
        assert_eq!(Answer::of(request).await.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_token_stands_in_the_one_authorization_header_and_nowhere_else() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let token = company.token();
    let bearer = format!("Bearer {token}");
    let get = |query: &str| nexo.request(Method::GET, &format!("/api/auth/profile{query}"));
    let elsewhere = [
        get("").header("authorization", &bearer).header("authorization", &bearer),
        get("").header("authorization", &bearer).header("authorization", format!("Bearer {}", other.token())),
        get("").header("authorization", "Basic b3duZXI6cGFzc3dvcmQ=").header("authorization", &bearer),
        get("").header("authorization", token),
        get("").header("authorization", format!("Bearer{token}")),
        get("").header("authorization", format!("Bearer\t{token}")),
        get("").header("authorization", format!("Bearer \"{token}\"")),
        get("").header("authorization", format!("Bearer token={token}")),
        get("").header("proxy-authorization", &bearer),
        get("").header("x-authorization", &bearer),
        get("")
            .header("cookie", format!("access_token={token}; nexo_refresh={token}; authorization={bearer}")),
        get(&format!("?access_token={token}")),
        get(&format!("?authorization=Bearer%20{token}")),
        get("")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("access_token={token}")),
        get("").json(&json!({"accessToken": token})),
    ];
    for request in elsewhere {
        let said = format!("{request:?}");
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 401, "{said}");
        answer.assert_problem(401, "unauthenticated");
    }
    assert_eq!(Answer::of(get("").header("authorization", &bearer)).await.status, 200);
}
