//! Creating and changing records.
//!
//! The usual write is one call: a conditional put or update. A transaction is needed only where a
//! record claims a unique value, names another record, or is made under an idempotency key.
//!
//! **Unique values** are claimed, not locked: a marker item names the record that holds the value,
//! and holds good only while that record lives and says so itself. Deleting a record or changing
//! the value therefore costs nothing extra; the next one who wants the value finds the marker
//! stale and takes it over.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use nexo_domain::{Id, IdKind, Timestamp};
use nexo_tenant_key::Key;

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::Units;
use crate::record::{
    CLAIMS, Entity, Input, Item, RECORD_KIND, Record, Reference, Target, Unique, attributes, claims,
    index_attributes, name_key,
};
use crate::table::{Stamp, Updated, refusal, version};
use crate::transaction::{Refusal, Transaction, key_item};
use crate::{StoreError, TenantTable};

/// A caller's `Idempotency-Key`, and what the request was.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The key, as sent.
    pub key: String,
    /// A digest of the request; the same key with another one is refused.
    pub request_digest: String,
}

/// The outcome of a create.
#[derive(Clone, Debug)]
pub struct Created<R: Record> {
    /// The record as it was created.
    pub entity: Entity<R>,
    /// Whether it was created by an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// How long an idempotency key is remembered, in seconds.
const IDEMPOTENCY_SECONDS: i64 = 24 * 3600;

/// How often a write is tried again when another one came between its reads and itself.
const ATTEMPTS: usize = 4;

/// The deepest tree of records, in levels. A bound on the reads of one request.
const DEEPEST: usize = 20;

/// What the members of a record's transaction are for.
#[derive(Clone)]
enum Part {
    Record,
    Claim(Unique),
    Referenced(&'static str),
    /// An ancestor, as it was when the path to the root was walked.
    Ancestor,
    Idempotency,
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
        let stamp = self.stamp()?;
        let id = self.store.clock.mint()?;
        let entity = self.first_version(id, stamp.now, input);
        let key = self.scope.record(&id);
        let mut item = entity.to_item(&key)?;
        for (name, value) in self.authorship(&stamp) {
            item.insert(name.into(), value);
        }
        let unique = entity.input.fields.unique();
        let references = self.references(&entity.input);
        if unique.is_empty() && references.is_empty() && idempotency.is_none() {
            self.put_new(&stamp, item).await?;
            return Ok(Created { entity, replayed: false });
        }
        let mut stale: Vec<(Unique, Key)> = Vec::new();
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            let mut absent = Expression::new();
            absent.if_absent("pk");
            transaction.put(Part::Record, item.clone(), &absent)?;
            self.claim::<R>(&mut transaction, &key, &unique, &stale)?;
            if let Err(error) = self.check_references::<R>(&mut transaction, &key, &references).await {
                // What the first request named may be gone by now; its answer stays.
                return match idempotency {
                    Some(idempotency) => self.recall(idempotency, entity.input, error).await,
                    None => Err(error),
                };
            }
            if let Some(idempotency) = idempotency {
                self.remember::<R>(&mut transaction, idempotency, &entity)?;
            }
            let refusals = self.send(transaction, &stamp, attempt).await?;
            let Some(refusals) = refusals else {
                return Ok(Created { entity, replayed: false });
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
        let key = self.scope.record(id);
        let stamp = self.stamp()?;
        let mut change = self.replacement(&key, &stamp, expected, input)?;
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
            Updated::Refused(Some(item)) => match refusal(Some(&item), expected) {
                StoreError::Busy => self.replace_guarded(&key, expected, input, item).await,
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
        let key = self.scope.record(id);
        let stamp = self.stamp()?;
        let mut change = self.change(&stamp, expected);
        Self::touch(&mut change, &key, &stamp);
        let mut values = attributes(changed)?;
        for field in fields {
            match values.remove(*field) {
                Some(value) => change.set(field, value),
                None => change.remove(field),
            };
        }
        if R::SORT_FIELDS.iter().any(|field| fields.contains(field)) {
            let sort = name_key(&changed.fields.sort_name(), key.sort());
            change.set("gsi1sk", AttributeValue::S(sort));
        }
        match self.update(&key, &change).await? {
            Updated::Done(item) => Entity::from_item(item),
            Updated::Refused(Some(item)) if stamp.wrote(&item) => Entity::from_item(item),
            Updated::Refused(found) => Err(refusal(found.as_ref(), expected)),
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
            // The TTL removes items up to days late.
            let purge = item.get("expiresAt").and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
            let is_over = purge.is_some_and(|at| at <= self.store.clock.now_seconds());
            if is_over || !item.contains_key("deletedAt") {
                return Err(StoreError::NotFound);
            }
            let current: Entity<R> = Entity::from_item(item)?;
            match self.restore_read(&key, current).await {
                Err(StoreError::Stale { .. }) => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Busy)
    }

    async fn restore_read<R: Record>(
        &self,
        key: &Key,
        mut entity: Entity<R>,
    ) -> Result<Entity<R>, StoreError> {
        let stamp = self.stamp()?;
        let mut change = self.change_of_any(&stamp);
        change.if_equal("version", AttributeValue::N(entity.version.to_string()));
        change.if_exists("deletedAt").remove("deletedAt").remove("expiresAt");
        entity.deleted_at = None;
        self.stamp_entity(&mut entity, &stamp);
        for (name, value) in index_attributes(&entity, key) {
            change.set(name, AttributeValue::S(value));
        }
        let unique = entity.input.fields.unique();
        if unique.is_empty() {
            return match self.update(key, &change).await? {
                Updated::Done(item) => Entity::from_item(item),
                Updated::Refused(Some(item)) if stamp.wrote(&item) => Entity::from_item(item),
                Updated::Refused(_) => Err(StoreError::Stale { version: entity.version }),
            };
        }
        self.change_with_claims(key, &stamp, &change, &unique, &[], &entity).await
    }

    /// Replaces a record whose unique values or references change, in a transaction.
    async fn replace_guarded<R: Record>(
        &self,
        key: &Key,
        expected: Option<u64>,
        input: &Input<R>,
        mut item: Item,
    ) -> Result<Entity<R>, StoreError> {
        for _ in 0..ATTEMPTS {
            let current: Entity<R> = Entity::from_item(item)?;
            let stamp = self.stamp()?;
            let change = self.replacement(key, &stamp, Some(current.version), input)?;
            let held = current.input.fields.unique();
            let unique: Vec<_> =
                input.fields.unique().into_iter().filter(|new| !held.contains(new)).collect();
            let named = self.references(&current.input);
            let references: Vec<_> =
                self.references(input).into_iter().filter(|new| !named.contains(new)).collect();
            let mut next = Entity { input: input.clone(), ..current };
            self.stamp_entity(&mut next, &stamp);
            match self.change_with_claims(key, &stamp, &change, &unique, &references, &next).await {
                Err(StoreError::Stale { .. }) if expected.is_none() => {}
                outcome => return outcome,
            }
            item = self.read(key, true).await?.ok_or(StoreError::NotFound)?;
            if item.contains_key("deletedAt") {
                return Err(StoreError::NotFound);
            }
        }
        Err(StoreError::Busy)
    }

    /// One update in one transaction with the claims and checks it needs. Answers `next`, which is
    /// what the update makes of the record.
    async fn change_with_claims<R: Record>(
        &self,
        key: &Key,
        stamp: &Stamp,
        change: &Expression,
        unique: &[Unique],
        references: &[Reference],
        next: &Entity<R>,
    ) -> Result<Entity<R>, StoreError> {
        let mut stale = Vec::new();
        for attempt in 0..ATTEMPTS {
            let mut transaction = Transaction::new(&self.store.table);
            transaction.update(Part::Record, key_item(key.partition().as_str(), key.sort()), change)?;
            self.claim::<R>(&mut transaction, key, unique, &stale)?;
            self.check_references::<R>(&mut transaction, key, references).await?;
            let Some(refusals) = self.send(transaction, stamp, attempt).await? else {
                return Ok(next.clone());
            };
            stale = self.explain::<R>(key, &refusals).await?;
        }
        Err(StoreError::Busy)
    }

    /// The update that makes a record what `input` says.
    fn replacement<R: Record>(
        &self,
        key: &Key,
        stamp: &Stamp,
        expected: Option<u64>,
        input: &Input<R>,
    ) -> Result<Expression, StoreError> {
        let mut change = self.change(stamp, expected);
        Self::touch(&mut change, key, stamp);
        let sort = name_key(&input.fields.sort_name(), key.sort());
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

    /// Adds a marker for each unique value. `stale` are markers of records that no longer hold the
    /// value: they are taken over, if that is still so.
    fn claim<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        record: &Key,
        unique: &[Unique],
        stale: &[(Unique, Key)],
    ) -> Result<(), StoreError> {
        for value in unique {
            let marker = self.scope.unique(R::Kind::KIND, value.field, &value.value);
            let mut item = key_item(marker.partition().as_str(), marker.sort());
            item.insert("record".into(), AttributeValue::S(record.sort().into()));
            item.insert(RECORD_KIND.into(), AttributeValue::S("unique".into()));
            let mut free = Expression::new();
            let absent = free.absent("pk");
            let holder = stale.iter().find(|(taken, _)| taken == value).map(|(_, holder)| holder);
            let holds = holder.map_or(record.sort(), Key::sort);
            let held = free.equals("record", "holder", holds);
            free.when(format!("({absent} OR {held})"));
            transaction.put(Part::Claim(value.clone()), item, &free)?;
            if let Some(holder) = holder {
                let mut let_go = Expression::new();
                let gone = let_go.absent("pk");
                let deleted = let_go.exists("deletedAt");
                let placeholder = format!("claim_{}", value.field);
                let claims = let_go.function("contains", CLAIMS, &placeholder, &value.claim());
                let_go.when(format!("({gone} OR {deleted} OR NOT {claims})"));
                let holder = key_item(holder.partition().as_str(), holder.sort());
                transaction.check(Part::Claim(value.clone()), holder, let_go);
            }
        }
        Ok(())
    }

    /// The references of `input` that must be checked; the caller itself need not be.
    fn references<R: Record>(&self, input: &Input<R>) -> Vec<Reference> {
        let mut references = input.fields.references();
        if let Some(owner) = input.owner_id.filter(|owner| *owner != self.scope.principal().user) {
            references.push(Reference {
                field: "ownerId",
                id: owner.to_string(),
                ulid: owner.ulid().to_string(),
                target: Target::Record(nexo_domain::Kind::User),
            });
        }
        references
    }

    async fn check_references<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        record: &Key,
        references: &[Reference],
    ) -> Result<(), StoreError> {
        for reference in references {
            match reference.target {
                Target::Record(kind) => {
                    let partition = self.scope.partition(kind);
                    let mut exists = Expression::new();
                    exists.if_exists("pk").if_absent("deletedAt");
                    let key = key_item(partition.as_str(), &reference.ulid);
                    transaction.check(Part::Referenced(reference.field), key, exists);
                }
                Target::Parent => self.check_ancestors::<R>(transaction, record, reference).await?,
            }
        }
        Ok(())
    }

    /// Walks from the new parent to the root, and lets the transaction check that the path is still
    /// the same: two moves that would close a cycle together cannot both succeed. The path leads
    /// through deleted ancestors too, so that restoring one never closes a cycle.
    async fn check_ancestors<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        record: &Key,
        reference: &Reference,
    ) -> Result<(), StoreError> {
        let field = reference.field;
        let prefix = R::Kind::KIND.prefix();
        let mut parent = reference.id.clone();
        for _ in 0..DEEPEST {
            let Ok(id) = parent.parse::<Id<R::Kind>>() else {
                return Err(StoreError::Corrupt(format!("{field} is no {prefix} id")));
            };
            let key = self.scope.record(&id);
            if key == *record {
                return Err(StoreError::Cycle { field });
            }
            let is_parent = parent == reference.id;
            let item =
                self.read(&key, true).await?.filter(|item| !is_parent || !item.contains_key("deletedAt"));
            let Some(item) = item else {
                // A purged ancestor further up ends the path; a deleted parent is no parent.
                return if is_parent { Err(StoreError::NoSuchReference { field }) } else { Ok(()) };
            };
            let above = item.get(field).and_then(|value| value.as_s().ok()).cloned();
            let mut same = Expression::new();
            same.if_exists("pk");
            if is_parent {
                same.if_absent("deletedAt");
            }
            match &above {
                Some(above) => same.if_equal(field, AttributeValue::S(above.clone())),
                None => same.if_absent(field),
            };
            transaction.check(Part::Ancestor, key_item(key.partition().as_str(), key.sort()), same);
            match above {
                Some(above) => parent = above,
                None => return Ok(()),
            }
        }
        Err(StoreError::TooDeep { field })
    }

    /// Adds the marker that remembers an idempotency key.
    fn remember<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        idempotency: &Idempotency,
        entity: &Entity<R>,
    ) -> Result<(), StoreError> {
        let marker = self.scope.idempotency(R::Kind::KIND, &idempotency.key);
        let now = entity.created_at.as_millis() / 1000;
        let mut item = key_item(marker.partition().as_str(), marker.sort());
        item.insert(RECORD_KIND.into(), AttributeValue::S("idempotency".into()));
        item.insert("request".into(), AttributeValue::S(idempotency.request_digest.clone()));
        item.insert("record".into(), AttributeValue::S(entity.id.to_string()));
        item.insert("at".into(), AttributeValue::S(entity.created_at.to_string()));
        item.insert("expiresAt".into(), AttributeValue::N((now + IDEMPOTENCY_SECONDS).to_string()));
        let mut free = Expression::new();
        let absent = free.absent("pk");
        // The TTL removes items up to days late.
        let over = free.less("expiresAt", "now", AttributeValue::N(now.to_string()));
        free.when(format!("({absent} OR {over})"));
        transaction.put(Part::Idempotency, item, &free)
    }

