//! Rows of an import: what each did is an entry beside the import, in one transaction with the record.
//!
//! So a row is done once, however often it is tried and by how many at once, and what it did can be undone: the
//! entry has the record as it was before, and the version that the row made of it. The undoing is noted in the
//! entry, again in one transaction with the record.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Id, IdKind, ImportErrorsId, ImportId, ImportRowId, Kind};
use nexo_tenant_key::Key;
use serde::de::DeserializeOwned;

use super::{Created, Part, With};
use crate::expression::Expression;
use crate::range::{Range, page};
use crate::record::{Beside, Entity, Input, Item, Record, Unique, marked};
use crate::table::version;
use crate::transaction::{Refusal, Transaction, key_item};
use crate::{StoreError, TenantTable};

/// Days for which it is known what a row did: those for which what it created, once deleted, can be restored, and
/// one for the undoing itself.
const KEPT_DAYS: i64 = 31;

/// Entries that are read at once.
const PAGE: i32 = 500;

/// The row of an import that a write is for.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    import: ImportId,
    row: u32,
    act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write { is_matched: bool },
    Trial,
    Undo,
}

impl Note {
    /// The write is what a row asks for. Where rows are matched with records, no two rows have the same one.
    pub const fn write(import: ImportId, row: u32, is_matched: bool) -> Self {
        Self { import, row, act: Act::Write { is_matched } }
    }

    /// The write is tried, up to the point where it would happen.
    pub const fn trial(import: ImportId, row: u32) -> Self {
        Self { import, row, act: Act::Trial }
    }

    /// The write undoes what a row did.
    pub const fn undo(import: ImportId, row: u32) -> Self {
        Self { import, row, act: Act::Undo }
    }

    pub(super) fn is_undo(&self) -> bool {
        self.act == Act::Undo
    }
}

/// A note, and the record before the write.
pub(super) struct Noted<'a> {
    pub(super) note: &'a Note,
    pub(super) before: Option<Item>,
}

/// What a row did.
#[derive(Clone, Debug)]
pub struct RowEntry {
    /// Which row.
    pub row: u32,
    /// Whether it changed a record, and did not create one.
    pub is_update: bool,
    /// Whether it was undone.
    pub is_undone: bool,
    record: String,
    version: u64,
    before: Option<Item>,
}

/// Ids of rows are in the order of the rows.
fn id_of(row: u32) -> ImportRowId {
    Id::from_parts(row.into(), [0; 10])
}

impl RowEntry {
    fn read(mut item: Item) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("an entry of an import".into());
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let row = item.get("row").and_then(|row| row.as_n().ok()?.parse().ok()).ok_or_else(corrupt)?;
        let record = text("record").ok_or_else(corrupt)?;
        let (version, is_undone) = (version(&item).ok_or_else(corrupt)?, item.contains_key("undone"));
        let before = match item.remove("before") {
            Some(AttributeValue::M(before)) => Some(before),
            Some(_) => return Err(corrupt()),
            None => None,
        };
        Ok(Self { row, is_update: before.is_some(), is_undone, record, version, before })
    }
}

/// What remains of refusals when the trial's own is left out; [`StoreError::RowDone`] and
/// [`StoreError::SameRecord`] when a row's entry refused.
pub(super) fn without_trial(
    mut refusals: Vec<Refusal<Part>>,
) -> Result<Option<Vec<Refusal<Part>>>, StoreError> {
    if refusals.iter().any(|refusal| matches!(refusal.role, Part::Row)) {
        return Err(StoreError::RowDone);
    }
    if refusals.iter().any(|refusal| matches!(refusal.role, Part::RowOfRecord)) {
        return Err(StoreError::SameRecord);
    }
    refusals.retain(|refusal| !matches!(refusal.role, Part::Trial));
    Ok((!refusals.is_empty()).then_some(refusals))
}

impl TenantTable {
    /// Creates the record of a row.
    ///
    /// # Errors
    /// Those of [`TenantTable::create`], [`StoreError::RowDone`], [`StoreError::SameRecord`].
    pub async fn create_row<R: Record>(
        &self,
        note: &Note,
        input: Input<R>,
    ) -> Result<Created<R>, StoreError> {
        self.create_noted(input, None, Some(note)).await
    }

