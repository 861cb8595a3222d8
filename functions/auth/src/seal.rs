//! Secrets that must be read again, such as an authenticator app's: sealed, so that a copy of the table
//! holds none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use nexo_api::Problem;
use nexo_domain::{AccountId, UserId};
use nexo_identity::Signer;

/// Seals a user's secrets (XChaCha20-Poly1305), each bound to the account and the user: under another's
/// name it does not open.
pub(crate) struct Seal(XChaCha20Poly1305);

const NONCE: usize = 24;

impl Seal {
    pub(crate) fn new(signer: &Signer) -> Self {
        Self(XChaCha20Poly1305::new(&signer.key_for("nexo second factor 1").into()))
    }

    pub(crate) fn seal(&self, account: &AccountId, user: &UserId, secret: &[u8]) -> Result<String, Problem> {
        let mut sealed = vec![0; NONCE];
        getrandom::fill(&mut sealed).map_err(|error| Problem::internal(&error))?;
        let bound = bound_to(account, user);
        let nonce = nonce(&sealed).ok_or_else(|| Problem::internal(&"a nonce of another length"))?;
        let body = self.0.encrypt(&nonce, Payload { msg: secret, aad: &bound });
        sealed.extend(body.map_err(|error| Problem::internal(&error))?);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The secret in `sealed`. One that does not open was sealed with another signing secret: only setting
    /// it up anew helps.
    pub(crate) fn open(&self, account: &AccountId, user: &UserId, sealed: &str) -> Result<Vec<u8>, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).unwrap_or_default();
        let opened = bytes.split_at_checked(NONCE).and_then(|(head, body)| {
            let bound = bound_to(account, user);
            self.0.decrypt(&nonce(head)?, Payload { msg: body, aad: &bound }).ok()
        });
        opened.ok_or_else(|| Problem::internal(&"a sealed secret does not open"))
    }
}

fn nonce(bytes: &[u8]) -> Option<XNonce> {
    <[u8; NONCE]>::try_from(bytes).ok().map(XNonce::from)
}

/// Both have a fixed length.
fn bound_to(account: &AccountId, user: &UserId) -> Vec<u8> {
    [account.ulid(), user.ulid()].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use nexo_identity::Clock;

    use super::*;

    fn seal(secret: u8) -> Seal {
        Seal::new(&Signer::from_secret(&[secret; 32], "test", Clock::system()).unwrap())
    }

    #[test]
    fn a_secret_opens_under_its_own_name_and_key_only() {
        let clock = Clock::system();
        let (account, other_account) = (clock.mint().unwrap(), clock.mint().unwrap());
        let (user, other_user) = (clock.mint().unwrap(), clock.mint().unwrap());
        let sealed = seal(1).seal(&account, &user, b"a secret").unwrap();
        assert_eq!(seal(1).open(&account, &user, &sealed).unwrap(), b"a secret");
        assert!(seal(1).open(&other_account, &user, &sealed).is_err());
        assert!(seal(1).open(&account, &other_user, &sealed).is_err());
        assert!(seal(2).open(&account, &user, &sealed).is_err());
        assert!(seal(1).open(&account, &user, &sealed[..sealed.len() - 4]).is_err());
        assert_ne!(sealed, seal(1).seal(&account, &user, b"a secret").unwrap());
    }
}
