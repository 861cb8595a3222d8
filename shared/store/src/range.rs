//! Items whose keys are in a range: a page of them, or all, however many calls that takes.

use aws_sdk_dynamodb::config;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::Item;
use crate::{Store, StoreError};

/// Whose keys are meant: a condition, which is a text made with the placeholders.
pub(crate) struct Range<'a> {
    pub(crate) condition: &'a str,
    pub(crate) placeholders: &'a Expression,
    /// Greatest first.
    pub(crate) is_descending: bool,
    /// At most this many items a page; as many as there is room for in an answer of the store, if not given.
    pub(crate) most: Option<i32>,
}

/// One page of a range behind `start`, as it is after all writes that were acknowledged; and the key behind which the
/// next one is.
pub(crate) async fn page(
    store: &Store,
    credentials: config::Builder,
    meter: &Meter,
    range: &Range<'_>,
    start: Option<Item>,
) -> Result<(Vec<Item>, Option<Item>), StoreError> {
    meter.call();
    let page = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression(range.condition)
        .set_expression_attribute_names(range.placeholders.names())
        .set_expression_attribute_values(range.placeholders.values())
        .consistent_read(true)
        .scan_index_forward(!range.is_descending)
        .set_limit(range.most)
        .set_exclusive_start_key(start)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .customize()
        .config_override(credentials)
        .send()
        .await
        .map_err(|error| sort("Query", &error))?;
    meter.consumed(Units::Read, page.consumed_capacity());
    Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
}

/// The items whose keys are as `condition` says, a text made with the placeholders, in the order of their
/// keys and as they are after all writes that were acknowledged.
pub(crate) async fn range(
    store: &Store,
    credentials: config::Builder,
    meter: &Meter,
    condition: &str,
    placeholders: &Expression,
) -> Result<Vec<Item>, StoreError> {
    let whole = Range { condition, placeholders, is_descending: false, most: None };
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        let (found, next) = page(store, credentials.clone(), meter, &whole, start).await?;
        items.extend(found);
        start = next;
        if start.is_none() {
            return Ok(items);
        }
    }
}
