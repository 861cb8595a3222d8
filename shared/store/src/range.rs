//! All items of a range, however many calls that takes.

use aws_sdk_dynamodb::config;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::Item;
use crate::{Store, StoreError};

/// The items whose keys are as `condition` says, a text made with the placeholders, in the order of their
/// keys and as they are after all writes that were acknowledged.
pub(crate) async fn range(
    store: &Store,
    credentials: config::Builder,
    meter: &Meter,
    condition: &str,
    placeholders: &Expression,
) -> Result<Vec<Item>, StoreError> {
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        meter.call();
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression(condition)
            .set_expression_attribute_names(placeholders.names())
            .set_expression_attribute_values(placeholders.values())
            .consistent_read(true)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(credentials.clone())
            .send()
            .await
            .map_err(|error| sort("Query", &error))?;
        meter.consumed(Units::Read, page.consumed_capacity());
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}
