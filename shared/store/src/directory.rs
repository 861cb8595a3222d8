//! What functions do under their own role: public keys, sessions and API keys for all of them; logins,
//! accounts and users for `auth`, whose role alone reaches those.

mod access;
mod activity;
mod api_keys;
mod factors;
mod files;
mod history;
mod invitations;
mod logins;
mod outbox;
mod pending;
mod profiles;
mod proofs;
mod sessions;
mod thumbnails;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use nexo_domain::{AccountId, ApiKeyId, Grants, SessionId, UserId, UserStatus};
use nexo_identity::{ApiKeyState, BoxFuture, DirectoryError, PublicKey, SessionState, Standing};
use nexo_tenant_key::DirectoryKey;

use crate::batch::batch;
use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::{Item, marked};
use crate::transaction::{Refusal, Transaction, key_item};
use crate::{Store, StoreError};

pub use access::{Access, Candidate, Organization, Team};
pub(crate) use access::{TeamMembers, still_active_with};
pub use activity::Told;
pub use factors::{Factors, Passkey, PendingTotp, Totp};
pub use files::{Announced, Finding};
pub(crate) use invitations::INVITATION_LINK;
pub use invitations::PendingInvitation;
pub use logins::{AttemptCount, Attempts, Login, LoginView, NewAccount, NewUser};
pub use outbox::Outgoing;
pub use pending::{Pending, PendingEmail, PendingRegistration, PendingReset, Side, Used};
pub use profiles::{Profile, ProfileChange};
pub use proofs::{LoginUse, Proof, ProvenSession, Spent};
pub use sessions::{Rotation, Session, SessionUse};

/// The table, seen by a function's own role.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    meter: Meter,
}

impl Directory {
    /// The directory of `store`, counted by `meter`.
    pub fn new(store: Store, meter: Meter) -> Self {
        Self { store, meter }
    }

    /// The published keys.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn keys(&self) -> Result<Vec<PublicKey>, StoreError> {
        let item = self.get(&DirectoryKey::public_keys(), false).await?.unwrap_or_default();
        let texts = item.iter().filter(|(name, _)| name.starts_with(KEY_ATTRIBUTE)).map(|(_, value)| value);
        Ok(texts.filter_map(|value| PublicKey::from_base64url(value.as_s().ok()?)).collect())
    }

    /// Publishes `keys` in place of all others: one write, and none when they are published already.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn publish(&self, keys: &[PublicKey]) -> Result<(), StoreError> {
        // The name of an attribute, not of a value: base64url's '-' is fine behind a placeholder,
        // but placeholders take letters and digits only.
        let attribute = |key: &PublicKey| format!("{KEY_ATTRIBUTE}{}", key.kid.replace('-', "."));
        let mut item = self.get(&DirectoryKey::public_keys(), true).await?.unwrap_or_default();
        item.retain(|name, _| name.starts_with(KEY_ATTRIBUTE));
        let mut change = Expression::new();
        let mut is_changed = false;
        for (number, key) in keys.iter().enumerate() {
            let (name, value) = (attribute(key), AttributeValue::S(key.x_base64url()));
            if item.remove(&name).as_ref() != Some(&value) {
                change.set_named(&format!("key{number}"), &name, value);
                is_changed = true;
            }
        }
        // What is left of the item was published by an earlier period, or with another secret.
        for (number, name) in item.keys().enumerate() {
            change.remove_named(&format!("old{number}"), name);
            is_changed = true;
        }
        if is_changed {
            // No condition: two that publish at once both write the keys of this period and the next.
            return self.update(&DirectoryKey::public_keys(), &change).await.map(drop);
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        self.store.clock.now_ms()
    }

    async fn get(&self, key: &DirectoryKey, consistent: bool) -> Result<Option<Item>, StoreError> {
        self.meter.call();
        let got = self
            .store
            .client
            .get_item()
            .table_name(&self.store.table)
            .set_key(Some(item_key(key)))
            .consistent_read(consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await
            .map_err(|error| sort("GetItem", &error))?;
        self.meter.consumed(Units::Read, got.consumed_capacity());
        Ok(got.item)
    }

    /// The items of these keys, in their order, as they are after all writes that were acknowledged.
    async fn batch(&self, keys: &[DirectoryKey]) -> Result<Vec<Option<Item>>, StoreError> {
        batch(&self.store, self.store.as_function(), &self.meter, keys.iter().map(item_key).collect()).await
    }

    /// The changed item, or what was found when the condition did not hold.
    async fn update(
        &self,
        key: &DirectoryKey,
        change: &Expression,
    ) -> Result<Result<Item, Option<Item>>, StoreError> {
        self.meter.call();
        let sent = self
            .store
            .client
            .update_item()
            .table_name(&self.store.table)
            .set_key(Some(item_key(key)))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.meter.consumed(Units::Write, done.consumed_capacity());
                Ok(Ok(done.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Err(failed.item().cloned()))
                }
                _ => Err(sort("UpdateItem", &error)),
            },
        }
    }

    /// Removes an item; nothing happens if there is none.
    async fn delete(&self, key: &DirectoryKey) -> Result<(), StoreError> {
        self.meter.call();
        let done = self
            .store
            .client
            .delete_item()
            .table_name(&self.store.table)
            .set_key(Some(item_key(key)))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await
            .map_err(|error| sort("DeleteItem", &error))?;
        self.meter.consumed(Units::Write, done.consumed_capacity());
        Ok(())
    }

    async fn transact<M>(
        &self,
        transaction: Transaction<M>,
        token: &str,
    ) -> Result<Option<Vec<Refusal<M>>>, StoreError> {
        transaction.send(&self.store.client, self.store.as_function(), &self.meter, token).await
    }
}

