//! `/api/api-keys`: keys that programs call with, in place of the user who made them.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{
    Access as Who, Body, Code, FieldErrors, Id, Input, Operation, Platform, Problem, RequestContext, Tenant,
    Verb, created, json, shape, with_etag,
};
use nexo_domain::{ApiKeyId, Grant, Grants, Permission, Text, Timestamp, UserId, kind};
use nexo_identity::{API_KEY_PREFIX, ApiKey};
use nexo_mail::{Change, Letter, Message, Occasion};
use nexo_store::{Outgoing, StoreError, StoredKey};
use serde::{Deserialize, Serialize};

use crate::grant::Caller;

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        method: Verb::Get,
        path: "",
        id: "listApiKeys",
        summary: "All API keys of the account that can still be used, newest first",
        access: Who::Needs(Permission::ApiKeyManage),
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<ApiKeyList>()),
    },
    Operation {
        method: Verb::Post,
        path: "",
        id: "createApiKey",
        summary: "Makes an API key, which acts for its maker; its text is shown this once",
        access: Who::NeedsRecent(Permission::ApiKeyManage),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<ApiKeyInput>().answer::<NewApiKey>().created()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}",
        id: "getApiKey",
        summary: "Reads an API key, without its text",
        access: Who::Needs(Permission::ApiKeyManage),
        problems: &[404],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::ApiKey>().answer::<ApiKeyView>().etag()),
    },
    Operation {
        method: Verb::Delete,
        path: "/{id}",
        id: "revokeApiKey",
        summary: "Revokes an API key: it is refused everywhere within 60 seconds",
        access: Who::Needs(Permission::ApiKeyManage),
        problems: &[404, 409],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<kind::ApiKey>()),
    },
];

/// The most keys of an account that have not ended.
const MOST_KEYS: usize = 50;

/// The most permissions that a key is given.
const MOST_PERMISSIONS: usize = 200;

/// How long a key is good for unless it is said, and at most, in seconds.
const LIFE_SECONDS: i64 = 90 * 24 * 3600;
const LONGEST_LIFE_SECONDS: i64 = 365 * 24 * 3600;

/// How often it starts over because another key was added at the same moment.
const ATTEMPTS: usize = 4;

/// What a key is to be.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiKeyInput {
    /// What it is for.
    name: Text<100>,
    /// What it may do of what its maker may: at least one, and none that manages users, roles, keys or the account.
    permissions: Vec<Grant>,
    /// When it ends: in a year at the latest, and in 90 days unless given.
    expires_at: Option<Timestamp>,
}

impl Input for ApiKeyInput {
    const SAMPLE: &'static str = r#"{"name":"Nightly export","permissions":["client:read"]}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        if self.permissions.is_empty() {
            errors.add("/permissions", "empty", "must name at least one");
        }
        if self.permissions.len() > MOST_PERMISSIONS {
            errors.add("/permissions", "too_many", format!("must be at most {MOST_PERMISSIONS}"));
        }
        for (index, grant) in self.permissions.iter().enumerate() {
            if !grant.permission().suits_api_keys() {
                let message = "cannot be given to an API key, only to users";
                errors.add(&format!("/permissions/{index}"), "not_for_api_keys", message);
            }
        }
    }
}

/// An API key, without its text.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyView {
    id: ApiKeyId,
    name: Text<100>,
    /// The beginning and the end of the text, to tell keys apart by.
    hint: String,
    permissions: Vec<Grant>,
    expires_at: Timestamp,
    /// To the hour; null until the first use.
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    /// The user it acts for.
    created_by: UserId,
    /// Always 1: a key is not changed.
    version: u64,
}

impl ApiKeyView {
    fn new(id: ApiKeyId, key: StoredKey, last_used_at: Option<Timestamp>) -> Self {
        Self {
            id,
            name: key.name,
            hint: key.hint,
            permissions: key.permissions,
            expires_at: Timestamp::from_millis(key.expires_at.saturating_mul(1000)),
            last_used_at,
            created_at: key.created_at,
            created_by: key.created_by,
            version: 1,
        }
    }
}

