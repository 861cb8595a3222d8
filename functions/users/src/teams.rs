//! `/api/teams`: users who work on each other's records, where a role reaches their team.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{
    Access as Who, Body, Code, Id, IfMatch, Input, Operation, Patch, Platform, Problem, Tenant, Verb,
    created, json, shape, with_etag,
};
use nexo_domain::{Permission, TeamId, Text, Timestamp, kind};
use nexo_store::{Organization, StoreError, Team};
use serde::{Deserialize, Serialize};

use crate::grant::{Caller, Tries};
use crate::roles::revise;

pub(crate) const OPERATIONS: [Operation; 5] = [
    Operation {
        method: Verb::Get,
        path: "",
        id: "listTeams",
        summary: "All teams",
        access: Who::Needs(Permission::UserRead),
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<TeamList>()),
    },
    Operation {
        method: Verb::Post,
        path: "",
        id: "createTeam",
        summary: "Makes a team; users join it by a change of their `teamId`",
        access: Who::Needs(Permission::RoleManage),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<TeamInput>().answer::<TeamView>().created()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}",
        id: "getTeam",
        summary: "Reads a team",
        access: Who::Needs(Permission::UserRead),
        problems: &[404],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::Team>().answer::<TeamView>().etag()),
    },
    Operation {
        method: Verb::Patch,
        path: "/{id}",
        id: "updateTeam",
        summary: "Renames a team (RFC 7396)",
        access: Who::Needs(Permission::RoleManage),
        problems: &[400, 404, 409, 412, 413, 415, 422],
        success: 200,
        shape: shape!(
            |draft| _ = draft.id::<kind::Team>().if_match().patch::<TeamInput>().answer::<TeamView>().etag()
        ),
    },
    Operation {
        method: Verb::Delete,
        path: "/{id}",
        id: "deleteTeam",
        summary: "Deletes a team that nobody is in",
        access: Who::Needs(Permission::RoleManage),
        problems: &[400, 404, 409, 412],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<kind::Team>().if_match()),
    },
];

/// The most teams of an account.
const MOST_TEAMS: usize = 100;

/// What an account says of a team.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TeamInput {
    /// The name, which no other team has.
    name: Text<100>,
}

impl Input for TeamInput {
    const SAMPLE: &'static str = r#"{"name":"North"}"#;
}

/// A team.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamView {
    id: TeamId,
    name: Text<100>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Team> for TeamView {
    fn from(team: &Team) -> Self {
        let Team { id, name, version, created_at, updated_at } = team.clone();
        Self { id, name, version, created_at, updated_at }
    }
}

/// All teams: there are few enough for one page.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TeamList {
    data: Vec<TeamView>,
    next_cursor: Option<String>,
}

/// `GET /api/teams`.
pub(crate) async fn list(tenant: Tenant) -> Result<Response, Problem> {
    let organization = tenant.organization().await?;
    let data = organization.teams.iter().map(TeamView::from).collect();
    Ok(json(StatusCode::OK, &TeamList { data, next_cursor: None }))
}

/// `GET /api/teams/{id}`.
pub(crate) async fn get(tenant: Tenant, Id(id): Id<kind::Team>) -> Result<Response, Problem> {
    let mut organization = tenant.organization().await?;
    let view = TeamView::from(&*find(&mut organization, &id, None)?);
    Ok(with_etag(json(StatusCode::OK, &view), view.version))
}

/// `POST /api/teams`.
pub(crate) async fn create(
    State(platform): State<Platform>,
    tenant: Tenant,
    Body(input): Body<TeamInput>,
) -> Result<Response, Problem> {
    let id: TeamId = platform.clock.mint().map_err(|error| Problem::internal(&error))?;
    let now = platform.clock.now();
    let team = revise(&tenant, None, |organization| {
        Caller::judge(&tenant, organization, Permission::RoleManage)?;
        if organization.teams.len() >= MOST_TEAMS {
            let most = format!("cannot be added: an account has at most {MOST_TEAMS} teams");
            return Err(Problem::invalid_field("/name", "too_many", most));
        }
        judge_name(organization, &id, &input.name)?;
        let team = Team { id, name: input.name.clone(), version: 1, created_at: now, updated_at: now };
        organization.teams.push(team.clone());
        Ok(team)
    });
    let view = TeamView::from(&team.await?);
    Ok(created(with_etag(json(StatusCode::CREATED, &view), view.version), &format!("/api/teams/{}", view.id)))
}

/// `PATCH /api/teams/{id}`.
pub(crate) async fn rename(
    State(platform): State<Platform>,
    tenant: Tenant,
    Id(id): Id<kind::Team>,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<TeamInput>,
) -> Result<Response, Problem> {
    let now = platform.clock.now();
    let team = revise(&tenant, None, |organization| {
        Caller::judge(&tenant, organization, Permission::RoleManage)?;
        find(organization, &id, expected)?;
        if !fields.is_empty() {
            judge_name(organization, &id, &values.name)?;
        }
        let team = find(organization, &id, expected)?;
        if !fields.is_empty() {
            team.name = values.name.clone();
        }
        team.version += 1;
        team.updated_at = now;
        Ok(team.clone())
    });
    let view = TeamView::from(&team.await?);
    Ok(with_etag(json(StatusCode::OK, &view), view.version))
}

/// `DELETE /api/teams/{id}`.
pub(crate) async fn delete(
    tenant: Tenant,
    Id(id): Id<kind::Team>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let mut tries = Tries::default();
    loop {
        let mut organization = tenant.organization().await?;
        find(&mut organization, &id, expected)?;
        Caller::judge(&tenant, &organization, Permission::RoleManage)?;
        if !tenant.team_members(&id).await?.is_empty() {
            return Err(Problem::new(Code::Conflict, "Users are in this team."));
        }
        organization.teams.retain(|team| team.id != id);
        let outcome = tenant.end_team(&organization, &id).await;
        if tries.settle(outcome)?.is_some() {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn find<'a>(
    organization: &'a mut Organization,
    id: &TeamId,
    expected: Option<u64>,
) -> Result<&'a mut Team, Problem> {
    let team = organization.teams.iter_mut().find(|team| team.id == *id).ok_or_else(Problem::not_found)?;
    if expected.is_some_and(|expected| expected != team.version) {
        let stale = Problem::from(StoreError::Stale { version: team.version });
        return Err(stale.with_current(&TeamView::from(&*team)));
    }
    Ok(team)
}

fn judge_name(organization: &Organization, id: &TeamId, name: &Text<100>) -> Result<(), Problem> {
    let folded = |name: &Text<100>| name.as_str().to_lowercase();
    let is_taken = |team: &Team| team.id != *id && folded(&team.name) == folded(name);
    if organization.teams.iter().any(is_taken) {
        return Err(StoreError::Taken { field: "name" }.into());
    }
    Ok(())
}