impl nexo_identity::Directory for Directory {
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>> {
        Box::pin(async { self.keys().await.map_err(|error| DirectoryError(error.to_string())) })
    }

    fn session<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>> {
        Box::pin(async move {
            let keys = [DirectoryKey::session(account, user, session), DirectoryKey::access(account, user)];
            let look = async || {
                let mut found = self.batch(&keys).await?.into_iter().flatten();
                let (Some(item), Some(access)) = (found.next(), found.next()) else {
                    return Ok(None);
                };
                let (access, state): (Access, Session) = (read(access)?, read(item)?);
                if !access.admits(session, &state) {
                    return Ok(None);
                }
                let standing = self.standing(account, &access).await?;
                let (expires_at, proof) = (state.last_use.expires_at, state.proof());
                Ok(Some(SessionState { expires_at, proof, standing }))
            };
            look().await.map_err(|error: StoreError| DirectoryError(error.to_string()))
        })
    }

    fn api_key<'a>(
        &'a self,
        account: &'a AccountId,
        key: &'a ApiKeyId,
    ) -> BoxFuture<'a, Result<Option<ApiKeyState>, DirectoryError>> {
        Box::pin(async {
            self.key_state(account, key).await.map_err(|error| DirectoryError(error.to_string()))
        })
    }

    fn standing<'a>(
        &'a self,
        account: &'a AccountId,
        user: &'a UserId,
        limit: Grants,
    ) -> BoxFuture<'a, Result<Option<Standing>, DirectoryError>> {
        Box::pin(async move {
            let look = async || {
                let access = self.access(account, user).await?;
                match access.filter(|access| access.status == UserStatus::Active) {
                    Some(access) => self.standing_within(account, &access, limit).await.map(Some),
                    None => Ok(None),
                }
            };
            look().await.map_err(|error: StoreError| DirectoryError(error.to_string()))
        })
    }
}

/// Attributes of the item of public keys that hold a key begin so.
const KEY_ATTRIBUTE: &str = "key.";

fn item_key(key: &DirectoryKey) -> Item {
    key_item(key.partition(), key.sort())
}

fn whole(key: &DirectoryKey, kind: &str, mut item: Item) -> Item {
    item.extend(item_key(key));
    marked(item, kind)
}

fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}
