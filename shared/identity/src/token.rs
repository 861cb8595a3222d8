//! The access token: a JWT in the profile of RFC 9068, signed with Ed25519 (RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::{AccountId, RoleRef, SessionId, UserId};
use serde::{Deserialize, Serialize};

/// How long an access token is good for, in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 15 * 60;

/// The longest token that is looked at, in bytes. Ours have about 600.
pub const MAX_TOKEN_BYTES: usize = 2048;

/// `aud` of every access token.
pub const AUDIENCE: &str = "nexo-api";

/// `typ` of the header (RFC 9068, section 2.1): no other kind of JWT passes for an access token.
pub(crate) const TOKEN_TYPE: &str = "at+jwt";

/// The protected header. Unknown members are refused, and with them `jwk`, `jku`, `x5u`, `x5c` and
/// `crit`: the key is named by `kid` and comes from our own table, never from the token.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: String,
    pub(crate) kid: String,
}

/// The claims. Unknown and repeated ones are refused: only our own signer writes them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: UserId,
    pub(crate) acc: AccountId,
    pub(crate) sid: SessionId,
    pub(crate) roles: Vec<RoleRef>,
    /// When the user last proved who they are (`OpenID` Connect Core, section 2).
    #[serde(default)]
    pub(crate) auth_time: i64,
    /// Whether the session is for setting up a second factor only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) setup: bool,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
}

/// The public half of a signing key, as it is published (JWK: RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Names the key in a token's header: the first half of the SHA-256 of `x`, base64url.
    pub kid: String,
    /// The 32 bytes of the Ed25519 public key.
    pub x: [u8; 32],
}

impl PublicKey {
    /// The key `x`, under the name that follows from it.
    pub fn new(x: [u8; 32]) -> Self {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(x);
        Self { kid: URL_SAFE_NO_PAD.encode(&digest[..16]), x }
    }

    /// `x` in base64url, as a JWK holds it.
    pub fn x_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.x)
    }

    /// The key of a JWK's `x`; `None` unless that is 32 bytes of base64url.
    pub fn from_base64url(x: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(x).ok()?;
        Some(Self::new(bytes.try_into().ok()?))
    }
}
