//! Files, as functions without a caller see them: what has arrived, what has not, and what is to go.
//!
//! What changes a file's bytes in the account's sum is one transaction with the change of the file that it
//! follows from. So each happens once, however often it is asked for.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, FileId, FileStatus, FileType, QuarantineReason, Sha256, Timestamp};
use nexo_tenant_key::DirectoryKey;
use serde::Deserialize;

use super::{Directory, item_key, read, whole};
use crate::expression::Expression;
use crate::pause::{ATTEMPTS, pause};
use crate::range::{Range, page};
use crate::record::Item;
use crate::table::{Stamp, write_id};
use crate::transaction::Transaction;
use crate::write::{BYTES, CLAIMED, PURGE, PURGE_AT, SETTLED_AT, SETTLING_SECONDS, VERSIONS};
use crate::{StoreError, TenantTable};

/// The attribute with what is wrong with a file.
const REASON: &str = "quarantineReason";

/// Items of one page.
const PAGE: i32 = 500;

/// What was announced of a file, and where it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// How many bytes.
    pub size: u64,
    /// Of which type.
    pub content_type: FileType,
    /// With which digest.
    pub sha256: Sha256,
    /// Where it stands.
    pub status: FileStatus,
    /// What is wrong with it.
    pub quarantine_reason: Option<QuarantineReason>,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The id of its upload in parts.
    pub parts: Option<String>,
    /// Whether it is noted that it has a thumbnail.
    #[serde(default)]
    pub has_thumbnail: bool,
    /// The second from which on no upload of it is under way: an hour after its bytes were looked at.
    settled_at: Option<i64>,
    /// Its further versions.
    #[serde(default, rename = "versionIds")]
    pub versions: Vec<FileId>,
    /// The file that it is a version of.
    version_of: Option<FileId>,
    /// The second at which it is purged, once it is deleted.
    purge_at: Option<i64>,
    /// That its object is about to be erased.
    purge: Option<String>,
}

impl Announced {
    /// The second at which its bytes were looked at, or at the latest.
    pub fn arrived_at(&self) -> i64 {
        self.settled_at.map_or(self.created_at.as_seconds(), |settled| settled - SETTLING_SECONDS)
    }

    /// Whether its object is to be looked at as soon as it is there.
    pub fn is_awaited(&self) -> bool {
        match self.status {
            FileStatus::Pending => true,
            // It could be brought back, from an older version.
            FileStatus::Quarantined => self.quarantine_reason == Some(QuarantineReason::Missing),
            FileStatus::Scanning | FileStatus::Available | FileStatus::Expired => false,
        }
    }

    /// Whether its time after the deletion is over, or nobody wants to wait for that.
    pub fn is_to_be_purged(&self, now: Timestamp) -> bool {
        self.deleted_at.is_some()
            && (self.purge.is_some() || self.purge_at.is_some_and(|at| at <= now.as_seconds()))
    }

    /// Whether it is about to be erased, and there is no way back any more.
    pub const fn is_purged(&self) -> bool {
        self.purge.is_some() && self.deleted_at.is_some()
    }

    /// What it counts in the sum of its account.
    const fn counted(&self) -> u64 {
        match self.status {
            FileStatus::Expired => 0,
            FileStatus::Pending | FileStatus::Scanning | FileStatus::Available | FileStatus::Quarantined => {
                self.size
            }
        }
    }
}

/// What a look at a file's bytes makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// They are what was announced, and are looked at for malware next.
    Scanning,
    /// They are what was announced.
    Available,
    /// Nobody gets them.
    Quarantined(QuarantineReason),
}

/// What a file becomes, once.
struct Outcome {
    status: FileStatus,
    reason: Option<QuarantineReason>,
}

impl From<Finding> for Outcome {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Scanning => Self { status: FileStatus::Scanning, reason: None },
            Finding::Available => Self { status: FileStatus::Available, reason: None },
            Finding::Quarantined(reason) => Self { status: FileStatus::Quarantined, reason: Some(reason) },
        }
    }
}

/// The members of a transaction that ends something.
enum Part {
    File,
    Sum,
    Of,
}

