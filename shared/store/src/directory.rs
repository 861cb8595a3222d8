//! What functions do under their own role: public keys and sessions for all of them; logins,
//! accounts and users for `auth`, whose role alone reaches those.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure as OnFailure,
};
use nexo_domain::{AccountId, Email, Role, SessionId, Text, Timestamp, UserId};
use nexo_identity::{BoxFuture, DirectoryError, PublicKey, RefreshToken, SessionState};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use crate::error::sort;
use crate::expression::Expression;
use crate::meter::{Meter, Units};
use crate::record::{Item, RECORD_KIND, RECORD_SCHEMA, attributes};
use crate::table::write_id;
use crate::transaction::{Transaction, key_item};
use crate::{Store, StoreError};

/// The table, seen by a function's own role.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    meter: Meter,
}

/// How an address logs in. One item for each address in use, in whatever account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The account.
    pub account_id: AccountId,
    /// The user.
    pub user_id: UserId,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// The user's role.
    pub role: Role,
    /// Digests of networks that this login succeeded from, latest first.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// What is known before a password is checked.
#[derive(Clone, Debug)]
pub struct LoginView {
    /// The login, if the address has one.
    pub login: Option<Login>,
    /// The counts asked for, in the order asked.
    pub attempts: Vec<AttemptCount>,
}

/// Names a count of failed logins.
#[derive(Clone, Debug)]
pub struct Attempts(pub DirectoryKey);

/// A count of failed logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttemptCount {
    /// Failures counted.
    pub count: u32,
    /// Milliseconds since the Unix epoch before which no further attempt is taken.
    pub next_at: i64,
}

/// A user's own data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The address.
    pub email: Email,
    /// First name.
    pub first_name: Text<100>,
    /// Last name.
    pub last_name: Text<100>,
    /// BCP 47.
    #[serde(default)]
    pub locale: Option<nexo_domain::LanguageTag>,
    /// IANA name.
    #[serde(default)]
    pub time_zone: Option<nexo_domain::TimeZoneName>,
    /// Where a picture is.
    #[serde(default)]
    pub avatar_url: Option<nexo_domain::WebUrl>,
    /// The role.
    pub role: Role,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Counts the writes.
    pub version: u64,
}

/// The fields of a profile that its user may set, and which of them to set.
#[derive(Clone, Debug)]
pub struct ProfileChange<'a, T> {
    /// The new values.
    pub values: &'a T,
    /// The fields that count; one that has no value is removed.
    pub fields: &'a [&'a str],
    /// The version the profile must have.
    pub expected: Option<u64>,
}

/// A new account and its first user.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub company: Text<249>,
    /// The owner.
    pub user: UserId,
    /// The owner's profile.
    pub profile: Profile,
    /// How the owner logs in.
    pub login: Login,
    /// The owner's first session.
    pub session: SessionId,
    /// Its state.
    pub state: Session,
}

/// A login on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// How often its refresh token was rotated.
    pub generation: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// What the user may do in it.
    pub role: Role,
    /// Its last use.
    #[serde(flatten)]
    pub last_use: SessionUse,
}

/// The last use of a session's refresh token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionUse {
    /// When it was.
    pub rotated_at: Timestamp,
    /// When the session ends, in seconds since the Unix epoch.
    pub expires_at: i64,
    /// The address it came from.
    pub ip: String,
    /// The agent it came with.
    #[serde(default)]
    pub user_agent: Option<String>,
}

/// The outcome of a refresh.
#[derive(Clone, Debug, PartialEq)]
pub enum Rotation {
    /// The token was current; the session has the next generation now.
    Rotated(Session),
    /// Another state was found; the rules decide what it means.
    Found(Session),
    /// The session is over.
    Gone,
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

