//! Security events: what happened to a user's access, kept for that user.

use aws_sdk_dynamodb::config;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use nexo_domain::{ActorType, SecurityEventId, SecurityEventOutcome, SecurityEventType, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::{Item, attributes, marked};
use crate::transaction::key_item;
use crate::{RequestInfo, Store, StoreError};

/// Something that happened to a user's access. When it was is in its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityEvent {
    /// What happened.
    pub r#type: SecurityEventType,
    /// Whether it was done.
    pub outcome: SecurityEventOutcome,
    /// Who did it.
    pub actor: Actor,
    /// The address it came from.
    pub ip: String,
    /// The agent it came with.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: String,
    /// What else there is to say of the type. Never a secret.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What it is.
    pub r#type: ActorType,
    /// Its id, if it has one.
    #[serde(default)]
    pub id: Option<String>,
}

/// One page's worth of a user's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// At most this many.
    pub limit: usize,
    /// The last event of the page before.
    pub after: Option<SecurityEventId>,
    /// Only events of this type.
    pub r#type: Option<SecurityEventType>,
}

/// A page, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<(SecurityEventId, SecurityEvent)>,
    /// The event after which the next page begins; `None` at the end.
    pub next: Option<SecurityEventId>,
}

/// Days that an event is kept.
const DAYS: i64 = 180;

/// Seconds that an event of nobody is kept: nothing reads it.
const SECONDS_OF_NOBODY: i64 = 3600;

/// A page of one type reads at most this many events. It may therefore be short, and have a next one.
const MOST_READ: usize = 1000;

impl SecurityEvent {
    /// Something that was done by `request`, by nobody who is known.
    pub fn new(r#type: SecurityEventType, request: &RequestInfo) -> Self {
        Self {
            r#type,
            outcome: SecurityEventOutcome::Success,
            actor: Actor { r#type: ActorType::Anonymous, id: None },
            ip: request.ip.clone(),
            user_agent: request.user_agent.clone(),
            request_id: request.request_id.clone(),
            details: Map::new(),
        }
    }

    /// The user who did it.
    #[must_use]
    pub fn by(self, user: UserId) -> Self {
        Self { actor: Actor { r#type: ActorType::User, id: Some(user.to_string()) }, ..self }
    }

    /// It was refused.
    #[must_use]
    pub fn failed(self) -> Self {
        Self { outcome: SecurityEventOutcome::Failure, ..self }
    }

    /// Adds to the details.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The item under `key`, to be removed after so many seconds.
    fn item(&self, key: Item, store: &Store, seconds: i64) -> Result<Item, StoreError> {
        let mut item = attributes(self)?;
        item.extend(key);
        let expires_at = store.clock.now_seconds() + seconds;
        item.insert("expiresAt".into(), AttributeValue::N(expires_at.to_string()));
        Ok(marked(item, "securityEvent"))
    }

    /// The item of a user's event.
    pub(crate) fn of_user(&self, key: Item, store: &Store) -> Result<Item, StoreError> {
        self.item(key, store, DAYS * 24 * 3600)
    }

    /// An item of the same size that is nobody's.
    pub(crate) fn of_nobody(&self, key: Item, store: &Store) -> Result<Item, StoreError> {
        self.item(key, store, SECONDS_OF_NOBODY)
    }
}

/// The id of the newest event that is not kept any more: the table's TTL removes items up to days late.
pub(crate) fn oldest(store: &Store) -> SecurityEventId {
    let kept_from = store.clock.now_ms() - DAYS * 24 * 3600 * 1000;
    SecurityEventId::from_parts(u64::try_from(kept_from).unwrap_or_default(), [0; 10])
}

/// The events of `partition` that came after `oldest`, newest first.
pub(crate) async fn list(
    store: &Store,
    credentials: config::Builder,
    meter: &Meter,
    (partition, oldest): (&str, &str),
    query: &EventQuery,
) -> Result<EventPage, StoreError> {
    // DynamoDB refuses to start where the condition on the key does not hold.
    if query.after.is_some_and(|after| after.ulid() <= oldest) {
        return Ok(EventPage { events: Vec::new(), next: None });
    }
    let mut placeholders = Expression::new();
    let key = [
        placeholders.equals("pk", "partition", partition),
        placeholders.greater("sk", "oldest", AttributeValue::S(oldest.to_owned())),
    ]
    .join(" AND ");
    let filter = query.r#type.map(|wanted| placeholders.equals("type", "type", wanted.as_str()));
    let mut start = query.after.map(|after| key_item(partition, after.ulid()));
    let mut events = Vec::new();
    let mut read = 0;
    loop {
        let step = match (&filter, read) {
            (None, _) => query.limit + 1,
            (Some(_), 0) => (4 * (query.limit + 1)).min(MOST_READ),
            (Some(_), _) => MOST_READ - read,
        };
        meter.call();
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression(&key)
            .set_filter_expression(filter.clone())
            .set_expression_attribute_names(placeholders.names())
            .set_expression_attribute_values(placeholders.values())
            .scan_index_forward(false)
            .limit(i32::try_from(step).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(credentials.clone())
            .send()
            .await
            .map_err(|error| sort("Query", &error))?;
        meter.consumed(Units::Read, page.consumed_capacity());
        read += usize::try_from(page.scanned_count).unwrap_or(step);
        for item in page.items.unwrap_or_default() {
            events.push((id(&item)?, serde_dynamo::from_item(item)?));
        }
        start = page.last_evaluated_key;
        if start.is_none() || events.len() > query.limit || read >= MOST_READ {
            break;
        }
    }
    let next = if events.len() > query.limit {
        events.truncate(query.limit);
        events.last().map(|(id, _)| *id)
    } else {
        start.as_ref().map(id).transpose()?
    };
    Ok(EventPage { events, next })
}

fn id(item: &Item) -> Result<SecurityEventId, StoreError> {
    let ulid = item.get("sk").and_then(|sk| sk.as_s().ok());
    let id = ulid.and_then(|ulid| SecurityEventId::from_ulid(ulid).ok());
    id.ok_or_else(|| StoreError::Corrupt("event without an id".into()))
}
