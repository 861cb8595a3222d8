//! Local credentials: who calls the table, sealed into a session token.
//!
//! On AWS a request to DynamoDB is signed with credentials that STS gave out. Here the session token
//! itself says who calls, and only [`LocalIssuer`] can make one: it is encrypted and authenticated
//! with XChaCha20-Poly1305 under a key that stays with the data.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const NONCE_BYTES: usize = 24;
/// Bound to every token, so that nothing else sealed with the same key passes for one.
const PURPOSE: &[u8] = b"nexo-local/session-token/1";

/// Who calls the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum CallerIdentity {
    /// A function under its own role.
    Function {
        /// The logical id of the role in the template.
        role: String,
    },
    /// A function that has assumed a role for one account.
    Tenant {
        /// The logical id of the role in the template.
        role: String,
        /// The account: 26 characters, a ULID in capitals.
        account: String,
        /// When the session ends, in milliseconds since 1970.
        expires_at_ms: u64,
    },
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// This issuer did not make it, or it was changed since.
    #[error("The security token included in the request is invalid.")]
    Invalid,
    /// Its session is over.
    #[error("The security token included in the request is expired")]
    Expired,
}

/// Why an issuer, or a token, cannot be made. The text is one line for a person.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The account is no ULID in capitals.
    #[error("{0:?} is not an account")]
    Account(String),
    /// The token could not be encrypted.
    #[error("the token could not be sealed")]
    Seal,
}

/// Makes and opens session tokens.
#[derive(Clone)]
pub struct LocalIssuer {
    cipher: XChaCha20Poly1305,
    key: [u8; 32],
}

impl std::fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalIssuer")
    }
}

impl LocalIssuer {
    /// An issuer with a given key.
    pub fn from_key(key: [u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(key)), key }
    }

    /// An issuer with a key of its own, for a table that lives in memory.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn random() -> Result<Self, IssuerError> {
        random_bytes().map(Self::from_key)
    }

    /// The secret that goes with a token: what it signs, only its holder has signed.
    ///
    /// # Panics
    /// Never: HMAC takes any key.
    #[expect(clippy::expect_used, reason = "HMAC takes any key")]
    pub fn secret(&self, token: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes any key");
        mac.update(b"nexo-local/secret/1");
        mac.update(token.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Seals an identity into a token.
    ///
    /// # Errors
    /// The account is not one, or the operating system gives no random bytes.
    pub fn seal(&self, caller: &CallerIdentity) -> Result<String, IssuerError> {
        if let CallerIdentity::Tenant { account, .. } = caller
            && !is_account(account)
        {
            return Err(IssuerError::Account(account.clone()));
        }
        let nonce: [u8; NONCE_BYTES] = random_bytes()?;
        let plain = serde_json::to_vec(caller).map_err(|_| IssuerError::Seal)?;
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: PURPOSE })
            .map_err(|_| IssuerError::Seal)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens a token.
    ///
    /// # Errors
    /// The token was not made by this issuer, was changed, or its session ended before `now_ms`
    /// (milliseconds since 1970).
    pub fn open(&self, token: &str, now_ms: u64) -> Result<CallerIdentity, TokenError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Invalid)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(TokenError::Invalid)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| TokenError::Invalid)?;
        let plain = self
            .cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: PURPOSE })
            .map_err(|_| TokenError::Invalid)?;
        let caller = serde_json::from_slice(&plain).map_err(|_| TokenError::Invalid)?;
        match &caller {
            CallerIdentity::Tenant { expires_at_ms, .. } if *expires_at_ms <= now_ms => {
                Err(TokenError::Expired)
            }
            CallerIdentity::Tenant { account, .. } if !is_account(account) => Err(TokenError::Invalid),
            _ => Ok(caller),
        }
    }
}

/// A ULID in capitals (Crockford's base 32, 128 bits), the form an account has in keys.
fn is_account(text: &str) -> bool {
    text.len() == 26
        && text.starts_with(|c: char| matches!(c, '0'..='7'))
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !b"ILOU".contains(&b))
}

fn random_bytes<const N: usize>() -> Result<[u8; N], IssuerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(IssuerError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn tenant(expires_at_ms: u64) -> CallerIdentity {
        CallerIdentity::Tenant { role: "TenantRole".to_owned(), account: ACCOUNT.to_owned(), expires_at_ms }
    }

    #[test]
    fn a_token_opens_to_what_was_sealed() {
        let issuer = LocalIssuer::random().unwrap();
        let function = CallerIdentity::Function { role: "HealthFunctionRole".to_owned() };
        for caller in [function, tenant(1_000)] {
            let token = issuer.seal(&caller).unwrap();
            assert_eq!(issuer.open(&token, 999), Ok(caller));
        }
    }

    #[test]
    fn a_session_ends() {
        let issuer = LocalIssuer::random().unwrap();
        let token = issuer.seal(&tenant(1_000)).unwrap();
        assert_eq!(issuer.open(&token, 1_000), Err(TokenError::Expired));
    }

    #[test]
    fn another_issuers_token_is_refused() {
        let token = LocalIssuer::random().unwrap().seal(&tenant(1_000)).unwrap();
        let other = LocalIssuer::random().unwrap();
        assert_eq!(other.open(&token, 0), Err(TokenError::Invalid));
    }

    #[test]
    fn only_an_account_can_be_sealed() {
        let issuer = LocalIssuer::random().unwrap();
        for account in ["", "*", "01arz3ndektsv4rrffq69g5fav", "81ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            let caller = CallerIdentity::Tenant {
                role: "TenantRole".to_owned(),
                account: account.to_owned(),
                expires_at_ms: 1,
            };
            assert!(issuer.seal(&caller).is_err(), "{account}");
        }
    }

    proptest! {
        #[test]
        fn any_change_of_a_token_is_noticed(at in 0_usize..130, bit in 0_u8..8) {
            let issuer = LocalIssuer::from_key([7; 32]);
            let token = issuer.seal(&tenant(1_000)).unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let changed = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(issuer.open(&changed, 0), Err(TokenError::Invalid));
        }

        #[test]
        fn no_text_is_a_token(text in ".{0,200}") {
            let issuer = LocalIssuer::from_key([7; 32]);
            prop_assert_eq!(issuer.open(&text, 0), Err(TokenError::Invalid));
        }
    }
}
