//! `POST /api/authz/check`: whether somebody may do something, and why.

use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access as Who, Body, Input, Operation, Problem, Tenant, Verb, json, shape};
use nexo_domain::{Grant, Grants, Permission, Reach, RoleRef, UserId, UserStatus};
use nexo_store::StoreError;
use serde::{Deserialize, Serialize};

pub(crate) const CHECK: Operation = Operation {
    method: Verb::Post,
    path: "/check",
    id: "checkPermission",
    summary: "Whether a user may do something, and which role says so; nothing is done",
    access: Who::Needs(Permission::UserRead),
    problems: &[400, 413, 415, 422],
    success: 200,
    shape: shape!(|draft| _ = draft.body::<Question>().answer::<Decision>()),
};

/// What is asked.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Question {
    /// What is to be done, such as `client:write`.
    permission: Permission,
    /// Who would do it; the caller unless given.
    user_id: Option<UserId>,
    /// Who is responsible for the record in question. Without it the question is about any record.
    owner_id: Option<UserId>,
}

impl Input for Question {
    const SAMPLE: &'static str = r#"{"permission":"client:write"}"#;
}

/// The answer.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    allowed: bool,
    user_id: UserId,
    permission: Permission,
    /// How far the user goes with it; null when it is not granted.
    reach: Option<Reach>,
    /// Why, in a sentence.
    reason: String,
    /// Every role that grants it.
    because: Vec<Because>,
}

/// A role that grants what was asked.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Because {
    /// The way from the user's role to the one that grants, both included.
    role_ids: Vec<RoleRef>,
    grant: Grant,
}

/// Decides, and does nothing.
pub(crate) async fn check(tenant: Tenant, Body(question): Body<Question>) -> Result<Response, Problem> {
    let Question { permission, user_id, owner_id } = question;
    let user = user_id.unwrap_or(tenant.scope().principal().user);
    let (member, organization) = tenant.member(&user).await.map_err(|error| match error {
        StoreError::NotFound => {
            Problem::invalid_field("/userId", "unknown_user", "names no user of the account")
        }
        error => error.into(),
    })?;
    if let Some(owner) = owner_id.filter(|owner| *owner != user) {
        tenant.member(&owner).await.map_err(|error| match error {
            StoreError::NotFound => {
                Problem::invalid_field("/ownerId", "unknown_user", "names no user of the account")
            }
            error => error.into(),
        })?;
    }
    let granted = |grants: Grants| grants.iter().find(|grant| grant.permission() == permission);
    let sources = organization.roles.sources(&member.access.role_ids);
    let because: Vec<Because> = sources
        .into_iter()
        .filter_map(|(role_ids, grants)| Some(Because { role_ids, grant: granted(grants)? }))
        .collect();
    let reach = because.iter().map(|because| because.grant.reach()).max();
    let is_active = member.access.status == UserStatus::Active;
    let (allowed, reason) = match (reach, owner_id) {
        _ if !is_active => (false, "The user is disabled.".to_owned()),
        (None, _) => (false, format!("No role of the user grants {permission}.")),
        (Some(Reach::All), _) => (true, format!("A role grants {permission} on every record.")),
        (Some(_), Some(owner)) if owner == user => {
            (true, format!("A role grants {permission} on the user's own records."))
        }
        (Some(Reach::Own), Some(_)) => {
            (false, format!("{permission} goes as far as the user's own records, and this is another's."))
        }
        (Some(Reach::Team), Some(owner)) => {
            let team = match member.access.team_id {
                Some(team) => tenant.team_members(&team).await?,
                None => Vec::new(),
            };
            if team.contains(&owner) {
                (true, format!("A role grants {permission} on records of the user's team."))
            } else {
                (false, format!("{permission} goes as far as the user's team, and this is another's."))
            }
        }
        (Some(reach), None) => {
            (true, format!("A role grants {permission}, on records within reach `{reach}` only."))
        }
    };
    Ok(json(StatusCode::OK, &Decision { allowed, user_id: user, permission, reach, reason, because }))
}
