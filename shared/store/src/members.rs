//! An account's users: what they may do, the roles and teams it defines, and the account itself.
//!
//! All of it is written under credentials that the engine limits to the account, and what must hold
//! together is written together: a user's access, the list's copy of it, the count of owners, who is in a
//! team, and the right of whoever changes it.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Role, RoleRef, TeamId, Text, Timestamp, UserId, UserStatus};
use nexo_tenant_key::Key;
use serde::{Deserialize, Serialize};

use crate::batch::batch;
use crate::directory::TeamMembers;
use crate::expression::Expression;
use crate::record::{Item, RECORD_KIND, RECORD_SCHEMA, attributes};
use crate::table::{Stamp, Updated, version};
use crate::transaction::{Refusal, Transaction, key_item};
use crate::{Access, Organization, Profile, StoreError, TenantTable};

/// A user, and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The id.
    pub id: UserId,
    /// The record.
    pub profile: Profile,
    /// What it may do.
    pub access: Access,
}

impl Member {
    fn is_active_owner(access: &Access) -> bool {
        access.status == UserStatus::Active && access.role_ids.contains(&RoleRef::System(Role::Owner))
    }
}

/// What is to become of a user.
#[derive(Clone, Debug)]
pub struct MemberChange {
    /// The user as it was read.
    pub before: Member,
    /// What it may do from now on; `None` removes the user.
    pub after: Option<Access>,
}

/// Why a change of users was not made. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum MemberRefusal {
    /// The account would have no active owner.
    #[error("the account would have no owner")]
    LastOwner,
    /// The team does not exist.
    #[error("there is no such team")]
    NoSuchTeam,
    /// The team has as many users as it can.
    #[error("the team is full")]
    TeamIsFull,
    /// What was read has changed since.
    #[error("something was changed meanwhile")]
    Changed,
    /// The store's own reasons.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The account itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The company.
    pub name: Text<249>,
    /// What it pays for.
    pub plan: String,
    /// Whether its users need a second factor.
    #[serde(default)]
    pub mfa_required: bool,
    /// Active users who own it.
    pub owners: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts the writes.
    pub version: u64,
}

/// The most users of a team: a list within the team's reach names each of them.
const LARGEST_TEAM: usize = 50;

/// What the members of a transaction are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    User,
    Access,
    Owners,
    Organization,
    Actor,
    Joined,
    Left,
}

impl TenantTable {
    /// A user as it is now, and the roles and teams of the account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn member(&self, id: &UserId) -> Result<(Member, Organization), StoreError> {
        let keys = [self.scope.record(id), self.scope.access(id), self.scope.organization()];
        let mut found = self.items(&keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let profile = next().filter(|item| !item.contains_key("deletedAt"));
        let (Some(profile), Some(access)) = (profile, next()) else { return Err(StoreError::NotFound) };
        let organization = next().map(read).transpose()?.unwrap_or_default();
        Ok((Member { id: *id, profile: read(profile)?, access: read(access)? }, organization))
    }