    /// Replaces what a row gives of a record that was just read.
    ///
    /// # Errors
    /// Those of [`TenantTable::replace_read`], [`StoreError::RowDone`], [`StoreError::SameRecord`].
    pub async fn replace_row<R: Record>(
        &self,
        note: &Note,
        read: &Entity<R>,
        input: &Input<R>,
    ) -> Result<Entity<R>, StoreError> {
        self.may_assign(input.owner_id)?;
        let key = self.scope.record(&read.id);
        self.replace_guarded(&key, Some(read.version), input, read.clone(), Some(note)).await
    }

    /// Deletes what a row created, if nobody wrote it since.
    ///
    /// # Errors
    /// Those of [`TenantTable::delete`], [`StoreError::RowDone`].
    pub async fn delete_row<R: Record>(&self, note: &Note, entry: &RowEntry) -> Result<(), StoreError> {
        self.delete_bound::<R>(&entry.id()?, Some(entry.version), Some(note)).await
    }

    /// The record that a row changed, as it is and as it was before the row.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when it was written since; [`StoreError::NotFound`].
    pub async fn around_row<R: Record>(&self, entry: &RowEntry) -> Result<(Entity<R>, Input<R>), StoreError> {
        let current: Entity<R> = self.get_consistent(&entry.id()?).await?;
        if current.version != entry.version {
            return Err(StoreError::Stale { version: current.version });
        }
        let before = entry.before.clone().ok_or_else(|| StoreError::Corrupt("no record before".into()))?;
        let before = Entity::<R>::from_item(before)?.input;
        let before = current.keep(before)?;
        Ok((current, before))
    }

    /// Notes in a transaction what its write is for.
    pub(super) fn note(
        &self,
        transaction: &mut Transaction<Part>,
        noted: &Noted<'_>,
        record: &Key,
        version: u64,
    ) -> Result<(), StoreError> {
        let Note { import, row, act } = noted.note;
        let partition = self.scope.history(&self.scope.record(import), Kind::ImportRow);
        let key = key_item(partition.as_str(), id_of(*row).ulid());
        let purge = self.store.clock.now_seconds() + KEPT_DAYS * 24 * 3600;
        let expires_at = ("expiresAt".to_owned(), AttributeValue::N(purge.to_string()));
        match act {
            Act::Write { is_matched } => {
                let mut item = marked(key, Kind::ImportRow.prefix());
                item.insert("row".into(), AttributeValue::N(row.to_string()));
                item.insert("record".into(), AttributeValue::S(record.sort().into()));
                item.insert("version".into(), AttributeValue::N(version.to_string()));
                item.extend([expires_at.clone()]);
                if let Some(before) = &noted.before {
                    item.insert("before".into(), AttributeValue::M(before.clone()));
                }
                transaction.put_new(Part::Row, item)?;
                if *is_matched {
                    let mut item = marked(key_item(partition.as_str(), record.sort()), "importRecord");
                    item.extend([expires_at]);
                    transaction.put_new(Part::RowOfRecord, item)?;
                }
            }
            Act::Trial => {
                let mut never = Expression::new();
                never.if_exists("pk").if_absent("pk");
                transaction.check(Part::Trial, key, never);
            }
            Act::Undo => {
                let mut undone = Expression::new();
                undone.set("undone", AttributeValue::Bool(true)).if_exists("pk").if_absent("undone");
                transaction.update(Part::Row, key, &undone)?;
            }
        }
        Ok(())
    }

