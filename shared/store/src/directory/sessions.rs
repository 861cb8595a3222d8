//! Sessions.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, SessionId, Timestamp, UserId};
use nexo_identity::{ProofState, RefreshToken};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::{Directory, read};
use crate::StoreError;
use crate::expression::Expression;
use crate::range::range;
use crate::record::{Item, attributes};

/// A login on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// How often its refresh token was rotated.
    pub generation: u32,
    /// When it began.
    pub created_at: Timestamp,
    /// When its user last proved who they are, in seconds since the Unix epoch.
    #[serde(default)]
    pub authenticated_at: i64,
    /// Whether it is only for setting up the second factor that the account asks for.
    #[serde(default)]
    pub is_for_setup: bool,
    /// Whether its user gave a second factor, and not the password alone.
    #[serde(default)]
    pub is_multi_factor: bool,
    /// Its last use.
    #[serde(flatten)]
    pub last_use: SessionUse,
}

impl Session {
    /// How its user proved who they are.
    pub fn proof(&self) -> ProofState {
        ProofState { at: self.authenticated_at, is_for_setup: self.is_for_setup }
    }
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
        self.delete(&DirectoryKey::session(account, user, session)).await
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
        // The user's access is in the same partition, under a word and not an id: ids begin with a digit.
        let condition = [
            placeholders.equals("pk", "partition", partition.partition()),
            placeholders.less("sk", "end", AttributeValue::S("A".into())),
        ]
        .join(" AND ");
        let credentials = self.store.as_function();
        let items = range(&self.store, credentials, &self.meter, &condition, &placeholders).await?;
        let session = |item: Item| {
            let ulid = item.get("sk").and_then(|sk| sk.as_s().ok());
            let id = ulid.and_then(|ulid| SessionId::from_ulid(ulid).ok());
            let id = id.ok_or_else(|| StoreError::Corrupt("session without an id".into()))?;
            Ok((id, read(item)?))
        };
        items.into_iter().map(session).collect()
    }
}