    /// The roles and teams that the account defines.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn organization(&self) -> Result<Organization, StoreError> {
        let item = self.read(&self.scope.organization(), true).await?;
        Ok(item.map(read).transpose()?.unwrap_or_default())
    }

    /// Writes the roles and teams, if they still are of the version that `next` was made from.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when they are not.
    pub async fn write_organization(&self, next: &Organization) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        self.put_organization(&mut transaction, next)?;
        self.check_actor(&mut transaction);
        self.settle(transaction).await
    }

    /// Like [`TenantTable::write_organization`], and forgets a team if nobody is in it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the teams were changed meanwhile, or somebody is in the team.
    pub async fn end_team(&self, next: &Organization, team: &TeamId) -> Result<(), StoreError> {
        let mut transaction = Transaction::new(&self.store.table);
        self.put_organization(&mut transaction, next)?;
        let mut empty = Expression::new();
        empty.if_absent("members");
        transaction.delete(Part::Left, key_of(&self.scope.team(team)), &empty)?;
        self.check_actor(&mut transaction);
        self.settle(transaction).await
    }

    /// Who is in a team.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn team_members(&self, team: &TeamId) -> Result<Vec<UserId>, StoreError> {
        let item = self.read(&self.scope.team(team), true).await?;
        let members: TeamMembers = item.map(read).transpose()?.unwrap_or_default();
        Ok(members.members)
    }

    /// The account itself.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn account(&self) -> Result<Account, StoreError> {
        self.read(&self.scope.account_record(), true).await?.map_or(Err(StoreError::NotFound), read)
    }

    /// Changes the account's own fields.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when `expected` is not its version.
    pub async fn change_account<T: Serialize>(
        &self,
        values: &T,
        fields: &[&str],
        expected: Option<u64>,
    ) -> Result<Account, StoreError> {
        let stamp = self.stamp()?;
        let mut change = self.authored(&stamp);
        change.if_exists("pk");
        if let Some(version) = expected {
            change.if_equal("version", AttributeValue::N(version.to_string()));
        }
        let mut values = attributes(values)?;
        for field in fields {
            if let Some(value) = values.remove(*field) {
                change.set(field, value);
            }
        }
        match self.update(&self.scope.account_record(), &change).await? {
            Updated::Done(item) => read(item),
            Updated::Refused(Some(item)) if stamp.wrote(&item) => read(item),
            Updated::Refused(found) => match found.as_ref().and_then(version) {
                Some(version) if expected.is_some() => Err(StoreError::Stale { version }),
                _ => Err(StoreError::Busy),
            },
        }
    }

    /// Changes what users may do, or removes them, all or none. `organization` is what the change was
    /// judged by.
    ///
    /// # Errors
    /// [`MemberRefusal`].
    pub async fn change_members(
        &self,
        changes: &[MemberChange],
        organization: &Organization,
    ) -> Result<(), MemberRefusal> {
        let stamp = self.stamp()?;
        let mut transaction = Transaction::new(&self.store.table);
        let mut owners = 0;
        for MemberChange { before, after } in changes {
            owners += i64::from(after.as_ref().is_some_and(Member::is_active_owner))
                - i64::from(Member::is_active_owner(&before.access));
            let member = before.id.to_string();
            let (left, joined) = (before.access.team_id, after.as_ref().and_then(|after| after.team_id));
            if left != joined {
                if let Some(team) = left {
                    let mut leave = Expression::new();
                    leave.delete_from("members", &member);
                    transaction.update(Part::Left, key_of(&self.scope.team(&team)), &leave)?;
                }
                if let Some(team) = joined {
                    let mut join = Expression::new();
                    join.insert_into("members", &member).if_smaller("members", LARGEST_TEAM);
                    transaction.update(Part::Joined, key_of(&self.scope.team(&team)), &join)?;
                }
            }
            self.change_member(&mut transaction, &stamp, before, after.as_ref())?;
        }
        if owners != 0 {
            let mut count = Expression::new();
            count.add("owners", owners).if_exists("pk");
            if owners < 0 {
                let some_left = count.greater_number("owners", "removed", -owners);
                count.when(some_left);
            }
            transaction.update(Part::Owners, key_of(&self.scope.account_record()), &count)?;
        }
        // Roles and teams must be what they were when this was judged.
        let is_custom = |role: &RoleRef| matches!(role, RoleRef::Custom(_));
        let depends = |change: &MemberChange| {
            let after = change.after.as_ref();
            after.is_some_and(|after| after.role_ids.iter().any(is_custom) || after.team_id.is_some())
        };
        if changes.iter().any(depends) || self.scope.principal().standing.roles.iter().any(is_custom) {
            let mut bumped = Expression::new();
            bumped.increment("version");
            bumped.if_equal("version", AttributeValue::N(organization.version.to_string()));
            transaction.update(Part::Organization, key_of(&self.scope.organization()), &bumped)?;
        }
        if changes.iter().all(|change| change.before.id != self.scope.principal().user) {
            self.check_actor(&mut transaction);
        }
        let token = &stamp.write_id;
        let refused =
            transaction.send(&self.store.client, self.credentials(), &self.request.meter, token).await?;
        refused.map_or(Ok(()), |refusals| Err(self.explain_members(&refusals)))
    }

    fn explain_members(&self, refusals: &[Refusal<Part>]) -> MemberRefusal {
        let refused = |part: Part| refusals.iter().any(|refusal| refusal.role == part);
        // What was read may explain the rest; the next try tells.
        for part in [Part::User, Part::Access, Part::Organization, Part::Actor] {
            if refused(part) {
                return MemberRefusal::Changed;
            }
        }
        if refused(Part::Joined) {
            return MemberRefusal::TeamIsFull;
        }
        if refused(Part::Owners) { MemberRefusal::LastOwner } else { MemberRefusal::Changed }
    }

    /// The user's record and its access: both or none, and only as they were read.
    fn change_member(
        &self,
        transaction: &mut Transaction<Part>,
        stamp: &Stamp,
        before: &Member,
        after: Option<&Access>,
    ) -> Result<(), StoreError> {
        let mut listed = self.authored(stamp);
        listed.if_exists("pk").if_absent("deletedAt");
        listed.if_equal("version", AttributeValue::N(before.profile.version.to_string()));
        let mut seen = Expression::new();
        for (name, value) in attributes(&before.access)? {
            seen.if_equal(&name, value);
        }
        let key = key_of(&self.scope.access(&before.id));
        match after {
            Some(access) => {
                let mut new = attributes(access)?;
                for field in ["roleIds", "status", "teamId"] {
                    match new.get(field) {
                        Some(value) => listed.set(field, value.clone()),
                        None => listed.remove(field),
                    };
                }
                Self::touch(&mut listed, stamp);
                new.extend(key);
                new.insert(RECORD_KIND.into(), AttributeValue::S("access".into()));
                new.insert(RECORD_SCHEMA.into(), AttributeValue::N("1".into()));
                transaction.put(Part::Access, new, &seen)?;
            }
            None => {
                Self::mark_deleted(&mut listed, stamp);
                transaction.delete(Part::Access, key, &seen)?;
            }
        }
        transaction.update(Part::User, key_of(&self.scope.record(&before.id)), &listed)
    }

    /// Whoever asks must still have the roles that it was judged by.
    fn check_actor(&self, transaction: &mut Transaction<Part>) {
        let principal = self.scope.principal();
        let roles = principal.standing.roles.iter().map(|role| AttributeValue::S(role.to_string())).collect();
        let mut same = Expression::new();
        same.if_equal("roleIds", AttributeValue::L(roles));
        same.if_equal("status", AttributeValue::S(UserStatus::Active.to_string()));
        transaction.check(Part::Actor, key_of(&self.scope.access(&principal.user)), same);
    }

    fn put_organization(
        &self,
        transaction: &mut Transaction<Part>,
        next: &Organization,
    ) -> Result<(), StoreError> {
        let mut seen = Expression::new();
        if next.version == 0 {
            seen.if_absent("pk");
        } else {
            seen.if_equal("version", AttributeValue::N(next.version.to_string()));
        }
        let mut item = attributes(&Organization { version: next.version + 1, ..next.clone() })?;
        item.extend(key_of(&self.scope.organization()));
        item.insert(RECORD_KIND.into(), AttributeValue::S("organization".into()));
        item.insert(RECORD_SCHEMA.into(), AttributeValue::N("1".into()));
        transaction.put(Part::Organization, item, &seen)
    }

    async fn settle(&self, transaction: Transaction<Part>) -> Result<(), StoreError> {
        let token = self.stamp()?.write_id;
        let refused =
            transaction.send(&self.store.client, self.credentials(), &self.request.meter, &token).await?;
        if refused.is_none() { Ok(()) } else { Err(StoreError::Busy) }
    }

    async fn items(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let keys = keys.iter().map(key_of).collect();
        batch(&self.store, self.credentials(), &self.request.meter, keys).await
    }
}

fn key_of(key: &Key) -> Item {
    key_item(key.partition().as_str(), key.sort())
}

fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}
