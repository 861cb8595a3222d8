//! What changes with a record of a bound kind: the tree it is in, its history, and what it names when it goes.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Id, IdKind, Kind};
use nexo_tenant_key::Key;
use serde::de::DeserializeOwned;

use super::{Note, Noted, Part, Sent};
use crate::expression::Expression;
use crate::pause::ATTEMPTS;
use crate::range::range;
use crate::record::{Beside, Entity, Record, Reference, SideChange, marked};
use crate::table::Stamp;
use crate::transaction::{Transaction, key_item, key_of};
use crate::{StoreError, TenantTable};

/// Whether the record's place in its tree changes.
pub(super) fn is_moved<R: Record>(before: &[Reference], after: &[Reference]) -> bool {
    parent::<R>(before).map(|parent| &parent.id) != parent::<R>(after).map(|parent| &parent.id)
}

fn parent<R: Record>(references: &[Reference]) -> Option<&Reference> {
    let tree = R::TREE?;
    references.iter().find(|reference| reference.field == tree.field)
}

impl TenantTable {
    /// Judges the record's place in its tree, and lets the transaction check that the tree is the same still.
    pub(super) async fn shape<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        record: &Key,
        references: &[Reference],
    ) -> Result<(), StoreError> {
        let Some(tree) = R::TREE else { return Ok(()) };
        if let Some(parent) = parent::<R>(references) {
            self.judge_reach::<R>(parent).await?;
        }
        let key = self.scope.tree(R::Kind::KIND);
        let seen = self.read(&key, true).await?.unwrap_or_default();
        let forest = self.forest(R::Kind::KIND, tree.field).await?;
        let parent = parent::<R>(references).map(|parent| parent.ulid.as_str());
        forest.admits(&tree, record.sort(), parent)?;
        let mut change = Expression::new();
        let mut same = |attribute: &str| match seen.get(attribute) {
            Some(number) => drop(change.if_equal(attribute, number.clone())),
            None => drop(change.if_absent(attribute)),
        };
        same("moves");
        // Leaves do not stand in each other's way, but in that of a move.
        let counter = if forest.has(record.sort()) {
            same("leaves");
            "moves"
        } else {
            "leaves"
        };
        change.add_one(counter);
        transaction.update(Part::Tree, key_of(&key), &change)
    }

    /// Adds and ends entries of the record's history.
    pub(super) fn note_sides(
        &self,
        transaction: &mut Transaction<Part>,
        stamp: &Stamp,
        record: &Key,
        sides: &[Beside],
    ) -> Result<(), StoreError> {
        for side in sides {
            let key = key_item(self.scope.history(record, side.kind).as_str(), &side.ulid);
            match &side.change {
                SideChange::Add(entry) => {
                    let mut item = marked(entry.clone(), side.kind.prefix());
                    item.extend(key);
                    item.insert("version".into(), AttributeValue::N("1".into()));
                    item.extend(self.authorship(stamp).map(|(name, value)| (name.to_owned(), value)));
                    item.insert("createdAt".into(), AttributeValue::S(stamp.now.to_string()));
                    let user = self.scope.principal().user.to_string();
                    item.insert("createdBy".into(), AttributeValue::S(user));
                    transaction.put_new(Part::Side, item)?;
                }
                SideChange::End(field, value) => {
                    let mut end = self.authored(stamp);
                    end.set(field, AttributeValue::S(value.clone())).if_exists("pk").if_absent(field);
                    transaction.update(Part::Side, key, &end)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes a record that nothing needs, and takes it out of the counts of what it names.
    pub(crate) async fn delete_bound<R: Record>(
        &self,
        id: &Id<R::Kind>,
        expected: Option<u64>,
        note: Option<&Note>,
    ) -> Result<(), StoreError> {
        let key = self.scope.record(id);
        for attempt in 0..ATTEMPTS {
            let current: Entity<R> = self.get_consistent(id).await?;
            if expected.is_some_and(|version| version != current.version) {
                return Err(StoreError::Stale { version: current.version });
            }
            if current.input.fields.is_in_use() {
                return Err(StoreError::InUse);
            }
            let stamp = self.stamp()?;
            let mut change = self.change(&stamp, Some(current.version));
            Self::mark_deleted(&mut change, &stamp, R::PURGE_AT);
            let mut transaction = Transaction::new(&self.store.table);
            transaction.update(Part::Record, key_of(&key), &change)?;
            let before = self.references(&current.input);
            self.refer::<R>(&mut transaction, &stamp, &key, &before, &[]).await?;
            if let Some(note) = note {
                self.note(&mut transaction, &Noted { note, before: None }, &key, current.version + 1)?;
            }
            let refusals = match self.send(transaction, &stamp, attempt, true).await? {
                Sent::Written => return Ok(()),
                Sent::Refused(refusals) => refusals,
                Sent::Collided => continue,
            };
            match self.explain::<R>(&key, &refusals).await {
                Err(StoreError::Stale { .. }) if expected.is_none() => {}
                outcome => drop(outcome?),
            }
        }
        Err(StoreError::Busy)
    }

    /// The entries of one kind of a record's history, in the order of their ids, as they are after all writes
    /// that were acknowledged.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history<E: DeserializeOwned>(
        &self,
        kind: Kind,
        record: &Id<impl IdKind>,
    ) -> Result<Vec<E>, StoreError> {
        let partition = self.scope.history(&self.scope.record(record), kind);
        let mut placeholders = Expression::new();
        let all = placeholders.equals("pk", "partition", partition.as_str());
        let items = range(&self.store, self.credentials(), &self.request.meter, &all, &placeholders).await?;
        items.into_iter().map(|item| Ok(serde_dynamo::from_item(item)?)).collect()
    }
}
