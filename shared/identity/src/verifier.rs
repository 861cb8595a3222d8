//! Verifies access tokens and API keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use nexo_domain::{AccountId, ApiKeyId, Grants, Role, SessionId, UserId};
use sha2::{Digest as _, Sha256};

use crate::token::{ACCESS_TOKEN_SECONDS, AUDIENCE, Claims, Header, MAX_TOKEN_BYTES, PublicKey, TOKEN_TYPE};
use crate::{
    ApiKey, ApiKeyHash, BoxFuture, Clock, Credential, Principal, SessionPrincipal, Standing, Verified,
};

/// A revoked session, or API key, is refused everywhere after at most this many seconds.
pub const REVOCATION_SECONDS: i64 = 60;

/// A proof of who one is counts as recent for so many seconds.
pub const RECENT_SECONDS: i64 = 10 * 60;

/// Public keys are read again when the copy is this old, in seconds: a key that was withdrawn is refused
/// everywhere after at most as long.
pub const KEY_COPY_SECONDS: i64 = 3600;

/// While the keys cannot be read, a copy is used until it is this old, in seconds.
pub const LONGEST_KEY_COPY_SECONDS: i64 = 24 * 3600;

/// Public keys are read again for an unknown `kid`, and after a read that failed, at most this often, in
/// seconds: a stranger's made-up tokens must not cost a read each, nor an outage one for each request.
const KEY_REREAD_SECONDS: i64 = 10;

/// The use of an API key is noted at most once in so many seconds.
pub const KEY_USE_SECONDS: i64 = 3600;

/// Sessions, tokens, and keys, remembered in one sandbox.
const CAPACITY: usize = 10_000;

/// What the reads behind a verification answer.
pub trait Directory: Send + Sync {
    /// The keys that access tokens may be signed with.
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>>;

    /// The session with what its user may do, or `None` if it was revoked or never was, or the user is
    /// disabled or no more.
    fn session<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>>;

    /// What is known of an API key, or `None` if it was revoked or never was, as in a directory without keys.
    fn api_key<'a>(
        &'a self,
        account: &'a AccountId,
        key: &'a ApiKeyId,
    ) -> BoxFuture<'a, Result<Option<ApiKeyState>, DirectoryError>> {
        let _ = (account, key);
        Box::pin(async { Ok(None) })
    }

    /// What the user of an API key may do now, or `None` if it is disabled or no more. The team is there if
    /// `limit`, what the key was given, reaches it.
    fn standing<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        limit: Grants,
    ) -> BoxFuture<'a, Result<Option<Standing>, DirectoryError>> {
        let _ = (account, user, limit);
        Box::pin(async { Ok(None) })
    }
}

/// A session that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// How its user came into it.
    pub proof: ProofState,
    /// What the user may do now.
    pub standing: Standing,
}

/// How the user of a session proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofState {
    /// When they last did, in seconds since the Unix epoch.
    pub at: i64,
    /// Whether the session is for setting up a second factor only: the account asks for one, and the user has
    /// none yet.
    pub is_for_setup: bool,
}

/// What an operation asks of a session, besides that it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// A proof of at most [`RECENT_SECONDS`] ago.
    pub recent: bool,
    /// That it is not for setting up a second factor only.
    pub enrolled: bool,
}

impl Demand {
    /// # Errors
    /// [`VerifyError::NotRecent`], [`VerifyError::NotEnrolled`].
    fn check(self, proof: ProofState, now: i64) -> Result<(), VerifyError> {
        if self.enrolled && proof.is_for_setup {
            return Err(VerifyError::NotEnrolled);
        }
        if self.recent && now.saturating_sub(proof.at) > RECENT_SECONDS {
            return Err(VerifyError::NotRecent);
        }
        Ok(())
    }
}

/// An API key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyState {
    /// The hash of its text.
    pub hash: ApiKeyHash,
    /// The user it acts for.
    pub user: UserId,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// What it was given of what the user may do.
    pub grants: Grants,
}

/// The directory could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the directory could not be read: {0}")]
pub struct DirectoryError(pub String);