    /// What the rows of an import did, as after all writes that were acknowledged: `most` of them, from row
    /// `from` on, or with `back` from there backwards.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rows(
        &self,
        import: &ImportId,
        from: u32,
        back: bool,
        most: i32,
    ) -> Result<Vec<RowEntry>, StoreError> {
        let partition = self.scope.history(&self.scope.record(import), Kind::ImportRow);
        let mut placeholders = Expression::new();
        let all = placeholders.equals("pk", "partition", partition.as_str());
        let (low, high) = if back { (0, from) } else { (from, u32::MAX) };
        // The ids of records are behind those of rows: they are of later than 1970.
        let name = placeholders.compare("sk", "BETWEEN", "low", id_of(low).ulid());
        let high = placeholders.operand("high", AttributeValue::S(id_of(high).ulid().to_owned()));
        let condition = format!("{all} AND {name} AND {high}");
        let items = self.page_of_entries(&condition, &placeholders, back, most).await?;
        items.into_iter().map(RowEntry::read).collect()
    }

    /// Which rows of an import from `from` to `to` did something, and whether each changed a record, as after all
    /// writes that were acknowledged.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rows_done(
        &self,
        import: &ImportId,
        from: u32,
        to: u32,
    ) -> Result<HashMap<u32, bool>, StoreError> {
        let (mut done, mut from) = (HashMap::new(), from);
        loop {
            // What the records were is in the entries, so that there can be few in a page: none is kept.
            let page = self.rows(import, from, false, PAGE).await?;
            let Some(last) = page.last().map(|entry| entry.row) else { return Ok(done) };
            done.extend(
                page.iter().filter(|entry| entry.row <= to).map(|entry| (entry.row, entry.is_update)),
            );
            if last >= to {
                return Ok(done);
            }
            from = last + 1;
        }
    }

    async fn page_of_entries(
        &self,
        condition: &str,
        placeholders: &Expression,
        back: bool,
        most: i32,
    ) -> Result<Vec<Item>, StoreError> {
        let range = Range { condition, placeholders, is_descending: back, most: Some(most) };
        let (items, _) = page(&self.store, self.credentials(), &self.request.meter, &range, None).await?;
        Ok(items)
    }

    /// The entries of one kind of a record's history behind one of them: one at least, where there is one, and in
    /// their order.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn history_from<K: IdKind, E: DeserializeOwned>(
        &self,
        record: &Id<impl IdKind>,
        from: &Id<K>,
        until: &Id<K>,
        most: i32,
    ) -> Result<Vec<E>, StoreError> {
        let partition = self.scope.history(&self.scope.record(record), K::KIND);
        let mut placeholders = Expression::new();
        let all = placeholders.equals("pk", "partition", partition.as_str());
        let between = placeholders.compare("sk", "BETWEEN", "from", from.ulid());
        let until = placeholders.operand("until", AttributeValue::S(until.ulid().to_owned()));
        let condition = format!("{all} AND {between} AND {until}");
        let found = self.page_of_entries(&condition, &placeholders, false, most).await?;
        found.into_iter().map(|item| Ok(serde_dynamo::from_item(item)?)).collect()
    }

    /// Replaces a record that was just read, and adds to its history, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when it was written since; [`StoreError::NotFound`].
    pub async fn replace_adding<R: Record>(
        &self,
        read: &Entity<R>,
        input: &Input<R>,
        sides: &[Beside],
    ) -> Result<Entity<R>, StoreError> {
        let key = self.scope.record(&read.id);
        let stamp = self.stamp()?;
        let mut next = Entity { input: input.clone(), ..read.clone() };
        self.stamp_entity(&mut next, &stamp);
        let change = self.replacement(&stamp, Some(read.version), input)?;
        let with = With { sides, ..With::default() };
        self.change_with(&key, &stamp, &change, &with, &next).await
    }

    /// The live record that holds a unique value, within the caller's reach or not.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder<R: Record>(&self, unique: &Unique) -> Result<Option<Id<R::Kind>>, StoreError> {
        let marker = self.scope.unique(R::Kind::KIND, unique.field, &unique.value);
        let Some(marker) = self.read(&marker, true).await? else { return Ok(None) };
        let holder = marker.get("record").and_then(|holder| holder.as_s().ok());
        let holder = holder.and_then(|holder| Id::<R::Kind>::from_ulid(holder).ok());
        let Some(holder) = holder else { return Err(StoreError::Corrupt("unique marker".into())) };
        let item = self.read(&self.scope.record(&holder), true).await?;
        Ok(item.filter(|item| super::claims::holds(item, unique)).map(|_| holder))
    }
}

impl RowEntry {
    /// The record.
    fn id<K: IdKind>(&self) -> Result<Id<K>, StoreError> {
        Id::from_ulid(&self.record).map_err(|_| StoreError::Corrupt("an entry of an import".into()))
    }
}

/// Ids of an import's errors are in the order of the phase they belong to, and of the rows.
pub fn errors_id(phase: u32, row: u32) -> ImportErrorsId {
    Id::from_parts((u64::from(phase & 0xffff) << 32) | u64::from(row), [0; 10])
}
