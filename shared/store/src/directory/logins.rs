//! Logins, the counts of failed ones, and new accounts.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, SessionId, Text, UserId};
use nexo_identity::Link;
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::pending::Part;
use super::{Directory, Told, Used, item_key, read, whole};
use crate::expression::Expression;
use crate::record::{Item, attributes};
use crate::transaction::Transaction;
use crate::{Access, Factors, Profile, SecurityEvent, Session, StoreError};

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

/// A new account and its first user.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub company: Text<249>,
    /// The owner.
    pub owner: NewUser,
}

/// A new user, who is logged in at once.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserId,
    /// The profile.
    pub profile: Profile,
    /// How the user logs in.
    pub login: Login,
    /// The first session.
    pub session: SessionId,
    /// Its state.
    pub state: Session,
    /// What the user may do.
    pub access: Access,
    /// What the user's events say of it.
    pub event: SecurityEvent,
}

impl Directory {
    /// Creates an account with its owner, who confirmed the address through `link`, in one transaction that
    /// uses the link.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn register(&self, new: &NewAccount, link: &Link) -> Result<Used, StoreError> {
        let NewAccount { company, owner } = new;
        let Some(free) = self.free_address(&owner.profile.email).await? else { return Ok(Used::Taken) };
        let mut transaction = Transaction::new(&self.store.table);
        self.use_link(&mut transaction, link)?;
        let at = AttributeValue::S(owner.profile.created_at.to_string());
        let account = Item::from([
            ("name".into(), AttributeValue::S(company.to_string())),
            ("plan".into(), AttributeValue::S("standard".into())),
            ("owners".into(), AttributeValue::N("1".into())),
            ("createdAt".into(), at),
            ("version".into(), AttributeValue::N("1".into())),
        ]);
        transaction.put_new(Part::Rest, whole(&DirectoryKey::account(&owner.account), "account", account))?;
        self.put_user(&mut transaction, owner, &free)?;
        Used::of(self.transact(transaction, owner.session.ulid()).await?)
    }

    /// Puts a user into a transaction: its login, profile, access and session, and the event.
    pub(super) fn put_user(
        &self,
        transaction: &mut Transaction<Part>,
        new: &NewUser,
        free: &Expression,
    ) -> Result<(), StoreError> {
        let login = whole(&DirectoryKey::login(&new.profile.email), "login", attributes(&new.login)?);
        transaction.put(Part::Address, login, free)?;
        let session = DirectoryKey::session(&new.account, &new.user, &new.session);
        for (key, kind, item) in [
            (DirectoryKey::user(&new.account, &new.user), "user", new.profile.attributes()?),
            (session, "session", attributes(&new.state)?),
            (DirectoryKey::access(&new.account, &new.user), "access", attributes(&new.access)?),
        ] {
            transaction.put_new(Part::Rest, whole(&key, kind, item))?;
        }
        self.note_in(transaction, Part::Rest, &new.account, &new.user, &new.event)
    }

    /// The login, if its user is still there. One read in any case.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of_a_user(&self, login: Option<Login>) -> Result<Option<Login>, StoreError> {
        let nobody = (AccountId::from_bytes([0; 16]), UserId::from_bytes([0; 16]));
        let (account, user) = login.as_ref().map_or(nobody, |login| (login.account_id, login.user_id));
        Ok(self.access(&account, &user).await?.and(login))
    }

    /// The condition under which an address can be given to a new user; `None` when a user has it. A login
    /// stays behind when its user is removed: whoever removes users does not reach logins.
    pub(super) async fn free_address(&self, email: &Email) -> Result<Option<Expression>, StoreError> {
        let mut free = Expression::new();
        match self.login(email, &[]).await?.login {
            None => free.if_absent("pk"),
            Some(login) => {
                free.if_equal("userId", AttributeValue::S(login.user_id.to_string()));
                if self.of_a_user(Some(login)).await?.is_some() {
                    return Ok(None);
                }
                &mut free
            }
        };
        Ok(Some(free))
    }

    /// The login of `email` and the counts of failed attempts, in one call.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn login(&self, email: &Email, counts: &[Attempts]) -> Result<LoginView, StoreError> {
        let keys = counts.iter().map(|attempts| attempts.0.clone());
        let keys: Vec<_> = std::iter::once(DirectoryKey::login(email)).chain(keys).collect();
        let mut found = self.batch(&keys).await?.into_iter();
        let login = found.next().flatten().map(read).transpose()?;
        if login.is_none() {
            // Thrice: to read one from the wire takes about twice as much again.
            std::hint::black_box([nobody()?, nobody()?, nobody()?]);
        }
        let attempts = found.map(|item| count(item.as_ref(), self.now())).collect();
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

    /// Forgets a count: whoever is behind it has shown to be who they say.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn forget(&self, attempts: &Attempts) -> Result<(), StoreError> {
        self.delete(&attempts.0).await
    }

    /// Sets a new password hash, in a session, if the old one still is what was read in `login`, and tells the
    /// user.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when it, or whether there are second factors, was changed meanwhile.
    pub async fn change_password(
        &self,
        email: &Email,
        login: &Login,
        (session, factors): (&SessionId, &Factors),
        new: &str,
        told: Told<'_>,
    ) -> Result<(), StoreError> {
        let Login { account_id, user_id, .. } = login;
        let mut transaction = Transaction::new(&self.store.table);
        let mut change = Expression::new();
        change.set("passwordHash", AttributeValue::S(new.into()));
        change.if_equal("passwordHash", AttributeValue::S(login.password_hash.clone()));
        transaction.update((), item_key(&DirectoryKey::login(email)), &change)?;
        factors.check(&mut transaction, (), (account_id, user_id, session));
        let mut same = Expression::new();
        same.if_not_equal("mfaEnabled", AttributeValue::Bool(!factors.was_enrolled));
        transaction.check((), item_key(&DirectoryKey::access(account_id, user_id)), same);
        told.mail.post(&mut transaction, ())?;
        self.note_in(&mut transaction, (), account_id, user_id, told.event)?;
        match self.transact(transaction, told.mail.id.ulid()).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::Busy),
        }
    }
}

/// A login that nobody has. To make and read it is as much work as to read one from an answer: where there is no
/// hash to hide it, an address without a login must not be told by the time saved.
fn nobody() -> Result<Login, StoreError> {
    let (account_id, user_id) = (AccountId::from_bytes([0; 16]), UserId::from_bytes([0; 16]));
    let (password_hash, networks) = ("x".repeat(97), vec!["x".repeat(16)]);
    read(attributes(&Login { account_id, user_id, password_hash, networks })?)
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
