//! The text of an API key.
//!
//! `nexo_live_`, then the account (26 characters), the key's id (26), a secret (52 characters of 5 random bits
//! each) and a checksum (7). All of it but the prefix is in the alphabet of ULIDs, Crockford's base 32 in upper
//! case, so that a double click takes the whole. The text says where the key is to be found, which is one read
//! of one item; whether it is the right one, its hash says.
//!
//! The checksum is no secret and no proof: it tells a key from a typing error, and from what a scanner of
//! source code finds by accident, without asking the table (as GitHub's tokens do).

use nexo_domain::{AccountId, ApiKeyId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What every API key begins with.
pub const API_KEY_PREFIX: &str = "nexo_live_";

/// The characters of an API key's text.
pub const API_KEY_LENGTH: usize = API_KEY_PREFIX.len() + 2 * ULID + SECRET + CHECKSUM;

const ULID: usize = 26;
/// 260 random bits.
const SECRET: usize = 52;
/// 32 bits.
const CHECKSUM: usize = 7;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a well-formed text says. Whether there is such a key, the table knows.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    account: AccountId,
    id: ApiKeyId,
    hash: ApiKeyHash,
}

/// The SHA-256 of an API key's text: all that is kept of it. The secret has more bits than can be guessed, so
/// that the hash need not be slow.
#[derive(Clone, Copy)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKey {
    /// The text of a new key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn make(account: &AccountId, id: &ApiKeyId) -> Result<String, getrandom::Error> {
        let mut random = [0; SECRET];
        getrandom::fill(&mut random)?;
        let mut text = format!("{API_KEY_PREFIX}{}{}", account.ulid(), id.ulid());
        text.extend(random.map(|byte| char::from(ALPHABET[usize::from(byte & 31)])));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Ok(text)
    }

    /// Whether `text` is meant to be an API key, and no token of another kind.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(API_KEY_PREFIX)
    }

    /// What `text` says; `None` unless it is exactly as [`ApiKey::make`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != API_KEY_LENGTH || !text.is_ascii() {
            return None;
        }
        let (body, given) = text.split_at(API_KEY_LENGTH - CHECKSUM);
        let (account, rest) = body.strip_prefix(API_KEY_PREFIX)?.split_at(ULID);
        let (id, secret) = rest.split_at(ULID);
        if !secret.bytes().all(|byte| ALPHABET.contains(&byte)) || given != checksum(body) {
            return None;
        }
        Some(Self {
            account: AccountId::from_ulid(account).ok()?,
            id: ApiKeyId::from_ulid(id).ok()?,
            hash: ApiKeyHash(Sha256::digest(text).into()),
        })
    }

    /// The account it is of.
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// The id.
    pub const fn id(&self) -> &ApiKeyId {
        &self.id
    }

    /// What the table must hold for it.
    pub const fn hash(&self) -> &ApiKeyHash {
        &self.hash
    }
}

impl ApiKeyHash {
    /// The hash of these bytes; `None` unless they are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In constant time: how much of a guess was right must not show.
impl PartialEq for ApiKeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for ApiKeyHash {}

/// Says no more than that it is one.
impl std::fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeyHash(…)")
    }
}

/// The CRC-32 of `text` in seven characters.
fn checksum(text: &str) -> String {
    let crc = crc32(text.as_bytes());
    let digit = |place| char::from(ALPHABET[((crc >> (5 * place)) & 31) as usize]);
    (0..CHECKSUM).rev().map(digit).collect()
}

/// CRC-32 as in IEEE 802.3 and gzip (RFC 1952, section 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const ID: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";
    const SECRET_TEXT: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ0123456789ABCDEFGHJK";

    fn text(account: &str, id: &str, secret: &str) -> String {
        let body = format!("{API_KEY_PREFIX}{account}{id}{secret}");
        let checksum = checksum(&body);
        body + &checksum
    }

    #[test]
    fn the_checksum_is_the_standards() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum("123456789"), "35Z8E96");
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn a_key_is_written_so() {
        let text = text(ACCOUNT, ID, SECRET_TEXT);
        assert_eq!(text.len(), 121);
        assert_eq!(text.len(), API_KEY_LENGTH);
        let key = ApiKey::parse(&text).unwrap();
        assert_eq!((key.account().ulid(), key.id().ulid()), (ACCOUNT, ID));
        assert_eq!(key.hash().as_bytes(), &<[u8; 32]>::from(Sha256::digest(&text)));
    }

    #[test]
    fn a_new_key_reads_back_and_is_like_no_other() {
        let (account, id) = (AccountId::from_ulid(ACCOUNT).unwrap(), ApiKeyId::from_ulid(ID).unwrap());
        let texts: std::collections::HashSet<_> =
            (0..100).map(|_| ApiKey::make(&account, &id).unwrap()).collect();
        assert_eq!(texts.len(), 100);
        for text in texts {
            let key = ApiKey::parse(&text).unwrap();
            assert_eq!((*key.account(), *key.id()), (account, id));
        }
    }

    #[test]
    fn what_is_not_exactly_a_key_is_none() {
        let right = text(ACCOUNT, ID, SECRET_TEXT);
        for wrong in [
            String::new(),
            API_KEY_PREFIX.to_owned(),
            right[1..].to_owned(),
            right[..right.len() - 1].to_owned(),
            format!("{right}0"),
            format!(" {right}"),
            right.to_lowercase(),
            right.replace("nexo_live_", "nexo_test_"),
            // Right checksums over what no key holds.
            text("81ARZ3NDEKTSV4RRFFQ69G5FAV", ID, SECRET_TEXT),
            text(ACCOUNT, "0IARZ3NDEKTSV4RRFFQ69G5FAV", SECRET_TEXT),
            text(&ACCOUNT.to_lowercase(), ID, SECRET_TEXT),
            text(ACCOUNT, ID, &SECRET_TEXT.replace('A', "U")),
            text(ACCOUNT, ID, &SECRET_TEXT.to_lowercase()),
            text(ACCOUNT, ID, &SECRET_TEXT.replace("01", "é")),
        ] {
            assert!(ApiKey::parse(&wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), tail in "[0-9A-Z]{111}") {
            prop_assert!(ApiKey::parse(&text).is_none());
            let _ = ApiKey::parse(&format!("{API_KEY_PREFIX}{tail}"));
        }

        #[test]
        fn one_other_character_makes_it_another_text(at in 0..API_KEY_LENGTH, other in "[ -~é]") {
            let right = text(ACCOUNT, ID, SECRET_TEXT);
            let changed = format!("{}{other}{}", &right[..at], &right[at + 1..]);
            prop_assert_eq!(ApiKey::parse(&changed).is_some(), changed == right);
        }

        #[test]
        fn two_characters_changed_places_make_it_none(at in 0..API_KEY_LENGTH - 1) {
            let right = text(ACCOUNT, ID, SECRET_TEXT);
            let mut bytes = right.clone().into_bytes();
            bytes.swap(at, at + 1);
            let swapped = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(ApiKey::parse(&swapped).is_some(), swapped == right);
        }

        #[test]
        fn every_key_reads_back(time in any::<u64>(), one in any::<[u8; 10]>(), other in any::<[u8; 10]>()) {
            let (account, id) = (AccountId::from_parts(time, one), ApiKeyId::from_parts(time, other));
            let key = ApiKey::parse(&ApiKey::make(&account, &id).unwrap()).unwrap();
            prop_assert_eq!((*key.account(), *key.id()), (account, id));
        }
    }
}
