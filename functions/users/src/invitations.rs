//! `/api/users/invitations`: places in the account, offered by mail.
//!
//! Nothing here looks at who has an address elsewhere: whoever accepts finds out, and nobody else.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access as Who, Body, Code, FieldErrors, FilterKind, FilterParameter, Id, Input, Operation, Platform,
    Problem, Resource, Tenant, Verb, answer, created, shape,
};
use nexo_domain::{
    Email, InvitationId, InvitationStatus, Permission, RoleRef, Text, Timestamp, UserId, kind,
};
use nexo_identity::Link;
use nexo_mail::{Letter, Message};
use nexo_store::{Entity, Filter, Offer, Organization, Outgoing, Record};
use serde::{Deserialize, Serialize};

use crate::grant::{Caller, Tries};
use crate::user::User;
use crate::users::judge_roles;

pub(crate) const OPERATIONS: [Operation; 2] = [
    Operation {
        method: Verb::Post,
        path: "",
        id: "createInvitation",
        summary: "Invites somebody by mail, for seven days",
        access: Who::NeedsRecent(Permission::UserManage),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<NewInvitation>().record::<Invitation>().created()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/resend",
        id: "resendInvitation",
        summary: "Sends an invitation once more, for another seven days; the link of the mail before is void",
        access: Who::NeedsRecent(Permission::UserManage),
        problems: &[404, 409],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::Invitation>().record::<Invitation>()),
    },
];

/// How long an invitation can be accepted, in milliseconds.
const VALID_MS: i64 = 7 * 24 * 3600 * 1000;

/// How long it is listed after that, in seconds.
const LISTED_SECONDS: i64 = 30 * 24 * 3600;

/// A place in the account that is offered to somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Invitation {
    /// Who is invited.
    email: Email,
    /// The roles it gives.
    role_ids: Vec<RoleRef>,
    /// Whether it was accepted.
    status: InvitationStatus,
    /// Until when it can be.
    valid_until: Timestamp,
    /// The user it has made.
    user_id: Option<UserId>,
}

impl Record for Invitation {
    type Kind = kind::Invitation;

    const SORT_FIELDS: &'static [&'static str] = &["email"];

    fn sort_name(&self) -> String {
        self.email.to_string()
    }
}

impl Resource for Invitation {
    const PATH: &'static str = "/api/users/invitations";
    const NAME: &'static str = "invitation";
    const SAMPLE: &'static str = r#"{"email":"grace@acme.example","roleIds":["member"],"status":"pending","validUntil":"2026-01-01T00:00:00Z"}"#;
    const READ: Permission = Permission::UserManage;
    const WRITE: Permission = Permission::UserManage;
    const DELETE: Permission = Permission::UserManage;
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "pending or accepted",
            kind: FilterKind::Equals("status"),
            parse: |text| InvitationStatus::parse(text).map(|status| status.to_string()),
        },
        FilterParameter {
            name: "email",
            summary: "Invitations to this address",
            kind: FilterKind::Equals("email"),
            parse: |text| Email::parse(text).map(|email| email.to_string()),
        },
    ];
    const JUDGED_TOGETHER: &'static [&'static str] = &[];

    fn validate(&self, _: &mut FieldErrors) {}
}

/// Whom to invite.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewInvitation {
    email: Email,
    /// The roles of the user to be: 1 to 8.
    role_ids: Vec<RoleRef>,
}

impl Input for NewInvitation {
    const SAMPLE: &'static str = r#"{"email":"grace@acme.example","roleIds":["member"]}"#;
}

