//! Changes that wait for a link of a mail to be opened.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, SessionId, Text, UserId};
use nexo_identity::Link;
use nexo_tenant_key::DirectoryKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Attempts, Directory, Login, Outgoing, Told, item_key, read, whole};
use crate::expression::Expression;
use crate::record::{Item, attributes};
use crate::table::write_id;
use crate::transaction::{Refusal, Transaction};
use crate::{SecurityEvent, StoreError};

/// A change that waits.
pub trait Pending: Serialize + DeserializeOwned {
    /// What its items are called.
    const KIND: &'static str;
}

/// A company that is to be made when its owner's address is confirmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingRegistration {
    /// The company's name.
    pub company: Text<249>,
    /// The owner's address.
    pub email: Email,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// The owner's first name.
    pub first_name: Text<100>,
    /// The owner's last name.
    pub last_name: Text<100>,
}

/// A password that may be replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingReset {
    /// The address whose password it is.
    pub email: Email,
    /// A digest of the password's hash: with another password, the link is good for nothing.
    pub password: String,
}

/// An address that is to take the place of another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingEmail {
    /// The account.
    pub account_id: AccountId,
    /// The user.
    pub user_id: UserId,
    /// The session that asked; it goes on.
    pub session_id: SessionId,
    /// The address so far.
    pub old_email: Email,
    /// The address from then on.
    pub new_email: Email,
    /// Whether the old address confirmed it.
    #[serde(default)]
    pub old_confirmed: bool,
    /// Whether the new address confirmed it.
    #[serde(default)]
    pub new_confirmed: bool,
}

impl Pending for PendingRegistration {
    const KIND: &'static str = "registration";
}

impl Pending for PendingReset {
    const KIND: &'static str = "passwordReset";
}

impl Pending for PendingEmail {
    const KIND: &'static str = "emailChange";
}

/// One of the two addresses of a [`PendingEmail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The address so far.
    Old,
    /// The address from then on.
    New,
}

/// What came of a link that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// The change was made.
    Done,
    /// The link was used before, or is out of date.
    Gone,
    /// Somebody has the address meanwhile.
    Taken,
}

/// What a refused member of a transaction means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What waits for the link.
    Link,
    /// The address is free.
    Address,
    /// Nothing that can be refused in normal times.
    Rest,
}

impl Used {
    pub(super) fn of(refused: Option<Vec<Refusal<Part>>>) -> Result<Self, StoreError> {
        let Some(refused) = refused else { return Ok(Self::Done) };
        let is = |part| refused.iter().any(|refusal| refusal.role == part);
        match (is(Part::Link), is(Part::Address)) {
            (true, _) => Ok(Self::Gone),
            (false, true) => Ok(Self::Taken),
            (false, false) => Err(StoreError::Busy),
        }
    }
}

const LINK_ID: &str = "linkId";

