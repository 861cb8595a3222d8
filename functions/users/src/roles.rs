//! `/api/roles`: the system's five, and those that the account defines.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{
    Access as Who, Body, Code, FieldErrors, IfMatch, Input, Named, Operation, Patch, Platform, Problem,
    Tenant, Verb, created, json, shape, with_etag,
};
use nexo_domain::{
    CustomRole, Grant, Invalid, Permission, Role, RoleId, RoleRef, SecurityEventType, Text, Timestamp,
};
use nexo_store::{Filter, Organization, SecurityEvent, StoreError};
use serde::{Deserialize, Serialize};

use crate::grant::{Caller, Tries};
use crate::user::User;

pub(crate) const OPERATIONS: [Operation; 6] = [
    Operation {
        method: Verb::Get,
        path: "",
        id: "listRoles",
        summary: "All roles: the system's, and those the account defines",
        access: Who::Needs(Permission::UserRead),
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<RoleList>()),
    },
    Operation {
        method: Verb::Post,
        path: "",
        id: "createRole",
        summary: "Defines a role, which grants no more than its maker may do",
        access: Who::NeedsRecent(Permission::RoleManage),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<RoleInput>().answer::<RoleView>().created()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}",
        id: "getRole",
        summary: "Reads a role",
        access: Who::Needs(Permission::UserRead),
        problems: &[404],
        success: 200,
        shape: shape!(|draft| _ = draft.named::<RoleRef>().answer::<RoleView>().etag()),
    },
    Operation {
        method: Verb::Patch,
        path: "/{id}",
        id: "updateRole",
        summary: "Changes a role of the account's own (RFC 7396), within 60 seconds for all who have it",
        access: Who::NeedsRecent(Permission::RoleManage),
        problems: &[400, 404, 409, 412, 413, 415, 422],
        success: 200,
        shape: shape!(
            |draft| _ = draft.named::<RoleRef>().if_match().patch::<RoleInput>().answer::<RoleView>().etag()
        ),
    },
    Operation {
        method: Verb::Delete,
        path: "/{id}",
        id: "deleteRole",
        summary: "Deletes a role of the account's own that no user has and no other role builds on",
        access: Who::NeedsRecent(Permission::RoleManage),
        problems: &[400, 404, 409, 412],
        success: 204,
        shape: shape!(|draft| _ = draft.named::<RoleRef>().if_match()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}/effective",
        id: "getEffectiveRole",
        summary: "All that a role grants, and which of its parents each part comes from",
        access: Who::Needs(Permission::UserRead),
        problems: &[404],
        success: 200,
        shape: shape!(|draft| _ = draft.named::<RoleRef>().answer::<Effective>()),
    },
];

/// The most permissions that a role lists itself.
const MOST_PERMISSIONS: usize = 200;

/// What an account says of a role of its own.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RoleInput {
    /// The name, which no other role has.
    name: Text<100>,
    /// What it is for.
    description: Option<Text<250>>,
    /// Roles whose permissions it has too: at most 8, and no chain of more than 5.
    #[serde(default)]
    parent_ids: Vec<RoleRef>,
    /// Permissions beyond its parents', such as `client:read:own`.
    #[serde(default)]
    permissions: Vec<Grant>,
}

impl Input for RoleInput {
    const SAMPLE: &'static str = r#"{"name":"Sales"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        if self.permissions.len() > MOST_PERMISSIONS {
            errors.add("/permissions", "too_many", format!("must be at most {MOST_PERMISSIONS}"));
        }
    }
}

/// A role.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleView {
    id: RoleRef,
    /// Whether every account has it, as it is.
    is_system: bool,
    name: Text<100>,
    description: Option<Text<250>>,
    parent_ids: Vec<RoleRef>,
    permissions: Vec<Grant>,
    version: u64,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl RoleView {
    fn system(role: Role) -> Result<Self, Invalid> {
        let mut name = role.to_string();
        name[..1].make_ascii_uppercase();
        Ok(Self {
            id: RoleRef::System(role),
            is_system: true,
            name: Text::parse(&name)?,
            description: Some(Text::parse(role.purpose())?),
            parent_ids: Vec::new(),
            permissions: role.grants().iter().collect(),
            version: 1,
            created_at: None,
            updated_at: None,
        })
    }

    fn of(organization: &Organization, id: &RoleRef) -> Result<Self, Problem> {
        match id {
            RoleRef::System(role) => Self::system(*role).map_err(|invalid| Problem::internal(&invalid)),
            RoleRef::Custom(id) => organization.roles.get(id).map(Self::from).ok_or_else(Problem::not_found),
        }
    }
}

