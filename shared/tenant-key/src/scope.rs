//! The proof that a request may touch an account's data.

use nexo_domain::{AccountId, ApiKeyId, Email, Id, IdKind, Kind, SecurityEventId, TeamId, UserId};
use nexo_identity::{Credentials, Principal, Verified};

use crate::directory::DirectoryKey;
use crate::key::{Key, ObjectKey, Partition};

/// One account's data, and the credentials the engine limits to it.
///
/// Made only from a verified principal. Every [`Key`] comes from here.
#[derive(Clone, Debug)]
pub struct TenantScope {
    principal: Verified<Principal>,
    credentials: Credentials,
}

/// The credentials are another account's than the principal's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("credentials of another account than the principal's")]
pub struct WrongAccount;

impl TenantScope {
    /// The scope of `principal`'s account.
    ///
    /// # Errors
    /// When `credentials` were made for another account.
    pub fn new(principal: Verified<Principal>, credentials: Credentials) -> Result<Self, WrongAccount> {
        if principal.account == credentials.account {
            Ok(Self { principal, credentials })
        } else {
            Err(WrongAccount)
        }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.principal.account
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The credentials that DynamoDB and S3 limit to the account.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The partition that holds the account's records of one kind.
    pub fn partition(&self, kind: Kind) -> Partition {
        Partition::new(self.account(), kind.tag())
    }

    /// The key of one record.
    pub fn record<K: IdKind>(&self, id: &Id<K>) -> Key {
        Key::new(self.partition(K::KIND), id.ulid())
    }

    /// The partition that holds what belongs to one record alone, of one kind: its history.
    pub fn history(&self, record: &Key, kind: Kind) -> Partition {
        Partition::new(self.account(), &format!("{}#{}", kind.tag(), record.sort()))
    }

    /// The key of one entry of a record's history.
    pub fn entry<K: IdKind>(&self, record: &Key, id: &Id<K>) -> Key {
        Key::new(self.history(record, K::KIND), id.ulid())
    }

    /// The key of how often the tree that the account's records of one kind make has changed.
    pub fn tree(&self, kind: Kind) -> Key {
        Key::new(Partition::new(self.account(), "TREE"), kind.tag())
    }

    /// The key of the marker that says that `value` of `field` is taken among records of `kind`.
    pub fn unique(&self, kind: Kind, field: &str, value: &str) -> Key {
        Key::marker(self.account(), "UNQ", &[kind.tag(), field, value])
    }

    /// The key of the marker that remembers what a caller's `Idempotency-Key` was used for.
    pub fn idempotency(&self, kind: Kind, idempotency_key: &str) -> Key {
        Key::marker(self.account(), "IDM", &[&self.principal.user.to_string(), kind.tag(), idempotency_key])
    }

    /// The key of how much the account's files take.
    pub fn storage(&self) -> Key {
        Key::new(Partition::new(self.account(), "STO"), "STO")
    }

    /// The key of the account itself.
    pub fn account_record(&self) -> Key {
        Key::of_directory(DirectoryKey::account(self.account()))
    }

    /// The key of what a user may do.
    pub fn access(&self, user: &UserId) -> Key {
        Key::of_directory(DirectoryKey::access(self.account(), user))
    }

    /// The key of how many mails invited somebody to the account in one period, or only `to`.
    pub fn invitation_mails(&self, period: i64, to: Option<&Email>) -> Key {
        Key::of_directory(DirectoryKey::invitation_mails(self.account(), period, to))
    }

    /// The key of the roles and teams that the account defines.
    pub fn organization(&self) -> Key {
        Key::of_directory(DirectoryKey::organization(self.account()))
    }

    /// The key of who is in a team.
    pub fn team(&self, team: &TeamId) -> Key {
        Key::of_directory(DirectoryKey::team(self.account(), team))
    }

    /// The key of something that happened to a user's access.
    pub fn event(&self, user: &UserId, event: &SecurityEventId) -> Key {
        Key::of_directory(DirectoryKey::event(self.account(), user, event))
    }

    /// The key of an API key.
    pub fn api_key(&self, key: &ApiKeyId) -> Key {
        Key::of_directory(DirectoryKey::api_key(self.account(), key))
    }

    /// The key of how often the account's API keys were added to, which stands in the partition of all of them.
    pub fn api_keys(&self) -> Key {
        Key::of_directory(DirectoryKey::api_keys(self.account()))
    }

    /// The key of when an API key was last used.
    pub fn api_key_use(&self, key: &ApiKeyId) -> Key {
        Key::of_directory(DirectoryKey::api_key_use(self.account(), key))
    }

    /// The key of an object in the bucket. It never holds a name that a user gave.
    pub fn object<K: IdKind>(&self, file: &Id<K>) -> ObjectKey {
        ObjectKey::new(self.account(), file.ulid())
    }

    /// The key of a file's thumbnail in the bucket.
    pub fn thumbnail<K: IdKind>(&self, file: &Id<K>) -> ObjectKey {
        ObjectKey::of_thumbnail(self.account(), file.ulid())
    }
}