impl Directory {
    /// Lets a change wait for `link` until `expires_at`, in seconds since the Unix epoch, in place of what
    /// waited there, and mails about it, all in one transaction.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn hold<P: Pending>(
        &self,
        link: &Link,
        pending: &P,
        expires_at: i64,
        mails: &[Outgoing],
    ) -> Result<(), StoreError> {
        let mut item: Item = attributes(pending)?;
        item.insert(LINK_ID.into(), AttributeValue::S(link.id().ulid().into()));
        item.insert("expiresAt".into(), AttributeValue::N(expires_at.to_string()));
        let mut transaction = Transaction::new(&self.store.table);
        transaction.put((), whole(&DirectoryKey::pending(link), P::KIND, item), &Expression::new())?;
        for mail in mails {
            mail.post(&mut transaction, ())?;
        }
        match self.transact(transaction, link.id().ulid()).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::Busy),
        }
    }

    /// What waits for `link`; `None` when it was used, when a later link has its place, and when its time
    /// is over.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn held<P: Pending>(&self, link: &Link) -> Result<Option<P>, StoreError> {
        let item = self.get(&DirectoryKey::pending(link), true).await?;
        item.filter(|item| self.waits_for(item, link)).map(read).transpose()
    }

    fn waits_for(&self, item: &Item, link: &Link) -> bool {
        let id = item.get(LINK_ID).and_then(|id| id.as_s().ok());
        let expires_at: Option<i64> = item.get("expiresAt").and_then(|at| at.as_n().ok()?.parse().ok());
        id.is_some_and(|id| id == link.id().ulid()) && expires_at.is_some_and(|at| at > self.now() / 1000)
    }

    /// The condition that a change still waits for `link`.
    fn waiting(&self, link: &Link) -> Expression {
        let mut waiting = Expression::new();
        waiting.if_equal(LINK_ID, AttributeValue::S(link.id().ulid().into()));
        let in_time = waiting.greater_number("expiresAt", "now", self.now() / 1000);
        waiting.when(in_time);
        waiting
    }

    /// Puts the use of `link` into a transaction: what waits for it is taken away.
    pub(super) fn use_link(
        &self,
        transaction: &mut Transaction<Part>,
        link: &Link,
    ) -> Result<(), StoreError> {
        let key = item_key(&DirectoryKey::pending(link));
        transaction.delete(Part::Link, key, &self.waiting(link))
    }

    /// Takes away what waits for `link`: nothing comes of it. `false` when nothing waits.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn drop_held(&self, link: &Link) -> Result<bool, StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        self.use_link(&mut transaction, link)?;
        let used = Used::of(self.transact(transaction, &write_id()?).await?)?;
        Ok(used == Used::Done)
    }

    /// Replaces the password of `login` by one that its holder chose through `link`: the link is used, all
    /// sessions end, the counts of failures go, and the user is told, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the login was changed meanwhile.
    pub async fn reset_password(
        &self,
        link: &Link,
        email: &Email,
        login: &Login,
        new_hash: &str,
        cleared: &[Attempts],
        told: Told<'_>,
    ) -> Result<Used, StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        self.use_link(&mut transaction, link)?;
        let mut change = Expression::new();
        change.set("passwordHash", AttributeValue::S(new_hash.into()));
        change.if_equal("passwordHash", AttributeValue::S(login.password_hash.clone()));
        transaction.update(Part::Rest, item_key(&DirectoryKey::login(email)), &change)?;
        for cleared in cleared {
            transaction.delete(Part::Rest, item_key(&cleared.0), &Expression::new())?;
        }
        // None that began before can be used from now on.
        let mut access = Expression::new();
        access.set("sessionsFrom", AttributeValue::S(self.store.clock.now().to_string())).if_exists("pk");
        let Login { account_id, user_id, .. } = login;
        transaction.update(Part::Rest, item_key(&DirectoryKey::access(account_id, user_id)), &access)?;
        told.mail.post(&mut transaction, Part::Rest)?;
        self.note_in(&mut transaction, Part::Rest, account_id, user_id, told.event)?;
        Used::of(self.transact(transaction, told.mail.id.ulid()).await?)
    }

    /// Notes that one of the addresses confirmed the change that waits for `link`, and answers the change
    /// as it is then. `None` when nothing waits.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn confirm_email(&self, link: &Link, side: Side) -> Result<Option<PendingEmail>, StoreError> {
        let mut change = self.waiting(link);
        let name = match side {
            Side::Old => "oldConfirmed",
            Side::New => "newConfirmed",
        };
        change.set(name, AttributeValue::Bool(true));
        match self.update(&DirectoryKey::pending(link), &change).await? {
            Ok(item) => read(item).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Moves a user to another address, once both have confirmed: the login, the profile, the mails and the
    /// event, in one transaction that uses the link.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the login was changed meanwhile.
    pub async fn move_email(
        &self,
        link: &Link,
        pending: &PendingEmail,
        login: &Login,
        mails: &[Outgoing],
        event: &SecurityEvent,
    ) -> Result<Used, StoreError> {
        let PendingEmail { account_id, user_id, old_email, new_email, .. } = pending;
        let Some(free) = self.free_address(new_email).await? else { return Ok(Used::Taken) };
        let mut transaction = Transaction::new(&self.store.table);
        let mut confirmed = self.waiting(link);
        for name in ["oldConfirmed", "newConfirmed"] {
            confirmed.if_equal(name, AttributeValue::Bool(true));
        }
        transaction.delete(Part::Link, item_key(&DirectoryKey::pending(link)), &confirmed)?;
        let mut same = Expression::new();
        same.if_equal("passwordHash", AttributeValue::S(login.password_hash.clone()));
        same.if_equal("accountId", AttributeValue::S(account_id.to_string()));
        same.if_equal("userId", AttributeValue::S(user_id.to_string()));
        transaction.delete(Part::Rest, item_key(&DirectoryKey::login(old_email)), &same)?;
        // The networks it knows are digests that the address is part of: the new one begins without.
        let moved = Login { networks: Vec::new(), ..login.clone() };
        transaction.put(
            Part::Address,
            whole(&DirectoryKey::login(new_email), "login", attributes(&moved)?),
            &free,
        )?;
        let mut profile = Expression::new();
        profile.set("email", AttributeValue::S(new_email.to_string()));
        let now = AttributeValue::S(self.store.clock.now().to_string());
        profile.set("updatedAt", now.clone()).set("gsi2sk", now);
        profile.set("updatedBy", AttributeValue::S(user_id.to_string()));
        profile.increment("version").if_exists("pk").if_absent("deletedAt");
        profile.if_equal("email", AttributeValue::S(old_email.to_string()));
        transaction.update(Part::Rest, item_key(&DirectoryKey::user(account_id, user_id)), &profile)?;
        for mail in mails {
            mail.post(&mut transaction, Part::Rest)?;
        }
        self.note_in(&mut transaction, Part::Rest, account_id, user_id, event)?;
        Used::of(self.transact(transaction, &write_id()?).await?)
    }
}
