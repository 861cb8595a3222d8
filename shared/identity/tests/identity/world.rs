//! A directory in memory, a published key to forge with, and tokens made by hand.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use nexo_domain::{AccountId, ApiKeyId, Grants, Role, SessionId, UserId};
use nexo_identity::{
    ApiKey, ApiKeyState, BoxFuture, Clock, Demand, Directory, DirectoryError, KEY_PERIOD_SECONDS, Principal,
    ProofState, PublicKey, SessionPrincipal, SessionState, Signer, Standing, Verified, Verifier,
};
use serde_json::{Map, Value, json};

pub(crate) const ISSUER: &str = "https://nexo.test";

/// Keys, sessions, API keys and their users, and how often they were read.
#[derive(Default)]
pub(crate) struct InMemoryDirectory {
    keys: Mutex<Vec<PublicKey>>,
    sessions: Mutex<HashMap<(AccountId, UserId, SessionId), SessionState>>,
    api_keys: Mutex<HashMap<(AccountId, ApiKeyId), ApiKeyState>>,
    users: Mutex<HashMap<(AccountId, UserId), Standing>>,
    key_reads: AtomicUsize,
    api_key_reads: AtomicUsize,
    user_reads: AtomicUsize,
    session_reads: AtomicUsize,
    down: AtomicBool,
}

impl InMemoryDirectory {
    pub(crate) fn publish(&self, keys: &[&PublicKey]) {
        *self.keys.lock().unwrap() = keys.iter().copied().cloned().collect();
    }

    pub(crate) fn open_session(&self, principal: &SessionPrincipal, expires_at: i64) {
        self.sessions.lock().unwrap().insert(
            place(principal),
            SessionState { expires_at, proof: PROOF, standing: (*principal.standing).clone() },
        );
    }

    /// Gives the user of a session other rights.
    pub(crate) fn give(&self, principal: &SessionPrincipal, standing: impl Into<Standing>) {
        self.sessions.lock().unwrap().get_mut(&place(principal)).unwrap().standing = standing.into();
    }

    /// Notes how the user of a session proved who they are.
    pub(crate) fn prove(&self, principal: &SessionPrincipal, proof: ProofState) {
        self.sessions.lock().unwrap().get_mut(&place(principal)).unwrap().proof = proof;
    }

    pub(crate) fn revoke(&self, principal: &SessionPrincipal) {
        self.sessions.lock().unwrap().remove(&place(principal)).unwrap();
    }

    /// Makes a key of `principal`'s user that was given `grants`, and answers its text.
    pub(crate) fn make_key(&self, principal: &SessionPrincipal, grants: Grants, expires_at: i64) -> String {
        let id = ApiKeyId::from_parts(1, [4; 10]);
        let text = ApiKey::make(&principal.account, &id).unwrap();
        let hash = *ApiKey::parse(&text).unwrap().hash();
        let state = ApiKeyState { hash, user: principal.user, expires_at, grants };
        self.api_keys.lock().unwrap().insert((principal.account, id), state);
        self.employ(principal, Some((*principal.standing).clone()));
        text
    }

    /// What the user of `principal` may do from now on; nothing at all when it is disabled.
    pub(crate) fn employ(&self, principal: &SessionPrincipal, standing: Option<Standing>) {
        let place = (principal.account, principal.user);
        match standing {
            Some(standing) => self.users.lock().unwrap().insert(place, standing),
            None => self.users.lock().unwrap().remove(&place),
        };
    }

    pub(crate) fn revoke_keys(&self) {
        self.api_keys.lock().unwrap().clear();
    }

    /// How often a key, and a key's user, was read.
    pub(crate) fn api_key_reads(&self) -> (usize, usize) {
        (self.api_key_reads.load(Ordering::Relaxed), self.user_reads.load(Ordering::Relaxed))
    }

    pub(crate) fn go_down(&self) {
        self.down.store(true, Ordering::Relaxed);
    }

    pub(crate) fn come_back(&self) {
        self.down.store(false, Ordering::Relaxed);
    }

    pub(crate) fn key_reads(&self) -> usize {
        self.key_reads.load(Ordering::Relaxed)
    }

    pub(crate) fn session_reads(&self) -> usize {
        self.session_reads.load(Ordering::Relaxed)
    }

    fn answer<T>(&self, value: T) -> Result<T, DirectoryError> {
        if self.down.load(Ordering::Relaxed) { Err(DirectoryError("it is down".into())) } else { Ok(value) }
    }
}

fn place(principal: &SessionPrincipal) -> (AccountId, UserId, SessionId) {
    (principal.account, principal.user, principal.session)
}

impl Directory for InMemoryDirectory {
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>> {
        self.key_reads.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().unwrap().clone();
        Box::pin(async { self.answer(keys) })
    }

    fn session<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>> {
        self.session_reads.fetch_add(1, Ordering::Relaxed);
        let found = self.sessions.lock().unwrap().get(&(*account, *user, *session)).cloned();
        Box::pin(async move { self.answer(found) })
    }

