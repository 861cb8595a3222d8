//! What a record claims (unique values) and names (other records), checked with the write itself.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Id, IdKind, Kind, UserId};
use nexo_tenant_key::Key;

use super::Part;
use crate::expression::Expression;
use crate::record::{CLAIMS, Counter, Input, Item, RECORD_KIND, Record, Reference, Target, Unique};
use crate::table::{OWNER, Stamp, owners};
use crate::transaction::{Refusal, Transaction, key_item, key_of};
use crate::{StoreError, TenantTable};

/// The deepest tree of records, in levels. A bound on the reads of one request.
const DEEPEST: usize = 20;

impl TenantTable {
    /// Adds a marker for each unique value. `stale` are markers of records that no longer hold the
    /// value: they are taken over, if that is still so.
    pub(super) fn claim<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        record: &Key,
        unique: &[Unique],
        stale: &[(Unique, Key)],
    ) -> Result<(), StoreError> {
        for value in unique {
            let marker = self.scope.unique(R::Kind::KIND, value.field, &value.value);
            let mut item = key_of(&marker);
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
                let holder = key_of(holder);
                transaction.check(Part::Claim(value.clone()), holder, let_go);
            }
        }
        Ok(())
    }

    /// The references of `input` that must be checked; the caller itself need not be.
    pub(super) fn references<R: Record>(&self, input: &Input<R>) -> Vec<Reference> {
        let mut references = input.fields.references();
        if let Some(owner) = input.owner_id.filter(|owner| *owner != self.scope.principal().user) {
            references.push(Reference::user("ownerId", &owner));
        }
        references
    }

    /// Lets the transaction check what the record names now and did not name before, and count it where it is
    /// counted.
    pub(super) async fn refer<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        stamp: &Stamp,
        record: &Key,
        before: &[Reference],
        after: &[Reference],
    ) -> Result<(), StoreError> {
        for reference in after.iter().filter(|reference| !before.contains(reference)) {
            let is_new = !before.iter().any(|old| old.names_the_same(reference));
            // What is named already need not be within reach.
            let permission = reference.permission.filter(|_| is_new);
            let reference = &Reference { permission, ..reference.clone() };
            match reference.target {
                Target::Counted(..) => self.tally(transaction, stamp, reference, 1)?,
                Target::Record(kind) if is_new => self.check_exists(transaction, reference, kind)?,
                // Also one that was named before, if it could be as it is while it is so no more.
                Target::Parent if is_new || reference.unless.is_some() => {
                    self.check_ancestors::<R>(transaction, record, reference).await?;
                }
                Target::Record(_) | Target::Parent => {}
            }
        }
        for reference in before.iter().filter(|reference| !after.contains(reference)) {
            self.tally(transaction, stamp, reference, -1)?;
        }
        Ok(())
    }

    /// Whose records the caller may name by a reference; `None` where it is everybody's.
    fn nameable(&self, reference: &Reference) -> Result<Option<Vec<UserId>>, StoreError> {
        let Some(permission) = reference.permission else { return Ok(None) };
        let principal = self.scope.principal();
        let reach =
            principal.reach(permission).ok_or(StoreError::NoSuchReference { field: reference.field })?;
        Ok(owners(principal, reach))
    }

    /// What `expression` is for is made only if the record that a reference names is within the caller's reach.
    fn if_nameable(&self, expression: &mut Expression, reference: &Reference) -> Result<(), StoreError> {
        if let Some(owners) = self.nameable(reference)? {
            let theirs = expression.any_of(OWNER, "owner", &owners);
            expression.when(theirs);
        }
        Ok(())
    }

    /// What a reference named, unless it is beyond the caller's reach: nothing is told of that.
    fn named<'a>(&self, reference: &Reference, found: Option<&'a Item>) -> Option<&'a Item> {
        let owner = |item: &Item| item.get(OWNER)?.as_s().ok()?.parse().ok();
        found.filter(|item| {
            reference.permission.is_none_or(|permission| self.reaches(permission, owner(item)))
        })
    }

    /// Refuses a parent that is beyond the caller's reach, before anything is told of its place in the tree.
    pub(super) async fn judge_reach<R: Record>(&self, parent: &Reference) -> Result<(), StoreError> {
        if self.nameable(parent)?.is_none() {
            return Ok(());
        }
        let id = parent.id.parse::<Id<R::Kind>>();
        let id = id.map_err(|_| StoreError::NoSuchReference { field: parent.field })?;
        let found = self.read(&self.scope.record(&id), true).await?;
        parent.refuses(self.named(parent, found.as_ref())).map_or(Ok(()), Err)
    }

    /// Lets the transaction check that what a record names is there, and within the caller's reach.
    fn check_exists(
        &self,
        transaction: &mut Transaction<Part>,
        reference: &Reference,
        kind: Kind,
    ) -> Result<(), StoreError> {
        let mut exists = Expression::new();
        exists.if_exists("pk").if_absent("deletedAt");
        self.if_nameable(&mut exists, reference)?;
        let key = key_item(self.scope.partition(kind).as_str(), &reference.ulid);
        let part = Part::Referenced(reference.clone());
        if let Some((attribute, value)) = reference.unless {
            exists.if_not_equal(attribute, AttributeValue::S(value.into()));
            transaction.check_and_read(part, key, exists);
        } else {
            transaction.check(part, key, exists);
        }
        Ok(())
    }

    /// Counts one more, or one less, that name a record, if that is counted: a write of that record like any other.
    fn tally(
        &self,
        transaction: &mut Transaction<Part>,
        stamp: &Stamp,
        reference: &Reference,
        by: i64,
    ) -> Result<(), StoreError> {
        let Target::Counted(kind, counter) = reference.target else { return Ok(()) };
        let mut change = self.authored(stamp);
        Self::touch(&mut change, stamp);
        change.add(counter.attribute, by).if_exists("pk").if_absent("deletedAt");
        if by > 0 {
            self.if_nameable(&mut change, reference)?;
            if let Some(limit) = counter.limit {
                change.if_below(counter.attribute, limit);
            }
            if let Some((attribute, value)) = counter.open {
                change.if_equal(attribute, AttributeValue::S(value.into()));
            }
        }
        let key = key_item(self.scope.partition(kind).as_str(), &reference.ulid);
        transaction.update(Part::Counted(reference.clone(), counter), key, &change)
    }

    /// Walks from the new parent to the root, and lets the transaction check that the path is still
    /// the same: two moves that would close a cycle together cannot both succeed. The path leads
    /// through deleted ancestors too, so that restoring one never closes a cycle.
    pub(super) async fn check_ancestors<R: Record>(
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
            let item = self.read(&key, true).await?;
            let named = self.named(reference, item.as_ref());
            if let Some(error) = reference.refuses(named).filter(|_| is_parent) {
                return Err(error);
            }
            // A purged ancestor further up ends the path.
            let Some(item) = item else { return Ok(()) };
            let above = item.get(field).and_then(|value| value.as_s().ok()).cloned();
            let mut same = Expression::new();
            same.if_exists("pk");
            if is_parent {
                same.if_absent("deletedAt");
                if let Some((attribute, value)) = reference.unless {
                    same.if_not_equal(attribute, AttributeValue::S(value.into()));
                }
                self.if_nameable(&mut same, reference)?;
            }
            match &above {
                Some(above) => same.if_equal(field, AttributeValue::S(above.clone())),
                None => same.if_absent(field),
            };
            transaction.check(Part::Ancestor, key_of(&key), same);
            match above {
                Some(above) => parent = above,
                None => return Ok(()),
            }
        }
        Err(StoreError::TooDeep { field })
    }

    /// Why a transaction was refused: an error, or markers that are stale and can be taken over.
    pub(super) async fn explain<R: Record>(
        &self,
        record: &Key,
        refusals: &[Refusal<Part>],
    ) -> Result<Vec<(Unique, Key)>, StoreError> {
        let mut stale = Vec::new();
        for refusal in refusals {
            match &refusal.role {
                Part::Record => return Err(self.gone_or_stale(refusal.found.as_ref())),
                Part::Referenced(reference) => {
                    // What refused it may be over already.
                    let named = self.named(reference, refusal.found.as_ref());
                    return Err(reference.refuses(named).unwrap_or(StoreError::Busy));
                }
                Part::Counted(reference, counter) => {
                    let named = self.named(reference, refusal.found.as_ref());
                    return Err(why_not_counted(reference.field, *counter, named));
                }
                Part::Quota => return Err(StoreError::OverQuota),
                // It is gone by now: look again at what is there.
                Part::Other => return Err(StoreError::Busy),
                Part::Versioned => return Err(self.why_no_version(refusal.found.as_ref())),
                // Somebody moved an ancestor meanwhile, or changed the tree: look again.
                Part::Ancestor
                | Part::Tree
                | Part::Side
                | Part::Idempotency
                // What refuses a row is told apart before.
                | Part::Row
                | Part::RowOfRecord
                | Part::Trial => {}
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

fn why_not_counted(field: &'static str, counter: Counter, found: Option<&Item>) -> StoreError {
    let Some(item) = found.filter(|item| !item.contains_key("deletedAt")) else {
        return StoreError::NoSuchReference { field };
    };
    match counter.open {
        Some((attribute, value)) if item.get(attribute) != Some(&AttributeValue::S(value.into())) => {
            StoreError::NotOpen { field }
        }
        _ => StoreError::Full { field },
    }
}

pub(super) fn holds(item: &Item, unique: &Unique) -> bool {
    let claim = AttributeValue::S(unique.claim());
    let claims = item.get(CLAIMS).and_then(|claims| claims.as_l().ok());
    !item.contains_key("deletedAt") && claims.is_some_and(|claims| claims.contains(&claim))
}
