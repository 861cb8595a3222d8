//! API keys, as every function looks at them.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, ApiKeyId, Timestamp};
use nexo_identity::{ApiKeyState, KEY_USE_SECONDS};
use nexo_tenant_key::DirectoryKey;

use super::{Directory, read};
use crate::api_keys::StoredKey;
use crate::expression::Expression;
use crate::{StoreError, api_keys};

/// Seconds after which the note of a use is forgotten. No key lives longer, so that it outlives its key.
const USE_KEPT_SECONDS: i64 = 366 * 24 * 3600;

impl Directory {
    /// What a request that came with a key is judged by.
    pub(super) async fn key_state(
        &self,
        account: &AccountId,
        key: &ApiKeyId,
    ) -> Result<Option<ApiKeyState>, StoreError> {
        let Some(item) = self.get(&DirectoryKey::api_key(account, key), true).await? else { return Ok(None) };
        let stored: StoredKey = read(item)?;
        Ok(Some(ApiKeyState {
            hash: stored.hash()?,
            user: stored.created_by,
            expires_at: stored.expires_at,
            grants: stored.permissions.into_iter().collect(),
        }))
    }

    /// Notes that a key was used at `now`, unless that was noted in the last [`KEY_USE_SECONDS`].
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn note_use(
        &self,
        account: &AccountId,
        key: &ApiKeyId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut change = Expression::new();
        change.set(api_keys::LAST_USED, AttributeValue::S(now.to_string()));
        change.set("expiresAt", AttributeValue::N((now.as_seconds() + USE_KEPT_SECONDS).to_string()));
        let before = Timestamp::from_millis(now.as_millis() - KEY_USE_SECONDS * 1000);
        let absent = change.absent(api_keys::LAST_USED);
        // Times of one form are in the order of their texts.
        let long_ago = change.less(api_keys::LAST_USED, "before", AttributeValue::S(before.to_string()));
        change.when(format!("({absent} OR {long_ago})"));
        self.update(&DirectoryKey::api_key_use(account, key), &change).await.map(drop)
    }
}
