//! Creating and changing records.
//!
//! The usual write is one call: a conditional put or update. A transaction is needed only where a
//! record claims a unique value, names another record, or is made under an idempotency key.
//!
//! **Unique values** are claimed, not locked: a marker item names the record that holds the value,
//! and holds good only while that record lives and says so itself. Deleting a record or changing
//! the value therefore costs nothing extra; the next one who wants the value finds the marker
//! stale and takes it over.
//!
//! **Bound records** ([`Record::BOUND`]) change other items with them: counts of who names a record, entries
//! of a history, the shape of a tree. Each of their writes reads the record and is one transaction, written
//! only if the record still is as it was read.

mod bound;
mod claims;
mod files;
mod idempotency;
mod rows;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use nexo_domain::{Id, Timestamp};
use nexo_tenant_key::Key;

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::Units;
use crate::pause::{ATTEMPTS, pause};
use crate::record::{
    Beside, CLAIMS, Counter, Entity, Input, Item, Record, Reference, Target, Unique, attributes, claims,
    index_attributes, name_key,
};
use crate::table::{OWNER, Stamp, Updated, version};
use crate::transaction::{Refusal, Transaction, key_of};
use crate::{StoreError, TenantTable};

pub(crate) use files::{BYTES, CLAIMED, PURGE, SETTLED_AT, SETTLING_SECONDS, VERSIONS};
pub use files::{PURGE_AT, Stored};
pub use idempotency::Idempotency;
use idempotency::replay;
use rows::Noted;
pub use rows::{Note, RowEntry, errors_id};

/// The outcome of a create.
#[derive(Clone, Debug)]
pub struct Created<R: Record> {
    /// The record as it was created.
    pub entity: Entity<R>,
    /// Whether it was created by an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// What goes with an update of a record.
#[derive(Default)]
struct With<'a> {
    /// Values it claims.
    unique: &'a [Unique],
    /// What it named.
    before: &'a [Reference],
    /// What it names.
    after: &'a [Reference],
    /// What changes in its history.
    sides: &'a [Beside],
    /// Whether it changes the shape of a tree.
    reshapes: bool,
    /// The row of an import that it is for.
    noted: Option<Noted<'a>>,
    /// What changes in other records that are there.
    others: Vec<(Key, Expression)>,
}

/// What became of a transaction.
enum Sent {
    Written,
    Refused(Vec<Refusal<Part>>),
    /// It met another one, and can be tried again now.
    Collided,
}

/// What the members of a record's transaction are for.
#[derive(Clone)]
enum Part {
    Record,
    Claim(Unique),
    Referenced(Reference),
    /// A record that counts those that name it.
    Counted(Reference, Counter),
    /// How often the tree has changed.
    Tree,
    /// An entry of the record's history.
    Side,
    /// An ancestor, as it was when the path to the root was walked.
    Ancestor,
    Idempotency,
    /// How much the account's objects take.
    Quota,
    /// The record that a new one is a version of.
    Versioned,
    /// A record that changes with it.
    Other,
    /// What a row of an import did.
    Row,
    /// That the record is this row's, and no other's.
    RowOfRecord,
    /// What never holds: nothing is to be written.
    Trial,
}

