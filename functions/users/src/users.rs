//! `PATCH` and `DELETE /api/users/{id}`: what a user may do, and whether it can log in. And what happened to
//! that, `GET /api/users/{id}/activity`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{
    Access as Who, Activity, ActivityQuery, Code, FieldErrors, Id, IfMatch, Input, Operation, Patch,
    Platform, Problem, Tenant, Verb, answer, json, shape,
};
use nexo_domain::{Permission, RoleRef, TeamId, Timestamp, UserId, UserStatus, kind};
use nexo_store::{Access, Member, MemberChange, Organization, StoreError};
use serde::{Deserialize, Serialize};

use crate::grant::{Caller, Tries};
use crate::user::{User, entity};

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        method: Verb::Patch,
        path: "/{id}",
        id: "updateUser",
        summary: "Changes a user's roles, team or status (RFC 7396); a disabled user's sessions end",
        access: Who::NeedsRecent(Permission::UserManage),
        problems: &[400, 404, 409, 412, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::User>().if_match().patch::<UserChange>().record::<User>()),
    },
    Operation {
        method: Verb::Delete,
        path: "/{id}",
        id: "removeUser",
        summary: "Removes a user from the account: its sessions end, and its address is free",
        access: Who::NeedsRecent(Permission::UserManage),
        problems: &[400, 404, 409, 412],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<kind::User>().if_match()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}/activity",
        id: "listUserActivity",
        summary: "What happened to a user's access within 180 days, newest first",
        access: Who::Needs(Permission::UserManage),
        problems: &[400, 404],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::User>().activity()),
    },
];

/// The most roles of a user.
pub(crate) const MOST_ROLES: usize = 8;

/// What can be changed of a user.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserChange {
    /// The roles, which replace all others: 1 to 8.
    role_ids: Vec<RoleRef>,
    /// Whether the user can log in.
    status: UserStatus,
    /// The team.
    team_id: Option<TeamId>,
}

impl Input for UserChange {
    const SAMPLE: &'static str = r#"{"roleIds":["member"],"status":"active"}"#;
}

impl UserChange {
    /// The access that results, or what of the change does not fit the account.
    fn apply(
        &self,
        fields: &[String],
        before: &Access,
        organization: &Organization,
        now: Timestamp,
    ) -> Result<Access, Problem> {
        let has = |name: &str| fields.iter().any(|field| field == name);
        let mut after = before.clone();
        let mut errors = FieldErrors::default();
        if has("roleIds") {
            judge_roles(&self.role_ids, organization, "/roleIds", &mut errors);
            after.role_ids.clone_from(&self.role_ids);
            after.role_ids.sort_unstable();
            after.role_ids.dedup();
        }
        if has("teamId") {
            if self.team_id.is_some_and(|team| organization.teams.iter().all(|known| known.id != team)) {
                errors.add("/teamId", "unknown_team", "names no team of the account");
            }
            after.team_id = self.team_id;
        }
        if has("status") {
            after.status = self.status;
            if self.status == UserStatus::Disabled {
                // What was logged in stays logged out when the user is enabled again.
                after.sessions_from = Some(now);
            }
        }
        if errors.is_empty() { Ok(after) } else { Err(Problem::invalid(errors)) }
    }
}

/// Roles that a user, an invitation or a key can have.
pub(crate) fn judge_roles(
    roles: &[RoleRef],
    organization: &Organization,
    pointer: &str,
    errors: &mut FieldErrors,
) {
    if roles.is_empty() || roles.len() > MOST_ROLES {
        errors.add(pointer, "wrong_count", format!("must be 1 to {MOST_ROLES} roles"));
    }
    for (index, role) in roles.iter().enumerate() {
        if let RoleRef::Custom(id) = role
            && organization.roles.get(id).is_none()
        {
            errors.add(&format!("{pointer}/{index}"), "unknown_role", "names no role of the account");
        }
    }
}

/// Changes a user.
pub(crate) async fn change(
    State(platform): State<Platform>,
    tenant: Tenant,
    Id(id): Id<kind::User>,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<UserChange>,
) -> Result<Response, Problem> {
    let is_self = tenant.scope().principal().user == id;
    write(&tenant, id, expected, |member, organization| {
        let after = values.apply(&fields, &member.access, organization, platform.clock.now())?;
        if is_self && after.status == UserStatus::Disabled {
            return Err(Problem::new(Code::Conflict, "Nobody can disable themselves: leave the account."));
        }
        Ok(Some(after))
    })
    .await?;
    // Written by one transaction, which answers nothing.
    Ok(answer(StatusCode::OK, &tenant.get_consistent::<User>(&id).await?))
}

/// Removes a user.
pub(crate) async fn remove(
    tenant: Tenant,
    Id(id): Id<kind::User>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    if tenant.scope().principal().user == id {
        return Err(Problem::new(Code::Conflict, "Nobody can remove themselves: leave the account."));
    }
    write(&tenant, id, expected, |_, _| Ok(None)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lists a user's events.
pub(crate) async fn activity(
    tenant: Tenant,
    Id(id): Id<kind::User>,
    ActivityQuery(query): ActivityQuery,
) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &Activity::from(tenant.events(&id, &query).await?)))
}

/// Reads a user, judges what is to become of it, and writes that.
async fn write(
    tenant: &Tenant,
    id: UserId,
    expected: Option<u64>,
    decide: impl Fn(&Member, &Organization) -> Result<Option<Access>, Problem>,
) -> Result<(), Problem> {
    let mut tries = Tries::default();
    loop {
        let (before, organization) = tenant.member(&id).await?;
        if expected.is_some_and(|expected| expected != before.profile.version) {
            let stale = Problem::from(StoreError::Stale { version: before.profile.version });
            return Err(stale.with_current(&entity(id, before.profile)));
        }
        let after = decide(&before, &organization)?;
        let caller = Caller::judge(tenant, &organization, Permission::UserManage)?;
        caller.may_grant(&organization, &before.access.role_ids)?;
        if let Some(after) = &after {
            caller.may_grant(&organization, &after.role_ids)?;
            if after.team_id != before.access.team_id {
                caller.may_move_between_teams()?;
            }
        }
        let outcome = tenant.change_members(&[MemberChange { before, after }], &organization).await;
        if tries.settle(outcome)?.is_some() {
            return Ok(());
        }
    }
}
