//! Records that stand for objects: what all of an account's objects take together is bounded.
//!
//! The bytes are counted in one item of the account, in the transaction that creates, deletes or restores the
//! record: as many at once as there may be, the sum never goes over the bound, and no retry counts twice.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::Id;
use nexo_tenant_key::Key;

use super::idempotency::replay;
use super::{ATTEMPTS, Created, Idempotency, Part, With};
use crate::expression::Expression;
use crate::record::{Entity, Input, Item, Record, attributes, name_key};
use crate::table::Stamp;
use crate::transaction::{Transaction, key_item};
use crate::{StoreError, TenantTable};

/// A record that stands for an object.
pub trait Stored: Record {
    /// What the object takes, or will take, in bytes.
    fn bytes(&self) -> u64;

    /// The ids of the records it is linked to, by which it is listed.
    fn linked(&self) -> Vec<String>;
}

/// The attribute with the ids of [`Stored::linked`].
const LINKED: &str = "linkedIds";

/// The attribute of the account's item with the sum of bytes.
const BYTES: &str = "bytes";

impl TenantTable {
    /// Creates a record whose object is yet to come, and counts its bytes.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] when the account's objects would take more than `most` bytes;
    /// [`StoreError::NoSuchReference`], [`StoreError::KeyReused`].
    pub async fn create_stored<R: Stored>(
        &self,
        input: Input<R>,
        most: u64,
        idempotency: Option<&Idempotency>,
    ) -> Result<Created<R>, StoreError> {
        self.may_assign(input.owner_id)?;
        let stamp = self.stamp()?;
        let entity = self.first_version(self.store.clock.mint()?, stamp.now, input);
        let key = self.scope.record(&entity.id);
        let mut item = entity.to_item(&key)?;
        for (name, value) in self.authorship(&stamp) {
            item.insert(name.into(), value);
        }
        if let Some(linked) = linked(&entity.input.fields) {
            item.insert(LINKED.into(), linked);
        }
        let references = self.references(&entity.input);
        let mut transaction = Transaction::new(&self.store.table);
        transaction.put_new(Part::Record, item)?;
        self.refer::<R>(&mut transaction, &stamp, &key, &[], &references).await?;
        self.count_bytes(&mut transaction, most, entity.input.fields.bytes())?;
        if let Some(idempotency) = idempotency {
            self.remember::<R>(&mut transaction, idempotency, &entity)?;
        }
        let Some(refusals) = self.send(transaction, &stamp, 0).await? else {
            return Ok(Created { entity, replayed: false });
        };
        if let Some(found) = replay(&refusals) {
            let idempotency = idempotency.ok_or(StoreError::Busy)?;
            return self.first_answer(found, idempotency, entity.input);
        }
        self.explain::<R>(&key, &refusals).await?;
        Err(StoreError::Busy)
    }

