//! Sessions: one for each login on a device.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Caller, Id, Platform, Problem, RequestContext, SignedIn, json};
use nexo_domain::{AccountId, SecurityEventType, SessionId, Timestamp, UserId, kind};
use nexo_identity::{Clock, SessionPrincipal};
use nexo_store::{Directory, Session, SessionUse};
use serde::Serialize;

use crate::activity;
use crate::refresh::IDLE_SECONDS;

/// A session that begins now.
pub(crate) fn begin(clock: &Clock, caller: &Caller) -> Session {
    let last_use = use_now(clock, caller);
    Session {
        generation: 0,
        created_at: last_use.rotated_at,
        authenticated_at: last_use.rotated_at.as_seconds(),
        is_for_setup: false,
        is_multi_factor: false,
        last_use,
    }
}

/// A use of a session now.
pub(crate) fn use_now(clock: &Clock, caller: &Caller) -> SessionUse {
    let now = clock.now();
    SessionUse {
        rotated_at: now,
        expires_at: now.as_seconds() + IDLE_SECONDS,
        ip: caller.ip.clone(),
        user_agent: caller.user_agent.clone(),
    }
}

/// Ends all sessions of a user but the one that is kept, if any.
pub(crate) async fn end_all(
    directory: &Directory,
    account: &AccountId,
    user: &UserId,
    kept: Option<&SessionId>,
) -> Result<(), Problem> {
    for (id, _) in directory.sessions(account, user).await? {
        if Some(&id) != kept {
            directory.end_session(account, user, &id).await?;
        }
    }
    Ok(())
}

/// Ends all sessions of a user but one.
pub(crate) async fn end_all_but(
    directory: &Directory,
    principal: &SessionPrincipal,
    kept: &SessionId,
) -> Result<(), Problem> {
    end_all(directory, &principal.account, &principal.user, Some(kept)).await
}

/// The user's sessions, latest first.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionList {
    data: Vec<SessionView>,
}

/// A session, as its user sees it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct SessionView {
    id: SessionId,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
    ip: String,
    user_agent: Option<String>,
}

/// `GET /api/auth/sessions`.
pub(crate) async fn list(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    let mut sessions = directory.sessions(&principal.account, &principal.user).await?;
    let now = platform.clock.now_seconds();
    // The table's TTL removes items up to days late.
    sessions.retain(|(_, session)| session.last_use.expires_at > now);
    let data = sessions.into_iter().rev().map(|(id, session)| SessionView {
        id,
        current: id == principal.session,
        created_at: session.created_at,
        last_used_at: session.last_use.rotated_at,
        expires_at: Timestamp::from_millis(session.last_use.expires_at.saturating_mul(1000)),
        ip: session.last_use.ip,
        user_agent: session.last_use.user_agent,
    });
    Ok(json(StatusCode::OK, &SessionList { data: data.collect() }))
}

/// `DELETE /api/auth/sessions/{id}`.
pub(crate) async fn revoke(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Id(session): Id<kind::Session>,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    if directory.session(&principal.account, &principal.user, &session).await?.is_none() {
        return Err(Problem::not_found());
    }
    directory.end_session(&principal.account, &principal.user, &session).await?;
    let event = activity::with_session(context.event(SecurityEventType::SessionEnd), &session);
    platform.note(&context, &principal.account, &principal.user, &event).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
