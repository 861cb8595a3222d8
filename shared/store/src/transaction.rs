//! Transactions whose refusals say which member refused, and why.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};
use aws_sdk_dynamodb::{Client, config};
use nexo_tenant_key::Key;

use crate::StoreError;
use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::Item;

/// One member of a transaction. `M` is what the caller calls it.
pub(crate) struct Member<M> {
    pub(crate) role: M,
    write: TransactWriteItem,
}

/// A member whose condition did not hold, with the item that was there.
pub(crate) struct Refusal<M> {
    pub(crate) role: M,
    pub(crate) found: Option<Item>,
}

/// The attributes that name one item.
pub(crate) fn key_item(partition: &str, sort: &str) -> Item {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    Item::from([("pk".into(), S(partition.into())), ("sk".into(), S(sort.into()))])
}

/// Those of a record, or of another item of an account.
pub(crate) fn key_of(key: &Key) -> Item {
    key_item(key.partition().as_str(), key.sort())
}

struct Check<M> {
    role: M,
    key: Item,
    when: Expression,
    on_failure: OnFailure,
}

/// Collects the members of one transaction.
pub(crate) struct Transaction<M> {
    table: String,
    members: Vec<Member<M>>,
    /// Apart, because a transaction takes each item once: two checks of one item become one.
    checks: Vec<Check<M>>,
}

impl<M> Transaction<M> {
    pub(crate) fn new(table: &str) -> Self {
        Self { table: table.to_owned(), members: Vec::new(), checks: Vec::new() }
    }

    pub(crate) fn put(&mut self, role: M, item: Item, when: &Expression) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_condition_expression(when.condition())
            .set_expression_attribute_names(when.names())
            .set_expression_attribute_values(when.values())
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        self.push(role, TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// Puts an item where there is none yet.
    pub(crate) fn put_new(&mut self, role: M, item: Item) -> Result<(), StoreError> {
        let mut absent = Expression::new();
        absent.if_absent("pk");
        self.put(role, item, &absent)
    }

    pub(crate) fn update(&mut self, role: M, key: Item, change: &Expression) -> Result<(), StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        self.push(role, TransactWriteItem::builder().update(update).build());
        Ok(())
    }

    pub(crate) fn delete(&mut self, role: M, key: Item, when: &Expression) -> Result<(), StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .set_condition_expression(when.condition())
            .set_expression_attribute_names(when.names())
            .set_expression_attribute_values(when.values())
            .build()
            .map_err(incomplete)?;
        self.push(role, TransactWriteItem::builder().delete(delete).build());
        Ok(())
    }

    /// Whether there is nothing but one write.
    pub(crate) fn is_single(&self) -> bool {
        self.members.len() == 1 && self.checks.is_empty()
    }

    /// Whether a member changes this item already.
    pub(crate) fn writes(&self, key: &Item) -> bool {
        let same = |known: Option<&Item>| known.is_some_and(|known| known == key);
        self.members.iter().any(|member| {
            same(member.write.update().map(Update::key)) || same(member.write.delete().map(Delete::key))
        })
    }

    /// Checks an item, and does not read it. The placeholders of two checks of one item must not differ in meaning.
    pub(crate) fn check(&mut self, role: M, key: Item, when: Expression) {
        self.add_check(Check { role, key, when, on_failure: OnFailure::None });
    }

    /// Checks an item, and reads it when it is refused.
    pub(crate) fn check_and_read(&mut self, role: M, key: Item, when: Expression) {
        self.add_check(Check { role, key, when, on_failure: OnFailure::AllOld });
    }

    fn add_check(&mut self, check: Check<M>) {
        match self.checks.iter_mut().find(|known| known.key == check.key) {
            Some(known) => known.when.and(check.when),
            None => self.checks.push(check),
        }
    }

    fn build_checks(&mut self) -> Result<(), StoreError> {
        for Check { role, key, when, on_failure } in std::mem::take(&mut self.checks) {
            // A transaction takes each item once.
            let mut updates = self.members.iter_mut().filter_map(|member| member.write.update.as_mut());
            if let Some(update) = updates.find(|update| update.key == key) {
                let both = [update.condition_expression.take(), when.condition()].into_iter().flatten();
                update.condition_expression = Some(both.collect::<Vec<_>>().join(" AND "));
                let (names, values) =
                    (when.names().into_iter().flatten(), when.values().into_iter().flatten());
                update.expression_attribute_names.get_or_insert_default().extend(names);
                update.expression_attribute_values.get_or_insert_default().extend(values);
                continue;
            }
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(key))
                .set_condition_expression(when.condition())
                .set_expression_attribute_names(when.names())
                .set_expression_attribute_values(when.values())
                .return_values_on_condition_check_failure(on_failure)
                .build()
                .map_err(incomplete)?;
            self.push(role, TransactWriteItem::builder().condition_check(check).build());
        }
        Ok(())
    }

    fn push(&mut self, role: M, write: TransactWriteItem) {
        self.members.push(Member { role, write });
    }

    /// Runs the transaction. `Ok(None)` when all of it was written, `Ok(Some(refusals))` when
    /// nothing was because conditions did not hold.
    ///
    /// `token` makes a retry of the same call the same transaction (for ten minutes).
    pub(crate) async fn send(
        mut self,
        client: &Client,
        credentials: config::Builder,
        meter: &Meter,
        token: &str,
    ) -> Result<Option<Vec<Refusal<M>>>, StoreError> {
        self.build_checks()?;
        let (roles, writes): (Vec<M>, Vec<_>) = self.members.into_iter().map(|m| (m.role, m.write)).unzip();
        meter.call();
        let sent = client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .client_request_token(token)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(credentials)
            .send()
            .await;
        match sent {
            Ok(done) => {
                meter.consumed(Units::Write, done.consumed_capacity());
                Ok(None)
            }
            Err(error) => {
                if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                    error.as_service_error()
                {
                    return refusals(roles, cancelled.cancellation_reasons()).map(Some);
                }
                Err(sort("TransactWriteItems", &error))
            }
        }
    }
}

fn refusals<M>(roles: Vec<M>, reasons: &[CancellationReason]) -> Result<Vec<Refusal<M>>, StoreError> {
    let mut refused = Vec::new();
    let mut other = None;
    for (role, reason) in roles.into_iter().zip(reasons) {
        match reason.code().unwrap_or("None") {
            "None" => {}
            "ConditionalCheckFailed" => refused.push(Refusal { role, found: reason.item().cloned() }),
            code => other = Some((code.to_owned(), reason.message().unwrap_or_default().to_owned())),
        }
    }
    match other {
        _ if !refused.is_empty() => Ok(refused),
        Some((code, _)) if code == "TransactionConflict" => Err(StoreError::Busy),
        Some((code, _)) if code == "ProvisionedThroughputExceeded" || code == "ThrottlingError" => {
            Err(StoreError::Throttled)
        }
        Some((code, message)) => Err(StoreError::Unavailable {
            operation: "TransactWriteItems",
            reason: format!("{code}: {message}"),
        }),
        None => Err(StoreError::Unavailable {
            operation: "TransactWriteItems",
            reason: "cancelled without a reason".into(),
        }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unavailable { operation: "TransactWriteItems", reason: error.to_string() }
}