    /// Changes a record by a rule; what it is linked to from now on must exist.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::NoSuchReference`],
    /// [`StoreError::BeyondReach`].
    pub async fn change_stored<R: Stored>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
        rule: impl Fn(&mut Input<R>),
    ) -> Result<Entity<R>, StoreError> {
        let key = self.scope.record(id);
        for _ in 0..ATTEMPTS {
            let current: Entity<R> = self.current(id, expected).await?;
            let named = self.references(&current.input);
            let mut next = current.clone();
            rule(&mut next.input);
            self.may_assign(next.input.owner_id)?;
            let references = self.references(&next.input);
            let stamp = self.stamp()?;
            let mut change = self.change(&stamp, Some(current.version));
            Self::touch(&mut change, &stamp);
            change.set("gsi1sk", AttributeValue::S(name_key(&next.input.fields.sort_name())));
            let before = attributes(&current.input)?;
            let mut after = attributes(&next.input)?;
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                change.remove(name);
            }
            after.retain(|name, value| before.get(name) != Some(value));
            for (name, value) in after {
                change.set(&name, value);
            }
            match linked(&next.input.fields) {
                Some(linked) => change.set(LINKED, linked),
                None => change.remove(LINKED),
            };
            self.stamp_entity(&mut next, &stamp);
            let with = With { unique: &[], before: &named, after: &references, sides: &[], reshapes: false };
            match self.change_with(&key, &stamp, &change, &with, &next).await {
                Err(StoreError::Stale { .. }) if expected.is_none() => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Busy)
    }

    /// Deletes a record: its bytes count no more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Stale`] when `expected` is not its version.
    pub async fn delete_stored<R: Stored>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
    ) -> Result<(), StoreError> {
        let key = self.scope.record(id);
        for _ in 0..ATTEMPTS {
            let current: Entity<R> = self.current(id, expected).await?;
            let stamp = self.stamp()?;
            let mut change = self.change(&stamp, Some(current.version));
            Self::mark_deleted(&mut change, &stamp);
            let mut transaction = Transaction::new(&self.store.table);
            transaction.update(Part::Record, item_key(&key), &change)?;
            self.discount_bytes(&mut transaction, current.input.fields.bytes())?;
            match self.commit::<R>(transaction, &key, &stamp).await {
                Err(StoreError::Stale { .. }) if expected.is_none() => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Busy)
    }

    /// Brings a deleted record back: its bytes count again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none, or it is not deleted; [`StoreError::OverQuota`].
    pub async fn restore_stored<R: Stored>(
        &self,
        id: &Id<R::Kind>,
        most: u64,
    ) -> Result<Entity<R>, StoreError> {
        let key = self.scope.record(id);
        for _ in 0..ATTEMPTS {
            let item = self.read(&key, true).await?.ok_or(StoreError::NotFound)?;
            if !self.can_be_restored(&item) {
                return Err(StoreError::NotFound);
            }
            let mut entity: Entity<R> = Entity::from_item(item)?;
            let stamp = self.stamp()?;
            let change = self.restoration(&mut entity, &stamp);
            let mut transaction = Transaction::new(&self.store.table);
            transaction.update(Part::Record, item_key(&key), &change)?;
            self.count_bytes(&mut transaction, most, entity.input.fields.bytes())?;
            let Some(refusals) = self.send(transaction, &stamp, 0).await? else { return Ok(entity) };
            // Whoever came first has deleted it once more, restored it, or finished its upload.
            if refusals.iter().any(|refusal| matches!(refusal.role, Part::Quota)) {
                return Err(StoreError::OverQuota);
            }
        }
        Err(StoreError::Busy)
    }

    /// A live record, with the version that is expected.
    async fn current<R: Record>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
    ) -> Result<Entity<R>, StoreError> {
        let current = self.get_consistent::<R>(id).await?;
        if expected.is_some_and(|version| version != current.version) {
            return Err(StoreError::Stale { version: current.version });
        }
        Ok(current)
    }

    /// Sends a transaction and says why it was refused.
    async fn commit<R: Record>(
        &self,
        transaction: Transaction<Part>,
        key: &Key,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        match self.send(transaction, stamp, 0).await? {
            None => Ok(()),
            Some(refusals) => {
                self.explain::<R>(key, &refusals).await?;
                Err(StoreError::Busy)
            }
        }
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
        change.sum(BYTES, i128::from(bytes));
        let (none, fits) = (change.absent(BYTES), change.at_most(BYTES, "room", room));
        change.when(format!("({none} OR {fits})"));
        transaction.update(Part::Quota, item_key(&self.scope.storage()), &change)
    }

    /// Takes from the account's sum.
    fn discount_bytes(&self, transaction: &mut Transaction<Part>, bytes: u64) -> Result<(), StoreError> {
        let mut change = Expression::new();
        change.sum(BYTES, -i128::from(bytes));
        transaction.update(Part::Quota, item_key(&self.scope.storage()), &change)
    }
}

fn item_key(key: &Key) -> Item {
    key_item(key.partition().as_str(), key.sort())
}

fn linked<R: Stored>(fields: &R) -> Option<AttributeValue> {
    let linked: Vec<_> = fields.linked().into_iter().map(AttributeValue::S).collect();
    (!linked.is_empty()).then_some(AttributeValue::L(linked))
}
