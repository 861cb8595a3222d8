//! `"tokenDelivery": "cookie"`: the refresh token where scripts do not reach it.

use nexo_tests::{Answer, Company, Nexo, PASSWORD, registration};
use reqwest::Method;
use serde_json::{Value, json};

use super::{SECOND, text};

/// The cookie's value, once its attributes are what they must be.
#[track_caller]
fn cookie(answer: &Answer) -> String {
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    let [cookie] = cookies.as_slice() else { panic!("{} cookies: {answer:?}", cookies.len()) };
    let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "Max-Age=2592000; HttpOnly; Secure; SameSite=Strict; Path=/api/auth");
    pair.strip_prefix("nexo_refresh=").unwrap().to_owned()
}

async fn log_in_by_cookie(nexo: &Nexo, company: &Company<'_>) -> Answer {
    let body = json!({"email": company.email, "password": PASSWORD, "tokenDelivery": "cookie"});
    nexo.post("/api/auth/login", &body).await
}

async fn refresh_by_cookie(nexo: &Nexo, cookies: &str) -> Answer {
    Answer::of(nexo.request(Method::POST, "/api/auth/refresh").header("cookie", cookies)).await
}

#[tokio::test]
async fn a_cookie_carries_the_refresh_token_and_the_body_does_not() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let login = log_in_by_cookie(&nexo, &company).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert!(cookie(&login).starts_with("nexo_rt1_"));
    assert_eq!(login.body.get("refreshToken"), None);
    assert_eq!(login.body["user"]["email"], company.email);

    nexo.post("/api/auth/register", &registration("cookie@acme.example")).await;
    let token = nexo.link("cookie@acme.example", "register").await;
    let body = json!({"token": token, "tokenDelivery": "cookie"});
    let registered = nexo.post("/api/auth/register/confirm", &body).await;
    assert_eq!((registered.status.as_u16(), registered.body.get("refreshToken")), (201, None));
    assert!(cookie(&registered).starts_with("nexo_rt1_"));
}

#[tokio::test]
async fn a_cookie_is_refreshed_into_the_next_cookie() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = cookie(&log_in_by_cookie(&nexo, &company).await);
    let answer =
        refresh_by_cookie(&nexo, &format!("theme=dark; nexo_refresh={first}; nexo_refresh2=x")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let wanted = json!({"accessToken": answer.body["accessToken"], "tokenType": "Bearer", "expiresIn": 900});
    assert_eq!(answer.body, wanted);
    let second = cookie(&answer);
    assert_ne!(second, first);
    let access = text(&answer.body, "accessToken");
    assert_eq!(super::get_as(&nexo, access, "/api/clients").await.status, 200);
    // Spent is spent, in a cookie as in a body.
    nexo.clock.advance(11 * SECOND);
    refresh_by_cookie(&nexo, &format!("nexo_refresh={first}")).await.assert_problem(401, "unauthenticated");
    refresh_by_cookie(&nexo, &format!("nexo_refresh={second}")).await.assert_problem(401, "unauthenticated");
    refresh_by_cookie(&nexo, "theme=dark").await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn logging_out_takes_the_cookie_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for path in ["/api/auth/logout", "/api/auth/logout-all"] {
        let login = log_in_by_cookie(&nexo, &company).await;
        let token = text(&login.body, "accessToken");
        let answer = Answer::of(nexo.request(Method::POST, path).bearer_auth(token)).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (204, &Value::Null));
        assert_eq!(
            answer.header("set-cookie"),
            "nexo_refresh=; Max-Age=0; HttpOnly; Secure; SameSite=Strict; Path=/api/auth"
        );
        let refused = refresh_by_cookie(&nexo, &format!("nexo_refresh={}", cookie(&login))).await;
        refused.assert_problem(401, "unauthenticated");
    }
}
