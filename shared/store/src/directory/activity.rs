//! Security events, under a function's own role.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use nexo_domain::{AccountId, UserId};
use nexo_tenant_key::DirectoryKey;

use super::{Directory, Outgoing, item_key};
use crate::StoreError;
use crate::error::sort;
use crate::events::{self, EventPage, EventQuery, SecurityEvent};
use crate::expression::Expression;
use crate::meter::Units;
use crate::record::Item;
use crate::transaction::Transaction;

/// What a user is told of a change.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// By mail.
    pub mail: &'a Outgoing,
    /// Among the user's events.
    pub event: &'a SecurityEvent,
}

impl Directory {
    /// Keeps an event for a user.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note(
        &self,
        account: &AccountId,
        user: &UserId,
        event: &SecurityEvent,
    ) -> Result<(), StoreError> {
        self.put_new(self.event_item(account, user, event)?).await
    }

    /// Writes as much as [`Directory::note`] does, and keeps nothing for anybody: a stranger must not tell
    /// from it whether there is a user.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note_for_nobody(&self, event: &SecurityEvent) -> Result<(), StoreError> {
        let clock = &self.store.clock;
        let key = DirectoryKey::event_of_nobody(&clock.mint()?, &clock.mint()?, &clock.mint()?);
        self.put_new(event.of_nobody(item_key(&key), &self.store)?).await
    }

    /// Keeps an event together with what it is about.
    pub(super) fn note_in<M>(
        &self,
        transaction: &mut Transaction<M>,
        role: M,
        account: &AccountId,
        user: &UserId,
        event: &SecurityEvent,
    ) -> Result<(), StoreError> {
        transaction.put_new(role, self.event_item(account, user, event)?)
    }

    /// A page of a user's events.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn events(
        &self,
        account: &AccountId,
        user: &UserId,
        query: &EventQuery,
    ) -> Result<EventPage, StoreError> {
        let oldest = DirectoryKey::event(account, user, &events::oldest(&self.store));
        let range = (oldest.partition(), oldest.sort());
        events::list(&self.store, self.store.as_function(), &self.meter, range, query).await
    }

    fn event_item(
        &self,
        account: &AccountId,
        user: &UserId,
        event: &SecurityEvent,
    ) -> Result<Item, StoreError> {
        let key = DirectoryKey::event(account, user, &self.store.clock.mint()?);
        event.of_user(item_key(&key), &self.store)
    }

    async fn put_new(&self, item: Item) -> Result<(), StoreError> {
        let mut absent = Expression::new();
        absent.if_absent("pk");
        self.meter.call();
        let sent = self
            .store
            .client
            .put_item()
            .table_name(&self.store.table)
            .set_item(Some(item))
            .set_condition_expression(absent.condition())
            .set_expression_attribute_names(absent.names())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.meter.consumed(Units::Write, done.consumed_capacity());
                Ok(())
            }
            Err(error) => match error.as_service_error() {
                // Nobody else has the id: our own write, whose answer was lost.
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(sort("PutItem", &error)),
            },
        }
    }
}