    /// Publishes a key, unless it is published already.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn publish(&self, key: &PublicKey) -> Result<(), StoreError> {
        if self.keys().await?.contains(key) {
            return Ok(());
        }
        let mut change = Expression::new();
        // The name of an attribute, not of a value: base64url's '-' is fine behind a placeholder,
        // but placeholders take letters and digits only.
        let attribute = format!("{KEY_ATTRIBUTE}{}", key.kid.replace('-', "."));
        change.set_named("key", &attribute, AttributeValue::S(key.x_base64url()));
        self.update(&DirectoryKey::public_keys(), &change).await.map(drop)
    }

    /// A session.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn session(
        &self,
        account: &AccountId,
        user: &UserId,
        session: &SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let item = self.get(&DirectoryKey::session(account, user, session), true).await?;
        item.map(read).transpose()
    }

    /// Creates an account with its owner, in one transaction. `false` when the address is in use.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn register(&self, new: &NewAccount) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        let mut absent = Expression::new();
        absent.if_absent("pk");
        let at = AttributeValue::S(new.profile.created_at.to_string());
        let account = Item::from([
            ("name".into(), AttributeValue::S(new.company.to_string())),
            ("plan".into(), AttributeValue::S("standard".into())),
            ("createdAt".into(), at),
            ("version".into(), AttributeValue::N("1".into())),
        ]);
        let session = DirectoryKey::session(&new.account, &new.user, &new.session);
        let members = [
            (DirectoryKey::login(&new.profile.email), "login", attributes(&new.login)?),
            (DirectoryKey::account(&new.account), "account", account),
            (DirectoryKey::user(&new.account, &new.user), "user", attributes(&new.profile)?),
            (session, "session", attributes(&new.state)?),
        ];
        for (key, kind, item) in members {
            transaction.put((), whole(&key, kind, item), &absent)?;
        }
        Ok(self.transact(transaction, new.session.ulid()).await?.is_none())
    }

    /// The login of `email` and the counts of failed attempts, in one call.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn login(&self, email: &Email, counts: &[Attempts]) -> Result<LoginView, StoreError> {
        let login = DirectoryKey::login(email);
        let keys: Vec<_> =
            std::iter::once(&login).chain(counts.iter().map(|attempts| &attempts.0)).map(item_key).collect();
        let request =
            KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().map_err(
                |error| StoreError::Unavailable { operation: "BatchGetItem", reason: error.to_string() },
            )?;
        self.meter.call();
        let answer = self
            .store
            .client
            .batch_get_item()
            .request_items(&self.store.table, request)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await
            .map_err(|error| sort("BatchGetItem", &error))?;
        self.meter.consumed(Units::Read, answer.consumed_capacity());
        if answer.unprocessed_keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Throttled);
        }
        let mut items: HashMap<String, Item> = answer
            .responses
            .unwrap_or_default()
            .remove(&self.store.table)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| Some((item.get("pk")?.as_s().ok()?.clone(), item)))
            .collect();
        let attempts =
            counts.iter().map(|attempts| count(items.get(attempts.0.partition()), self.now())).collect();
        let login = items.remove(login.partition()).map(read).transpose()?;
        Ok(LoginView { login, attempts })
    }

    /// Counts one more attempt, if the count still is what was `seen`. Otherwise the count that was
    /// found instead: another attempt came between.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn attempt(
        &self,
        attempts: &Attempts,
        seen: AttemptCount,
        next: AttemptCount,
        forget_at: i64,
    ) -> Result<Result<(), AttemptCount>, StoreError> {
        let mut change = Expression::new();
        change.set("count", AttributeValue::N(next.count.to_string()));
        change.set("nextAt", AttributeValue::N(next.next_at.to_string()));
        change.set("expiresAt", AttributeValue::N(forget_at.to_string()));
        let over = change.less("expiresAt", "now", AttributeValue::N((self.now() / 1000).to_string()));
        // A name that no expression uses is refused, so each is made where it is used.
        let condition = if seen.count == 0 {
            // A count that was forgiven stays at nought until its item expires.
            let none = change.equals_number("count", "seen", 0);
            format!("({} OR {none} OR {over})", change.absent("pk"))
        } else {
            let same = change.equals_number("count", "seen", u64::from(seen.count));
            format!("({same} AND NOT {over})")
        };
        change.when(condition);
        Ok(match self.update(&attempts.0, &change).await? {
            Ok(_) => Ok(()),
            Err(found) => Err(count(found.as_ref(), self.now())),
        })
    }

    /// Takes back one counted attempt: it turned out to be right.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forgive(&self, attempts: &Attempts) -> Result<(), StoreError> {
        let mut change = Expression::new();
        change.add("count", -1).if_exists("pk");
        let positive = change.greater_number("count", "zero", 0);
        change.when(positive);
        self.update(&attempts.0, &change).await.map(drop)
    }

    /// Opens a session after a right password: the session, the count of failures gone, and the
    /// network remembered, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the login was changed meanwhile.
    pub async fn open_session(
        &self,
        email: &Email,
        login: &Login,
        session: &SessionId,
        state: &Session,
        cleared: &Attempts,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        let mut absent = Expression::new();
        absent.if_absent("pk");
        let key = DirectoryKey::session(&login.account_id, &login.user_id, session);
        transaction.put((), whole(&key, "session", attributes(state)?), &absent)?;
        let mut seen = Expression::new();
        let networks = login.networks.iter().cloned().map(AttributeValue::S).collect();
        seen.set("networks", AttributeValue::L(networks));
        seen.set("lastLoginAt", AttributeValue::S(state.created_at.to_string()));
        seen.if_equal("passwordHash", AttributeValue::S(login.password_hash.clone()));
        transaction.update((), item_key(&DirectoryKey::login(email)), &seen)?;
        transaction.delete((), item_key(&cleared.0))?;
        match self.transact(transaction, session.ulid()).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::Busy),
        }
    }

    /// Moves a session from the token's generation to the next.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rotate(&self, token: &RefreshToken, next: &SessionUse) -> Result<Rotation, StoreError> {
        let key = DirectoryKey::session(&token.account, &token.user, &token.session);
        let mut change = Expression::new();
        for (name, value) in attributes(next)? {
            change.set(&name, value);
        }
        change.increment("generation").if_exists("pk");
        change.if_equal("generation", AttributeValue::N(token.generation.to_string()));
        let live = change.greater_number("expiresAt", "now", self.now() / 1000);
        change.when(live);
        Ok(match self.update(&key, &change).await? {
            Ok(item) => Rotation::Rotated(read(item)?),
            Err(None) => Rotation::Gone,
            Err(Some(found)) => Rotation::Found(read(found)?),
        })
    }

    /// Ends a session; nothing happens if it has ended already.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end_session(
        &self,
        account: &AccountId,
        user: &UserId,
        session: &SessionId,
    ) -> Result<(), StoreError> {
        self.meter.call();
        let done = self
            .store
            .client
            .delete_item()
            .table_name(&self.store.table)
            .set_key(Some(item_key(&DirectoryKey::session(account, user, session))))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .customize()
            .config_override(self.store.as_function())
            .send()
            .await
            .map_err(|error| sort("DeleteItem", &error))?;
        self.meter.consumed(Units::Write, done.consumed_capacity());
        Ok(())
    }

    /// All of a user's sessions, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sessions(
        &self,
        account: &AccountId,
        user: &UserId,
    ) -> Result<Vec<(SessionId, Session)>, StoreError> {
        let mut placeholders = Expression::new();
        let any = SessionId::from_parts(0, [0; 10]);
        let partition = DirectoryKey::session(account, user, &any);
        let condition = placeholders.equals("pk", "partition", partition.partition());
        let mut found = Vec::new();
        let mut start = None;
        loop {
            self.meter.call();
            let page = self
                .store
                .client
                .query()
                .table_name(&self.store.table)
                .key_condition_expression(&condition)
                .set_expression_attribute_names(placeholders.names())
                .set_expression_attribute_values(placeholders.values())
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .customize()
                .config_override(self.store.as_function())
                .send()
                .await
                .map_err(|error| sort("Query", &error))?;
            self.meter.consumed(Units::Read, page.consumed_capacity());
            for item in page.items.unwrap_or_default() {
                let ulid = item.get("sk").and_then(|sk| sk.as_s().ok());
                let id = ulid.and_then(|ulid| SessionId::from_ulid(ulid).ok());
                let id = id.ok_or_else(|| StoreError::Corrupt("session without an id".into()))?;
                found.push((id, read(item)?));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// A user's profile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn profile(&self, account: &AccountId, user: &UserId) -> Result<Profile, StoreError> {
        self.get(&DirectoryKey::user(account, user), true).await?.map_or(Err(StoreError::NotFound), read)
    }

    /// Changes a user's profile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`].
    pub async fn change_profile<T: Serialize>(
        &self,
        account: &AccountId,
        user: &UserId,
        wanted: &ProfileChange<'_, T>,
    ) -> Result<Profile, StoreError> {
        let mut change = Expression::new();
        let mut values = attributes(wanted.values)?;
        for field in wanted.fields {
            match values.remove(*field) {
                Some(value) => change.set(field, value),
                None => change.remove(field),
            };
        }
        change.increment("version").if_exists("pk");
        if let Some(version) = wanted.expected {
            change.if_equal("version", AttributeValue::N(version.to_string()));
        }
        // A retry of this very write, after its answer was lost, must not count twice.
        let write = AttributeValue::S(write_id()?);
        change.set("writeId", write.clone()).if_not_equal("writeId", write.clone());
        match self.update(&DirectoryKey::user(account, user), &change).await? {
            Ok(item) => read(item),
            Err(Some(found)) if found.get("writeId") == Some(&write) => read(found),
            Err(Some(found)) => {
                Err(StoreError::Stale { version: crate::table::version(&found).unwrap_or_default() })
            }
            Err(None) => Err(StoreError::NotFound),
        }
    }

    /// Sets a new password hash, if the old one still is what was read.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when it was changed meanwhile.
    pub async fn change_password(&self, email: &Email, old: &str, new: &str) -> Result<(), StoreError> {
        let mut change = Expression::new();
        change.set("passwordHash", AttributeValue::S(new.into()));
        change.if_equal("passwordHash", AttributeValue::S(old.into()));
        match self.update(&DirectoryKey::login(email), &change).await? {
            Ok(_) => Ok(()),
            // Our own write, whose answer was lost.
            Err(Some(found)) if found.get("passwordHash") == Some(&AttributeValue::S(new.into())) => Ok(()),
            Err(_) => Err(StoreError::Busy),
        }
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

    async fn transact(
        &self,
        transaction: Transaction<()>,
        token: &str,
    ) -> Result<Option<Vec<crate::transaction::Refusal<()>>>, StoreError> {
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
            let found = Directory::session(self, account, user, session).await;
            found
                .map(|session| {
                    session.map(|session| SessionState { expires_at: session.last_use.expires_at })
                })
                .map_err(|error| DirectoryError(error.to_string()))
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
    item.insert(RECORD_KIND.into(), AttributeValue::S(kind.into()));
    item.insert(RECORD_SCHEMA.into(), AttributeValue::N("1".into()));
    item
}

fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}

/// A count, which is nothing once its item has expired: the TTL removes items up to days late.
fn count(item: Option<&Item>, now_ms: i64) -> AttemptCount {
    let number = |name: &str| item?.get(name)?.as_n().ok()?.parse::<i64>().ok();
    match (number("count"), number("expiresAt")) {
        (Some(count), Some(expires_at)) if expires_at >= now_ms / 1000 => AttemptCount {
            count: u32::try_from(count).unwrap_or_default(),
            next_at: number("nextAt").unwrap_or_default(),
        },
        _ => AttemptCount::default(),
    }
}
