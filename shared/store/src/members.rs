//! An account's users: what they may do, the roles and teams it defines, and the account itself.
//!
//! All of it is written under credentials that the engine limits to the account, and what must hold
//! together is written together: a user's access, the list's copy of it, the count of owners, who is in a
//! team, and the right of whoever changes it.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Role, RoleRef, SecurityEventType, TeamId, Text, Timestamp, UserId, UserStatus};
use nexo_tenant_key::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::batch::batch;
use crate::directory::{TeamMembers, still_active_with};
use crate::events::{self, EventPage, EventQuery, SecurityEvent};
use crate::expression::Expression;
use crate::record::{EXPIRES_AT, Item, RECORD_KIND, RECORD_SCHEMA, attributes, marked};
use crate::table::{Stamp, Updated, version};
use crate::transaction::{Transaction, key_of};
use crate::{Access, MailLimit, Organization, Profile, StoreError, TenantTable};

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
    /// What the caller itself may do has changed since it was judged.
    #[error("what the caller may do was changed meanwhile")]
    CallerChanged,
    /// The team has as many users as it can.
    #[error("the team is full")]
    TeamIsFull,
    /// So many mails invite as may.
    #[error("too many mails that invite")]
    TooManyMails {
        /// The limit.
        limit: MailLimit,
        /// Until it counts anew.
        wait_seconds: u64,
    },
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

/// What an access says.
const ACCESS_FIELDS: [&str; 4] = ["roleIds", "status", "teamId", "sessionsFrom"];

