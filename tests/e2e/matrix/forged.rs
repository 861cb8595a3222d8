//! Access tokens that no one should have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_tests::table::claims;
use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};
use sha2::Sha256;

/// Values of `Authorization` that are not a valid token of anybody, each with what is wrong.
pub(crate) async fn authorizations(
    nexo: &Nexo,
    own: &Company<'_>,
    other: &Company<'_>,
) -> Vec<(&'static str, String)> {
    let token = own.token();
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    let (header, _) = message.split_once('.').expect("a JWT");
    let header = part(header);
    let mut of_the_other = claims(token);
    of_the_other["acc"] = claims(other.token())["acc"].clone();
    let mut long_lived = claims(token);
    long_lived["exp"] = json!(4_000_000_000_i64);
    let mut unsigned = header.clone();
    unsigned["alg"] = json!("none");
    let mut with_own_key = header.clone();
    let stranger = SigningKey::from_bytes(&[7; 32]);
    with_own_key["jwk"] =
        json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(stranger.verifying_key())});
    let sign = |header: &Value, claims: &Value| {
        let message = message_of(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(stranger.sign(message.as_bytes()).to_bytes());
        format!("Bearer {message}.{signature}")
    };
    let mut all = vec![
        ("an empty header", String::new()),
        ("no token", "Bearer".to_owned()),
        ("garbage", "Bearer garbage".to_owned()),
        ("garbage in three parts", "Bearer a.b.c".to_owned()),
        ("a password", "Basic b3duZXI6cGFzc3dvcmQ=".to_owned()),
        ("another scheme", format!("Token {token}")),
        ("a refresh token", format!("Bearer {}", own.refresh_token())),
        ("an API key with a wrong checksum", format!("Bearer nexo_live_{}{}", own.account(), "A".repeat(85))),
        ("no signature", format!("Bearer {message}.")),
        ("a signature cut short", format!("Bearer {}", &token[..token.len() - 1])),
        (
            "another token's signature",
            format!("Bearer {message}.{}", other.token().rsplit('.').next().unwrap()),
        ),
        (
            "another account under the signature",
            format!("Bearer {}.{signature}", message_of(&header, &of_the_other)),
        ),
        (
            "a longer life under the signature",
            format!("Bearer {}.{signature}", message_of(&header, &long_lived)),
        ),
        ("another key", sign(&header, &claims(token))),
        ("another key, and another account", sign(&header, &of_the_other)),
        ("another key, named in the token", sign(&with_own_key, &claims(token))),
        ("padding", format!("Bearer {token}==")),
        ("a fourth part", format!("Bearer {token}.{signature}")),
        ("a token twice", format!("Bearer {token},Bearer {token}")),
        ("a token and another", format!("Bearer {token} {}", other.token())),
        ("a huge token", format!("Bearer {message}.{}", "A".repeat(8000))),
    ];
    for (name, value) in [
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("typ", json!("JWT")),
    ] {
        let mut odd = header.clone();
        odd[name] = value;
        all.push((name, sign(&odd, &claims(token))));
        all.push((name, format!("Bearer {}.{signature}", message_of(&odd, &claims(token)))));
    }
    for none in ["none", "None", "NONE", ""] {
        unsigned["alg"] = json!(none);
        let message = message_of(&unsigned, &of_the_other);
        all.push(("alg none", format!("Bearer {message}.")));
        all.push(("alg none with a signature", format!("Bearer {message}.{signature}")));
    }
    let mut symmetric = header;
    for algorithm in ["HS256", "EdDSA"] {
        symmetric["alg"] = json!(algorithm);
        let x = published_key(nexo, symmetric["kid"].as_str().expect("a kid")).await;
        for key in [x.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(&x).expect("base64url")] {
            let message = message_of(&symmetric, &claims(token));
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
            mac.update(message.as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
            all.push(("the public key as a secret", format!("Bearer {message}.{tag}")));
        }
    }
    all
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
}

fn message_of(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// The public key that a token names, in base64url.
async fn published_key(nexo: &Nexo, kid: &str) -> String {
    let key = json!({"pk": {"S": "JWKS"}, "sk": {"S": "JWKS"}});
    let body = json!({"TableName": nexo.table_name(), "Key": key});
    let token = nexo.function_token("HealthFunction");
    let (status, answer) = nexo.table_call(Some(&token), "GetItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    let key = &answer["Item"][format!("key.{}", kid.replace('-', "."))];
    key["S"].as_str().expect("text").to_owned()
}