/// Why a token was not accepted. The texts are for the log.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a token of ours: form, header, signature or claims.
    #[error("invalid access token: {0}")]
    Invalid(&'static str),
    /// Genuine, but past its `exp`.
    #[error("expired access token")]
    Expired,
    /// Genuine, but its session was revoked or has ended.
    #[error("the session is over")]
    Revoked,
    /// Good, but its user proved too long ago who they are.
    #[error("the proof is not recent")]
    NotRecent,
    /// Good, but only for setting up a second factor.
    #[error("a second factor is not set up yet")]
    NotEnrolled,
    /// An API key that was revoked, has ended, never was, or whose user is disabled or no more.
    #[error("not an API key that can be used")]
    NoSuchKey,
    /// The keys or the session could not be read.
    #[error(transparent)]
    Unavailable(#[from] DirectoryError),
}

/// Checks tokens against the published keys and the sessions behind them.
pub struct Verifier {
    issuer: String,
    clock: Clock,
    trust_session_for: i64,
    keys: Mutex<Keys>,
    seen: Mutex<HashMap<(AccountId, UserId, SessionId), Seen>>,
    /// Tokens whose signature was found good, by their SHA-256: to verify one is a third of a request's
    /// work, and the next request comes with the same token.
    genuine: Mutex<HashMap<[u8; 32], Genuine>>,
    /// What a look at an API key found, by the hash of its text.
    seen_keys: Mutex<HashMap<[u8; 32], SeenKey>>,
    /// When the use of an API key was last noted by this sandbox.
    noted: Mutex<HashMap<(AccountId, ApiKeyId), i64>>,
}

/// What a look at a session found.
#[derive(Clone)]
struct Seen {
    at: i64,
    proof: ProofState,
    standing: Arc<Standing>,
}

/// What a look at an API key found; no principal when it cannot be used.
#[derive(Clone)]
struct SeenKey {
    at: i64,
    found: Option<UsableKey>,
}

#[derive(Clone)]
struct UsableKey {
    expires_at: i64,
    principal: Principal,
}

/// What a token says whose signature, issuer, audience and length of life were found good.
#[derive(Clone)]
struct Genuine {
    /// The key it was signed with: when that is gone, the token is no longer good.
    kid: String,
    account: AccountId,
    user: UserId,
    session: SessionId,
    /// What the token's roles grant, if that can be told from it alone.
    standing: Option<Arc<Standing>>,
    proof: ProofState,
    issued_at: i64,
    expires_at: i64,
}

#[derive(Default)]
struct Keys {
    by_kid: HashMap<String, DecodingKey>,
    read_at: Option<i64>,
    /// The last read, whether or not it was answered.
    tried_at: Option<i64>,
}

impl Keys {
    /// The key, while the copy is less than `longest` seconds old.
    fn get(&self, kid: &str, now: i64, longest: i64) -> Option<DecodingKey> {
        let is_young = self.read_at.is_some_and(|at| now - at < longest);
        self.by_kid.get(kid).filter(|_| is_young).cloned()
    }

    /// Whether a read was tried so recently that there is none now. A copy without keys is read each time:
    /// then nothing was published yet.
    fn just_tried(&self, now: i64) -> bool {
        !self.by_kid.is_empty() && self.tried_at.is_some_and(|at| now - at < KEY_REREAD_SECONDS)
    }
}

impl Verifier {
    /// A verifier that looks at a session at most once in [`REVOCATION_SECONDS`].
    pub fn new(issuer: impl Into<String>, clock: Clock) -> Self {
        Self {
            issuer: issuer.into(),
            clock,
            trust_session_for: REVOCATION_SECONDS,
            keys: Mutex::default(),
            seen: Mutex::default(),
            genuine: Mutex::default(),
            seen_keys: Mutex::default(),
            noted: Mutex::default(),
        }
    }

    /// A verifier that looks at the session, or key, of every request: for functions where a revocation, or a
    /// new role, is in force at once.
    #[must_use]
    pub fn always_checking_the_session(&self) -> Self {
        Self { trust_session_for: 0, ..Self::new(self.issuer.as_str(), self.clock.clone()) }
    }

    /// Reads the public keys, which also opens the connection to the store: called in init, when a
    /// sandbox has its full CPU and no request waits.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn warm(&self, directory: &dyn Directory) -> Result<(), DirectoryError> {
        let keys = directory.public_keys().await?;
        let by_kid = keys.iter().map(|key| (key.kid.clone(), DecodingKey::from_ed_der(&key.x))).collect();
        let now = Some(self.clock.now_seconds());
        *lock(&self.keys) = Keys { by_kid, read_at: now, tried_at: now };
        Ok(())
    }

    /// The principal of `token`, if the session does for `demand`. What `directory` is asked, if anything,
    /// counts as the request's own.
    ///
    /// # Errors
    /// [`VerifyError::Invalid`], [`VerifyError::Expired`] and [`VerifyError::Revoked`] are the
    /// caller's fault and answered alike; [`VerifyError::NotRecent`] and [`VerifyError::NotEnrolled`] say what
    /// is missing; [`VerifyError::Unavailable`] is ours.
    pub async fn verify(
        &self,
        token: &str,
        demand: Demand,
        directory: &dyn Directory,
    ) -> Result<Verified<Principal>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::Invalid("too long"));
        }
        if ApiKey::is_meant(token) {
            return self.verify_key(token, demand, directory).await;
        }
        let digest = Sha256::digest(token).into();
        let known = lock(&self.genuine).get(&digest).cloned();
        let is_new = known.is_none();
        let token = match known {
            // Its key may have been withdrawn since.
            Some(token) => self.key(&token.kid, directory).await.map(|_| token)?,
            None => self.read(token, directory).await?,
        };
        let now = self.clock.now_seconds();
        // Our own clocks differ by less than this (AWS keeps Lambda's within a second).
        if token.issued_at > now + 5 {
            return Err(VerifyError::Invalid("issued in the future"));
        }
        if token.expires_at <= now {
            return Err(VerifyError::Expired);
        }
        let standing = self.check_session(&token, demand, now, directory).await?;
        let Genuine { account, user, session, .. } = token;
        if is_new {
            remember(&self.genuine, digest, token, |known| known.expires_at > now);
        }
        Ok(Verified::vouch(SessionPrincipal { account, user, session, standing }.into()))
    }

    /// The principal of an API key. Looks at the key unless it did less than `trust_session_for` seconds ago,
    /// also for one that cannot be used.
    async fn verify_key(
        &self,
        text: &str,
        demand: Demand,
        directory: &dyn Directory,
    ) -> Result<Verified<Principal>, VerifyError> {
        let key = ApiKey::parse(text).ok_or(VerifyError::Invalid("not a well-formed API key"))?;
        if demand.recent {
            // No key says that its user is there.
            return Err(VerifyError::NotRecent);
        }
        let now = self.clock.now_seconds();
        // Also by a clock that stepped back.
        let fresh = |seen: &SeenKey| now.saturating_sub(seen.at).abs() < self.trust_session_for;
        let seen = lock(&self.seen_keys).get(key.hash().as_bytes()).cloned().filter(fresh);
        let found = if let Some(SeenKey { found, .. }) = seen {
            found
        } else {
            let found = look_at_key(&key, directory).await?;
            let seen = SeenKey { at: now, found: found.clone() };
            remember(&self.seen_keys, *key.hash().as_bytes(), seen, fresh);
            found
        };
        let usable = found.filter(|key| key.expires_at > now).ok_or(VerifyError::NoSuchKey)?;
        Ok(Verified::vouch(usable.principal))
    }

    /// Who work that a user began goes on for, with what that user may do now: nothing, when disabled or no more.
    ///
    /// Only for work whose beginning was a verified request of this user's, and was written down as such.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn at_work_for(
        &self,
        account: &AccountId,
        user: &UserId,
        directory: &dyn Directory,
    ) -> Result<Verified<Principal>, DirectoryError> {
        let standing = directory.standing(account, user, Role::Owner.grants()).await?.unwrap_or_default();
        let (account, user, standing) = (*account, *user, Arc::new(standing));
        Ok(Verified::vouch(Principal { account, user, credential: Credential::Work, standing }))
    }

    /// The API key that the principal came with, if its use is to be noted now: this sandbox did not do so in
    /// the last [`KEY_USE_SECONDS`].
    pub fn use_to_note(&self, principal: &Principal) -> Option<ApiKeyId> {
        let Credential::ApiKey(key) = principal.credential else { return None };
        let now = self.clock.now_seconds();
        let recent = |noted: &i64| (now - noted).abs() < KEY_USE_SECONDS;
        let place = (principal.account, key);
        if lock(&self.noted).get(&place).is_some_and(recent) {
            return None;
        }
        remember(&self.noted, place, now, recent);
        Some(key)
    }

    /// Reads a token, and checks all of it that does not change with time.
    async fn read(&self, token: &str, directory: &dyn Directory) -> Result<Genuine, VerifyError> {
        let parts = Parts::split(token)?;
        let key = self.key(&parts.header.kid, directory).await?;
        let claims = parts.claims(&key)?;
        if claims.iss != self.issuer {
            return Err(VerifyError::Invalid("another issuer"));
        }
        if claims.aud != AUDIENCE {
            return Err(VerifyError::Invalid("another audience"));
        }
        if claims.exp.saturating_sub(claims.iat) > ACCESS_TOKEN_SECONDS {
            return Err(VerifyError::Invalid("longer life than we give"));
        }
        Ok(Genuine {
            kid: parts.header.kid,
            account: claims.acc,
            user: claims.sub,
            session: claims.sid,
            standing: Standing::of_system_roles(&claims.roles).map(Arc::new),
            proof: ProofState { at: claims.auth_time, is_for_setup: claims.setup },
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }

    /// What the session's user may do. Looks at the session unless it was seen less than
    /// `trust_session_for` seconds ago. The token's own making counts, if it says what its roles grant:
    /// the session existed at `iat`, which by another sandbox's clock may be ahead of now. What is remembered
    /// may admit to an operation, but not refuse it: its user may have proved who they are since.
    async fn check_session(
        &self,
        token: &Genuine,
        demand: Demand,
        now: i64,
        directory: &dyn Directory,
    ) -> Result<Arc<Standing>, VerifyError> {
        let key = (token.account, token.user, token.session);
        // A clock that stepped back must not make a look count for longer.
        let seen = lock(&self.seen).get(&key).map(|seen| Seen { at: seen.at.min(now), ..seen.clone() });
        let standing = token.standing.clone();
        let made =
            standing.map(|standing| Seen { at: token.issued_at.min(now), proof: token.proof, standing });
        // Where the token does not say what its roles grant, a look from before it was made does not either.
        let seen = seen.filter(|seen| made.is_some() || seen.at >= token.issued_at.min(now));
        // A session's proofs follow each other: whichever of the two knows the later one is right.
        let proof = seen.iter().chain(&made).map(|seen| seen.proof).max_by_key(|proof| proof.at);
        let latest = seen.into_iter().chain(made).max_by_key(|seen| seen.at);
        let latest = latest.map(|seen| Seen { proof: proof.unwrap_or(seen.proof), ..seen });
        let fresh = |seen: &Seen| now.saturating_sub(seen.at) < self.trust_session_for;
        if let Some(seen) = latest.filter(fresh).filter(|seen| demand.check(seen.proof, now).is_ok()) {
            return Ok(seen.standing);
        }
        let state = directory.session(&token.account, &token.user, &token.session).await?;
        let Some(SessionState { proof, standing, .. }) = state.filter(|state| state.expires_at > now) else {
            lock(&self.seen).remove(&key);
            return Err(VerifyError::Revoked);
        };
        let standing = Arc::new(standing);
        remember(&self.seen, key, Seen { at: now, proof, standing: Arc::clone(&standing) }, fresh);
        demand.check(proof, now)?;
        Ok(standing)
    }

    /// The published key `kid`, from the copy where that is recent enough.
    async fn key(&self, kid: &str, directory: &dyn Directory) -> Result<DecodingKey, VerifyError> {
        let now = self.clock.now_seconds();
        let usable = {
            let mut keys = lock(&self.keys);
            if let Some(key) = keys.get(kid, now, KEY_COPY_SECONDS) {
                return Ok(key);
            }
            let usable = keys.get(kid, now, LONGEST_KEY_COPY_SECONDS);
            if keys.just_tried(now) {
                let is_answered = keys.tried_at == keys.read_at;
                return usable.ok_or_else(|| {
                    if is_answered {
                        VerifyError::Invalid("unknown key")
                    } else {
                        DirectoryError("the public keys could not be read just now".into()).into()
                    }
                });
            }
            keys.tried_at = Some(now);
            usable
        };
        match (self.warm(directory).await, usable) {
            (Ok(()), _) => {
                lock(&self.keys).by_kid.get(kid).cloned().ok_or(VerifyError::Invalid("unknown key"))
            }
            (Err(_), Some(key)) => Ok(key),
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// What an API key may do now: no more than it was given, and no more than its user may.
async fn look_at_key(key: &ApiKey, directory: &dyn Directory) -> Result<Option<UsableKey>, VerifyError> {
    let (account, id) = (*key.account(), *key.id());
    let state = directory.api_key(&account, &id).await?;
    // Whoever knows a key's id and not its secret learns nothing, and costs one read.
    let Some(state) = state.filter(|state| state.hash == *key.hash()) else { return Ok(None) };
    let grants: Grants = state.grants.iter().filter(|grant| grant.permission().suits_api_keys()).collect();
    let Some(standing) = directory.standing(&account, &state.user, grants).await? else { return Ok(None) };
    let standing = Arc::new(standing.within(grants));
    let principal = Principal { account, user: state.user, credential: Credential::ApiKey(id), standing };
    Ok(Some(UsableKey { expires_at: state.expires_at, principal }))
}

/// A token taken apart, its header read, nothing of it believed yet.
struct Parts<'a> {
    header: Header,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, VerifyError> {
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Invalid("not a JWT"))?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Invalid("not a JWT"))?;
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| VerifyError::Invalid("header encoding"))?;
        let header: Header = object(&header).ok_or(VerifyError::Invalid("header"))?;
        if header.alg != "EdDSA" {
            return Err(VerifyError::Invalid("algorithm"));
        }
        if header.typ != TOKEN_TYPE {
            return Err(VerifyError::Invalid("type"));
        }
        Ok(Self { header, message, payload, signature })
    }

    /// The claims, once the signature over them has been verified.
    fn claims(&self, key: &DecodingKey) -> Result<Claims, VerifyError> {
        crate::crypto::install();
        let genuine =
            jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, Algorithm::EdDSA);
        if !matches!(genuine, Ok(true)) {
            return Err(VerifyError::Invalid("signature"));
        }
        let payload =
            URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| VerifyError::Invalid("claims encoding"))?;
        object(&payload).ok_or(VerifyError::Invalid("claims"))
    }
}

