//! Signs access tokens. Only the `auth` function has the secret this is made from.
//!
//! Each period of Unix time has a key of its own, which follows from the secret and the period's number:
//! nothing is stored, and every sandbox comes to the same key by its own clock.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::Sha256;

use crate::refresh::RefreshKey;
use crate::token::{ACCESS_TOKEN_SECONDS, AUDIENCE, Claims, Header, PublicKey, TOKEN_TYPE};
use crate::{Clock, ProofState, SessionPrincipal};

/// For how long a key signs, in seconds of Unix time; then the next one does.
pub const KEY_PERIOD_SECONDS: i64 = 30 * 24 * 3600;

/// The stack's secret is shorter than 32 bytes, or signing failed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The secret is too short to derive keys from.
    #[error("the signing secret has {0} bytes, at least 32 are needed")]
    ShortSecret(usize),
    /// No random bytes, or the signature could not be made.
    #[error("could not sign: {0}")]
    Failed(String),
}

/// The Ed25519 keys that sign access tokens, derived from the stack's secret.
pub struct Signer {
    secret: Vec<u8>,
    /// Those of the period that was asked for last.
    keys: Mutex<Arc<Keys>>,
    refresh: RefreshKey,
    issuer: String,
    clock: Clock,
}

impl Signer {
    /// Derives the signing keys and the refresh key from `secret`, each under its own label.
    ///
    /// # Errors
    /// When `secret` has fewer than 32 bytes.
    pub fn from_secret(secret: &[u8], issuer: impl Into<String>, clock: Clock) -> Result<Self, SignError> {
        if secret.len() < 32 {
            return Err(SignError::ShortSecret(secret.len()));
        }
        Ok(Self {
            secret: secret.to_vec(),
            keys: Mutex::new(Arc::new(Keys::of(secret, key_period(clock.now_seconds())))),
            refresh: RefreshKey::new(derive(secret, b"nexo refresh token hmac 1")),
            issuer: issuer.into(),
            clock,
        })
    }

    /// The public halves to publish now: of the period before, whose tokens may still be good, of this
    /// one, and of the next, so that verifiers know a key before it signs.
    pub fn public_keys(&self) -> [PublicKey; 3] {
        self.keys_at(self.clock.now_seconds()).public.clone()
    }

    /// The key refresh tokens are made and checked with.
    pub fn refresh_key(&self) -> &RefreshKey {
        &self.refresh
    }

    /// A key for another purpose, which its label names. It stays the same for as long as the secret does.
    pub fn key_for(&self, label: &str) -> [u8; 32] {
        derive(&self.secret, label.as_bytes())
    }

    /// An access token for `principal`, who proved it as `proof` says, good for [`ACCESS_TOKEN_SECONDS`].
    ///
    /// # Errors
    /// When the operating system gives no random bytes, or the key cannot sign.
    pub fn sign(&self, principal: &SessionPrincipal, proof: ProofState) -> Result<String, SignError> {
        crate::crypto::install();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| SignError::Failed(e.to_string()))?;
        // One reading of the clock: a token is signed with the key of the moment it says it was made.
        let now = self.clock.now_seconds();
        let keys = self.keys_at(now);
        let [_, current, _] = &keys.public;
        let header = Header { alg: "EdDSA".into(), typ: TOKEN_TYPE.into(), kid: current.kid.clone() };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.into(),
            sub: principal.user,
            acc: principal.account,
            sid: principal.session,
            roles: principal.standing.roles.clone(),
            auth_time: proof.at,
            setup: proof.is_for_setup,
            iat: now,
            exp: now + ACCESS_TOKEN_SECONDS,
            jti: URL_SAFE_NO_PAD.encode(id),
        };
        let json = |e: serde_json::Error| SignError::Failed(e.to_string());
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(json)?),
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).map_err(json)?)
        );
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &keys.signing, Algorithm::EdDSA)
            .map_err(|e| SignError::Failed(e.to_string()))?;
        Ok(format!("{message}.{signature}"))
    }

    fn keys_at(&self, seconds: i64) -> Arc<Keys> {
        let period = key_period(seconds);
        // What is held is whole even if a holder of the lock panicked: each change is one statement.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.period != period {
            *keys = Arc::new(Keys::of(&self.secret, period));
        }
        keys.clone()
    }
}

/// The key that signs in a period, and what is published then.
struct Keys {
    period: i64,
    signing: EncodingKey,
    /// Of the period before, of this one, and of the next.
    public: [PublicKey; 3],
}

impl Keys {
    fn of(secret: &[u8], period: i64) -> Self {
        let seed = |period: i64| derive(secret, format!("nexo access token ed25519 2 {period}").as_bytes());
        let public = |seed| PublicKey::new(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        let current = seed(period);
        Self {
            period,
            signing: EncodingKey::from_ed_der(&current),
            public: [seed(period - 1), current, seed(period + 1)].map(public),
        }
    }
}

/// The number of the period of [`KEY_PERIOD_SECONDS`] that an instant, in seconds of Unix time, is in.
pub fn key_period(seconds: i64) -> i64 {
    seconds.div_euclid(KEY_PERIOD_SECONDS)
}

pub(crate) fn derive(secret: &[u8], label: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(label);
    mac.finalize().into_bytes().into()
}
