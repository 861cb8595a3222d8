//! An account's records: reads, deletes, and what every call has in common.

use aws_sdk_dynamodb::config;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::{Id, IdKind, Permission, Reach, Timestamp, UserId};
use nexo_identity::Principal;
use nexo_tenant_key::{Key, TenantScope};

use crate::batch::{MOST_AT_ONCE, batch};
use crate::client::as_tenant;
use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::{Entity, Item, Record};
use crate::transaction::key_of;
use crate::{Store, StoreError};

/// What the store notes of the request it works for.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// Named on every item the request writes.
    pub request_id: String,
    /// The address it came from.
    pub ip: String,
    /// The agent it came with.
    pub user_agent: Option<String>,
    /// Counts the request's calls and units.
    pub meter: Meter,
}

/// The table, seen through one account's scope.
///
/// Every call carries the scope's credentials, which the engine limits to that account.
pub struct TenantTable {
    pub(crate) store: Store,
    pub(crate) scope: TenantScope,
    pub(crate) request: RequestInfo,
    /// Whose records can be seen, when it is not everybody's.
    pub(crate) owners: Option<Vec<UserId>>,
}

/// The attribute that names who is responsible for a record.
pub(crate) const OWNER: &str = "ownerId";

/// Days between a record's deletion and its purge.
const PURGE_DAYS: i64 = 30;

/// What became of one conditional update.
pub(crate) enum Updated {
    /// Done; the item as it is now.
    Done(Item),
    /// The condition did not hold; the item that is there, if any.
    Refused(Option<Item>),
}

impl TenantTable {
    /// The table of `scope`'s account, as far as `reach` goes: beyond it records are not there, whatever is
    /// asked of them.
    pub fn new(store: Store, scope: TenantScope, request: RequestInfo, reach: Reach) -> Self {
        let owners = owners(scope.principal(), reach);
        Self { store, scope, request, owners }
    }

