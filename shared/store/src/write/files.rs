//! Records that stand for objects: what all of an account's objects take together is bounded.
//!
//! The bytes are counted in one item of the account, in the transaction that creates the record, and stay counted
//! while its object can be there: until it is purged, or has expired ([`crate::Directory`]). So the sum never goes
//! over the bound, however many come at once, and no retry counts twice.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{FileStatus, Id, IdKind, Timestamp, UserId};

use super::idempotency::replay;
use super::{Created, Idempotency, Part, Sent, With};
use crate::batch::batch;
use crate::expression::Expression;
use crate::pause::{ATTEMPTS, pause};
use crate::record::{Entity, Input, Item, RECORD_KIND, Record, attributes, name_key};
use crate::table::{OWNER, Stamp, Updated};
use crate::transaction::{Transaction, key_of};
use crate::{StoreError, TenantTable};

/// A record that stands for an object.
pub trait Stored: Record {
    /// What the object takes, or will take, in bytes.
    fn bytes(&self) -> u64;

    /// The ids of the records it is linked to, by which it is listed.
    fn linked(&self) -> Vec<String>;
}

/// The attribute with the ids of a record's further versions. They are records of their own.
pub(crate) const VERSIONS: &str = "versionIds";

/// The most further versions of a record: so many are erased with it at once.
const MOST_VERSIONS: usize = 20;

/// The attribute with the ids of [`Stored::linked`].
const LINKED: &str = "linkedIds";

/// The attribute of the account's item with the sum of bytes.
pub(crate) const BYTES: &str = "bytes";

/// The attribute of a record whose object is about to be erased: [`ASKED`] or [`CLAIMED`]. From then on there is no way
/// back.
pub(crate) const PURGE: &str = "purge";

/// The attribute with the second from which no upload of a file that has arrived is under way any more.
pub(crate) const SETTLED_AT: &str = "settledAt";

/// How long after a file has arrived, or was deleted, an upload of it may still be under way, in seconds: from then on no
/// address is given for it. Those that were are good for 15 minutes, and what was begun by then takes its time. Erased in
/// that time, its object could come back, and belong to nothing.
pub(crate) const SETTLING_SECONDS: i64 = 60 * 60;

/// What the table's stream tells `sweep` of: a caller asked for it.
const ASKED: &str = "asked";

/// Whoever erases it has begun.
pub(crate) const CLAIMED: &str = "claimed";

/// The attribute with the id of a record's upload in parts. It is no caller's: it stands in addresses only.
pub(crate) const PARTS: &str = "parts";

/// The attribute with the second at which a deleted record is purged: not the table's TTL's, which would take
/// the record before the object.
pub const PURGE_AT: &str = "purgeAt";

