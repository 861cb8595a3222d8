//! What users prove who they are with, besides the password.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, PasskeyId, SessionId, Text, Timestamp, UserId};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::{Directory, Told, item_key, read, whole};
use crate::StoreError;
use crate::expression::Expression;
use crate::record::{Item, attributes};
use crate::table::write_id;
use crate::transaction::Transaction;

/// A user's second factors, all in one item: whoever changes one states which version of all it has seen,
/// so that a code that was used by one request is not good for another at the same moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Factors {
    /// Counts the writes; 0 while there is no item.
    pub version: u64,
    /// The authenticator app.
    pub totp: Option<Totp>,
    /// An authenticator app that is being set up.
    pub pending_totp: Option<PendingTotp>,
    /// The passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
    /// SHA-256 of the recovery codes that were not used yet, in base64url.
    pub recovery_codes: Vec<String>,
    /// Whether the password is so short that it is accepted only beside a second factor.
    pub has_short_password: bool,
    /// Whether there was a second factor when they were read.
    #[serde(skip)]
    pub(super) was_enrolled: bool,
}

/// An authenticator app (RFC 6238).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totp {
    /// The secret it shares with us, sealed.
    pub secret: String,
    /// The time step of the last code that was accepted: it and all before are used up.
    pub last_step: u64,
}

/// An authenticator app that has not shown a code yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingTotp {
    /// The secret it shares with us, sealed.
    pub secret: String,
    /// When it must be set up anew, in seconds since the Unix epoch.
    pub expires_at: i64,
}

/// A passkey (Web Authentication Level 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passkey {
    /// Our name for it.
    pub id: PasskeyId,
    /// The user's.
    pub name: Text<100>,
    /// The authenticator's, in base64url.
    pub credential_id: String,
    /// Its public key in COSE, in base64url.
    pub public_key: String,
    /// How often it was used, as far as it counts; 0 where it does not.
    pub sign_count: u32,
    /// Whether it can be on several devices.
    pub is_backup_eligible: bool,
    /// Whether it is on several devices.
    pub is_backed_up: bool,
    /// How browsers reach it.
    #[serde(default)]
    pub transports: Vec<String>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last used.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
}

impl Factors {
    pub(super) fn of(item: Option<Item>) -> Result<Self, StoreError> {
        let factors: Self = item.map(read).transpose()?.unwrap_or_default();
        Ok(Self { was_enrolled: factors.is_enrolled(), ..factors })
    }

    /// Whether this is the user's first second factor.
    pub fn is_first(&self) -> bool {
        self.is_enrolled() && !self.was_enrolled
    }

    /// Whether there is a second factor. Recovery codes alone are none: they stand in for one.
    pub fn is_enrolled(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }

    /// Checks that the session may do what needs a second factor where there was one.
    pub(super) fn check<M>(
        &self,
        transaction: &mut Transaction<M>,
        role: M,
        (account, user, session): (&AccountId, &UserId, &SessionId),
    ) {
        if self.was_enrolled {
            let mut proven = Expression::new();
            proven.if_equal(MULTI_FACTOR, AttributeValue::Bool(true));
            transaction.check(role, item_key(&DirectoryKey::session(account, user, session)), proven);
        }
    }

    /// Drops the recovery codes of a user who has no second factor for them to stand in for.
    pub fn drop_idle_codes(&mut self) {
        if !self.is_enrolled() {
            self.recovery_codes.clear();
        }
    }
}

impl Directory {
    /// A user's second factors.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn factors(&self, account: &AccountId, user: &UserId) -> Result<Factors, StoreError> {
        Factors::of(self.get(&DirectoryKey::factors(account, user), true).await?)
    }

    /// A user's second factors, and whether the account asks every user for one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn factors_and_demand(
        &self,
        account: &AccountId,
        user: &UserId,
    ) -> Result<(Factors, bool), StoreError> {
        let keys = [DirectoryKey::factors(account, user), DirectoryKey::account(account)];
        let mut found = self.batch(&keys).await?.into_iter();
        let factors = Factors::of(found.next().flatten())?;
        Ok((factors, found.next().flatten().is_some_and(|account| asks_for_mfa(&account))))
    }

    /// Writes a user's second factors, if they still are of the version that was read, and what the user is told
    /// of it. What is changed in a session is so only if its user gave one of the factors there were.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when they were changed meanwhile.
    pub async fn save_factors(
        &self,
        account: &AccountId,
        user: &UserId,
        session: Option<&SessionId>,
        factors: &Factors,
        told: Option<Told<'_>>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        self.put_factors(&mut transaction, (), (account, user), factors)?;
        if let Some(session) = session {
            factors.check(&mut transaction, (), (account, user, session));
        }
        if let Some(Told { mail, event }) = told {
            mail.post(&mut transaction, ())?;
            self.note_in(&mut transaction, (), account, user, event)?;
        }
        // A transaction also for this one: its token makes a retry after a lost answer the same write.
        match self.transact(transaction, &write_id()?).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::Busy),
        }
    }
    /// Adds the write of `factors` to a transaction, and what is repeated of it elsewhere.
    pub(super) fn put_factors<M: Copy>(
        &self,
        transaction: &mut Transaction<M>,
        role: M,
        (account, user): (&AccountId, &UserId),
        factors: &Factors,
    ) -> Result<(), StoreError> {
        let mut unchanged = Expression::new();
        match factors.version {
            0 => unchanged.if_absent("pk"),
            seen => unchanged.if_equal("version", AttributeValue::N(seen.to_string())),
        };
        let next = Factors { version: factors.version + 1, ..factors.clone() };
        let item = whole(&DirectoryKey::factors(account, user), "factors", attributes(&next)?);
        transaction.put(role, item, &unchanged)?;
        if factors.is_enrolled() == factors.was_enrolled {
            return Ok(());
        }
        let mut listed = Expression::new();
        listed.set("mfaEnabled", AttributeValue::Bool(factors.is_enrolled())).if_exists("pk");
        transaction.update(role, item_key(&DirectoryKey::user(account, user)), &listed)?;
        let mut access = Expression::new();
        access.set("mfaEnabled", AttributeValue::Bool(factors.is_enrolled())).if_exists("pk");
        if !factors.is_enrolled() {
            access.set("mfaEndedAt", AttributeValue::S(self.store.clock.now().to_string()));
        }
        transaction.update(role, item_key(&DirectoryKey::access(account, user)), &access)
    }
}

/// The attribute of a session whose user gave a second factor.
pub(super) const MULTI_FACTOR: &str = "isMultiFactor";

/// Whether an account asks every user for a second factor.
pub(super) fn asks_for_mfa(account: &Item) -> bool {
    account.get("mfaRequired") == Some(&AttributeValue::Bool(true))
}
