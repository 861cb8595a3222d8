//! Passkeys, with an authenticator in software.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use reqwest::Method;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::attempts::{post_from, unthrottled};
use super::{MINUTE, get_as, log_in, text};

const ORIGIN: &str = "http://localhost:3000";

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKED_UP: u8 = 0b1_1000;
const HAS_CREDENTIAL: u8 = 1 << 6;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

enum Key {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    fn es256() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
                [&head[..], &point[1..33], &[0x22, 0x58, 32], &point[33..]].concat()
            }
            Self::Ed25519(pair) => {
                let head = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32];
                [&head[..], pair.public_key().as_ref()].concat()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// A browser with a passkey in it, and what a test can make it do wrong.
#[derive(Clone)]
pub(crate) struct Authenticator {
    id: Vec<u8>,
    key: Arc<Key>,
    handle: Value,
    pub(crate) origin: String,
    pub(crate) party: String,
    pub(crate) flags: u8,
    pub(crate) count: u32,
}

impl Authenticator {
    pub(crate) fn new(id: &str) -> Self {
        Self::with(id, Key::es256())
    }

    fn with(id: &str, key: Key) -> Self {
        Self {
            id: id.as_bytes().to_vec(),
            key: Arc::new(key),
            handle: Value::Null,
            origin: ORIGIN.into(),
            party: "localhost".into(),
            flags: PRESENT | VERIFIED,
            count: 0,
        }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false, "more": {}})
            .to_string()
            .into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [&sha256(self.party.as_bytes())[..], &[flags], &self.count.to_be_bytes()].concat()
    }

    /// `navigator.credentials.create(options)`.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        self.handle = options["user"]["id"].clone();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let credential = [&[0; 16], &length[..], &self.id, &self.key.cose()].concat();
        json!({
            "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(self.client_data("webauthn.create", &options["challenge"])),
                "authenticatorData": encode([self.data(self.flags | HAS_CREDENTIAL), credential].concat()),
                "transports": ["internal", "hybrid"],
                "attestationObject": "o2M",
            },
        })
    }

    /// `navigator.credentials.get(options)`.
    pub(crate) fn get(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", &options["publicKey"]["challenge"]);
        let data = self.data(self.flags);
        let signature = self.key.sign(&[data.as_slice(), &sha256(&client_data)].concat());
        json!({
            "id": encode(&self.id), "rawId": encode(&self.id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(client_data), "authenticatorData": encode(data),
                "signature": encode(signature), "userHandle": self.handle,
            },
        })
    }
}