impl TenantTable {
    /// The id of a record that is about to be made.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new_id<K: IdKind>(&self) -> Result<Id<K>, StoreError> {
        Ok(self.store.clock.mint()?)
    }

    /// Creates a record whose object is yet to come, and counts its bytes. If it is a version of another, that one
    /// notes it in the same transaction, and has the same owner then. `upload` is the id of the
    /// upload in parts that was begun for it, if it comes so. It stays the same, and callers see it in addresses only.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] when the account's objects would take more than `most` bytes;
    /// [`StoreError::NoSuchReference`], [`StoreError::KeyReused`]; [`StoreError::NotFound`] and
    /// [`StoreError::TooManyVersions`] of the record that it is to be a version of.
    pub async fn create_stored<R: Stored>(
        &self,
        id: Id<R::Kind>,
        input: Input<R>,
        upload: Option<&str>,
        most: u64,
        idempotency: Option<&Idempotency>,
    ) -> Result<Created<R>, StoreError> {
        self.may_assign(input.owner_id)?;
        let stamp = self.stamp()?;
        let entity = self.first_version(id, stamp.now, input);
        let key = self.scope.record(&entity.id);
        let mut item = entity.to_item(&key)?;
        if let Some(upload) = upload {
            item.insert(PARTS.into(), AttributeValue::S(upload.to_owned()));
        }
        for (name, value) in self.authorship(&stamp) {
            item.insert(name.into(), value);
        }
        if let Some(linked) = linked(&entity.input.fields) {
            item.insert(LINKED.into(), linked);
        }
        let references = self.references(&entity.input);
        // What a version names and who owns it stand in the first one already.
        let before = if entity.input.fields.version_of().is_some() { references.as_slice() } else { &[] };
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            transaction.put_new(Part::Record, item.clone())?;
            if let Err(error) = self.refer::<R>(&mut transaction, &stamp, &key, before, &references).await {
                // What the first request named may be out of reach by now; its answer stays.
                return match idempotency {
                    Some(idempotency) => self.recall(idempotency, entity.input, error).await,
                    None => Err(error),
                };
            }
            self.count_bytes(&mut transaction, most, entity.input.fields.bytes())?;
            if let Some(of) = entity.input.fields.version_of() {
                let mut change = Expression::new();
                change.insert_into(VERSIONS, &entity.id.to_string()).if_smaller(VERSIONS, MOST_VERSIONS);
                change.if_exists(RECORD_KIND).if_absent("deletedAt").if_absent(PURGE);
                match entity.input.owner_id {
                    Some(owner) => change.if_equal(OWNER, AttributeValue::S(owner.to_string())),
                    None => change.if_absent(OWNER),
                };
                transaction.update(Part::Versioned, key_of(&self.scope.record(&of)), &change)?;
            }
            if let Some(idempotency) = idempotency {
                self.remember::<R>(&mut transaction, idempotency, &entity)?;
            }
            // All that the account announces counts in one item.
            let refusals = match self.send(transaction, &stamp, attempt, true).await? {
                Sent::Written => return Ok(Created { entity, replayed: false }),
                Sent::Refused(refusals) => refusals,
                Sent::Collided => continue,
            };
            if let Some(found) = replay(&refusals) {
                let idempotency = idempotency.ok_or(StoreError::Busy)?;
                return self.first_answer(found, idempotency, entity.input);
            }
            self.explain::<R>(&key, &refusals).await?;
        }
        Err(StoreError::Busy)
    }

    /// A live record as it is after all writes, and the id of its upload in parts if it comes so.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn upload_of<R: Stored>(
        &self,
        id: &Id<R::Kind>,
    ) -> Result<(Entity<R>, Option<String>), StoreError> {
        let item = self.read(&self.scope.record(id), true).await?;
        let parts = item.as_ref().and_then(parts);
        Ok((self.whole(self.live(item)?, true).await?, parts))
    }

    /// All versions of a live record, newest first and deleted ones left out. The record itself is the first and
    /// therefore the last here; it may be named by any of its versions. Whoever reaches it reaches all of them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn versions_of<R: Stored>(&self, id: &Id<R::Kind>) -> Result<Vec<Entity<R>>, StoreError> {
        let mut item = self.read(&self.scope.record(id), true).await?;
        let mut first: Entity<R> = self.live(item.clone())?;
        if let Some(of) = first.input.fields.version_of() {
            item = self.read(&self.scope.record(&of), true).await?;
            first = self.live(item.clone())?;
        }
        let mut further: Vec<Id<R::Kind>> =
            version_ids(item.as_ref()).iter().filter_map(|id| id.parse().ok()).collect();
        further.sort_unstable_by(|one, other| other.ulid().cmp(one.ulid()));
        let mut versions = Vec::with_capacity(further.len() + 1);
        if !further.is_empty() {
            let keys = further.iter().map(|id| key_of(&self.scope.record(id))).collect();
            let found = batch(&self.store, self.credentials(), &self.request.meter, keys).await?;
            for item in found.into_iter().flatten().filter(|item| !item.contains_key("deletedAt")) {
                versions.push(Entity::from_item(item)?);
            }
        }
        versions.push(first);
        Ok(versions)
    }

    /// Why a record takes no further version.
    pub(super) fn why_no_version(&self, found: Option<&Item>) -> StoreError {
        match found {
            Some(item) if self.shows(item) && !item.contains_key("deletedAt") => {
                // What it was refused for may be over already, or somebody else owns it by now.
                if version_ids(Some(item)).len() < MOST_VERSIONS {
                    StoreError::Busy
                } else {
                    StoreError::TooManyVersions
                }
            }
            _ => StoreError::NotFound,
        }
    }

    /// Changes a record by a rule; what it is linked to from now on must exist. With another owner its further versions
    /// get the same one.
    ///
    /// # Errors
    /// The rule's own; [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::NoSuchReference`],
    /// [`StoreError::BeyondReach`].
    pub async fn change_stored<R: Stored, E: From<StoreError>>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
        rule: impl Fn(&mut Input<R>) -> Result<(), E>,
    ) -> Result<Entity<R>, E> {
        let key = self.scope.record(id);
        for attempt in 0..ATTEMPTS {
            let item = self.read(&key, true).await?;
            let versions = version_ids(item.as_ref()).to_vec();
            let current: Entity<R> = self.whole(self.live(item)?, true).await?;
            if expected.is_some_and(|version| version != current.version) {
                return Err(StoreError::Stale { version: current.version }.into());
            }
            let before = self.references(&current.input);
            let mut next = current.clone();
            rule(&mut next.input)?;
            self.may_assign(next.input.owner_id)?;
            let references = self.references(&next.input);
            let stamp = self.stamp()?;
            let mut change = self.change(&stamp, Some(current.version));
            Self::touch(&mut change, &stamp);
            change.set("gsi1sk", AttributeValue::S(name_key(&next.input.fields.sort_name())));
            let (was, mut will_be) = (attributes(&current.input)?, attributes(&next.input)?);
            for name in was.keys().filter(|name| !will_be.contains_key(*name)) {
                change.remove(name);
            }
            will_be.retain(|name, value| was.get(name) != Some(value));
            for (name, value) in will_be {
                change.set(&name, value);
            }
            match linked(&next.input.fields) {
                Some(linked) => change.set(LINKED, linked),
                None => change.remove(LINKED),
            };
            self.stamp_entity(&mut next, &stamp);
            let mut with = With { before: &before, after: &references, ..With::default() };
            if next.input.owner_id != current.input.owner_id {
                // Those that it has by now go with it, and no others.
                let ids = versions.iter().filter_map(|id| id.parse::<Id<R::Kind>>().ok());
                with.others = ids
                    .map(|id| (self.scope.record(&id), self.handed_over(&stamp, next.input.owner_id)))
                    .collect();
                if versions.is_empty() {
                    change.if_absent(VERSIONS);
                } else {
                    change.if_equal(VERSIONS, AttributeValue::Ss(versions));
                }
            }
            match self.change_with(&key, &stamp, &change, &with, &next).await {
                // Its versions may have changed, and nothing else.
                Err(StoreError::Stale { version }) if expected.is_none_or(|expected| expected == version) => {
                }
                Err(StoreError::Busy) => pause(attempt).await?,
                outcome => return Ok(outcome?),
            }
        }
        Err(StoreError::Busy.into())
    }

    /// Has the object of a deleted record erased, and the record with it and with its further versions, now and not in a
    /// while. There is no way back from here; the rest follows from the stream.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when that was asked for before; [`StoreError::NotDeleted`];
    /// [`StoreError::Awaited`] while an object could still arrive, and would belong to nothing: for an hour after it was
    /// deleted, or, where it has arrived and has no further versions, after that.
    pub async fn purge_stored<R: Stored>(&self, id: &Id<R::Kind>) -> Result<(), StoreError> {
        let key = self.scope.record(id);
        let stamp = self.stamp()?;
        let mut change = self.change_of_any(&stamp);
        change.if_exists("deletedAt").if_absent(PURGE);
        let seconds = u64::try_from(stamp.now.as_seconds()).unwrap_or_default();
        let an_hour_ago = Timestamp::from_millis(stamp.now.as_millis() - SETTLING_SECONDS * 1000);
        let is_long_deleted = change.compare("deletedAt", "<=", "anHourAgo", &an_hour_ago.to_string());
        let pending = AttributeValue::S(FileStatus::Pending.to_string());
        let has_come = change.differs("status", "pending", pending);
        let (never, before) = (change.absent(SETTLED_AT), change.at_most(SETTLED_AT, "settled", seconds));
        let is_alone = change.absent(VERSIONS);
        change.when(format!("({is_long_deleted} OR ({has_come} AND {is_alone} AND ({never} OR {before})))"));
        let now = AttributeValue::N(seconds.to_string());
        change.set(PURGE, AttributeValue::S(ASKED.into())).set(R::PURGE_AT, now);
        let found = match self.update(&key, &change).await? {
            Updated::Refused(Some(item)) if !stamp.wrote(&item) => item,
            Updated::Refused(None) => return Err(StoreError::NotFound),
            Updated::Done(_) | Updated::Refused(Some(_)) => return Ok(()),
        };
        if !self.shows(&found) || found.contains_key(PURGE) {
            return Err(StoreError::NotFound);
        }
        Err(if found.contains_key("deletedAt") { StoreError::Awaited } else { StoreError::NotDeleted })
    }

    /// What gives a further version to the owner that its record gets.
    fn handed_over(&self, stamp: &Stamp, owner: Option<UserId>) -> Expression {
        let mut change = self.authored(stamp);
        match owner {
            Some(owner) => change.set(OWNER, AttributeValue::S(owner.to_string())),
            None => change.remove(OWNER),
        };
        change.if_exists(RECORD_KIND);
        change
    }

    /// Adds to the account's sum, if that then is at most `most`.
    fn count_bytes(
        &self,
        transaction: &mut Transaction<Part>,
        most: u64,
        bytes: u64,
    ) -> Result<(), StoreError> {
        let room = most.checked_sub(bytes).ok_or(StoreError::OverQuota)?;
        let mut change = Expression::new();
        change.sum(BYTES, i128::from(bytes)).set(RECORD_KIND, AttributeValue::S("storage".into()));
        let (none, fits) = (change.absent(BYTES), change.at_most(BYTES, "room", room));
        change.when(format!("({none} OR {fits})"));
        transaction.update(Part::Quota, key_of(&self.scope.storage()), &change)
    }
}

/// The ids of a record's further versions: a set in the table, which has none that is empty.
fn version_ids(item: Option<&Item>) -> &[String] {
    item.and_then(|item| item.get(VERSIONS)?.as_ss().ok()).map_or(&[], Vec::as_slice)
}

fn parts(item: &Item) -> Option<String> {
    item.get(PARTS)?.as_s().ok().cloned()
}

fn linked<R: Stored>(fields: &R) -> Option<AttributeValue> {
    let linked: Vec<_> = fields.linked().into_iter().map(AttributeValue::S).collect();
    (!linked.is_empty()).then_some(AttributeValue::L(linked))
}
