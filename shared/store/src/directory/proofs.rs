//! What is written when users have proved who they are.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, SessionId, UserId, UserStatus};
use nexo_tenant_key::DirectoryKey;

use super::factors::MULTI_FACTOR;
use super::{Attempts, Directory, Factors, Login, Outgoing, Session, item_key, whole};
use crate::expression::Expression;
use crate::record::{Item, attributes};
use crate::table::write_id;
use crate::transaction::Transaction;
use crate::{SecurityEvent, StoreError};

/// What follows from a user's proof of who they are: all of it is written, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The user.
    pub user: &'a UserId,
    /// The session it is for.
    pub session: ProvenSession<'a>,
    /// How the user logged in, if so.
    pub login: Option<LoginUse<'a>>,
    /// The second factors as they are from now on, if one was used or changed.
    pub factors: Option<&'a Factors>,
    /// The challenge that was answered, which is good once.
    pub challenge: Option<&'a Spent>,
    /// What the user is told by mail, if anything.
    pub mail: Option<&'a Outgoing>,
    /// What the user's events say of it.
    pub event: &'a SecurityEvent,
}

/// A challenge that is used up.
#[derive(Clone, Debug)]
pub struct Spent {
    /// Its marker.
    pub key: DirectoryKey,
    /// When it is good for nothing anyway, in seconds since the Unix epoch.
    pub expires_at: i64,
}

/// The session that a proof is for.
#[derive(Clone, Copy, Debug)]
pub enum ProvenSession<'a> {
    /// One that begins with it.
    Opened(&'a SessionId, &'a Session),
    /// One in which the user proved it again, at this time in seconds since the Unix epoch.
    Renewed(&'a SessionId, i64),
    /// One in which the user set up a second factor, at this time: it is good for everything from now on.
    Enrolled(&'a SessionId, i64),
}

/// What the members of the transaction are for.
#[derive(Clone, Copy)]
enum Part {
    Challenge,
    Other,
}

/// The use of a login.
#[derive(Clone, Copy, Debug)]
pub struct LoginUse<'a> {
    /// Whose it is.
    pub email: &'a Email,
    /// As it was read, with the networks that it is to remember.
    pub login: &'a Login,
    /// A hash in place of the password's old one.
    pub renewed: Option<&'a str>,
    /// The count of failures that is gone.
    pub cleared: &'a Attempts,
}

impl Directory {
    /// Writes what follows from a proof, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Spent`] when the challenge was used before; [`StoreError::Busy`] when the login, the
    /// factors or the session were changed meanwhile.
    pub async fn record(&self, proof: &Proof<'_>) -> Result<(), StoreError> {
        let Proof { account, user, session, login, factors, challenge, mail, event } = *proof;
        let mut transaction = Transaction::new(&self.store.table);
        match session {
            ProvenSession::Opened(id, session) => {
                let key = DirectoryKey::session(account, user, id);
                transaction.put_new(Part::Other, whole(&key, "session", attributes(session)?))?;
                let mut listed = Expression::new();
                let at = AttributeValue::S(session.created_at.to_string());
                listed.set("lastLoginAt", at).if_exists("pk").if_absent("deletedAt");
                // Whoever was disabled while the password was checked does not get in, nor when it is enabled.
                listed.if_equal("status", AttributeValue::S(UserStatus::Active.to_string()));
                // Nor does one with the password alone who has a second factor meanwhile.
                if !session.is_multi_factor {
                    listed.if_not_equal("mfaEnabled", AttributeValue::Bool(true));
                }
                transaction.update(Part::Other, item_key(&DirectoryKey::user(account, user)), &listed)?;
            }
            ProvenSession::Renewed(id, at) | ProvenSession::Enrolled(id, at) => {
                let mut change = Expression::new();
                change.set("authenticatedAt", AttributeValue::N(at.to_string())).if_exists("pk");
                if matches!(session, ProvenSession::Enrolled(..)) {
                    change.set("isForSetup", AttributeValue::Bool(false));
                    if factors.is_some_and(|factors| factors.was_enrolled) {
                        change.if_equal(MULTI_FACTOR, AttributeValue::Bool(true));
                    }
                }
                if factors.is_some() {
                    change.set(MULTI_FACTOR, AttributeValue::Bool(true));
                }
                let key = item_key(&DirectoryKey::session(account, user, id));
                transaction.update(Part::Other, key, &change)?;
            }
        }
        if let Some(used) = login {
            let mut change = Expression::new();
            let networks = used.login.networks.iter().cloned().map(AttributeValue::S).collect();
            change.set("networks", AttributeValue::L(networks));
            if let Some(renewed) = used.renewed {
                change.set("passwordHash", AttributeValue::S(renewed.into()));
            }
            change.if_equal("passwordHash", AttributeValue::S(used.login.password_hash.clone()));
            transaction.update(Part::Other, item_key(&DirectoryKey::login(used.email)), &change)?;
            transaction.delete(Part::Other, item_key(&used.cleared.0), &Expression::new())?;
        }
        if let Some(mail) = mail {
            mail.post(&mut transaction, Part::Other)?;
        }
        if let Some(factors) = factors {
            self.put_factors(&mut transaction, Part::Other, (account, user), factors)?;
        }
        if let Some(spent) = challenge {
            let until = AttributeValue::N(spent.expires_at.to_string());
            let marker = whole(&spent.key, "challenge", Item::from([("expiresAt".into(), until)]));
            transaction.put_new(Part::Challenge, marker)?;
        }
        self.note_in(&mut transaction, Part::Other, account, user, event)?;
        match self.transact(transaction, &write_id()?).await? {
            None => Ok(()),
            Some(refusals) if refusals.iter().any(|refusal| matches!(refusal.role, Part::Challenge)) => {
                Err(StoreError::Spent)
            }
            Some(_) => Err(StoreError::Busy),
        }
    }
}