impl Directory {
    /// What was announced of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn announced(
        &self,
        account: &AccountId,
        file: &FileId,
    ) -> Result<Option<Announced>, StoreError> {
        self.get(&DirectoryKey::file(account, file), true).await?.map(read).transpose()
    }

    /// Makes of a file whose bytes were looked at what was found. Answers whether it did: nothing happens to a file
    /// that does not stand as it was `announced` any more, or is gone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others change the file all the time, and when the store does not answer.
    pub async fn finish(
        &self,
        account: &AccountId,
        file: &FileId,
        announced: &Announced,
        finding: Finding,
    ) -> Result<bool, StoreError> {
        let key = DirectoryKey::file(account, file);
        let outcome = Outcome::from(finding);
        let stamp = self.stamp()?;
        let mut is_deleted = announced.deleted_at.is_some();
        for attempt in 0..ATTEMPTS {
            let mut change = change(&stamp, announced.status, &outcome, is_deleted);
            match announced.quarantine_reason {
                Some(reason) => change.if_equal(REASON, AttributeValue::S(reason.to_string())),
                None => change.if_absent(REASON),
            };
            if announced.status == FileStatus::Pending {
                let settled = stamp.now.as_seconds() + SETTLING_SECONDS;
                change.set(SETTLED_AT, AttributeValue::N(settled.to_string()));
            }
            match self.try_update(&key, &change, attempt).await? {
                None => {}
                Some(Ok(_)) => return Ok(true),
                Some(Err(Some(item))) if stamp.wrote(&item) => return Ok(true),
                Some(Err(Some(item))) if stands_as(&item, announced) => {
                    is_deleted = item.contains_key("deletedAt");
                }
                Some(Err(_)) => return Ok(false),
            }
        }
        Err(StoreError::Busy)
    }

    /// Gives up waiting for a file's bytes: they count no more. Of a version that never came nothing is left, so that its
    /// file has room for another. Answers whether it did: nothing happens to a file that is not pending any more, is
    /// being purged, or gone.
    ///
    /// # Errors
    /// As [`Directory::finish`].
    pub async fn expire(&self, account: &AccountId, file: &FileId) -> Result<bool, StoreError> {
        let key = DirectoryKey::file(account, file);
        let outcome = Outcome { status: FileStatus::Expired, reason: None };
        let stamp = self.stamp()?;
        for attempt in 0..ATTEMPTS {
            let Some(item) = self.get(&key, true).await? else { return Ok(false) };
            if stamp.wrote(&item) {
                return Ok(true);
            }
            let is_deleted = item.contains_key("deletedAt");
            let found = read::<Announced>(item)?;
            if found.status != FileStatus::Pending || found.is_purged() {
                return Ok(false);
            }
            let mut transaction = Transaction::new(&self.store.table);
            if found.version_of.is_some() {
                let mut waits = Expression::new();
                waits.if_equal("status", AttributeValue::S(FileStatus::Pending.to_string())).if_absent(PURGE);
                transaction.delete(Part::File, item_key(&key), &waits)?;
                self.forget_version(&mut transaction, account, file, &found, attempt).await?;
            } else {
                let mut change = change(&stamp, FileStatus::Pending, &outcome, is_deleted);
                change.if_absent(PURGE);
                transaction.update(Part::File, item_key(&key), &change)?;
            }
            discount(&mut transaction, account, found.counted())?;
            if self.settle(transaction, &format!("{}{attempt}", stamp.write_id), attempt).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Busy)
    }

    /// Shuts the way back for a deleted file whose time is over, or for which that was asked. Answers what is to be
    /// erased now; `None` when the file was restored, is not due, or gone.
    ///
    /// # Errors
    /// As [`Directory::finish`].
    pub async fn claim_purge(
        &self,
        account: &AccountId,
        file: &FileId,
    ) -> Result<Option<Announced>, StoreError> {
        let key = DirectoryKey::file(account, file);
        let stamp = self.stamp()?;
        for attempt in 0..ATTEMPTS {
            let Some(item) = self.get(&key, true).await? else { return Ok(None) };
            let found: Announced = read(item)?;
            // As long as it says `asked`, whatever changes it is news to the stream; and its versions change it.
            if found.is_purged() && (found.versions.is_empty() || found.purge.as_deref() == Some(CLAIMED)) {
                return Ok(Some(found));
            }
            if !found.is_to_be_purged(stamp.now) {
                return Ok(None);
            }
            let mut change = Expression::new();
            authored(&mut change, &stamp);
            change.set(PURGE, AttributeValue::S(CLAIMED.into())).if_exists("deletedAt");
            let due =
                change.at_most(PURGE_AT, "now", u64::try_from(stamp.now.as_seconds()).unwrap_or_default());
            change.when(due);
            // Restored, or claimed, or an answer was lost: what is there now says which.
            if let Some(Ok(item)) = self.try_update(&key, &change, attempt).await? {
                return read(item).map(Some);
            }
        }
        Err(StoreError::Busy)
    }

    /// Shuts the way back for a version of a file that is being purged, which goes with it. Answers what is to be
    /// erased now; `None` when it is gone.
    ///
    /// # Errors
    /// As [`Directory::finish`].
    pub async fn claim_version(
        &self,
        account: &AccountId,
        version: &FileId,
    ) -> Result<Option<Announced>, StoreError> {
        let key = DirectoryKey::file(account, version);
        let stamp = self.stamp()?;
        for attempt in 0..ATTEMPTS {
            let mut change = Expression::new();
            change.set(PURGE, AttributeValue::S(CLAIMED.into()));
            change.set("deletedAt", AttributeValue::S(stamp.now.to_string())).if_exists("createdAt");
            if let Some(claimed) = self.try_update(&key, &change, attempt).await? {
                return claimed.ok().map(read).transpose();
            }
        }
        Err(StoreError::Busy)
    }

    /// Removes a file whose object was erased: its bytes count no more. It was claimed before.
    ///
    /// # Errors
    /// As [`Directory::finish`].
    pub async fn purge(
        &self,
        account: &AccountId,
        file: &FileId,
        claimed: &Announced,
    ) -> Result<(), StoreError> {
        let key = DirectoryKey::file(account, file);
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            let mut marked = Expression::new();
            marked.if_exists(PURGE).if_exists("deletedAt");
            transaction.delete(Part::File, item_key(&key), &marked)?;
            discount(&mut transaction, account, claimed.counted())?;
            self.forget_version(&mut transaction, account, file, claimed, attempt).await?;
            if self.settle(transaction, &write_id()?, attempt).await? {
                return Ok(());
            }
            let Some(item) = self.get(&key, true).await? else {
                // Somebody else was faster, or an answer was lost: counted once, as both go together.
                return Ok(());
            };
            if !read::<Announced>(item)?.is_purged() {
                return Err(StoreError::Corrupt("a file came back while it was purged".into()));
            }
        }
        Err(StoreError::Busy)
    }

    /// One page of an account's files in the order of their ids, behind one of them, deleted ones included, as they
    /// are after all writes that were acknowledged; and whether there are more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn files(
        &self,
        account: &AccountId,
        after: Option<&FileId>,
    ) -> Result<(Vec<(FileId, Announced)>, bool), StoreError> {
        let (items, has_more) = self.behind(&DirectoryKey::files(account), after.map(FileId::ulid)).await?;
        let files = items.into_iter().map(|item| {
            let file = ulid(&item).and_then(|ulid| FileId::from_ulid(ulid).ok());
            let file = file.ok_or_else(|| StoreError::Corrupt("an item among the files".into()))?;
            Ok((file, read(item)?))
        });
        Ok((files.collect::<Result<_, StoreError>>()?, has_more))
    }

    /// Notes that an account has files.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note_account_with_files(&self, account: &AccountId) -> Result<(), StoreError> {
        let key = DirectoryKey::account_with_files(account);
        let mut change = Expression::new();
        for (name, value) in whole(&key, "account with files", Item::new()) {
            if name != "pk" && name != "sk" {
                change.set(&name, value);
            }
        }
        self.update(&key, &change).await.map(drop)
    }

    /// One page of the accounts that have, or had, files, in the order of their ids, behind one of them; and whether
    /// there are more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn accounts_with_files(
        &self,
        after: Option<&AccountId>,
    ) -> Result<(Vec<AccountId>, bool), StoreError> {
        let (items, has_more) =
            self.behind(DirectoryKey::ACCOUNTS_WITH_FILES, after.map(AccountId::ulid)).await?;
        let accounts = items.iter().filter_map(|item| AccountId::from_ulid(ulid(item)?).ok());
        Ok((accounts.collect(), has_more))
    }

    /// How far the comparison of table and bucket came when it last ran out of time.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sweep_position(&self) -> Result<Option<(AccountId, Option<FileId>)>, StoreError> {
        let item = self.get(&DirectoryKey::sweep(), true).await?.unwrap_or_default();
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
        let account = text("account").and_then(|account| AccountId::from_ulid(account).ok());
        let file = text("file").and_then(|file| FileId::from_ulid(file).ok());
        Ok(account.map(|account| (account, file)))
    }

    /// Keeps how far the comparison of table and bucket has come; `None` when it has come to the end.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn keep_sweep_position(
        &self,
        position: Option<(&AccountId, Option<&FileId>)>,
    ) -> Result<(), StoreError> {
        let mut change = Expression::new();
        let account = position.map(|(account, _)| account.ulid());
        let file = position.and_then(|(_, file)| file).map(FileId::ulid);
        for (name, value) in [("account", account), ("file", file)] {
            match value {
                Some(value) => change.set(name, AttributeValue::S(value.to_owned())),
                None => change.remove(name),
            };
        }
        self.update(&DirectoryKey::sweep(), &change).await.map(drop)
    }

    /// One page of a partition behind a sort key, and whether there are more.
    pub(super) async fn behind(
        &self,
        partition: &str,
        after: Option<&str>,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let mut placeholders = Expression::new();
        let mut condition = placeholders.equals("pk", "partition", partition);
        if let Some(after) = after {
            condition = format!("{condition} AND {}", placeholders.compare("sk", ">", "after", after));
        }
        let range = Range {
            condition: &condition,
            placeholders: &placeholders,
            is_descending: false,
            most: Some(PAGE),
        };
        let (items, next) = page(&self.store, self.store.as_function(), &self.meter, &range, None).await?;
        Ok((items, next.is_some()))
    }

    /// Updates an item, as [`Directory::update`] does. `None` after a collision, for which it has waited.
    pub(super) async fn try_update(
        &self,
        key: &DirectoryKey,
        change: &Expression,
        attempt: usize,
    ) -> Result<Option<Result<Item, Option<Item>>>, StoreError> {
        match self.update(key, change).await {
            Err(StoreError::Busy) => pause(attempt).await.map(|()| None),
            updated => updated.map(Some),
        }
    }

    /// Sends a transaction; whether it was written. After a collision it has waited.
    async fn settle(
        &self,
        transaction: Transaction<Part>,
        token: &str,
        attempt: usize,
    ) -> Result<bool, StoreError> {
        match self.transact(transaction, token).await {
            Err(StoreError::Busy) => pause(attempt).await.map(|()| false),
            sent => Ok(sent?.is_none()),
        }
    }

    /// Takes a version out of those that its file names. That one is there still, as whoever is purged goes after its
    /// versions; if it is not, whatever has happened, there is nothing to be taken out of.
    async fn forget_version(
        &self,
        transaction: &mut Transaction<Part>,
        account: &AccountId,
        version: &FileId,
        announced: &Announced,
        attempt: usize,
    ) -> Result<(), StoreError> {
        let Some(first) = &announced.version_of else { return Ok(()) };
        let key = DirectoryKey::file(account, first);
        if attempt > 0 && self.get(&key, true).await?.is_none() {
            return Ok(());
        }
        let mut change = Expression::new();
        change.delete_from(VERSIONS, &version.to_string()).if_exists("createdAt");
        transaction.update(Part::Of, item_key(&key), &change)
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp { now: self.store.clock.now(), write_id: write_id()? })
    }
}

