//! Keys of items and objects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::{AccountId, FileId};
use sha2::{Digest as _, Sha256};

use crate::directory::DirectoryKey;

/// The partition of one account's records of one kind: `A#<account>#<kind>`.
///
/// The account has a fixed length and a terminator, so no account's partition begins another's. The
/// same text is the partition key of the indexes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition(String);

impl Partition {
    pub(crate) fn new(account: &AccountId, tag: &str) -> Self {
        Self(format!("A#{}#{tag}", account.ulid()))
    }

    /// The text, as the table holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of one item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    partition: Partition,
    sort: String,
}

impl Key {
    pub(crate) fn new(partition: Partition, sort: impl Into<String>) -> Self {
        Self { partition, sort: sort.into() }
    }

    /// A marker in a partition of its own, so that markers spread over the table: the parts are
    /// hashed, which bounds the key's length and keeps what users type out of it.
    pub(crate) fn marker(account: &AccountId, tag: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The length before each part keeps ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = URL_SAFE_NO_PAD.encode(hash.finalize());
        Self { partition: Partition::new(account, &format!("{tag}#{digest}")), sort: tag.to_owned() }
    }

    /// A key that functions use under their own roles too. The caller vouches that it is the account's own.
    pub(crate) fn of_directory(key: DirectoryKey) -> Self {
        let (partition, sort) = key.into_parts();
        Self { partition: Partition(partition), sort }
    }

    /// The partition key.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The sort key.
    pub fn sort(&self) -> &str {
        &self.sort
    }
}

/// The key of one object: a file's, `a/<account>/<file>`, or that of its thumbnail, `t/<account>/<file>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    pub(crate) fn new(account: &AccountId, file: &str) -> Self {
        Self(format!("a/{}/{file}", account.ulid()))
    }

    /// Of another beginning, under which callers write nothing and nobody is told of what arrives.
    pub(crate) fn of_thumbnail(account: &AccountId, file: &str) -> Self {
        Self(format!("t/{}/{file}", account.ulid()))
    }

    /// The text, as the bucket holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose partition of this tag it is: for functions that work for no caller.
pub fn account_of(partition: &str, tag: &str) -> Option<AccountId> {
    let (account, found) = partition.strip_prefix("A#")?.split_once('#')?;
    AccountId::from_ulid(account).ok().filter(|_| found == tag)
}

/// The objects of one account in the bucket, for functions that work for no caller: what their keys begin with.
pub fn objects_of(account: &AccountId) -> String {
    format!("a/{}/", account.ulid())
}

/// The thumbnails of one account in the bucket, as [`objects_of`].
pub fn thumbnails_of(account: &AccountId) -> String {
    format!("t/{}/", account.ulid())
}

/// An object that has arrived, for the function that looks at it under its own role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivedObject {
    /// Whose it is.
    pub account: AccountId,
    /// The file it belongs to.
    pub file: FileId,
    key: ObjectKey,
}

impl ArrivedObject {
    /// Reads an object's key; `None` when it is none that a [`crate::TenantScope`] gives.
    pub fn parse(key: &str) -> Option<Self> {
        Self::behind("a/", key)
    }

    /// Reads a thumbnail's key; `None` when it is none of a file's.
    pub fn of_thumbnail(key: &str) -> Option<Self> {
        Self::behind("t/", key)
    }

    fn behind(prefix: &str, key: &str) -> Option<Self> {
        let (account, file) = key.strip_prefix(prefix)?.split_once('/')?;
        Some(Self::of(AccountId::from_ulid(account).ok()?, FileId::from_ulid(file).ok()?))
    }

    /// The object of a file.
    pub fn of(account: AccountId, file: FileId) -> Self {
        Self { account, file, key: ObjectKey::new(&account, file.ulid()) }
    }

    /// The object of a file, by the key of its record; `None` when that is none of a file's.
    pub fn of_record(partition: &str, sort: &str) -> Option<Self> {
        Some(Self::of(account_of(partition, "FIL")?, FileId::from_ulid(sort).ok()?))
    }

    /// Its key.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The key of its thumbnail.
    pub fn thumbnail(&self) -> ObjectKey {
        ObjectKey::of_thumbnail(&self.account, self.file.ulid())
    }
}