    fn api_key<'a>(
        &'a self,
        account: &'a AccountId,
        key: &'a ApiKeyId,
    ) -> BoxFuture<'a, Result<Option<ApiKeyState>, DirectoryError>> {
        self.api_key_reads.fetch_add(1, Ordering::Relaxed);
        let found = self.api_keys.lock().unwrap().get(&(*account, *key)).cloned();
        Box::pin(async move { self.answer(found) })
    }

    fn standing<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        _: Grants,
    ) -> BoxFuture<'a, Result<Option<Standing>, DirectoryError>> {
        self.user_reads.fetch_add(1, Ordering::Relaxed);
        let found = self.users.lock().unwrap().get(&(*account, *user)).cloned();
        Box::pin(async move { self.answer(found) })
    }
}

/// A proof that is always recent.
pub(crate) const PROOF: ProofState = ProofState { at: i64::MAX, is_for_setup: false };

/// A principal of an account of its own.
pub(crate) fn principal(number: u64) -> SessionPrincipal {
    SessionPrincipal {
        account: AccountId::from_parts(number, [1; 10]),
        user: UserId::from_parts(number, [2; 10]),
        session: SessionId::from_parts(number, [3; 10]),
        standing: Arc::new(Role::Owner.into()),
    }
}

/// A signer, a verifier that knows its key, and a session for `principal(1)`.
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<InMemoryDirectory>,
    pub(crate) signer: Signer,
    pub(crate) verifier: Verifier,
    /// A published key whose private half the tests hold.
    pub(crate) key: SigningKey,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|verifier| verifier)
    }

    pub(crate) fn with(setting: impl FnOnce(Verifier) -> Verifier) -> Self {
        let clock = Clock::system();
        to_the_start_of_a_second(&clock);
        let directory = Arc::new(InMemoryDirectory::default());
        let signer = Signer::from_secret(&[7; 32], ISSUER, clock.clone()).unwrap();
        let key = SigningKey::from_bytes(&[9; 32]);
        let [previous, current, next] = signer.public_keys();
        directory.publish(&[&previous, &current, &next, &public(&key)]);
        directory.open_session(&principal(1), clock.now_seconds() + 30 * 24 * 3600);
        let verifier = setting(Verifier::new(ISSUER, clock.clone()));
        Self { clock, directory, signer, verifier, key }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds * 1000);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now_seconds()
    }

    /// Moves the clock to so many seconds before the signing key changes.
    pub(crate) fn approach_the_next_period(&self, seconds: i64) {
        self.advance(KEY_PERIOD_SECONDS - self.now().rem_euclid(KEY_PERIOD_SECONDS) - seconds);
    }

    /// Publishes what the signer says is to be published now, and nothing else.
    pub(crate) fn publish_the_signers_keys(&self) {
        self.directory.publish(&self.signer.public_keys().each_ref());
    }

    /// The principal of `token`, or why there is none.
    pub(crate) fn verify(&self, token: &str) -> Result<Verified<Principal>, String> {
        self.verify_for(token, Demand::default())
    }

    /// The same at an operation that demands something of the session.
    pub(crate) fn verify_for(&self, token: &str, demand: Demand) -> Result<Verified<Principal>, String> {
        now(self.verifier.verify(token, demand, self.directory.as_ref())).map_err(|error| error.to_string())
    }

    /// A header and claims that pass when signed with [`World::key`].
    pub(crate) fn draft(&self) -> Draft {
        let principal = principal(1);
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": public(&self.key).kid });
        let claims = json!({
            "iss": ISSUER,
            "aud": "nexo-api",
            "sub": principal.user,
            "acc": principal.account,
            "sid": principal.session,
            "roles": ["owner"],
            "iat": self.now(),
            "exp": self.now() + 900,
            "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        });
        Draft { header: members(header), claims: members(claims) }
    }
}

/// A token before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

impl Draft {
    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn signed(&self, key: &SigningKey) -> String {
        sign(&text(&self.header), &text(&self.claims), key)
    }
}

/// The token of these two texts, whatever they are.
pub(crate) fn sign(header: &str, claims: &str, key: &SigningKey) -> String {
    let message = message(header, claims);
    let signature = encode(key.sign(message.as_bytes()).to_bytes());
    format!("{message}.{signature}")
}

pub(crate) fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn text(members: &Map<String, Value>) -> String {
    Value::Object(members.clone()).to_string()
}

/// `members` as text, with the member `name` twice.
pub(crate) fn text_with_repeated(members: &Map<String, Value>, name: &str) -> String {
    let whole = text(members);
    format!("{},{}:{}}}", whole.strip_suffix('}').unwrap(), json!(name), members[name])
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn public(key: &SigningKey) -> PublicKey {
    PublicKey::new(key.verifying_key().to_bytes())
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// Leaves a test most of a second until the clock's seconds change by themselves.
pub(crate) fn to_the_start_of_a_second(clock: &Clock) {
    clock.advance(1000 - clock.now_ms().rem_euclid(1000));
}

/// The outcome of a future that waits for nothing but memory.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}