/// `POST /api/users/invitations`.
pub(crate) async fn create(
    State(platform): State<Platform>,
    tenant: Tenant,
    Body(new): Body<NewInvitation>,
) -> Result<Response, Problem> {
    if tenant.any::<User>(Filter::Equals("email", new.email.to_string())).await? {
        return Err(Problem::new(Code::AlreadyExists, "The address is a user's of this account."));
    }
    let id: InvitationId = mint(&platform)?;
    let fields = Invitation {
        email: new.email,
        role_ids: new.role_ids,
        status: InvitationStatus::Pending,
        valid_until: valid_until(&platform),
        user_id: None,
    };
    let mut tries = Tries::default();
    let entity = loop {
        let outcome = offer(&platform, &tenant, id, &fields, async |offer| {
            tenant.invite(id, fields.clone(), &offer).await
        })
        .await?;
        if let Some(done) = tries.settle(outcome)? {
            break done;
        }
    };
    let path = format!("{}/{id}", Invitation::PATH);
    Ok(created(answer(StatusCode::CREATED, &entity), &path))
}

/// `POST /api/users/invitations/{id}/resend`.
pub(crate) async fn resend(
    State(platform): State<Platform>,
    tenant: Tenant,
    Id(id): Id<kind::Invitation>,
) -> Result<Response, Problem> {
    let mut tries = Tries::default();
    let entity = loop {
        let before: Entity<Invitation> = tenant.get_consistent(&id).await?;
        if before.input.fields.status != InvitationStatus::Pending {
            return Err(Problem::new(Code::Conflict, "The invitation was accepted."));
        }
        let fields = Invitation { valid_until: valid_until(&platform), ..before.input.fields.clone() };
        let outcome = offer(&platform, &tenant, id, &fields, async |offer| {
            tenant.offer_again(&before, fields.clone(), &offer).await
        })
        .await
        .map_err(|problem| match problem.code() {
            // It was judged when it was made: what it names went since.
            Code::ValidationFailed => {
                let gone = "A role that it gives does not exist any more. Revoke it, and invite anew.";
                Problem::new(Code::Conflict, gone)
            }
            _ => problem,
        })?;
        if let Some(done) = tries.settle(outcome)? {
            break done;
        }
    };
    Ok(answer(StatusCode::OK, &entity))
}

/// Judges an invitation, and sends it by what `send` writes.
async fn offer<T>(
    platform: &Platform,
    tenant: &Tenant,
    id: InvitationId,
    invitation: &Invitation,
    send: impl AsyncFnOnce(Offer<'_>) -> T,
) -> Result<T, Problem> {
    let principal = tenant.scope().principal();
    let (inviter, organization) = tenant.member(&principal.user).await?;
    judge(invitation, &organization)?;
    let caller = Caller::judge(tenant, &organization, Permission::UserManage)?;
    caller.may_grant(&organization, &invitation.role_ids)?;
    let account = *tenant.scope().account();
    let link = Link::to_invitation(&account, &id, mint::<kind::Link>(platform)?);
    let name = format!("{} {}", inviter.profile.first_name, inviter.profile.last_name);
    let message = Message::Invitation {
        link: link.clone(),
        company: tenant.account().await?.name,
        inviter: Text::parse(&name).map_err(|invalid| Problem::internal(&invalid))?,
    };
    let letter = Letter { to: invitation.email.clone(), message };
    let mail = Outgoing { id: mint(platform)?, account: Some(account), letter };
    let forget_at = invitation.valid_until.as_seconds() + LISTED_SECONDS;
    let roles = &invitation.role_ids;
    Ok(send(Offer { link: &link, mail: &mail, forget_at, organization: &organization, roles }).await)
}

fn judge(invitation: &Invitation, organization: &Organization) -> Result<(), Problem> {
    let mut errors = FieldErrors::default();
    judge_roles(&invitation.role_ids, organization, "/roleIds", &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

fn valid_until(platform: &Platform) -> Timestamp {
    Timestamp::from_millis(platform.clock.now_ms() + VALID_MS)
}

fn mint<K: nexo_domain::IdKind>(platform: &Platform) -> Result<nexo_domain::Id<K>, Problem> {
    platform.clock.mint().map_err(|error| Problem::internal(&error))
}
