//! The keys that access tokens are signed with: published, replaced by themselves, and replaced by hand.

use std::collections::BTreeSet;
use std::sync::Arc;

use auth::Settings;
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use nexo_api::{Platform, app};
use nexo_identity::{Clock, KEY_COPY_SECONDS, KEY_PERIOD_SECONDS, Signer};
use nexo_local::{DoorConnector, FailNth, Fault, ServiceError};
use nexo_store::StoreConfig;
use nexo_tests::{Answer, Nexo, registration};
use reqwest::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{DAY, MINUTE, SECOND, get_as, log_in, refresh, text};

/// Moves the clock to so many milliseconds before the signing key changes.
fn approach_the_next_period(nexo: &Nexo, ms: i64) {
    let period = KEY_PERIOD_SECONDS * 1000;
    nexo.clock.advance(period - nexo.clock.now_ms().rem_euclid(period) - ms);
}

async fn jwks(nexo: &Nexo) -> Vec<Value> {
    let answer = nexo.get("/.well-known/jwks.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["keys"].as_array().unwrap().clone()
}

fn kids(keys: &[Value]) -> Vec<&str> {
    keys.iter().map(|key| text(key, "kid")).collect()
}

/// The key that a token names.
fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    text(&serde_json::from_slice(&header).unwrap(), "kid").to_owned()
}

/// The `x` of each key in the table.
async fn published(nexo: &Nexo) -> BTreeSet<String> {
    let key = json!({"pk": {"S": "JWKS"}, "sk": {"S": "JWKS"}});
    let body = json!({"TableName": nexo.table_name(), "Key": key});
    let (status, answer) =
        nexo.table_call(Some(&nexo.function_token("AuthFunction")), "GetItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    let keys = answer["Item"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("key."));
    keys.map(|(_, value)| text(value, "S").to_owned()).collect()
}

fn values(keys: &[Value]) -> BTreeSet<String> {
    keys.iter().map(|key| text(key, "x").to_owned()).collect()
}

#[tokio::test]
async fn anybody_can_verify_a_token_with_the_published_keys() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (answer, calls) = nexo.calls_of(nexo.get("/.well-known/jwks.json")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(calls.is_empty(), "{calls:?}");
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let wanted = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": key["kid"], "x": key["x"], "use": "sig", "alg": "EdDSA",
        });
        assert_eq!(*key, wanted);
    }
    assert_eq!(values(keys), published(&nexo).await);

    let (message, signature) = company.token().rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    for key in keys {
        let x: [u8; 32] = URL_SAFE_NO_PAD.decode(text(key, "x")).unwrap().try_into().unwrap();
        let verified = VerifyingKey::from_bytes(&x).unwrap().verify_strict(message.as_bytes(), &signature);
        assert_eq!(verified.is_ok(), text(key, "kid") == kid(company.token()));
    }
    assert_eq!(kid(company.token()), kids(keys)[1], "the key of this period");
}

