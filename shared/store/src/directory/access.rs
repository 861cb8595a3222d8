//! What users may do.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{
    AccountId, CustomRoles, Grants, Reach, Role, RoleRef, SessionId, TeamId, Text, Timestamp, UserId,
    UserStatus,
};
use nexo_identity::Standing;
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::factors::asks_for_mfa;
use super::{Directory, Factors, Session, read};
use crate::expression::Expression;
use crate::{Profile, StoreError};

/// What a user may do now. One item for each user; sessions and tokens only repeat it, for a minute at
/// most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The roles.
    pub role_ids: Vec<RoleRef>,
    /// Whether the user can log in.
    #[serde(default)]
    pub status: UserStatus,
    /// The team whose records are within [`Reach::Team`].
    #[serde(default)]
    pub team_id: Option<TeamId>,
    /// Sessions that began before are over.
    #[serde(default)]
    pub sessions_from: Option<Timestamp>,
    /// Whether the user has a second factor. Sessions whose user gave none are over then.
    #[serde(default)]
    pub mfa_enabled: bool,
    /// When the last second factor was removed: such sessions from before stay over.
    #[serde(default)]
    pub mfa_ended_at: Option<Timestamp>,
}

impl Access {
    /// Access with these roles.
    pub fn new(role_ids: Vec<RoleRef>) -> Self {
        Self {
            role_ids,
            status: UserStatus::Active,
            team_id: None,
            sessions_from: None,
            mfa_enabled: false,
            mfa_ended_at: None,
        }
    }

    /// Whether a session of the user can be used.
    pub fn admits(&self, id: &SessionId, session: &Session) -> bool {
        let is_since = |from: Option<Timestamp>| {
            id.timestamp_ms() >= from.map_or(0, |from| u64::try_from(from.as_millis()).unwrap_or_default())
        };
        let may_be_without_factor = !self.mfa_enabled && is_since(self.mfa_ended_at);
        self.status == UserStatus::Active
            && is_since(self.sessions_from)
            && (session.is_multi_factor || may_be_without_factor)
    }
}

/// The condition under which a user's access still is active and of these roles.
pub(crate) fn still_active_with(roles: &[RoleRef]) -> Expression {
    let roles = roles.iter().map(|role| AttributeValue::S(role.to_string())).collect();
    let mut same = Expression::new();
    same.if_equal("roleIds", AttributeValue::L(roles));
    same.if_equal("status", AttributeValue::S(UserStatus::Active.to_string()));
    same
}

/// What an account defines about its users. One item, so that what must fit together is written together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Counts the writes.
    #[serde(default)]
    pub version: u64,
    /// The roles of the account's own.
    #[serde(default)]
    pub roles: CustomRoles,
    /// The teams.
    #[serde(default)]
    pub teams: Vec<Team>,
}

impl Organization {
    /// What one must have to give `roles`: nobody gives what they lack. What reaches the team of whoever has it
    /// may reach any: that needs all.
    pub fn needed_to_give(&self, roles: &[RoleRef]) -> Grants {
        self.roles.grants(roles).as_of_any_team()
    }

    /// Whether all of `roles` exist.
    pub(crate) fn has(&self, roles: &[RoleRef]) -> bool {
        let exists = |role: &RoleRef| match role {
            RoleRef::System(_) => true,
            RoleRef::Custom(id) => self.roles.get(id).is_some(),
        };
        roles.iter().all(exists)
    }

    /// The change that holds them as they were read: whoever read the same version, to write it or to give a
    /// role of it, starts over.
    pub(crate) fn hold(&self) -> Expression {
        let mut bumped = Expression::new();
        bumped.increment("version");
        bumped.if_equal("version", AttributeValue::N(self.version.to_string()));
        bumped
    }
}

/// Users who work on each other's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// The id.
    pub id: TeamId,
    /// The name, which no other team of the account has.
    pub name: Text<100>,
    /// Counts the writes.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The users of a team.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TeamMembers {
    #[serde(default)]
    pub(crate) members: Vec<UserId>,
}

/// A user, with all that a login depends on.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The profile.
    pub profile: Profile,
    /// What the user may do.
    pub access: Access,
    /// What the user has besides the password.
    pub factors: Factors,
    /// Whether the account asks every user for a second factor.
    pub asks_for_mfa: bool,
}

impl Directory {
    /// A user, with all that a login depends on; `None` when there is none, or none any more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn candidate(
        &self,
        account: &AccountId,
        user: &UserId,
    ) -> Result<Option<Candidate>, StoreError> {
        let keys = [
            DirectoryKey::user(account, user),
            DirectoryKey::access(account, user),
            DirectoryKey::factors(account, user),
            DirectoryKey::account(account),
        ];
        let found = <[_; 4]>::try_from(self.batch(&keys).await?);
        let [profile, access, factors, account] =
            found.map_err(|_| StoreError::Corrupt("another number of items than was asked for".into()))?;
        let (Some(profile), Some(access)) = (profile, access) else { return Ok(None) };
        Ok(Some(Candidate {
            profile: read(profile)?,
            access: read(access)?,
            factors: Factors::of(factors)?,
            asks_for_mfa: account.is_some_and(|account| asks_for_mfa(&account)),
        }))
    }

    /// What a user may do; `None` when there is no such user any more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn access(&self, account: &AccountId, user: &UserId) -> Result<Option<Access>, StoreError> {
        self.get(&DirectoryKey::access(account, user), true).await?.map(read).transpose()
    }

    /// What `access` comes to. One more call where the account's own roles or a team matter.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn standing(&self, account: &AccountId, access: &Access) -> Result<Standing, StoreError> {
        self.standing_within(account, access, Role::Owner.grants()).await
    }

    /// The same, for somebody who uses no more of it than `limit`: only then may a team matter that does not
    /// to the user, who reaches everything.
    pub(crate) async fn standing_within(
        &self,
        account: &AccountId,
        access: &Access,
        limit: Grants,
    ) -> Result<Standing, StoreError> {
        let reaches_team =
            |grants: Grants| grants.intersection(limit).iter().any(|grant| grant.reach() == Reach::Team);
        let system = Standing::of_system_roles(&access.role_ids);
        if let Some(standing) = system.filter(|standing| !reaches_team(standing.grants)) {
            return Ok(standing);
        }
        let team = access.team_id.map(|team| DirectoryKey::team(account, &team));
        let keys: Vec<_> = std::iter::once(DirectoryKey::organization(account)).chain(team).collect();
        let mut found = self.batch(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let organization: Organization = next().map(read).transpose()?.unwrap_or_default();
        let team: TeamMembers = next().map(read).transpose()?.unwrap_or_default();
        let grants = organization.roles.grants(&access.role_ids);
        let team = if reaches_team(grants) { team.members } else { Vec::new() };
        Ok(Standing { roles: access.role_ids.clone(), grants, team })
    }
}
