//! `GET /api/auth/activity`: what happened to the user's access. And what is noted of those who are not
//! logged in.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access, Activity, ActivityQuery, Code, Operation, Platform, Problem, RequestContext, SignedIn, Verb,
    json, shape,
};
use nexo_domain::{AccountId, SecurityEventType, SessionId, UserId};
use nexo_store::SecurityEvent;

pub(crate) const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/activity",
    id: "listActivity",
    summary: "What happened to the user's access within 180 days, newest first",
    access: Access::SignedIn,
    problems: &[400],
    success: 200,
    shape: shape!(|draft| _ = draft.activity()),
};

/// Lists the user's own events.
pub(crate) async fn list(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    ActivityQuery(query): ActivityQuery,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    let page = directory.events(&principal.account, &principal.user, &query).await?;
    Ok(json(StatusCode::OK, &Activity::from(page)))
}

/// A login of `user`, which opens `session`.
pub(crate) fn logged_in(context: &RequestContext, user: &UserId, session: &SessionId) -> SecurityEvent {
    with_session(context.event(SecurityEventType::Login).by(*user), session)
}

/// Says which session an event opened or ended.
pub(crate) fn with_session(event: SecurityEvent, session: &SessionId) -> SecurityEvent {
    event.with("sessionId", session.to_string())
}

/// Notes a login that failed, for whoever has the address. Where nobody has it, the same is
/// written for nobody: calls and cost are alike.
pub(crate) async fn note_failed_login(
    platform: &Platform,
    context: &RequestContext,
    whose: Option<(AccountId, UserId)>,
) {
    let event = context.event(SecurityEventType::Login).failed();
    let directory = platform.directory(context.meter());
    let noted = match whose {
        Some((account, user)) => directory.note(&account, &user, &event).await,
        None => directory.note_for_nobody(&event).await,
    };
    if let Err(error) = noted {
        context.warn(format!("security event not kept: {error}"));
    }
}

/// Notes that a signed-in user gave a wrong proof.
pub(crate) async fn checked<T>(
    platform: &Platform,
    context: &RequestContext,
    r#type: SecurityEventType,
    outcome: Result<T, Problem>,
) -> Result<T, Problem> {
    let is_wrong = outcome.as_ref().err().is_some_and(|problem| problem.code() == Code::ValidationFailed);
    if let Some(principal) = context.principal().filter(|_| is_wrong) {
        let event = context.event(r#type).failed();
        platform.note(context, &principal.account, &principal.user, &event).await;
    }
    outcome
}
