//! Remembers what an `Idempotency-Key` was used for.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{IdKind, Timestamp};

use super::{Created, Part};
use crate::expression::Expression;
use crate::record::{Entity, Input, Item, RECORD_KIND, Record};
use crate::transaction::{Refusal, Transaction, key_of};
use crate::{StoreError, TenantTable};

/// A caller's `Idempotency-Key`, and what the request was.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The key, as sent.
    pub key: String,
    /// A digest of the request; the same key with another one is refused.
    pub request_digest: String,
}

/// How long an idempotency key is remembered, in seconds.
const IDEMPOTENCY_SECONDS: i64 = 24 * 3600;

impl TenantTable {
    /// Adds the marker that remembers an idempotency key.
    pub(super) fn remember<R: Record>(
        &self,
        transaction: &mut Transaction<Part>,
        idempotency: &Idempotency,
        entity: &Entity<R>,
    ) -> Result<(), StoreError> {
        let marker = self.scope.idempotency(R::Kind::KIND, &idempotency.key);
        let now = entity.created_at.as_millis() / 1000;
        let mut item = key_of(&marker);
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
    pub(super) async fn recall<R: Record>(
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
    pub(super) fn first_answer<R: Record>(
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
        let mut entity = self.first_version(id, at, input);
        R::beside(None, &mut entity)?;
        Ok(Created { entity, replayed: true })
    }
}

/// Whether an idempotency marker has not expired: the TTL removes items up to days late.
fn in_force(marker: &Item, now: i64) -> bool {
    let expires_at = marker.get("expiresAt").and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
    expires_at.is_some_and(|at| at >= now)
}

pub(super) fn replay(refusals: &[Refusal<Part>]) -> Option<&Item> {
    refusals.iter().find(|refusal| matches!(refusal.role, Part::Idempotency))?.found.as_ref()
}
