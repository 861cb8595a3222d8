//! `POST /api/auth/refresh`: one refresh token for the next, and an access token.
//!
//! A token is good once. Using it again means that two hold it, and one of them stole it: the whole
//! session ends. The one exception is its immediate successor within ten seconds, for a client that
//! lost the answer: it gets the same successor again (RFC 9700, section 4.14.2).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use nexo_api::{Input, OptionalBody, Platform, Problem, RequestContext};
use nexo_domain::SecurityEventType;
use nexo_identity::{RefreshToken, SessionPrincipal, Standing};
use nexo_store::{Rotation, Session, SessionUse};
use serde::Deserialize;

use crate::tokens::{TokenDelivery, from_cookie};
use crate::{Auth, activity, sessions};

/// A session ends when its refresh token was not used for so many seconds.
pub(crate) const IDLE_SECONDS: i64 = 30 * 24 * 3600;

/// A session ends after so many seconds, however it is used.
pub(crate) const LONGEST_SECONDS: i64 = 90 * 24 * 3600;

/// How long after its use a token still gets the successor it got, in milliseconds.
const GRACE_MS: i64 = 10_000;

/// A refresh token, unless the cookie has it.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Refresh {
    refresh_token: Option<String>,
}

impl Input for Refresh {
    const SAMPLE: &'static str = "{}";
}

/// Rotates a refresh token.
pub(crate) async fn refresh(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    headers: HeaderMap,
    OptionalBody(body): OptionalBody<Refresh>,
) -> Result<Response, Problem> {
    let in_body = body.and_then(|body| body.refresh_token);
    let delivery = if in_body.is_some() { TokenDelivery::Body } else { TokenDelivery::Cookie };
    let text = in_body.or_else(|| from_cookie(&headers));
    let text = text.ok_or_else(|| refused("no refresh token"))?;
    let token =
        auth.signer.refresh_key().open(&text).ok_or_else(|| refused("not a refresh token of ours"))?;
    let directory = platform.directory(context.meter());
    auth.keep_keys_published(&directory, &platform.clock).await?;
    let next = next_use(&platform, &token, &context);
    let session = match directory.rotate(&token, &next).await? {
        Rotation::Rotated(session) => session,
        Rotation::Gone => return Err(refused("the session is over")),
        Rotation::Found(session) => judge(&platform, &context, &token, session).await?,
    };
    let access = directory.access(&token.account, &token.user).await?;
    let access = access.filter(|access| access.admits(&token.session, &session));
    let access = access.ok_or_else(|| refused("the user is disabled or no more"))?;
    // The token names the roles; what those of the account's own grant is looked up where it is used.
    let standing = Standing { roles: access.role_ids, ..Standing::default() };
    let RefreshToken { account, user, session: id, .. } = token;
    let principal = SessionPrincipal { account, user, session: id, standing: Arc::new(standing) };
    auth.answer(StatusCode::OK, &principal, &session, delivery, None)
}

/// What a token that is not the current one means.
async fn judge(
    platform: &Platform,
    context: &RequestContext,
    token: &RefreshToken,
    session: Session,
) -> Result<Session, Problem> {
    let now = platform.clock.now_ms();
    if session.last_use.expires_at <= now / 1000 {
        return Err(refused("the session is over"));
    }
    let just_spent = session.generation == token.generation.saturating_add(1);
    if just_spent && now - session.last_use.rotated_at.as_millis() <= GRACE_MS {
        return Ok(session);
    }
    let RefreshToken { account, user, session, .. } = token;
    platform.directory(context.meter()).end_session(account, user, session).await?;
    // Whoever it was has a token of the user's, and need not be the user.
    let event = context.event(SecurityEventType::RefreshTokenReuse).failed();
    platform.note(context, account, user, &activity::with_session(event, session)).await;
    Err(refused("a spent refresh token was used again: the session was ended"))
}

fn next_use(platform: &Platform, token: &RefreshToken, context: &RequestContext) -> SessionUse {
    let began = i64::try_from(token.session.timestamp_ms()).unwrap_or(i64::MAX) / 1000;
    let mut next = sessions::use_now(&platform.clock, &context.caller());
    next.expires_at = next.expires_at.min(began.saturating_add(LONGEST_SECONDS));
    next
}

fn refused(why: &'static str) -> Problem {
    Problem::unauthenticated(&why)
}
