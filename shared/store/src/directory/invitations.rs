//! Invitations, as whoever accepts one meets them: before there is a principal.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Email, InvitationStatus, Permission, Role, RoleRef, Timestamp, UserId, UserStatus};
use nexo_identity::Link;
use nexo_tenant_key::DirectoryKey;
use serde::Deserialize;

use super::pending::{Part, Used};
use super::{Access, Directory, NewUser, Organization, item_key, read, still_active_with};
use crate::StoreError;
use crate::expression::Expression;
use crate::transaction::Transaction;

/// The attribute that names the link which accepts an invitation.
pub(crate) const INVITATION_LINK: &str = "linkId";

/// An invitation that can be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingInvitation {
    /// Who is invited.
    pub email: Email,
    /// The roles it gives.
    pub role_ids: Vec<RoleRef>,
    version: u64,
    /// Who sent it last, and what they and the account's own roles are now.
    inviter: UserId,
    inviter_access: Access,
    organization: Organization,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invitation {
    email: Email,
    role_ids: Vec<RoleRef>,
    status: InvitationStatus,
    valid_until: Timestamp,
    link_id: String,
    #[serde(default)]
    deleted_at: Option<Timestamp>,
    version: u64,
    updated_by: UserId,
}

impl PendingInvitation {
    /// Whether whoever sent it could do so now: an invitation gives nothing that nobody could give.
    fn could_be_sent_now(&self) -> bool {
        let Self { role_ids, inviter_access, organization, .. } = self;
        let grants = organization.roles.grants(&inviter_access.role_ids);
        inviter_access.status == UserStatus::Active
            && grants.reach(Permission::UserManage).is_some()
            && organization.has(role_ids)
            && grants.lacks(organization.needed_to_give(role_ids)).next().is_none()
    }
}

impl Directory {
    /// The invitation that `link` accepts; `None` when it was accepted, revoked or sent again, when its time is
    /// over, and when whoever sent it could not do so any more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn invitation(&self, link: &Link) -> Result<Option<PendingInvitation>, StoreError> {
        let (account, invitation) = link.invitation();
        let item = self.get(&DirectoryKey::invitation(&account, &invitation), true).await?;
        let found: Option<Invitation> = item.map(read).transpose()?;
        let Some(found) = found.filter(|found| {
            found.status == InvitationStatus::Pending
                && found.deleted_at.is_none()
                && found.link_id == link.id().ulid()
                && found.valid_until > self.store.clock.now()
        }) else {
            return Ok(None);
        };
        let inviter = found.updated_by;
        let keys = [DirectoryKey::access(&account, &inviter), DirectoryKey::organization(&account)];
        let mut judged_by = self.batch(&keys).await?.into_iter();
        let mut next = || judged_by.next().flatten();
        let Some(inviter_access) = next().map(read).transpose()? else { return Ok(None) };
        let organization = next().map(read).transpose()?.unwrap_or_default();
        let Invitation { email, role_ids, version, .. } = found;
        let pending = PendingInvitation { email, role_ids, version, inviter, inviter_access, organization };
        Ok(Some(pending).filter(PendingInvitation::could_be_sent_now))
    }

    /// Makes the user whom an invitation is for, logged in, in one transaction that accepts it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when what it was judged by was changed meanwhile.
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
        let PendingInvitation { role_ids, inviter, inviter_access, organization, .. } = invitation;
        let same = still_active_with(&inviter_access.role_ids);
        transaction.check(Part::Rest, item_key(&DirectoryKey::access(&account, inviter)), same);
        if role_ids.iter().chain(&inviter_access.role_ids).any(RoleRef::is_custom) {
            let key = item_key(&DirectoryKey::organization(&account));
            transaction.update(Part::Rest, key, &organization.hold())?;
        }
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