impl TenantTable {
    /// Creates a record.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::NoSuchReference`], [`StoreError::TooDeep`],
    /// [`StoreError::KeyReused`].
    pub async fn create<R: Record>(
        &self,
        input: Input<R>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Created<R>, StoreError> {
        self.create_noted(input, idempotency, None).await
    }

    async fn create_noted<R: Record>(
        &self,
        input: Input<R>,
        idempotency: Option<&Idempotency>,
        note: Option<&Note>,
    ) -> Result<Created<R>, StoreError> {
        self.may_assign(input.owner_id)?;
        let stamp = self.stamp()?;
        let id = self.store.clock.mint()?;
        let mut entity = self.first_version(id, stamp.now, input);
        let sides = R::beside(None, &mut entity)?;
        let key = self.scope.record(&id);
        let mut item = entity.to_item(&key)?;
        for (name, value) in self.authorship(&stamp) {
            item.insert(name.into(), value);
        }
        let unique = entity.input.fields.unique();
        let references = self.references(&entity.input);
        let is_alone = unique.is_empty() && references.is_empty();
        if is_alone && idempotency.is_none() && note.is_none() && !R::BOUND {
            self.put_new(&stamp, item).await?;
            return Ok(Created { entity, replayed: false });
        }
        let mut stale: Vec<(Unique, Key)> = Vec::new();
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            transaction.put_new(Part::Record, item.clone())?;
            self.claim::<R>(&mut transaction, &key, &unique, &stale)?;
            let bound = async {
                self.shape::<R>(&mut transaction, &key, &references).await?;
                self.refer::<R>(&mut transaction, &stamp, &key, &[], &references).await
            };
            if let Err(error) = bound.await {
                // What the first request named may be gone by now; its answer stays.
                return match idempotency {
                    Some(idempotency) => self.recall(idempotency, entity.input, error).await,
                    None => Err(error),
                };
            }
            self.note_sides(&mut transaction, &stamp, &key, &sides)?;
            if let Some(idempotency) = idempotency {
                self.remember::<R>(&mut transaction, idempotency, &entity)?;
            }
            if let Some(note) = note {
                self.note(&mut transaction, &Noted { note, before: None }, &key, entity.version)?;
            }
            let refusals = match self.send(transaction, &stamp, attempt, R::BOUND).await? {
                Sent::Written => return Ok(Created { entity, replayed: false }),
                Sent::Refused(refusals) => refusals,
                Sent::Collided => continue,
            };
            if let Some(found) = replay(&refusals) {
                let idempotency = idempotency.ok_or(StoreError::Busy)?;
                return self.first_answer(found, idempotency, entity.input);
            }
            stale = self.explain::<R>(&key, &refusals).await?;
        }
        Err(StoreError::Busy)
    }