#[tokio::test]
async fn signing_keys_change_and_nobody_is_logged_out() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let first = jwks(&nexo).await;
    // The session lives for 30 days from its last use, so it is used on the way.
    approach_the_next_period(&nexo, MINUTE);
    company.tokens = refresh(&nexo, company.refresh_token()).await.body;
    let old = company.token().to_owned();
    assert_eq!(kid(&old), kids(&first)[1]);
    for path in ["/api/clients", "/api/auth/profile"] {
        assert_eq!(get_as(&nexo, &old, path).await.status, 200);
    }

    nexo.clock.advance(2 * MINUTE);
    let (answer, calls) = nexo.calls_of(refresh(&nexo, company.refresh_token())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    company.tokens = answer.body;
    assert_eq!(kid(company.token()), kids(&first)[2]);
    // The first token of a period costs a look at the published keys, and a write of the new set.
    let operations = |calls: &[Arc<nexo_local::StoreCall>]| -> Vec<String> {
        calls.iter().map(|call| call.operation.clone()).collect()
    };
    assert_eq!(operations(&calls), ["GetItem", "UpdateItem", "UpdateItem", "GetItem"]);
    let second = jwks(&nexo).await;
    assert_eq!(kids(&second)[..2], kids(&first)[1..]);
    assert_eq!(published(&nexo).await, values(&second));

    // Whoever read the keys before the change knows the new one, and still knows the old one.
    for token in [company.token(), &old] {
        for path in ["/api/clients", "/api/auth/profile"] {
            let (answer, calls) = nexo.calls_of(get_as(&nexo, token, path)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(calls.iter().all(|call| call.keys != ["JWKS"]), "{calls:?}");
        }
    }
    nexo.clock.advance(12 * MINUTE);
    assert_eq!(get_as(&nexo, &old, "/api/clients").await.status, 200);

    // A period later the first keys are gone, from the table too, and the session goes on.
    nexo.clock.advance(28 * DAY);
    company.tokens = refresh(&nexo, company.refresh_token()).await.body;
    approach_the_next_period(&nexo, 0);
    company.tokens = refresh(&nexo, company.refresh_token()).await.body;
    assert_eq!(kid(company.token()), kids(&second)[2]);
    assert_eq!(company.get("/api/clients").await.status, 200);
    let third = jwks(&nexo).await;
    assert_eq!(kids(&third)[..2], kids(&second)[1..]);
    assert!(!kids(&third).contains(&kid(&old).as_str()), "two periods old");
    assert_eq!(published(&nexo).await, values(&third));
}

#[tokio::test]
async fn a_login_after_a_long_silence_finds_its_key_published() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    // Nobody called for so long that the key which signs now was never published.
    nexo.clock.advance(200 * DAY);
    company.log_in().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    assert_eq!(published(&nexo).await, values(&jwks(&nexo).await));
}

#[tokio::test]
async fn a_change_that_fails_midway_is_made_again() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    approach_the_next_period(&nexo, 0);
    for n in [1, 2] {
        // The SDK tries three times.
        let how = Fault::BeforeExecution(ServiceError::Throttling);
        nexo.door().faults().arm((n..n + 3).map(|n| FailNth { n, how }));
        let answer = log_in(&nexo, &company.email, nexo_tests::PASSWORD).await;
        nexo.door().faults().disarm();
        answer.assert_problem(503, "unavailable");
        assert_ne!(published(&nexo).await, values(&jwks(&nexo).await), "call {n}");
    }
    company.log_in().await;
    assert_eq!(published(&nexo).await, values(&jwks(&nexo).await));
    assert_eq!(company.get("/api/clients").await.status, 200);
}

#[tokio::test]
async fn keys_that_got_lost_come_back_within_the_hour() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let item = json!({"pk": {"S": "JWKS"}, "sk": {"S": "JWKS"}});
    let delete = json!({"TableName": nexo.table_name(), "Key": item});
    let token = nexo.function_token("AuthFunction");
    assert_eq!(nexo.table_call(Some(&token), "DeleteItem", &delete).await.0, 200);
    nexo.clock.advance(KEY_COPY_SECONDS * SECOND);
    company.log_in().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    assert_eq!(published(&nexo).await, values(&jwks(&nexo).await));
}

/// What a sandbox of `auth` is made from, on the same table, by a clock and with a secret of its own.
fn sandbox(nexo: &Nexo, clock: &Clock, signing_secret: &str) -> (Platform, Settings) {
    let environment = nexo.server().environment("AuthFunction", "http://door.invalid").unwrap();
    let config = StoreConfig {
        table: nexo.table_name().to_owned(),
        region: "local".into(),
        endpoint: Some("http://door.invalid".into()),
        own_role: Credentials::new("local", "local", environment.get("AWS_SESSION_TOKEN").cloned(), None, ""),
        http: SharedHttpClient::new(DoorConnector::new(nexo.door().clone())),
        clock: clock.clone(),
    };
    let issuer = environment["NEXO_ISSUER"].clone();
    let mut platform = Platform::new(config, &issuer, None);
    platform.log = Arc::new(|_| ());
    let link_secret = environment["NEXO_LINK_SECRET"].clone();
    let (relying_party, origin) = ("localhost".into(), "http://localhost:3000".into());
    (platform, Settings { signing_secret: signing_secret.into(), link_secret, issuer, relying_party, origin })
}