impl From<&CustomRole> for RoleView {
    fn from(role: &CustomRole) -> Self {
        let CustomRole { id, name, description, parent_ids, permissions, version, created_at, updated_at } =
            role.clone();
        Self {
            id: RoleRef::Custom(id),
            is_system: false,
            name,
            description,
            parent_ids,
            permissions,
            version,
            created_at: Some(created_at),
            updated_at: Some(updated_at),
        }
    }
}

/// All roles: there are few enough for one page.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleList {
    data: Vec<RoleView>,
    next_cursor: Option<String>,
}

/// All that a role grants.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effective {
    id: RoleRef,
    permissions: Vec<Grant>,
    sources: Vec<Source>,
}

/// Where a part of a role's permissions comes from.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source {
    /// The way from the role to the one that grants, both included.
    role_ids: Vec<RoleRef>,
    permissions: Vec<Grant>,
}

/// `GET /api/roles`.
pub(crate) async fn list(tenant: Tenant) -> Result<Response, Problem> {
    let organization = tenant.organization().await?;
    let system = Role::ALL.iter().map(|role| RoleView::of(&organization, &RoleRef::System(*role)));
    let mut data = system.collect::<Result<Vec<_>, _>>()?;
    data.extend(organization.roles.iter().map(RoleView::from));
    Ok(json(StatusCode::OK, &RoleList { data, next_cursor: None }))
}

/// `GET /api/roles/{id}`.
pub(crate) async fn get(tenant: Tenant, Named(id): Named<RoleRef>) -> Result<Response, Problem> {
    let view = RoleView::of(&tenant.organization().await?, &id)?;
    Ok(with_etag(json(StatusCode::OK, &view), view.version))
}

/// `GET /api/roles/{id}/effective`.
pub(crate) async fn effective(tenant: Tenant, Named(id): Named<RoleRef>) -> Result<Response, Problem> {
    let organization = tenant.organization().await?;
    RoleView::of(&organization, &id)?;
    let roles = [id];
    let sources = organization.roles.sources(&roles).into_iter();
    let sources = sources.map(|(role_ids, grants)| Source { role_ids, permissions: grants.iter().collect() });
    let permissions = organization.roles.grants(&roles).iter().collect();
    Ok(json(StatusCode::OK, &Effective { id, permissions, sources: sources.collect() }))
}