    /// Replaces all that a caller gives of a record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`] and those of a create.
    pub async fn replace<R: Record>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
        input: &Input<R>,
    ) -> Result<Entity<R>, StoreError> {
        self.may_assign(input.owner_id)?;
        let key = self.scope.record(id);
        if R::BOUND {
            let current = self.get_consistent::<R>(id).await?;
            return match expected {
                Some(version) if version != current.version => {
                    Err(StoreError::Stale { version: current.version })
                }
                _ => self.replace_guarded(&key, expected, &current.keep(input.clone())?, current, None).await,
            };
        }
        let stamp = self.stamp()?;
        let mut change = self.replacement(&stamp, expected, input)?;
        // In one call if nothing that needs a transaction changes; if it does, the item that comes
        // back with the refusal is what the transaction starts from.
        if let Some(claims) = claims(&input.fields) {
            change.if_equal(CLAIMS, claims);
        }
        for reference in self.references(input) {
            change.if_equal(reference.field, AttributeValue::S(reference.id));
        }
        match self.update(&key, &change).await? {
            Updated::Done(item) => Entity::from_item(item),
            Updated::Refused(Some(item)) if stamp.wrote(&item) => Entity::from_item(item),
            Updated::Refused(Some(item)) => match self.refusal(Some(&item), expected) {
                StoreError::Busy => {
                    self.replace_guarded(&key, expected, input, Entity::from_item(item)?, None).await
                }
                error => Err(error),
            },
            Updated::Refused(None) => Err(StoreError::NotFound),
        }
    }

    /// Replaces what a caller gives of a record that was just read: nobody may have changed it since.
    ///
    /// # Errors
    /// Those of [`TenantTable::replace`]; [`StoreError::Stale`] when it was changed since.
    pub async fn replace_read<R: Record>(
        &self,
        read: &Entity<R>,
        input: &Input<R>,
    ) -> Result<Entity<R>, StoreError> {
        if R::BOUND {
            self.may_assign(input.owner_id)?;
            let key = self.scope.record(&read.id);
            return self.replace_guarded(&key, Some(read.version), input, read.clone(), None).await;
        }
        self.replace(&read.id, Some(read.version), input).await
    }

    /// Changes some of a record's attributes and leaves the others: `changed` holds the new values
    /// (and whatever else), `fields` names which of them count; one that is absent is removed.
    ///
    /// Only for fields that are neither unique nor references.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] and [`StoreError::Stale`].
    pub async fn merge<R: Record>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
        changed: &Input<R>,
        fields: &[&str],
    ) -> Result<Entity<R>, StoreError> {
        if fields.contains(&OWNER) {
            self.may_assign(changed.owner_id)?;
        }
        let key = self.scope.record(id);
        let stamp = self.stamp()?;
        let mut change = self.change(&stamp, expected);
        Self::touch(&mut change, &stamp);
        let mut values = attributes(changed)?;
        for field in fields {
            match values.remove(*field) {
                Some(value) => change.set(field, value),
                None => change.remove(field),
            };
        }
        if R::SORT_FIELDS.iter().any(|field| fields.contains(field)) {
            let sort = name_key(&changed.fields.sort_name());
            change.set("gsi1sk", AttributeValue::S(sort));
        }
        match self.update(&key, &change).await? {
            Updated::Done(item) => Entity::from_item(item),
            Updated::Refused(Some(item)) if stamp.wrote(&item) => Entity::from_item(item),
            Updated::Refused(found) => Err(self.refusal(found.as_ref(), expected)),
        }
    }

    /// Brings a deleted record back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or it is not deleted;
    /// [`StoreError::Taken`] when one of its unique values belongs to another by now.
    pub async fn restore<R: Record>(&self, id: &Id<R::Kind>) -> Result<Entity<R>, StoreError> {
        let key = self.scope.record(id);
        for _ in 0..ATTEMPTS {
            let item = self.read(&key, true).await?.ok_or(StoreError::NotFound)?;
            if !self.can_be_restored::<R>(&item) {
                return Err(StoreError::NotFound);
            }
            let current: Entity<R> = self.whole(Entity::from_item(item)?, true).await?;
            match self.restore_read(&key, current).await {
                Err(StoreError::Stale { .. }) => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Busy)
    }

    /// Whether an item is deleted, and not yet purged.
    fn can_be_restored<R: Record>(&self, item: &Item) -> bool {
        // What is due is removed up to days late.
        let purge = item.get(R::PURGE_AT).and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
        let is_over = purge.is_some_and(|at| at <= self.store.clock.now_seconds());
        let is_purged = is_over || item.contains_key(PURGE);
        !is_purged && self.shows(item) && item.contains_key("deletedAt")
    }

    /// The update that brings a record back as it was read, which `entity` then is.
    fn restoration<R: Record>(&self, entity: &mut Entity<R>, stamp: &Stamp) -> Expression {
        let mut change = self.change_of_any(stamp);
        change.if_equal("version", AttributeValue::N(entity.version.to_string()));
        change.if_exists("deletedAt").if_absent(PURGE).remove("deletedAt").remove(R::PURGE_AT);
        entity.deleted_at = None;
        self.stamp_entity(entity, stamp);
        for (name, value) in index_attributes(entity) {
            change.set(name, AttributeValue::S(value));
        }
        change
    }

    async fn restore_read<R: Record>(
        &self,
        key: &Key,
        mut entity: Entity<R>,
    ) -> Result<Entity<R>, StoreError> {
        let version = entity.version;
        let stamp = self.stamp()?;
        let change = self.restoration(&mut entity, &stamp);
        let unique = entity.input.fields.unique();
        // What a record names need not be checked: a tree was kept a tree with this record in it. But where it
        // is counted, it is counted again.
        let mut after = entity.input.fields.references();
        after.retain(|reference| matches!(reference.target, Target::Counted(..)));
        named_before(&mut after);
        let with = With { unique: &unique, after: &after, reshapes: R::BOUND, ..With::default() };
        match self.change_with(key, &stamp, &change, &with, &entity).await {
            Err(StoreError::NotFound) => Err(StoreError::Stale { version }),
            outcome => outcome,
        }
    }

    /// Replaces a record whose unique values or references change, in a transaction.
    async fn replace_guarded<R: Record>(
        &self,
        key: &Key,
        expected: Option<u64>,
        input: &Input<R>,
        mut current: Entity<R>,
        note: Option<&Note>,
    ) -> Result<Entity<R>, StoreError> {
        for _ in 0..ATTEMPTS {
            let stamp = self.stamp()?;
            let mut next = Entity { input: input.clone(), ..current.clone() };
            self.stamp_entity(&mut next, &stamp);
            let sides = R::beside(Some(&current), &mut next)?;
            let change = self.replacement(&stamp, Some(current.version), &next.input)?;
            let held = current.input.fields.unique();
            let unique: Vec<_> =
                input.fields.unique().into_iter().filter(|new| !held.contains(new)).collect();
            let (mut before, mut after) = (self.references(&current.input), self.references(input));
            if note.is_some_and(Note::is_undo) {
                named_before(&mut before);
                named_before(&mut after);
            }
            let reshapes = bound::is_moved::<R>(&before, &after);
            let noted =
                note.map(|note| Ok::<_, StoreError>(Noted { note, before: Some(current.to_item(key)?) }));
            let noted = noted.transpose()?;
            let with = With {
                unique: &unique,
                before: &before,
                after: &after,
                sides: &sides,
                reshapes,
                noted,
                ..With::default()
            };
            match self.change_with(key, &stamp, &change, &with, &next).await {
                Err(StoreError::Stale { .. }) if expected.is_none() => {}
                outcome => return outcome,
            }
            current = self.live(self.read(key, true).await?)?;
        }
        Err(StoreError::Busy)
    }

    /// One update, in one transaction with what it needs where it needs anything. Answers `next`, which is
    /// what the update makes of the record.
    async fn change_with<R: Record>(
        &self,
        key: &Key,
        stamp: &Stamp,
        change: &Expression,
        with: &With<'_>,
        next: &Entity<R>,
    ) -> Result<Entity<R>, StoreError> {
        let mut stale = Vec::new();
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            transaction.update(Part::Record, key_of(key), change)?;
            self.claim::<R>(&mut transaction, key, with.unique, &stale)?;
            if with.reshapes {
                self.shape::<R>(&mut transaction, key, with.after).await?;
            }
            self.refer::<R>(&mut transaction, stamp, key, with.before, with.after).await?;
            self.note_sides(&mut transaction, stamp, key, with.sides)?;
            for (other, change) in &with.others {
                transaction.update(Part::Other, key_of(other), change)?;
            }
            if let Some(noted) = &with.noted {
                self.note(&mut transaction, noted, key, next.version)?;
            }
            if transaction.is_single() {
                return match self.update(key, change).await? {
                    Updated::Done(_) => Ok(next.clone()),
                    Updated::Refused(Some(item)) if stamp.wrote(&item) => Ok(next.clone()),
                    Updated::Refused(found) => Err(self.gone_or_stale(found.as_ref())),
                };
            }
            stale = match self.send(transaction, stamp, attempt, R::BOUND).await? {
                Sent::Written => return Ok(next.clone()),
                Sent::Refused(refusals) => self.explain::<R>(key, &refusals).await?,
                Sent::Collided => continue,
            };
        }
        Err(StoreError::Busy)
    }

    /// Why a record that was just read could not be written.
    fn gone_or_stale(&self, found: Option<&Item>) -> StoreError {
        match found {
            Some(item) if self.shows(item) && !item.contains_key("deletedAt") => {
                StoreError::Stale { version: version(item).unwrap_or_default() }
            }
            _ => StoreError::NotFound,
        }
    }

    /// The update that makes a record what `input` says.
    fn replacement<R: Record>(
        &self,
        stamp: &Stamp,
        expected: Option<u64>,
        input: &Input<R>,
    ) -> Result<Expression, StoreError> {
        let mut change = self.change(stamp, expected);
        Self::touch(&mut change, stamp);
        let sort = name_key(&input.fields.sort_name());
        change.set("gsi1sk", AttributeValue::S(sort));
        let all: Item = serde_dynamo::to_item(input)?;
        let present = attributes(input)?;
        for field in all.into_keys() {
            match present.get(&field) {
                Some(value) => change.set(&field, value.clone()),
                None => change.remove(&field),
            };
        }
        match claims(&input.fields) {
            Some(claims) => change.set(CLAIMS, claims),
            None => change.remove(CLAIMS),
        };
        Ok(change)
    }

    pub(crate) fn first_version<R: Record>(
        &self,
        id: Id<R::Kind>,
        at: Timestamp,
        input: Input<R>,
    ) -> Entity<R> {
        let user = self.scope.principal().user;
        Entity {
            id,
            version: 1,
            created_at: at,
            created_by: user,
            updated_at: at,
            updated_by: user,
            deleted_at: None,
            input,
        }
    }

    pub(crate) fn stamp_entity<R: Record>(&self, entity: &mut Entity<R>, stamp: &Stamp) {
        entity.version += 1;
        entity.updated_at = stamp.now;
        entity.updated_by = self.scope.principal().user;
    }

    async fn put_new(&self, stamp: &Stamp, item: Item) -> Result<(), StoreError> {
        self.request.meter.call();
        let mut absent = Expression::new();
        absent.if_absent("pk");
        let sent = self
            .store
            .client
            .put_item()
            .table_name(&self.store.table)
            .set_item(Some(item))
            .set_condition_expression(absent.condition())
            .set_expression_attribute_names(absent.names())
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.credentials())
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.request.meter.consumed(Units::Write, done.consumed_capacity());
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                // The answer to the first attempt was lost, and the call made again.
                Some(PutItemError::ConditionalCheckFailedException(failed))
                    if failed.item().is_some_and(|item| stamp.wrote(item)) =>
                {
                    Ok(())
                }
                _ => Err(sort("PutItem", &error)),
            },
        }
    }

    /// Sends a transaction. Where others count in the same records (`is_shared`) it waits after a collision, as they
    /// are soon done.
    async fn send(
        &self,
        transaction: Transaction<Part>,
        stamp: &Stamp,
        attempt: usize,
        is_shared: bool,
    ) -> Result<Sent, StoreError> {
        // Another attempt is another transaction: under the same token DynamoDB would refuse it.
        let token = format!("{}{attempt}", stamp.write_id);
        let sent =
            transaction.send(&self.store.client, self.credentials(), &self.request.meter, &token).await;
        let refusals = match sent {
            Err(StoreError::Busy) if is_shared => {
                pause(attempt).await?;
                return Ok(Sent::Collided);
            }
            sent => sent?,
        };
        // DynamoDB forgets its token after ten minutes; the item itself does not.
        let is_own = |refusal: &Refusal<Part>| {
            matches!(refusal.role, Part::Record)
                && refusal.found.as_ref().is_some_and(|item| stamp.wrote(item))
        };
        let refusals = match refusals.filter(|refusals| !refusals.iter().any(is_own)) {
            Some(refusals) => rows::without_trial(refusals)?,
            None => None,
        };
        Ok(refusals.map_or(Sent::Written, Sent::Refused))
    }
}

/// What a record named before and names again need not be within the reach of who brings it back.
fn named_before(references: &mut [Reference]) {
    for reference in references {
        reference.permission = None;
    }
}
