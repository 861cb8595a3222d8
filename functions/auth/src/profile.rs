//! `GET` and `PATCH /api/auth/profile`.

use axum::extract::State;
use axum::response::Response;
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use nexo_api::{IfMatch, Input, Patch, Platform, Problem, RequestContext, SignedIn, json};
use nexo_domain::{Email, LanguageTag, RoleRef, Text, TimeZoneName, Timestamp, UserId, WebUrl};
use nexo_identity::SessionPrincipal;
use nexo_store::{Profile, ProfileChange, StoreError};
use serde::{Deserialize, Serialize};

/// What a user may change of the own profile.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileInput {
    first_name: Text<100>,
    last_name: Text<100>,
    /// The language to speak (BCP 47).
    locale: Option<LanguageTag>,
    /// Where the user's day begins (IANA).
    time_zone: Option<TimeZoneName>,
    /// Where a picture is.
    avatar_url: Option<WebUrl>,
}

impl Input for ProfileInput {
    const SAMPLE: &'static str = r#"{"firstName":"Ada","lastName":"Lovelace"}"#;
}

/// A user's own profile.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileView {
    id: UserId,
    version: u64,
    created_at: Timestamp,
    email: Email,
    first_name: Text<100>,
    last_name: Text<100>,
    locale: Option<LanguageTag>,
    time_zone: Option<TimeZoneName>,
    avatar_url: Option<WebUrl>,
    role_ids: Vec<RoleRef>,
}

fn view(principal: &SessionPrincipal, profile: Profile) -> ProfileView {
    let Profile { email, first_name, last_name, locale, time_zone, avatar_url, created_at, version, .. } =
        profile;
    ProfileView {
        id: principal.user,
        version,
        created_at,
        email,
        first_name,
        last_name,
        locale,
        time_zone,
        avatar_url,
        role_ids: principal.standing.roles.clone(),
    }
}

fn answer(principal: &SessionPrincipal, profile: Profile) -> Response {
    let view = view(principal, profile);
    let mut response = json(StatusCode::OK, &view);
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", view.version)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Reads the own profile.
pub(crate) async fn get(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    Ok(answer(&principal, directory.profile(&principal.account, &principal.user).await?))
}

/// How often a change without `If-Match` starts over because another write came between.
const ATTEMPTS: usize = 4;

/// Changes the own profile.
pub(crate) async fn change(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    IfMatch(expected): IfMatch,
    Patch { values, fields }: Patch<ProfileInput>,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let wanted = ProfileChange { values: &values, fields: &fields, expected };
    let mut outcome = Err(StoreError::Busy);
    for _ in 0..ATTEMPTS {
        outcome = directory.change_profile(&principal.account, &principal.user, &wanted).await;
        if !matches!(outcome, Err(StoreError::Busy)) {
            break;
        }
    }
    match outcome {
        Ok(changed) => Ok(answer(&principal, changed)),
        Err(stale @ StoreError::Stale { .. }) => {
            let current = directory.profile(&principal.account, &principal.user).await?;
            let current = serde_json::to_value(view(&principal, current));
            let current = current.map_err(|error| Problem::internal(&error))?;
            Err(Problem::from(stale).with_member("current", current))
        }
        Err(error) => Err(error.into()),
    }
}