/// What the members of a transaction are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    User,
    Access,
    Owners,
    Organization,
    Actor,
    Joined,
    Left,
    Mail,
    Mails(MailLimit),
    Event,
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

    /// Writes the roles and teams, if they still are of the version that `next` was made from, and the event
    /// that whoever asks is told, if there is one.
    ///
    /// # Errors
    /// [`MemberRefusal::Changed`] when they are not.
    pub async fn write_organization(
        &self,
        next: &Organization,
        event: Option<&SecurityEvent>,
    ) -> Result<(), MemberRefusal> {
        let mut transaction = Transaction::new(&self.store.table);
        self.put_organization(&mut transaction, next)?;
        if let Some(event) = event {
            self.note_in(&mut transaction, Part::Event, &self.scope.principal().user, event)?;
        }
        self.settle(transaction, &self.stamp()?).await
    }

    /// Like [`TenantTable::write_organization`], and forgets a team if nobody is in it.
    ///
    /// # Errors
    /// [`MemberRefusal::Changed`] when the teams were changed meanwhile, or somebody is in the team.
    pub async fn end_team(&self, next: &Organization, team: &TeamId) -> Result<(), MemberRefusal> {
        let mut transaction = Transaction::new(&self.store.table);
        self.put_organization(&mut transaction, next)?;
        let mut empty = Expression::new();
        empty.if_absent("members");
        transaction.delete(Part::Left, key_of(&self.scope.team(team)), &empty)?;
        self.settle(transaction, &self.stamp()?).await
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
                Some(version) => Err(StoreError::Stale { version }),
                None => Err(StoreError::Busy),
            },
        }
    }

    /// Something that whoever asks did.
    pub fn event(&self, r#type: SecurityEventType) -> SecurityEvent {
        SecurityEvent::new(r#type, &self.request).by(self.scope.principal().user)
    }

    /// A page of a user's events; those of a removed user are there as long as they are kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn events(&self, user: &UserId, query: &EventQuery) -> Result<EventPage, StoreError> {
        let oldest = self.scope.event(user, &events::oldest(&self.store));
        let range = (oldest.partition().as_str(), oldest.sort());
        let page = events::list(&self.store, self.credentials(), &self.request.meter, range, query).await?;
        if page.events.is_empty() && self.read(&self.scope.record(user), false).await?.is_none() {
            return Err(StoreError::NotFound);
        }
        Ok(page)
    }

    /// Changes what users may do, or removes them, all or none, and tells each of it. `organization` is what
    /// the change was judged by.
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
        let principal = self.scope.principal();
        for MemberChange { before, after } in changes {
            let is_as_judged = before.access.status == UserStatus::Active
                && before.access.role_ids == principal.standing.roles;
            if before.id == principal.user && !is_as_judged {
                return Err(MemberRefusal::CallerChanged);
            }
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
                    join.set(RECORD_KIND, AttributeValue::S("team".into()));
                    join.set(RECORD_SCHEMA, AttributeValue::N("1".into()));
                    transaction.update(Part::Joined, key_of(&self.scope.team(&team)), &join)?;
                }
            }
            self.change_member(&mut transaction, &stamp, before, after.as_ref())?;
            if let Some(event) = self.event_of(&before.access, after.as_ref()) {
                self.note_in(&mut transaction, Part::Event, &before.id, &event)?;
            }
        }
        if owners != 0 {
            let mut count = Expression::new();
            count.add("owners", owners).increment("version").if_exists("pk");
            if owners < 0 {
                let some_left = count.greater_number("owners", "removed", -owners);
                count.when(some_left);
            }
            transaction.update(Part::Owners, key_of(&self.scope.account_record()), &count)?;
        }
        let after = changes.iter().filter_map(|change| change.after.as_ref());
        let roles: Vec<RoleRef> = after.clone().flat_map(|after| after.role_ids.clone()).collect();
        if after.clone().any(|after| after.team_id.is_some()) {
            self.bump_organization(&mut transaction, organization)?;
        } else {
            self.hold_organization(&mut transaction, organization, &roles)?;
        }
        self.settle(transaction, &stamp).await
    }

    /// What a user is told of a change of access; nothing when it changes nothing.
    fn event_of(&self, before: &Access, after: Option<&Access>) -> Option<SecurityEvent> {
        let Some(after) = after else { return Some(self.event(SecurityEventType::Removal)) };
        let fields = |access: &Access| -> [(&'static str, Value); 3] {
            [
                ("roleIds", json!(access.role_ids)),
                ("teamId", json!(access.team_id)),
                ("status", json!(access.status)),
            ]
        };
        let changed = fields(before).into_iter().zip(fields(after)).filter(|(old, new)| old != new);
        let event = changed
            .fold(self.event(SecurityEventType::AccessChange), |event, ((name, old), (_, new))| {
                event.with(name, json!({"old": old, "new": new}))
            });
        (!event.details.is_empty()).then_some(event)
    }

    pub(crate) fn note_in<M>(
        &self,
        transaction: &mut Transaction<M>,
        part: M,
        user: &UserId,
        event: &SecurityEvent,
    ) -> Result<(), StoreError> {
        let key = key_of(&self.scope.event(user, &self.store.clock.mint()?));
        transaction.put_new(part, event.of_user(key, &self.store)?)
    }

    /// Where roles of the account's own matter, theirs or the caller's, they must be what they were when this
    /// was judged.
    pub(crate) fn hold_organization(
        &self,
        transaction: &mut Transaction<Part>,
        organization: &Organization,
        roles: &[RoleRef],
    ) -> Result<(), StoreError> {
        if roles.iter().chain(&self.scope.principal().standing.roles).any(RoleRef::is_custom) {
            self.bump_organization(transaction, organization)?;
        }
        Ok(())
    }

    fn bump_organization(
        &self,
        transaction: &mut Transaction<Part>,
        organization: &Organization,
    ) -> Result<(), StoreError> {
        transaction.update(Part::Organization, key_of(&self.scope.organization()), &organization.hold())
    }

    /// Sends what depends on the caller's right to do it.
    pub(crate) async fn settle(
        &self,
        mut transaction: Transaction<Part>,
        stamp: &Stamp,
    ) -> Result<(), MemberRefusal> {
        self.check_actor(&mut transaction);
        let token = &stamp.write_id;
        let sent = transaction.send(&self.store.client, self.credentials(), &self.request.meter, token);
        let Some(refusals) = sent.await? else { return Ok(()) };
        let refused = |part: Part| refusals.iter().any(|refusal| refusal.role == part);
        let over = MailLimit::ALL.into_iter().find(|limit| refused(Part::Mails(*limit)));
        Err(match over {
            _ if refused(Part::Actor) => MemberRefusal::CallerChanged,
            // What was read may explain the rest; the next try tells.
            _ if [Part::User, Part::Access, Part::Organization].into_iter().any(refused) => {
                MemberRefusal::Changed
            }
            Some(limit) => MemberRefusal::TooManyMails { limit, wait_seconds: limit.wait_seconds(stamp.now) },
            None if refused(Part::Joined) => MemberRefusal::TeamIsFull,
            None if refused(Part::Owners) => MemberRefusal::LastOwner,
            None => MemberRefusal::Changed,
        })
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
        let mut access = Expression::new();
        let mut seen = attributes(&before.access)?;
        for field in ACCESS_FIELDS {
            match seen.remove(field) {
                Some(value) => access.if_equal(field, value),
                None => access.if_absent(field),
            };
        }
        let key = key_of(&self.scope.access(&before.id));
        if let Some(after) = after {
            let new = attributes(after)?;
            for field in ACCESS_FIELDS {
                let is_listed = field != "sessionsFrom";
                for change in std::iter::once(&mut access).chain(is_listed.then_some(&mut listed)) {
                    match new.get(field) {
                        Some(value) => change.set(field, value.clone()),
                        None => change.remove(field),
                    };
                }
            }
            Self::touch(&mut listed, stamp);
            transaction.update(Part::Access, key, &access)?;
        } else {
            Self::mark_deleted(&mut listed, stamp, EXPIRES_AT);
            transaction.delete(Part::Access, key, &access)?;
        }
        transaction.update(Part::User, key_of(&self.scope.record(&before.id)), &listed)
    }

    /// Whoever asks must still have the roles that it was judged by. A change of its own access says so
    /// itself, and a transaction takes each item once.
    fn check_actor(&self, transaction: &mut Transaction<Part>) {
        let principal = self.scope.principal();
        let key = key_of(&self.scope.access(&principal.user));
        if transaction.writes(&key) {
            return;
        }
        transaction.check(Part::Actor, key, still_active_with(&principal.standing.roles));
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
        transaction.put(Part::Organization, marked(item, "organization"), &seen)
    }

    async fn items(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let keys = keys.iter().map(key_of).collect();
        batch(&self.store, self.credentials(), &self.request.meter, keys).await
    }
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(serde_dynamo::from_item(item)?)
}
