//! Several items in one call.

use aws_sdk_dynamodb::config;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};

use crate::error::sort;
use crate::meter::{Meter, Units};
use crate::record::Item;
use crate::{Store, StoreError};

/// The most items of one call, as DynamoDB has it.
pub(crate) const MOST_AT_ONCE: usize = 100;

/// The items of these keys, in their order, as they are after all writes that were acknowledged.
pub(crate) async fn batch(
    store: &Store,
    credentials: config::Builder,
    meter: &Meter,
    keys: Vec<Item>,
) -> Result<Vec<Option<Item>>, StoreError> {
    let unavailable =
        |error: BuildError| StoreError::Unavailable { operation: "BatchGetItem", reason: error.to_string() };
    let request = KeysAndAttributes::builder().set_keys(Some(keys.clone())).consistent_read(true);
    meter.call();
    let answer = store
        .client
        .batch_get_item()
        .request_items(&store.table, request.build().map_err(unavailable)?)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .customize()
        .config_override(credentials)
        .send()
        .await
        .map_err(|error| sort("BatchGetItem", &error))?;
    meter.consumed(Units::Read, answer.consumed_capacity());
    if answer.unprocessed_keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
        return Err(StoreError::Throttled);
    }
    let mut found = answer.responses.unwrap_or_default().remove(&store.table).unwrap_or_default();
    let mut take = |key: &Item| {
        let has = |item: &Item| key.iter().all(|(name, value)| item.get(name) == Some(value));
        found.iter().position(has).map(|index| found.swap_remove(index))
    };
    Ok(keys.iter().map(&mut take).collect())
}
