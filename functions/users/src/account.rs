//! `/api/account`: the account itself, who owns it, and leaving it.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{
    Access as Who, Body, Code, IfMatch, Input, Operation, Patch, Problem, SignedIn, Tenant, Verb, json,
    shape, with_etag,
};
use nexo_domain::{AccountId, Permission, Role, RoleRef, Text, Timestamp, UserId, UserStatus};
use nexo_store::{Account, MemberChange, StoreError};
use serde::{Deserialize, Serialize};

use crate::grant::{Caller, Tries};
use crate::users::MOST_ROLES;

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        method: Verb::Get,
        path: "",
        id: "getAccount",
        summary: "The account",
        access: Who::Needs(Permission::UserRead),
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<AccountView>().etag()),
    },
    Operation {
        method: Verb::Patch,
        path: "",
        id: "updateAccount",
        summary: "Changes the account (RFC 7396)",
        access: Who::NeedsRecent(Permission::AccountManage),
        problems: &[400, 409, 412, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.if_match().patch::<AccountInput>().answer::<AccountView>().etag()),
    },
    Operation {
        method: Verb::Post,
        path: "/transfer-ownership",
        id: "transferOwnership",
        summary: "Makes another active user an owner in place of the caller, who becomes an admin",
        access: Who::NeedsRecent(Permission::AccountManage),
        problems: &[400, 409, 413, 415, 422],
        success: 204,
        shape: shape!(|draft| _ = draft.body::<Transfer>()),
    },
    Operation {
        method: Verb::Post,
        path: "/leave",
        id: "leaveAccount",
        summary: "Removes the caller from the account: its sessions end, and its address is free",
        access: Who::SignedInRecently,
        problems: &[409],
        success: 204,
        shape: shape!(|_| ()),
    },
];

/// What owners decide about an account.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccountInput {
    /// The company.
    name: Text<249>,
    /// Whether its users need a second factor to log in.
    #[serde(default)]
    mfa_required: bool,
}

impl Input for AccountInput {
    const SAMPLE: &'static str = r#"{"name":"Acme GmbH"}"#;
}

/// An account.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountView {
    id: AccountId,
    name: Text<249>,
    /// What it pays for.
    plan: String,
    /// Whether its users need a second factor to log in.
    mfa_required: bool,
    /// Active users who own it.
    owners: u32,
    created_at: Timestamp,
    version: u64,
}

/// Who is to own the account.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Transfer {
    user_id: UserId,
}

impl Input for Transfer {
    const SAMPLE: &'static str = r#"{"userId":"usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#;
}

fn view(tenant: &Tenant, account: Account) -> AccountView {
    let Account { name, plan, mfa_required, owners, created_at, version } = account;
    AccountView { id: *tenant.scope().account(), name, plan, mfa_required, owners, created_at, version }
}

fn answer(tenant: &Tenant, account: Account) -> Response {
    let view = view(tenant, account);
    with_etag(json(StatusCode::OK, &view), view.version)
}

/// `GET /api/account`.
pub(crate) async fn get(tenant: Tenant) -> Result<Response, Problem> {
    Ok(answer(&tenant, tenant.account().await?))
}

/// `PATCH /api/account`.
pub(crate) async fn change(
    tenant: Tenant,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<AccountInput>,
) -> Result<Response, Problem> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    match tenant.change_account(&values, &fields, expected).await {
        Ok(account) => Ok(answer(&tenant, account)),
        Err(stale @ StoreError::Stale { .. }) => {
            let current = view(&tenant, tenant.account().await?);
            Err(Problem::from(stale).with_current(&current))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /api/account/transfer-ownership`.
pub(crate) async fn transfer(tenant: Tenant, Body(to): Body<Transfer>) -> Result<Response, Problem> {
    let owner = RoleRef::System(Role::Owner);
    let from = tenant.scope().principal().user;
    let invalid = |code, message| Problem::invalid_field("/userId", code, message);
    if from == to.user_id {
        return Err(invalid("unchanged", "is you"));
    }
    let mut tries = Tries::default();
    loop {
        let (heir, organization) = tenant.member(&to.user_id).await.map_err(|error| match error {
            StoreError::NotFound => invalid("unknown_user", "names no user of the account"),
            error => error.into(),
        })?;
        if heir.access.status != UserStatus::Active {
            return Err(invalid("disabled", "names a user who is disabled"));
        }
        let (giver, _) = tenant.member(&from).await?;
        let caller = Caller::judge(&tenant, &organization, Permission::AccountManage)?;
        caller.may_grant(&organization, &[owner])?;
        let (mut gave, mut got) = (giver.access.clone(), heir.access.clone());
        let Some(first) = gave.role_ids.iter_mut().find(|role| **role == owner) else {
            return Err(Problem::new(Code::Conflict, "Only an owner can transfer the ownership."));
        };
        *first = RoleRef::System(Role::Admin);
        // An owner may do everything: what else it has makes room.
        got.role_ids.retain(|role| *role != owner);
        got.role_ids.truncate(MOST_ROLES - 1);
        got.role_ids.push(owner);
        for access in [&mut gave, &mut got] {
            access.role_ids.sort_unstable();
            access.role_ids.dedup();
        }
        let changes = [
            MemberChange { before: giver, after: Some(gave) },
            MemberChange { before: heir, after: Some(got) },
        ];
        let outcome = tenant.change_members(&changes, &organization).await;
        if tries.settle(outcome)?.is_some() {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/account/leave`.
pub(crate) async fn leave(tenant: Tenant, SignedIn(principal): SignedIn) -> Result<Response, Problem> {
    let mut tries = Tries::default();
    loop {
        let (before, organization) = tenant.member(&principal.user).await?;
        let outcome = tenant.change_members(&[MemberChange { before, after: None }], &organization).await;
        if tries.settle(outcome)?.is_some() {
            break;
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