/// `POST /api/roles`.
pub(crate) async fn create(
    State(platform): State<Platform>,
    tenant: Tenant,
    Body(input): Body<RoleInput>,
) -> Result<Response, Problem> {
    let id: RoleId = platform.clock.mint().map_err(|error| Problem::internal(&error))?;
    let now = platform.clock.now();
    let event = changed(&tenant, &RoleRef::Custom(id), "created");
    let role = revise(&tenant, Some(event), |organization| {
        let RoleInput { name, description, parent_ids, permissions } = input.clone();
        let role = CustomRole {
            id,
            name,
            description,
            parent_ids,
            permissions,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        put(&tenant, organization, role)
    });
    let view = RoleView::from(&role.await?);
    Ok(created(with_etag(json(StatusCode::CREATED, &view), view.version), &format!("/api/roles/{}", view.id)))
}

/// `PATCH /api/roles/{id}`.
pub(crate) async fn change(
    State(platform): State<Platform>,
    tenant: Tenant,
    Named(id): Named<RoleRef>,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<RoleInput>,
) -> Result<Response, Problem> {
    let now = platform.clock.now();
    let has = |name: &str| fields.iter().any(|field| field == name);
    let event = changed(&tenant, &id, "changed");
    let role = revise(&tenant, Some(event), |organization| {
        let mut role = own(organization, &id, expected)?.clone();
        judge(&tenant, organization)?.may_grant(organization, &[id])?;
        let RoleInput { name, description, parent_ids, permissions } = values.clone();
        if has("name") {
            role.name = name;
        }
        if has("description") {
            role.description = description;
        }
        if has("parentIds") {
            role.parent_ids = parent_ids;
        }
        if has("permissions") {
            role.permissions = permissions;
        }
        role.version += 1;
        role.updated_at = now;
        put(&tenant, organization, role)
    });
    let view = RoleView::from(&role.await?);
    Ok(with_etag(json(StatusCode::OK, &view), view.version))
}

/// `DELETE /api/roles/{id}`.
pub(crate) async fn delete(
    tenant: Tenant,
    Named(id): Named<RoleRef>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    let in_use = |what: &str| Err(Problem::new(Code::Conflict, format!("{what} has this role.")));
    // Whoever gets the role from here on changes the organization's version, and this starts over.
    let mut tries = Tries::default();
    loop {
        let mut organization = tenant.organization().await?;
        let role = own(&organization, &id, expected)?.id;
        judge(&tenant, &organization)?.may_grant(&organization, &[id])?;
        if let Some(child) = organization.roles.iter().find(|other| other.parent_ids.contains(&id)) {
            return in_use(&format!("The role {}", child.name));
        }
        if tenant.any::<User>(Filter::Contains("roleIds", id.to_string())).await? {
            return in_use("A user");
        }
        organization.roles.remove(&role);
        let event = changed(&tenant, &id, "deleted");
        let outcome = tenant.write_organization(&organization, Some(&event)).await;
        if tries.settle(outcome)?.is_some() {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn judge(tenant: &Tenant, organization: &Organization) -> Result<Caller, Problem> {
    Caller::judge(tenant, organization, Permission::RoleManage)
}

/// The account's own role that a path names.
fn own<'a>(
    organization: &'a Organization,
    id: &RoleRef,
    expected: Option<u64>,
) -> Result<&'a CustomRole, Problem> {
    let RoleRef::Custom(id) = id else {
        return Err(Problem::new(Code::Conflict, "System roles are the same in every account."));
    };
    let role = organization.roles.get(id).ok_or_else(Problem::not_found)?;
    if expected.is_some_and(|expected| expected != role.version) {
        return Err(
            Problem::from(StoreError::Stale { version: role.version }).with_current(&RoleView::from(role))
        );
    }
    Ok(role)
}

fn put(tenant: &Tenant, organization: &mut Organization, role: CustomRole) -> Result<CustomRole, Problem> {
    let id = role.id;
    // Judged by what the caller may do now, and not by what it would by this change.
    let caller = judge(tenant, organization)?;
    organization.roles.put(role).map_err(|(field, invalid)| match invalid.code() {
        "already_exists" => StoreError::Taken { field }.into(),
        code => Problem::invalid_field(&format!("/{field}"), code, invalid.message()),
    })?;
    caller.may_grant(organization, &[RoleRef::Custom(id)])?;
    organization.roles.get(&id).cloned().ok_or_else(|| Problem::internal(&"a role that was put is not there"))
}

/// What whoever changes a role is told of it.
fn changed(tenant: &Tenant, role: &RoleRef, change: &str) -> SecurityEvent {
    tenant.event(SecurityEventType::RoleChange).with("roleId", role.to_string()).with("change", change)
}

/// Reads roles and teams, changes them, and writes them with the event.
pub(crate) async fn revise<T>(
    tenant: &Tenant,
    event: Option<SecurityEvent>,
    change: impl Fn(&mut Organization) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut tries = Tries::default();
    loop {
        let mut organization = tenant.organization().await?;
        let changed = change(&mut organization)?;
        let outcome = tenant.write_organization(&organization, event.as_ref()).await.map(|()| changed);
        if let Some(done) = tries.settle(outcome)? {
            return Ok(done);
        }
    }
}
