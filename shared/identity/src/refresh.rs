//! Refresh tokens, derived instead of stored.
//!
//! A token names its session and its generation and carries an HMAC over both. Nothing of it is
//! kept: the session remembers only which generation is current. The child of a token is therefore
//! the same each time it is asked for, which is what lets a client that lost the answer ask again
//! (for ten seconds), and a leaked table holds nothing to log in with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_domain::{AccountId, SessionId, UserId};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// What a genuine refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The account of the session.
    pub account: AccountId,
    /// The user of the session.
    pub user: UserId,
    /// The session: the family of all tokens that descend from one login.
    pub session: SessionId,
    /// How many rotations the family had when the token was made.
    pub generation: u32,
}

/// The key that makes and checks refresh tokens.
pub struct RefreshKey([u8; 32]);

/// Marks the token for secret scanners, and its format's version.
const PREFIX: &str = "nexo_rt1_";
const ULID: usize = 26;
const BODY: usize = ULID * 3 + 4;
const TAG: usize = 32;

impl RefreshKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The text of `token`.
    pub fn seal(&self, token: &RefreshToken) -> String {
        let mut bytes = Vec::with_capacity(BODY + TAG);
        bytes.extend(token.account.ulid().as_bytes());
        bytes.extend(token.user.ulid().as_bytes());
        bytes.extend(token.session.ulid().as_bytes());
        bytes.extend(token.generation.to_be_bytes());
        bytes.extend(self.tag(&bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What `text` says; `None` unless this key made it.
    pub fn open(&self, text: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY)?;
        if !bool::from(self.tag(body).ct_eq(tag)) {
            return None;
        }
        let ulid = |from: usize| std::str::from_utf8(body.get(from..from + ULID)?).ok();
        Some(RefreshToken {
            account: AccountId::from_ulid(ulid(0)?).ok()?,
            user: UserId::from_ulid(ulid(ULID)?).ok()?,
            session: SessionId::from_ulid(ulid(2 * ULID)?).ok()?,
            generation: u32::from_be_bytes(body.get(3 * ULID..)?.try_into().ok()?),
        })
    }

    fn tag(&self, body: &[u8]) -> [u8; TAG] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(PREFIX.as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}