/// An API key that was just made.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewApiKey {
    #[serde(flatten)]
    view: ApiKeyView,
    /// The text, for `Authorization: Bearer …`. It is shown now and never again.
    key: String,
}

/// All keys: there are few enough for one page.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyList {
    data: Vec<ApiKeyView>,
    next_cursor: Option<String>,
}

/// `GET /api/api-keys`.
pub(crate) async fn list(tenant: Tenant) -> Result<Response, Problem> {
    let keys = tenant.api_keys().await?.into_iter().rev();
    let data = keys.map(|(id, key, last_used)| ApiKeyView::new(id, key, last_used)).collect();
    Ok(json(StatusCode::OK, &ApiKeyList { data, next_cursor: None }))
}

/// `GET /api/api-keys/{id}`.
pub(crate) async fn get(tenant: Tenant, Id(id): Id<kind::ApiKey>) -> Result<Response, Problem> {
    let (key, last_used) = tenant.api_key(&id).await?;
    let view = ApiKeyView::new(id, key, last_used);
    Ok(with_etag(json(StatusCode::OK, &view), view.version))
}

/// `POST /api/api-keys`.
pub(crate) async fn create(
    State(platform): State<Platform>,
    tenant: Tenant,
    context: RequestContext,
    Body(input): Body<ApiKeyInput>,
) -> Result<Response, Problem> {
    let principal = tenant.scope().principal();
    let grants: Grants = input.permissions.into_iter().collect();
    Caller::may_give_to_a_key(&tenant, grants)?;
    let id: ApiKeyId = platform.clock.mint().map_err(|error| Problem::internal(&error))?;
    let now = platform.clock.now();
    let expires_at = judge_end(now, input.expires_at)?;
    let text = ApiKey::make(&principal.account, &id).map_err(|error| Problem::internal(&error))?;
    let key = ApiKey::parse(&text).ok_or_else(|| Problem::internal(&"a new key that does not read"))?;
    let hint = format!("{API_KEY_PREFIX}…{}", &text[text.len() - 4..]);
    let permissions = grants.iter().collect();
    let key = StoredKey::new(input.name, key.hash(), hint, permissions, [now, expires_at], principal.user);
    let (maker, _) = tenant.member(&principal.user).await?;
    let nexo_api::Caller { ip, user_agent: agent } = context.caller();
    let message =
        Message::SecurityChange { what: Change::ApiKeyAdded, occasion: Occasion { at: now, ip, agent } };
    let letter = Letter { to: maker.profile.email, message };
    let mail_id = platform.clock.mint().map_err(|error| Problem::internal(&error))?;
    let mail = Outgoing { id: mail_id, account: Some(principal.account), letter };
    for _ in 0..ATTEMPTS {
        match tenant.add_api_key(&id, &key, MOST_KEYS, &mail).await {
            Ok(true) => {
                let view = ApiKeyView::new(id, key, None);
                let version = view.version;
                let answer = json(StatusCode::CREATED, &NewApiKey { view, key: text });
                return Ok(created(with_etag(answer, version), &format!("/api/api-keys/{id}")));
            }
            Ok(false) => {
                let most =
                    format!("An account has at most {MOST_KEYS} API keys. Revoke one that is not used.");
                return Err(Problem::new(Code::Conflict, most));
            }
            Err(StoreError::Busy) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Busy.into())
}

/// When a key that is made `now` ends.
fn judge_end(now: Timestamp, wanted: Option<Timestamp>) -> Result<Timestamp, Problem> {
    let after = |seconds: i64| Timestamp::from_millis(now.as_millis() + seconds * 1000);
    let end = wanted.unwrap_or_else(|| after(LIFE_SECONDS));
    if end.as_seconds() > now.as_seconds() && end <= after(LONGEST_LIFE_SECONDS) {
        return Ok(end);
    }
    Err(Problem::invalid_field("/expiresAt", "out_of_range", "must be later than now, by 365 days at most"))
}

/// `DELETE /api/api-keys/{id}`.
pub(crate) async fn revoke(tenant: Tenant, Id(id): Id<kind::ApiKey>) -> Result<Response, Problem> {
    tenant.revoke_api_key(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
