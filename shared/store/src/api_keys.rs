//! An account's API keys, as they are managed.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_domain::{ApiKeyId, Grant, SecurityEventType, Text, Timestamp, UserId};
use nexo_identity::ApiKeyHash;
use nexo_tenant_key::Key;
use serde::{Deserialize, Serialize};

use crate::batch::batch;
use crate::expression::Expression;
use crate::members::read;
use crate::range::range;
use crate::record::{Item, attributes, marked};
use crate::transaction::{Transaction, key_of};
use crate::{Outgoing, StoreError, TenantTable};

/// An API key as it is stored: all but its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredKey {
    /// The name.
    pub name: Text<100>,
    /// SHA-256 of the text, base64url.
    key_hash: String,
    /// The text's beginning and end, to tell keys apart by.
    pub hint: String,
    /// What it may do of what its user may.
    pub permissions: Vec<Grant>,
    /// When it ends, in seconds since the Unix epoch. The table's TTL removes it then, up to days late.
    pub expires_at: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it, and for whom it acts.
    pub created_by: UserId,
}

/// The attribute that says when a key was last used.
pub(crate) const LAST_USED: &str = "lastUsedAt";

/// What an account counts of its keys.
#[derive(Default, Deserialize)]
struct Count {
    #[serde(default)]
    added: u64,
}

impl StoredKey {
    /// A key with this hash, made now.
    pub fn new(
        name: Text<100>,
        hash: &ApiKeyHash,
        hint: String,
        permissions: Vec<Grant>,
        [created_at, expires_at]: [Timestamp; 2],
        created_by: UserId,
    ) -> Self {
        let key_hash = URL_SAFE_NO_PAD.encode(hash.as_bytes());
        Self {
            name,
            key_hash,
            hint,
            permissions,
            expires_at: expires_at.as_seconds(),
            created_at,
            created_by,
        }
    }

    /// The hash of its text.
    pub(crate) fn hash(&self) -> Result<ApiKeyHash, StoreError> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.key_hash).ok();
        let hash = bytes.and_then(|bytes| ApiKeyHash::from_bytes(&bytes));
        hash.ok_or_else(|| StoreError::Corrupt("an API key without a hash".into()))
    }
}

impl TenantTable {
    /// The account's keys that have not ended, oldest first, each with its last use.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn api_keys(&self) -> Result<Vec<(ApiKeyId, StoredKey, Option<Timestamp>)>, StoreError> {
        let (keys, _) = self.keys_and_count().await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // At most as many keys as an account can have, which one call takes.
        let uses = keys.iter().map(|(id, _)| key_of(&self.scope.api_key_use(id))).collect();
        let uses = batch(&self.store, self.credentials(), &self.request.meter, uses).await?;
        let listed = keys.into_iter().zip(uses);
        listed.map(|((id, key), used)| Ok((id, key, last_used(used)?))).collect()
    }

    /// A key that has not ended, with its last use.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn api_key(&self, id: &ApiKeyId) -> Result<(StoredKey, Option<Timestamp>), StoreError> {
        let keys = vec![key_of(&self.scope.api_key(id)), key_of(&self.scope.api_key_use(id))];
        let mut found = batch(&self.store, self.credentials(), &self.request.meter, keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let key: StoredKey = read(next().ok_or(StoreError::NotFound)?)?;
        if !self.is_live(&key) {
            return Err(StoreError::NotFound);
        }
        Ok((key, last_used(next())?))
    }

    /// Adds a key, if the account then has at most `most` that have not ended, and mails about it. `false` when
    /// it has.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another was added at the same moment.
    pub async fn add_api_key(
        &self,
        id: &ApiKeyId,
        key: &StoredKey,
        most: usize,
        mail: &Outgoing,
    ) -> Result<bool, StoreError> {
        let (keys, Count { added }) = self.keys_and_count().await?;
        if keys.len() >= most {
            return Ok(false);
        }
        let mut transaction = Transaction::new(&self.store.table);
        let mut item = attributes(key)?;
        item.extend(key_of(&self.scope.api_key(id)));
        transaction.put_new((), marked(item, "key"))?;
        // Whoever adds another at the same moment counts from the same number, and one of the two is refused.
        let mut count = Expression::new();
        count.set("added", AttributeValue::N((added + 1).to_string()));
        if added == 0 {
            count.if_absent("added");
        } else {
            count.if_equal("added", AttributeValue::N(added.to_string()));
        }
        transaction.update((), key_of(&self.scope.api_keys()), &count)?;
        mail.post(&mut transaction, ())?;
        self.note_key_change(&mut transaction, id, "created")?;
        let meter = &self.request.meter;
        let refused = transaction.send(&self.store.client, self.credentials(), meter, id.ulid()).await?;
        if refused.is_none() { Ok(true) } else { Err(StoreError::Busy) }
    }

    /// Revokes a key, and forgets its uses.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn revoke_api_key(&self, id: &ApiKeyId) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        let mut live = Expression::new();
        let ends_later = live.greater_number("expiresAt", "now", self.store.clock.now().as_seconds());
        live.when(ends_later);
        transaction.delete((), key_of(&self.scope.api_key(id)), &live)?;
        transaction.delete((), key_of(&self.scope.api_key_use(id)), &Expression::new())?;
        self.note_key_change(&mut transaction, id, "revoked")?;
        let token = self.stamp()?.write_id;
        let meter = &self.request.meter;
        let refused = transaction.send(&self.store.client, self.credentials(), meter, &token).await?;
        if refused.is_none() { Ok(()) } else { Err(StoreError::NotFound) }
    }

    fn note_key_change(
        &self,
        transaction: &mut Transaction<()>,
        id: &ApiKeyId,
        change: &str,
    ) -> Result<(), StoreError> {
        let event = self.event(SecurityEventType::ApiKeyChange);
        let event = event.with("apiKeyId", id.to_string()).with("change", change);
        self.note_in(transaction, (), &self.scope.principal().user, &event)
    }

    fn is_live(&self, key: &StoredKey) -> bool {
        key.expires_at > self.store.clock.now().as_seconds()
    }

    /// The keys that have not ended, oldest first, and how often one was added, as they are now.
    async fn keys_and_count(&self) -> Result<(Vec<(ApiKeyId, StoredKey)>, Count), StoreError> {
        let counted = self.scope.api_keys();
        let (mut keys, mut count) = (Vec::new(), Count::default());
        for item in self.all_beside(&counted).await? {
            let sort = item.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            if sort == counted.sort() {
                count = read(item)?;
                continue;
            }
            let id = ApiKeyId::from_ulid(&sort);
            let id = id.map_err(|_| StoreError::Corrupt("an API key without an id".into()))?;
            keys.push((id, read(item)?));
        }
        keys.retain(|(_, key)| self.is_live(key));
        Ok((keys, count))
    }

    /// All items of the partition that `key` is in.
    async fn all_beside(&self, key: &Key) -> Result<Vec<Item>, StoreError> {
        let mut placeholders = Expression::new();
        let condition = placeholders.equals("pk", "partition", key.partition().as_str());
        range(&self.store, self.credentials(), &self.request.meter, &condition, &placeholders).await
    }
}

fn last_used(item: Option<Item>) -> Result<Option<Timestamp>, StoreError> {
    let used = item.and_then(|mut item| item.remove(LAST_USED));
    Ok(used.map(serde_dynamo::from_attribute_value).transpose()?)
}