    /// The answer to an earlier request with this key; `otherwise` when there was none.
    async fn recall<R: Record>(
        &self,
        idempotency: &Idempotency,
        input: Input<R>,
        otherwise: StoreError,
    ) -> Result<Created<R>, StoreError> {
        let marker = self.scope.idempotency(R::Kind::KIND, &idempotency.key);
        match self.read(&marker, true).await? {
            Some(found) if in_force(&found, self.store.clock.now_seconds()) => {
                self.first_answer(&found, idempotency, input)
            }
            _ => Err(otherwise),
        }
    }

    /// The answer the first request with this key got. It follows from the same body, the id and
    /// the moment, so those are all that is kept.
    fn first_answer<R: Record>(
        &self,
        found: &Item,
        idempotency: &Idempotency,
        input: Input<R>,
    ) -> Result<Created<R>, StoreError> {
        let text = |name: &str| found.get(name).and_then(|value| value.as_s().ok());
        if text("request") != Some(&idempotency.request_digest) {
            return Err(StoreError::KeyReused);
        }
        let unreadable = || StoreError::Corrupt("idempotency marker".into());
        let id = text("record").and_then(|id| id.parse().ok()).ok_or_else(unreadable)?;
        let at = text("at").and_then(|at| at.parse::<Timestamp>().ok()).ok_or_else(unreadable)?;
        Ok(Created { entity: self.first_version(id, at, input), replayed: true })
    }

