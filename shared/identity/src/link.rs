//! Links in mails: good once, and derived instead of stored.
//!
//! A link's token names the change that waits for it in the table, and carries an HMAC over that and over
//! what the link is for. The table holds the change and the number of its link, never a token: whoever
//! reads the table, or the mails that wait to be sent, has no link to open. The transaction that uses a
//! link deletes what it names, and a later link to the same place has another number: so each is good once,
//! and only the latest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_domain::{AccountId, InvitationId, LinkId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::SignError;
use crate::signer::derive;

/// What a link is for. A link for one thing is no link for another, even to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To finish a registration.
    Register,
    /// To choose a new password.
    PasswordReset,
    /// To confirm a new address, at the new one.
    NewEmail,
    /// To confirm a new address, at the old one.
    OldEmail,
    /// To stop a change of address, at the old one.
    KeepEmail,
    /// To join a company.
    Invitation,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::Register,
        Self::PasswordReset,
        Self::NewEmail,
        Self::OldEmail,
        Self::KeepEmail,
        Self::Invitation,
    ];

    /// The word that stands for it in addresses.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::PasswordReset => "password-reset",
            Self::NewEmail => "new-email",
            Self::OldEmail => "old-email",
            Self::KeepEmail => "keep-email",
            Self::Invitation => "invitation",
        }
    }
}

/// Which pending change a link is about: where it waits, and the number of its link. No secret: only
/// [`LinkKey::seal`] makes a token of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    #[serde(serialize_with = "write_place", deserialize_with = "read_place")]
    place: [u8; PLACE],
    id: LinkId,
}

impl Link {
    /// Link `id` to the change that `what` names. Each name has at most one pending change, that of its
    /// latest link.
    pub fn new(what: &[&str], id: LinkId) -> Self {
        let mut hash = Sha256::new();
        for part in what {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { place: hash.finalize().into(), id }
    }

    /// Link `id` to an invitation, which names it: the account must be known before it can be looked up.
    pub fn to_invitation(account: &AccountId, invitation: &InvitationId, id: LinkId) -> Self {
        let mut place = [0; PLACE];
        let (left, right) = place.split_at_mut(PLACE / 2);
        left.copy_from_slice(&account.to_bytes());
        right.copy_from_slice(&invitation.to_bytes());
        Self { place, id }
    }

    /// The invitation that [`Self::to_invitation`] named.
    pub fn invitation(&self) -> (AccountId, InvitationId) {
        let half = |index: usize| std::array::from_fn(|byte| self.place[index * PLACE / 2 + byte]);
        (AccountId::from_bytes(half(0)), InvitationId::from_bytes(half(1)))
    }

    /// Where the change waits: a digest of its name, in base64url.
    pub fn place(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.place)
    }

    /// The number of the link.
    pub fn id(&self) -> &LinkId {
        &self.id
    }
}

fn write_place<S: Serializer>(place: &[u8; PLACE], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&URL_SAFE_NO_PAD.encode(place))
}

fn read_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; PLACE], D::Error> {
    let bytes = URL_SAFE_NO_PAD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    bytes.try_into().map_err(|_| D::Error::custom("a place has 32 bytes"))
}

/// The key that makes and opens the tokens of links.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

/// Marks the token for secret scanners, and its format's version.
const PREFIX: &str = "nexo_lt1_";
const PLACE: usize = 32;
const ULID: usize = 26;
const BODY: usize = PLACE + ULID;
const TAG: usize = 32;

impl LinkKey {
    /// Derives the key from the stack's secret for links.
    ///
    /// # Errors
    /// When `secret` has fewer than 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, SignError> {
        match secret.len() {
            short @ ..32 => Err(SignError::ShortSecret(short)),
            _ => Ok(Self(derive(secret, b"nexo link hmac 1"))),
        }
    }

    /// The token of `link`. It is the same each time it is made.
    pub fn seal(&self, purpose: Purpose, link: &Link) -> String {
        let mut bytes = Vec::with_capacity(BODY + TAG);
        bytes.extend(link.place);
        bytes.extend(link.id.ulid().as_bytes());
        bytes.extend(self.tag(purpose, &bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The link that `token` is of; `None` unless this key made it, for this purpose.
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Link> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY)?;
        if !bool::from(self.tag(purpose, body).ct_eq(tag)) {
            return None;
        }
        let (place, ulid) = body.split_at_checked(PLACE)?;
        let id = LinkId::from_ulid(std::str::from_utf8(ulid).ok()?).ok()?;
        Some(Link { place: place.try_into().ok()?, id })
    }

    fn tag(&self, purpose: Purpose, body: &[u8]) -> [u8; TAG] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(PREFIX.as_bytes());
        // No word is the beginning of another with the same rest: the body has one length.
        mac.update(purpose.word().as_bytes());
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}