    /// The same table, as far as another of the principal's permissions goes; `None` when it lacks that.
    pub fn within(&self, permission: Permission) -> Option<Self> {
        let reach = self.scope.principal().reach(permission)?;
        Some(Self::new(self.store.clone(), self.scope.clone(), self.request.clone(), reach))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    /// The scope.
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// One record. Reads like DynamoDB's default: for half the price of a consistent read, and
    /// possibly some milliseconds behind a write.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when it was deleted.
    pub async fn get<R: Record>(&self, id: &Id<R::Kind>) -> Result<Entity<R>, StoreError> {
        self.whole(self.live(self.read(&self.scope.record(id), false).await?)?, false).await
    }

    /// One record as it is after all writes that were acknowledged before this call.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also when it was deleted.
    pub async fn get_consistent<R: Record>(&self, id: &Id<R::Kind>) -> Result<Entity<R>, StoreError> {
        self.whole(self.live(self.read(&self.scope.record(id), true).await?)?, true).await
    }

    /// A record, unless it is a version of one that is deleted, or beyond reach.
    pub(crate) async fn whole<R: Record>(
        &self,
        entity: Entity<R>,
        consistent: bool,
    ) -> Result<Entity<R>, StoreError> {
        if let Some(first) = entity.input.fields.version_of() {
            self.live::<R>(self.read(&self.scope.record(&first), consistent).await?)?;
        }
        Ok(entity)
    }

    /// What is above each of these records in their tree, whether they are deleted or beyond the caller's reach:
    /// nothing else of them is told.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn above<K: IdKind>(
        &self,
        ids: &[Id<K>],
        field: &str,
    ) -> Result<Vec<(Id<K>, Option<Id<K>>)>, StoreError> {
        let mut above = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_AT_ONCE) {
            let keys = ids.iter().map(|id| key_of(&self.scope.record(id))).collect();
            let found = batch(&self.store, self.credentials(), &self.request.meter, keys).await?;
            let parent = |item: Item| Id::parse(item.get(field)?.as_s().ok()?).ok();
            above.extend(ids.iter().copied().zip(found.into_iter().map(|item| item.and_then(parent))));
        }
        Ok(above)
    }

    /// Deletes a record: it leaves every list, its unique values are free for others, and it can be
    /// restored until it is purged.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Stale`] when `expected` is not its version; [`StoreError::InUse`].
    pub async fn delete<R: Record>(&self, id: &Id<R::Kind>, expected: Option<u64>) -> Result<(), StoreError> {
        if R::BOUND {
            return self.delete_bound::<R>(id, expected, None).await;
        }
        let key = self.scope.record(id);
        let stamp = self.stamp()?;
        let mut change = self.change(&stamp, expected);
        Self::mark_deleted(&mut change, &stamp, R::PURGE_AT);
        match self.update(&key, &change).await? {
            Updated::Done(_) => Ok(()),
            Updated::Refused(found) => match found {
                Some(item) if stamp.wrote(&item) => Ok(()),
                found => Err(self.refusal(found.as_ref(), expected)),
            },
        }
    }

    /// The settings that put the scope's credentials on a call.
    pub(crate) fn credentials(&self) -> config::Builder {
        as_tenant(self.scope.credentials())
    }

    pub(crate) async fn read(&self, key: &Key, consistent: bool) -> Result<Option<Item>, StoreError> {
        self.request.meter.call();
        let got = self
            .store
            .client
            .get_item()
            .table_name(&self.store.table)
            .set_key(Some(key_of(key)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.credentials())
            .send()
            .await
            .map_err(|error| sort("GetItem", &error))?;
        self.request.meter.consumed(Units::Read, got.consumed_capacity());
        Ok(got.item)
    }

    pub(crate) async fn update(&self, key: &Key, change: &Expression) -> Result<Updated, StoreError> {
        self.request.meter.call();
        let sent = self
            .store
            .client
            .update_item()
            .table_name(&self.store.table)
            .set_key(Some(key_of(key)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.credentials())
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.request.meter.consumed(Units::Write, done.consumed_capacity());
                Ok(Updated::Done(done.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Updated::Refused(failed.item().cloned()))
                }
                _ => Err(sort("UpdateItem", &error)),
            },
        }
    }

    /// This moment, and a name for this write.
    pub(crate) fn stamp(&self) -> Result<Stamp, StoreError> {
        Ok(Stamp { now: self.store.clock.now(), write_id: write_id()? })
    }

    /// The start of every change to a live record: the next version, when, by whom, and for which
    /// request.
    pub(crate) fn change(&self, stamp: &Stamp, expected: Option<u64>) -> Expression {
        let mut change = self.change_of_any(stamp);
        change.if_exists("pk").if_absent("deletedAt");
        if let Some(version) = expected {
            change.if_equal("version", AttributeValue::N(version.to_string()));
        }
        change
    }

    /// Like [`TenantTable::change`], for a record that may be deleted.
    pub(crate) fn change_of_any(&self, stamp: &Stamp) -> Expression {
        let mut change = self.authored(stamp);
        if let Some(owners) = &self.owners {
            let theirs = change.any_of(OWNER, "owner", owners);
            change.when(theirs);
        }
        change
    }

    /// The next version, when, by whom, and for which request.
    pub(crate) fn authored(&self, stamp: &Stamp) -> Expression {
        let mut change = Expression::new();
        change.increment("version");
        for (name, value) in self.authorship(stamp) {
            change.set(name, value);
        }
        // A retry of this very write, after its answer was lost, must not count twice.
        change.if_not_equal("writeId", AttributeValue::S(stamp.write_id.clone()));
        change
    }

    /// A record that is deleted has left the indexes, and is purged in a while.
    pub(crate) fn mark_deleted(change: &mut Expression, stamp: &Stamp, purge_at: &str) {
        change.set("deletedAt", AttributeValue::S(stamp.now.to_string()));
        let purge = stamp.now.as_seconds() + PURGE_DAYS * 24 * 3600;
        change.set(purge_at, AttributeValue::N(purge.to_string()));
        for attribute in ["gsi1sk", "gsi2sk"] {
            change.remove(attribute);
        }
    }

    pub(crate) fn live<R: Record>(&self, item: Option<Item>) -> Result<Entity<R>, StoreError> {
        match item {
            Some(item) if self.shows(&item) && !item.contains_key("deletedAt") => Entity::from_item(item),
            _ => Err(StoreError::NotFound),
        }
    }

    /// Whether the caller has `permission` for a record of this owner.
    pub fn reaches(&self, permission: Permission, owner: Option<UserId>) -> bool {
        let principal = self.scope.principal();
        let is_theirs = |owners: Vec<UserId>| owner.is_some_and(|owner| owners.contains(&owner));
        principal.reach(permission).is_some_and(|reach| owners(principal, reach).is_none_or(is_theirs))
    }

    /// Whether an item is within the caller's reach.
    pub(crate) fn shows(&self, item: &Item) -> bool {
        let owner = item.get(OWNER).and_then(|owner| owner.as_s().ok());
        let is = |known: &UserId| owner.is_some_and(|owner| *owner == known.to_string());
        self.owners.as_ref().is_none_or(|owners| owners.iter().any(is))
    }

    /// Whether the caller may make `owner` responsible for a record.
    pub(crate) fn may_assign(&self, owner: Option<UserId>) -> Result<(), StoreError> {
        let is_within = |owners: &Vec<UserId>| owner.is_some_and(|owner| owners.contains(&owner));
        if self.owners.as_ref().is_none_or(is_within) { Ok(()) } else { Err(StoreError::BeyondReach) }
    }

    /// Why a change was refused, as far as existence and version explain it.
    pub(crate) fn refusal(&self, found: Option<&Item>, expected: Option<u64>) -> StoreError {
        let Some(item) = found.filter(|item| self.shows(item) && !item.contains_key("deletedAt")) else {
            return StoreError::NotFound;
        };
        match (version(item), expected) {
            (Some(version), Some(expected)) if version != expected => StoreError::Stale { version },
            _ => StoreError::Busy,
        }
    }

    /// Who wrote an item, when, and for which request.
    pub(crate) fn authorship(&self, stamp: &Stamp) -> [(&'static str, AttributeValue); 4] {
        [
            ("updatedAt", AttributeValue::S(stamp.now.to_string())),
            ("updatedBy", AttributeValue::S(self.scope.principal().user.to_string())),
            ("requestId", AttributeValue::S(self.request.request_id.clone())),
            ("writeId", AttributeValue::S(stamp.write_id.clone())),
        ]
    }

    /// The order by last change follows every write.
    pub(crate) fn touch(change: &mut Expression, stamp: &Stamp) {
        change.set("gsi2sk", AttributeValue::S(stamp.now.to_string()));
    }
}

/// Whose records are within reach, when it is not everybody's.
pub(crate) fn owners(principal: &Principal, reach: Reach) -> Option<Vec<UserId>> {
    match reach {
        Reach::Own => Some(vec![principal.user]),
        Reach::Team if principal.standing.team.is_empty() => Some(vec![principal.user]),
        Reach::Team => Some(principal.standing.team.clone()),
        Reach::All => None,
    }
}

/// A name for one write, so that a retry can tell its own traces from another's.
pub(crate) fn write_id() -> Result<String, StoreError> {
    let mut random = [0; 9];
    getrandom::fill(&mut random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// The moment and the name of one write.
pub(crate) struct Stamp {
    pub(crate) now: Timestamp,
    pub(crate) write_id: String,
}

impl Stamp {
    /// Whether `item` is what this write left: its answer was lost and the call was made again.
    pub(crate) fn wrote(&self, item: &Item) -> bool {
        matches!(item.get("writeId"), Some(AttributeValue::S(id)) if *id == self.write_id)
    }
}

pub(crate) fn version(item: &Item) -> Option<u64> {
    item.get("version")?.as_n().ok()?.parse().ok()
}