/// Takes a file's bytes from its account's sum.
fn discount(transaction: &mut Transaction<Part>, account: &AccountId, bytes: u64) -> Result<(), StoreError> {
    if bytes == 0 {
        return Ok(());
    }
    let mut change = Expression::new();
    change.sum(BYTES, -i128::from(bytes));
    transaction.update(Part::Sum, item_key(&DirectoryKey::storage(account)), &change)
}

/// The next version, when, and by which write.
fn authored(change: &mut Expression, stamp: &Stamp) {
    change.increment("version").set("updatedAt", AttributeValue::S(stamp.now.to_string()));
    change.set("writeId", AttributeValue::S(stamp.write_id.clone()));
    // A retry of this very write, after its answer was lost, must not count twice.
    change.if_not_equal("writeId", AttributeValue::S(stamp.write_id.clone()));
}

/// The change of a file that has the status `before`, and is deleted or not: whoever is deleted is in no list.
fn change(stamp: &Stamp, before: FileStatus, after: &Outcome, is_deleted: bool) -> Expression {
    let mut change = Expression::new();
    authored(&mut change, stamp);
    change.set("status", AttributeValue::S(after.status.to_string()));
    match after.reason {
        Some(reason) => change.set(REASON, AttributeValue::S(reason.to_string())),
        None => change.remove(REASON),
    };
    change.if_equal("status", AttributeValue::S(before.to_string()));
    if is_deleted {
        change.if_exists("deletedAt");
    } else {
        TenantTable::touch(&mut change, stamp);
        change.if_absent("deletedAt");
    }
    change
}

fn has_status(item: &Item, status: FileStatus) -> bool {
    item.get("status") == Some(&AttributeValue::S(status.to_string()))
}

fn stands_as(item: &Item, announced: &Announced) -> bool {
    let reason = announced.quarantine_reason.map(|reason| AttributeValue::S(reason.to_string()));
    has_status(item, announced.status) && item.get(REASON) == reason.as_ref()
}

pub(super) fn ulid(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}