/// Reads a JSON object; serde would also take an array of its values.
fn object<T: serde::de::DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// Adds to a map of at most [`CAPACITY`]: when it is full, what is not worth keeping goes, or all.
fn remember<K: Eq + Hash, V>(map: &Mutex<HashMap<K, V>>, key: K, value: V, keep: impl Fn(&V) -> bool) {
    let mut map = lock(map);
    if map.len() >= CAPACITY {
        map.retain(|_, value| keep(value));
        if map.len() >= CAPACITY {
            map.clear();
        }
    }
    map.insert(key, value);
}

/// The maps are whole even if a holder of the lock panicked: each change is one statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_keeps_what_is_worth_it_or_begins_anew() {
        let after_one_more = |filled: usize, keep: fn(&usize) -> bool| {
            let map = Mutex::new((0..filled).map(|n| (n, n)).collect());
            remember(&map, CAPACITY, CAPACITY, keep);
            lock(&map).len()
        };
        let is_even = |n: &usize| n.is_multiple_of(2);
        assert_eq!(after_one_more(CAPACITY - 1, is_even), CAPACITY);
        assert_eq!(after_one_more(CAPACITY, is_even), CAPACITY / 2 + 1);
        assert_eq!(after_one_more(CAPACITY, |_| true), 1);
    }
}
