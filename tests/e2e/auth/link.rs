//! `GET /api/auth/link`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nexo_identity::Purpose;
use nexo_tests::Nexo;
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn the_page_does_what_its_policy_says_and_no_more() {
    let nexo = Nexo::start().await;
    let answer = nexo.get("/api/auth/link?anything=1").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let page = answer.body.as_str().unwrap();
    let within = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (inside, after) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert!(!after.contains(&format!("<{tag}")), "more than one {tag}");
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inside)))
    };
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; form-action \
         'none'; frame-ancestors 'none'",
        within("style"),
        within("script")
    );
    assert_eq!(answer.header("content-security-policy"), policy);
    // Nothing in it needs what the policy forbids.
    for needless in [" style=", " onclick=", "http://", "https://", "javascript:", "<img", "<link"] {
        assert!(!page.contains(needless), "{needless}");
    }
    assert!(page.contains("<html lang=\"en\">") && page.contains("role=\"status\""), "{page}");
}

#[tokio::test]
async fn the_page_knows_every_purpose_and_where_it_goes() {
    let nexo = Nexo::start().await;
    let page = nexo.get("/api/auth/link").await.body.as_str().unwrap().to_owned();
    let described = nexo.get("/api/openapi.json").await.body;
    for purpose in Purpose::ALL {
        let (_, about) = page.split_once(&format!("'{}': {{", purpose.word())).unwrap();
        let to = about.split_once("to: '").unwrap().1.split_once('\'').unwrap().0;
        assert!(described["paths"][to]["post"].is_object(), "{purpose:?} goes to {to}");
    }
}
