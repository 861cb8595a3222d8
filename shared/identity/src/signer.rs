//! Signs access tokens. Only the `auth` function has the secret this is made from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::Sha256;

use crate::refresh::RefreshKey;
use crate::token::{ACCESS_TOKEN_SECONDS, AUDIENCE, Claims, Header, PublicKey, TOKEN_TYPE};
use crate::{Clock, Principal};

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

/// The Ed25519 key that signs access tokens, derived from the stack's secret.
pub struct Signer {
    key: EncodingKey,
    public: PublicKey,
    refresh: RefreshKey,
    issuer: String,
    clock: Clock,
}

impl Signer {
    /// Derives the signing key and the refresh key from `secret`, each under its own label.
    ///
    /// # Errors
    /// When `secret` has fewer than 32 bytes.
    pub fn from_secret(secret: &[u8], issuer: impl Into<String>, clock: Clock) -> Result<Self, SignError> {
        if secret.len() < 32 {
            return Err(SignError::ShortSecret(secret.len()));
        }
        let seed = derive(secret, b"nexo access token ed25519 1");
        let public = PublicKey::new(ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        Ok(Self {
            key: EncodingKey::from_ed_der(&seed),
            public,
            refresh: RefreshKey::new(derive(secret, b"nexo refresh token hmac 1")),
            issuer: issuer.into(),
            clock,
        })
    }

    /// The public half, to be published for the other functions.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The key refresh tokens are made and checked with.
    pub fn refresh_key(&self) -> &RefreshKey {
        &self.refresh
    }

    /// An access token for `principal`, good for [`ACCESS_TOKEN_SECONDS`].
    ///
    /// # Errors
    /// When the operating system gives no random bytes, or the key cannot sign.
    pub fn sign(&self, principal: &Principal) -> Result<String, SignError> {
        crate::crypto::install();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| SignError::Failed(e.to_string()))?;
        let now = self.clock.now_seconds();
        let header = Header { alg: "EdDSA".into(), typ: TOKEN_TYPE.into(), kid: self.public.kid.clone() };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.into(),
            sub: principal.user,
            acc: principal.account,
            sid: principal.session,
            role: principal.role,
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
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA)
            .map_err(|e| SignError::Failed(e.to_string()))?;
        Ok(format!("{message}.{signature}"))
    }
}

fn derive(secret: &[u8], label: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(label);
    mac.finalize().into_bytes().into()
}
