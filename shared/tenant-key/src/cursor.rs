//! Cursors: where the next page of a list begins.
//!
//! A cursor holds the index position of the last record shown and nothing else. It is sealed
//! (XChaCha20-Poly1305) and bound to the account, the route and the filter it was given for: used
//! anywhere else it does not open. The partition it continues in comes from the scope again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use crate::TenantScope;

/// The place of one record in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record's sort key in the table.
    pub record: String,
    /// The value the list is sorted by, where that is not the record's own sort key.
    pub sorted_by: Option<String>,
}

/// The cursor was not made by us, or for another account, route or filter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the cursor does not belong to this list")]
pub struct InvalidCursor;

/// The key that seals cursors; the same in every sandbox of a stack.
#[derive(Clone)]
pub struct CursorKey(XChaCha20Poly1305);

const NONCE: usize = 24;
const LONGEST: usize = 4096;
const SEPARATOR: char = '\u{1f}';

impl CursorKey {
    /// Derives the key from the stack's secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        let key = Sha256::new().chain_update(b"nexo cursor 1").chain_update(secret).finalize();
        Self(XChaCha20Poly1305::new(&key))
    }

    /// Seals `position` for the next request to `route` with the same `filter`.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn seal(
        &self,
        scope: &TenantScope,
        route: &str,
        filter: &str,
        position: &Position,
    ) -> Result<String, getrandom::Error> {
        let mut sealed = vec![0; NONCE];
        getrandom::fill(&mut sealed)?;
        let plain = match &position.sorted_by {
            Some(value) => format!("{}{SEPARATOR}{value}", position.record),
            None => position.record.clone(),
        };
        let nonce = nonce(&sealed).ok_or(getrandom::Error::UNEXPECTED)?;
        let bound = bound_to(scope, route, filter);
        let body = self
            .0
            .encrypt(&nonce, Payload { msg: plain.as_bytes(), aad: &bound })
            .map_err(|_| getrandom::Error::UNEXPECTED)?;
        sealed.extend(body);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The position in `cursor`.
    ///
    /// # Errors
    /// When it was not sealed by this key for this account, route and filter.
    pub fn open(
        &self,
        scope: &TenantScope,
        route: &str,
        filter: &str,
        cursor: &str,
    ) -> Result<Position, InvalidCursor> {
        if cursor.len() > LONGEST {
            return Err(InvalidCursor);
        }
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (head, body) = sealed.split_at_checked(NONCE).ok_or(InvalidCursor)?;
        let nonce = nonce(head).ok_or(InvalidCursor)?;
        let bound = bound_to(scope, route, filter);
        let plain = self.0.decrypt(&nonce, Payload { msg: body, aad: &bound }).map_err(|_| InvalidCursor)?;
        let plain = String::from_utf8(plain).map_err(|_| InvalidCursor)?;
        Ok(match plain.split_once(SEPARATOR) {
            Some((record, value)) => {
                Position { record: record.to_owned(), sorted_by: Some(value.to_owned()) }
            }
            None => Position { record: plain, sorted_by: None },
        })
    }
}

fn nonce(bytes: &[u8]) -> Option<XNonce> {
    <[u8; NONCE]>::try_from(bytes).ok().map(XNonce::from)
}

fn bound_to(scope: &TenantScope, route: &str, filter: &str) -> Vec<u8> {
    let account = scope.account().ulid();
    let mut bytes = Vec::with_capacity(account.len() + route.len() + filter.len() + 24);
    for part in [account, route, filter] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}