    fn first_version<R: Record>(&self, id: Id<R::Kind>, at: Timestamp, input: Input<R>) -> Entity<R> {
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

    fn stamp_entity<R: Record>(&self, entity: &mut Entity<R>, stamp: &Stamp) {
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

    async fn send(
        &self,
        transaction: Transaction<Part>,
        stamp: &Stamp,
        attempt: usize,
    ) -> Result<Option<Vec<Refusal<Part>>>, StoreError> {
        // Another attempt is another transaction: under the same token DynamoDB would refuse it.
        let token = format!("{}{attempt}", stamp.write_id);
        let sent =
            transaction.send(&self.store.client, self.credentials(), &self.request.meter, &token).await?;
        match sent {
            // DynamoDB forgets its token after ten minutes; the item itself does not.
            Some(refusals)
                if refusals.iter().any(|refusal| {
                    matches!(refusal.role, Part::Record)
                        && refusal.found.as_ref().is_some_and(|item| stamp.wrote(item))
                }) =>
            {
                Ok(None)
            }
            other => Ok(other),
        }
    }

    /// Why a transaction was refused: an error, or markers that are stale and can be taken over.
    async fn explain<R: Record>(
        &self,
        record: &Key,
        refusals: &[Refusal<Part>],
    ) -> Result<Vec<(Unique, Key)>, StoreError> {
        let mut stale = Vec::new();
        for refusal in refusals {
            match &refusal.role {
                Part::Record => {
                    return Err(match &refusal.found {
                        Some(item) if !item.contains_key("deletedAt") => {
                            StoreError::Stale { version: version(item).unwrap_or_default() }
                        }
                        _ => StoreError::NotFound,
                    });
                }
                Part::Referenced(field) => return Err(StoreError::NoSuchReference { field }),
                // Somebody moved an ancestor meanwhile: walk again.
                Part::Ancestor | Part::Idempotency => {}
                Part::Claim(unique) => {
                    let holder = refusal.found.as_ref().and_then(|marker| marker.get("record")?.as_s().ok());
                    let Some(holder) = holder else { continue };
                    let Ok(id) = format!("{}_{holder}", R::Kind::KIND.prefix()).parse::<Id<R::Kind>>() else {
                        return Err(StoreError::Corrupt("unique marker".into()));
                    };
                    let key = self.scope.record(&id);
                    let held = self.read(&key, true).await?.is_some_and(|item| holds(&item, unique));
                    if held && key != *record {
                        return Err(StoreError::Taken { field: unique.field });
                    }
                    // Its own marker needs no taking over.
                    if key != *record {
                        stale.push((unique.clone(), key));
                    }
                }
            }
        }
        Ok(stale)
    }
}

fn holds(item: &Item, unique: &Unique) -> bool {
    let claim = AttributeValue::S(unique.claim());
    let claims = item.get(CLAIMS).and_then(|claims| claims.as_l().ok());
    !item.contains_key("deletedAt") && claims.is_some_and(|claims| claims.contains(&claim))
}

/// Whether an idempotency marker has not expired: the TTL removes items up to days late.
fn in_force(marker: &Item, now: i64) -> bool {
    let expires_at = marker.get("expiresAt").and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
    expires_at.is_some_and(|at| at >= now)
}

fn replay(refusals: &[Refusal<Part>]) -> Option<&Item> {
    refusals.iter().find(|refusal| matches!(refusal.role, Part::Idempotency))?.found.as_ref()
}