pub(crate) async fn login_options(nexo: &Nexo) -> Value {
    let answer = Answer::of(nexo.request(Method::POST, "/api/auth/login/passkey/options")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

pub(crate) async fn options(company: &Company<'_>) -> Value {
    let answer = Answer::of(company.request(Method::POST, "/api/auth/passkey/options")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn register(company: &Company<'_>, authenticator: &mut Authenticator) -> Answer {
    let credential = authenticator.create(&options(company).await);
    let body = json!({"name": "My phone", "credential": credential, "password": PASSWORD});
    company.post("/api/auth/passkeys", &body).await
}

/// Registers a passkey and answers its id.
pub(crate) async fn created(company: &Company<'_>, id: &str) -> String {
    let answer = register(company, &mut Authenticator::new(id)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    text(&answer.body, "id").to_owned()
}

async fn passkey_login(nexo: &Nexo, proof: &Value) -> Answer {
    nexo.post("/api/auth/login/passkey", &json!({"passkey": proof})).await
}

/// A company whose owner has a passkey.
async fn with_passkey<'a>(nexo: &'a Nexo, id: &str) -> (Company<'a>, Authenticator) {
    let company = nexo.register().await;
    let mut phone = Authenticator::new(id);
    let answer = register(&company, &mut phone).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    (company, phone)
}

#[tokio::test]
async fn a_passkey_is_registered_named_listed_and_removed() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut phone = Authenticator::new("phone");
    let asked = options(&company).await["publicKey"].clone();
    assert_eq!(asked["rp"], json!({"id": "localhost", "name": "NEXO"}));
    assert_eq!(asked["user"]["name"], company.email);
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    let created = register(&company, &mut phone).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id = text(&created.body, "id").to_owned();
    let wanted = json!({
        "id": id, "name": "My phone", "createdAt": created.body["createdAt"], "lastUsedAt": null,
        "isBackedUp": false,
    });
    assert_eq!(created.body, wanted);
    assert_eq!(company.get("/api/auth/passkeys").await.body, json!({"data": [wanted]}));
    assert_eq!(company.get("/api/auth/mfa").await.body["passkeys"], 1);
    // A browser is told which it has already.
    let excluded = options(&company).await["publicKey"]["excludeCredentials"].clone();
    assert_eq!(
        excluded,
        json!([{"type": "public-key", "id": encode("phone"), "transports": ["internal", "hybrid"]}])
    );
    register(&company, &mut phone).await.assert_problem(409, "already_exists");
    let path = format!("/api/auth/passkeys/{id}");
    let renamed = company.patch(&path, &json!({"name": "Old phone"})).await;
    assert_eq!((renamed.status.as_u16(), &renamed.body["name"]), (200, &json!("Old phone")));
    // Another user's is not found.
    let other = nexo.register().await;
    other.patch(&path, &json!({"name": "Mine"})).await.assert_problem(404, "not_found");
    other.delete(&path).await.assert_problem(404, "not_found");
    assert_eq!(company.delete(&path).await.status, 204);
    company.delete(&path).await.assert_problem(404, "not_found");
    assert_eq!(company.get("/api/auth/passkeys").await.body, json!({"data": []}));
    let proof = phone.get(&login_options(&nexo).await);
    passkey_login(&nexo, &proof).await.assert_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn the_first_passkey_needs_the_password_and_each_further_one_a_proof_with_what_there_is() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let credential = Authenticator::new("phone").create(&options(&company).await);
    for (password, code) in [(None, "required"), (Some("not the right password"), "wrong_password")] {
        let body = json!({"name": "Phone", "credential": credential, "password": password});
        let answer = company.post("/api/auth/passkeys", &body).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/password".into(), code.into())]);
    }
    let failures = company.get("/api/auth/activity?type=factor_change").await.body;
    assert_eq!(failures["data"][0]["outcome"], "failure", "{failures}");
    assert_eq!(company.get("/api/auth/mfa").await.body["passkeys"], 0);
    created(&company, "phone").await;
    let credential = Authenticator::new("tablet").create(&options(&company).await);
    let body = json!({"name": "Tablet", "credential": credential});
    assert_eq!(company.post("/api/auth/passkeys", &body).await.status, 201);
}

#[tokio::test]
async fn made_up_passkeys_are_counted_by_network_and_told_to_whom_they_are_about() {
    let (options, _template) = unthrottled();
    let nexo = Nexo::with(options).await;
    let (company, phone) = with_passkey(&nexo, "phone").await;
    let try_from = async |ip: &str, proof: Value| {
        post_from(&nexo, ip, "/api/auth/login/passkey", &json!({"passkey": proof})).await.status.as_u16()
    };
    let mut of_nobody = phone.get(&login_options(&nexo).await);
    of_nobody["response"]["userHandle"] =
        json!(URL_SAFE_NO_PAD.encode("01ARZ3NDEKTSV4RRFFQ69G5FAV".repeat(2)));
    for _ in 0..50 {
        assert_eq!(try_from("127.0.0.5", of_nobody.clone()).await, 401);
    }
    assert_eq!(try_from("127.0.0.5", of_nobody).await, 429);
    assert_eq!(try_from("127.0.0.6", phone.get(&login_options(&nexo).await)).await, 200);
    let logins = company.get("/api/auth/activity?type=login").await.body;
    assert!(!logins.to_string().contains("127.0.0.5"), "{logins}");
}

#[tokio::test]
async fn a_passkey_logs_its_user_in_without_anything_else() {
    let nexo = Nexo::start().await;
    for key in [Key::es256(), Key::ed25519()] {
        let company = nexo.register().await;
        let mut phone = Authenticator::with("phone", key);
        assert_eq!(register(&company, &mut phone).await.status, 201);
        let answer = passkey_login(&nexo, &phone.get(&login_options(&nexo).await)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["user"], company.tokens["user"]);
        assert_eq!(get_as(&nexo, text(&answer.body, "accessToken"), "/api/clients").await.status, 200);
        assert_eq!(super::refresh(&nexo, text(&answer.body, "refreshToken")).await.status, 200);
        let used = company.get("/api/auth/passkeys").await.body;
        assert!(used["data"][0]["lastUsedAt"].is_string(), "{used}");
    }
}

#[tokio::test]
async fn beside_a_password_a_passkey_is_the_second_factor() {
    let nexo = Nexo::start().await;
    let (company, phone) = with_passkey(&nexo, "phone").await;
    let missing = log_in(&nexo, &company.email, PASSWORD).await;
    missing.assert_problem(401, "mfa_required");
    assert_eq!(missing.body["factors"], json!(["passkey"]));
    let proof = phone.get(&login_options(&nexo).await);
    let body = |password: &str| json!({"email": company.email, "password": password, "passkey": proof});
    let wrong = nexo.post("/api/auth/login", &body("not the right password")).await;
    wrong.assert_problem(401, "invalid_credentials");
    assert_eq!(nexo.post("/api/auth/login", &body(PASSWORD)).await.status, 200);
    nexo.post("/api/auth/login", &body(PASSWORD)).await.assert_problem(401, "invalid_credentials");
    // Another user's does not do.
    let (_, others) = with_passkey(&nexo, "another phone").await;
    let proof = others.get(&login_options(&nexo).await);
    let body = json!({"email": company.email, "password": PASSWORD, "passkey": proof});
    nexo.post("/api/auth/login", &body).await.assert_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_challenge_is_good_once_and_for_five_minutes() {
    let nexo = Nexo::start().await;
    let (company, phone) = with_passkey(&nexo, "phone").await;
    let asked = login_options(&nexo).await;
    let proof = phone.get(&asked);
    assert_eq!(passkey_login(&nexo, &proof).await.status, 200);
    passkey_login(&nexo, &proof).await.assert_problem(401, "invalid_credentials");
    passkey_login(&nexo, &phone.get(&asked)).await.assert_problem(401, "invalid_credentials");
    let asked = login_options(&nexo).await;
    nexo.clock.advance(5 * MINUTE);
    passkey_login(&nexo, &phone.get(&asked)).await.assert_problem(401, "invalid_credentials");
    // One for registering is good for that alone, and for its user.
    passkey_login(&nexo, &phone.get(&options(&company).await))
        .await
        .assert_problem(401, "invalid_credentials");
    let other = nexo.register().await;
    for asked in
        [options(&other).await, login_options(&nexo).await, json!({"publicKey": {"challenge": "AAAA"}})]
    {
        let credential = Authenticator::new("tablet").create(&asked);
        let body = json!({"name": "Tablet", "credential": credential});
        let answer = company.post("/api/auth/passkeys", &body).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/credential".into(), "not_verified".into())]);
    }
    // Used up, it is refused where one is signed in as what is wrong with the body.
    let asked = options(&company).await;
    for (id, status) in [("laptop", 201), ("watch", 422)] {
        let body = json!({"name": id, "credential": Authenticator::new(id).create(&asked)});
        let answer = company.post("/api/auth/passkeys", &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 422 {
            assert_eq!(answer.field_errors(), [("/credential".into(), "not_verified".into())]);
        }
    }
    let asked = login_options(&nexo).await;
    for status in [204, 422] {
        let body = json!({"passkey": phone.get(&asked)});
        let answer = company.post("/api/auth/step-up", &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 422 {
            assert_eq!(answer.field_errors(), [(String::new(), "wrong_code".into())]);
        }
    }
    // At once, too.
    let proof = phone.get(&login_options(&nexo).await);
    let answers = futures::future::join_all((0..4).map(|_| passkey_login(&nexo, &proof))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_proof_that_is_wrong_in_any_way_is_refused_alike() {
    let nexo = Nexo::start().await;
    let (_, phone) = with_passkey(&nexo, "phone").await;
    let (_, other) = with_passkey(&nexo, "phone").await;
    let wrong: [fn(&mut Authenticator); 7] = [
        |phone| phone.origin = "https://nexo.example".into(),
        |phone| phone.party = "example".into(),
        |phone| phone.flags = VERIFIED,
        |phone| phone.flags = PRESENT,
        |phone| phone.flags |= BACKED_UP,
        |phone| phone.flags |= 1 << 4,
        |phone| phone.key = Arc::new(Key::es256()),
    ];
    for (number, mistake) in wrong.iter().enumerate() {
        let mut bad = phone.clone();
        mistake(&mut bad);
        let answer = passkey_login(&nexo, &bad.get(&login_options(&nexo).await)).await;
        answer.assert_problem(401, "invalid_credentials");
        assert_eq!(answer.body["detail"], "Check them and try again.", "{number}");
    }
    // Another user's passkey, under this one's name.
    let mut proof = other.get(&login_options(&nexo).await);
    proof["response"]["userHandle"] = phone.handle.clone();
    passkey_login(&nexo, &proof).await.assert_problem(401, "invalid_credentials");
    for handle in [json!("AAAA"), Value::Null] {
        proof["response"]["userHandle"] = handle;
        passkey_login(&nexo, &proof).await.assert_problem(401, "invalid_credentials");
    }
    assert_eq!(passkey_login(&nexo, &phone.get(&login_options(&nexo).await)).await.status, 200);
}

#[tokio::test]
async fn a_passkey_whose_count_goes_back_may_be_a_copy() {
    let nexo = Nexo::start().await;
    let (_, mut phone) = with_passkey(&nexo, "phone").await;
    for (count, is_good) in [(0, true), (7, true), (7, false), (6, false), (0, false), (8, true)] {
        phone.count = count;
        let answer = passkey_login(&nexo, &phone.get(&login_options(&nexo).await)).await;
        assert_eq!(answer.status == 200, is_good, "{count}: {answer:?}");
    }
}

#[tokio::test]
async fn a_login_with_a_passkey_from_a_new_network_is_told_once() {
    let nexo = Nexo::start().await;
    let (company, phone) = with_passkey(&nexo, "phone").await;
    let log_in_from = async |ip: &str, is_right: bool| {
        let mut proof = phone.get(&login_options(&nexo).await);
        if !is_right {
            proof["response"]["signature"] = json!("AAAA");
        }
        post_from(&nexo, ip, "/api/auth/login/passkey", &json!({"passkey": proof})).await.status.as_u16()
    };
    let told = async || {
        let mails = nexo.mails(&company.email).await;
        mails.iter().filter(|mail| mail["subject"] == "New sign-in to your account").count()
    };
    assert_eq!(log_in_from("127.0.0.1", true).await, 200);
    assert_eq!(told().await, 0, "the registration's own network is known");
    assert_eq!(log_in_from("127.0.0.2", false).await, 401);
    assert_eq!(told().await, 0);
    let events = company.get("/api/auth/activity?type=login").await.body["data"].clone();
    assert_eq!(events[0]["outcome"], "failure", "{events}");
    assert_eq!(events[0]["ip"], "127.0.0.2", "{events}");
    for _ in 0..2 {
        assert_eq!(log_in_from("127.0.0.2", true).await, 200);
        assert_eq!(told().await, 1);
    }
    // A password's login from there is none from a new network either.
    let proof = phone.get(&login_options(&nexo).await);
    let body = json!({"email": company.email, "password": PASSWORD, "passkey": proof});
    assert_eq!(post_from(&nexo, "127.0.0.2", "/api/auth/login", &body).await.status, 200);
    assert_eq!(told().await, 1);
}

#[tokio::test]
async fn a_password_login_without_a_passkeys_second_factor_stays_slow() {
    let nexo = Nexo::start().await;
    let (company, phone) = with_passkey(&nexo, "phone").await;
    let mut bad = phone.get(&login_options(&nexo).await);
    bad["response"]["signature"] = json!("AAAA");
    let body = json!({"email": company.email, "password": PASSWORD, "passkey": bad});
    for _ in 0..5 {
        nexo.post("/api/auth/login", &body).await.assert_problem(401, "invalid_credentials");
    }
    nexo.post("/api/auth/login", &body).await.assert_problem(429, "too_many_attempts");
    // The passkey alone is nothing that could be guessed.
    assert_eq!(passkey_login(&nexo, &phone.get(&login_options(&nexo).await)).await.status, 200);
    // It is the user, so what was guessed before is forgotten.
    nexo.post("/api/auth/login", &body).await.assert_problem(401, "invalid_credentials");
}