const ANOTHER_SECRET: &str = "another secret, of 32 bytes or more";

#[tokio::test]
async fn sandboxes_that_publish_at_once_leave_the_keys_of_both() {
    for _ in 0..20 {
        let nexo = Nexo::start().await;
        approach_the_next_period(&nexo, 2 * SECOND);
        let (behind, ahead) = (Clock::system(), Clock::system());
        behind.advance(nexo.clock.now_ms() - behind.now_ms());
        ahead.advance(nexo.clock.now_ms() + 4 * SECOND - ahead.now_ms());
        let publish = async |clock: &Clock| {
            let (platform, settings) = sandbox(&nexo, clock, ANOTHER_SECRET);
            auth::publish_keys(&platform, &settings).await.unwrap();
            let signer = Signer::from_secret(ANOTHER_SECRET.as_bytes(), "", clock.clone()).unwrap();
            signer.public_keys().map(|key| key.x_base64url())
        };
        let ([_, signs, next], [_, signs_ahead, _]) = tokio::join!(publish(&behind), publish(&ahead));
        assert_eq!(next, signs_ahead);
        let published = published(&nexo).await;
        assert!(published.contains(&signs) && published.contains(&signs_ahead), "{published:?}");
    }
}

#[tokio::test]
async fn a_function_reads_the_keys_once_an_hour() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    nexo.clock.advance(KEY_COPY_SECONDS * SECOND);
    let reads = async |request: reqwest::RequestBuilder| {
        let (answer, calls) = nexo.calls_of(Answer::of(request)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        calls.iter().filter(|call| call.keys == ["JWKS"]).count()
    };
    let credentials = json!({"email": company.email, "password": nexo_tests::PASSWORD});
    for expected in [1, 0] {
        let login = nexo.request(Method::POST, "/api/auth/login").json(&credentials);
        assert_eq!(reads(login).await, expected);
    }
    company.log_in().await;
    for expected in [1, 0] {
        assert_eq!(reads(company.request(Method::GET, "/api/clients")).await, expected);
    }
}

async fn post(function: &axum::Router, path: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let answer = function.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn another_secret_ends_what_the_old_one_signed() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    let before = published(&nexo).await;
    let (platform, settings) = sandbox(&nexo, &nexo.clock, ANOTHER_SECRET);
    auth::publish_keys(&platform, &settings).await.unwrap();
    let function = app(auth::routes(&platform, &settings).unwrap());
    let after = published(&nexo).await;
    assert_eq!((after.len(), after.is_disjoint(&before)), (3, true));

    // A function that has not read the keys since takes the old token for an hour at most.
    assert_eq!(company.get("/api/clients").await.status, 200);
    nexo.clock.advance(10 * SECOND);
    // One that meets the new key reads them, and refuses the old token from then on.
    let (status, _) = post(&function, "/api/auth/register", &registration("new@acme.example")).await;
    assert_eq!(status, 202);
    let token = json!({"token": nexo.link("new@acme.example", "register").await});
    let (status, registered) = post(&function, "/api/auth/register/confirm", &token).await;
    assert_eq!(status, 201, "{registered}");
    let new = text(&registered, "accessToken");
    assert_eq!(get_as(&nexo, new, "/api/clients").await.status, 200);
    company.get("/api/clients").await.assert_problem(401, "unauthenticated");

    // Refresh tokens of the old secret are refused; passwords are what they were.
    let old = json!({"refreshToken": company.refresh_token()});
    let (status, refused) = post(&function, "/api/auth/refresh", &old).await;
    assert_eq!((status, refused["code"].as_str()), (401, Some("unauthenticated")), "{refused}");
    let credentials = json!({"email": company.email, "password": nexo_tests::PASSWORD});
    let (status, tokens) = post(&function, "/api/auth/login", &credentials).await;
    assert_eq!(status, 200, "{tokens}");
    let answer: Answer = get_as(&nexo, text(&tokens, "accessToken"), "/api/clients").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
