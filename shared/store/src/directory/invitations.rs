//! Invitations, as whoever accepts one meets them: before there is a principal.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Email, InvitationStatus, Role, RoleRef, Timestamp, UserStatus};
use nexo_identity::Link;
use nexo_tenant_key::DirectoryKey;
use serde::Deserialize;

use super::pending::{Part, Used};
use super::{Directory, NewUser, item_key, read};
use crate::StoreError;
use crate::expression::Expression;
use crate::transaction::Transaction;

/// The attribute that names the link which accepts an invitation.
pub(crate) const INVITATION_LINK: &str = "linkId";

/// An invitation that can be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingInvitation {
    /// Who is invited.
    pub email: Email,
    /// The roles it gives.
    pub role_ids: Vec<RoleRef>,
    status: InvitationStatus,
    valid_until: Timestamp,
    link_id: String,
    #[serde(default)]
    deleted_at: Option<Timestamp>,
    version: u64,
}

impl Directory {
    /// The invitation that `link` accepts; `None` when it was accepted, revoked or sent again, and when its
    /// time is over.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn invitation(&self, link: &Link) -> Result<Option<PendingInvitation>, StoreError> {
        let (account, invitation) = link.invitation();
        let item = self.get(&DirectoryKey::invitation(&account, &invitation), true).await?;
        let found: Option<PendingInvitation> = item.map(read).transpose()?;
        Ok(found.filter(|found| {
            found.status == InvitationStatus::Pending
                && found.deleted_at.is_none()
                && found.link_id == link.id().ulid()
                && found.valid_until > self.store.clock.now()
        }))
    }

    /// Makes the user whom an invitation is for, logged in, in one transaction that accepts it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn accept(
        &self,
        link: &Link,
        invitation: &PendingInvitation,
        new: &NewUser,
    ) -> Result<Used, StoreError> {
        let Some(free) = self.free_address(&new.profile.email).await? else { return Ok(Used::Taken) };
        let mut transaction = Transaction::new(&self.store.table);
        let mut accepted = Expression::new();
        let now = AttributeValue::S(self.store.clock.now().to_string());
        accepted.set("status", AttributeValue::S(InvitationStatus::Accepted.to_string()));
        accepted.set("userId", AttributeValue::S(new.user.to_string()));
        accepted.set("updatedBy", AttributeValue::S(new.user.to_string()));
        accepted.set("updatedAt", now.clone()).set("gsi2sk", now);
        accepted.increment("version");
        accepted.if_equal("version", AttributeValue::N(invitation.version.to_string()));
        let (account, id) = link.invitation();
        transaction.update(Part::Link, item_key(&DirectoryKey::invitation(&account, &id)), &accepted)?;
        self.put_user(&mut transaction, new, &free)?;
        let owns = new.access.role_ids.contains(&RoleRef::System(Role::Owner));
        if owns && new.access.status == UserStatus::Active {
            let mut counted = Expression::new();
            counted.increment("owners").if_exists("pk");
            transaction.update(Part::Rest, item_key(&DirectoryKey::account(&new.account)), &counted)?;
        }
        Used::of(self.transact(transaction, new.session.ulid()).await?)
    }
}
