//! `POST /api/auth/logout` and `/logout-all`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Platform, Problem, RequestContext, SignedIn};
use nexo_domain::SecurityEventType;

use crate::tokens::clear_cookie;
use crate::{activity, sessions};

/// Ends the session that asks.
pub(crate) async fn logout(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    directory.end_session(&principal.account, &principal.user, &principal.session).await?;
    let event = activity::with_session(context.event(SecurityEventType::Logout), &principal.session);
    platform.note(&context, &principal.account, &principal.user, &event).await;
    Ok(logged_out())
}

/// Ends all sessions of the user.
pub(crate) async fn logout_all(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    // The one that asks comes last: while it lasts, a request that failed half-way can be repeated.
    sessions::end_all_but(&directory, &principal, &principal.session).await?;
    directory.end_session(&principal.account, &principal.user, &principal.session).await?;
    let event = context.event(SecurityEventType::LogoutAll);
    platform.note(&context, &principal.account, &principal.user, &event).await;
    Ok(logged_out())
}

fn logged_out() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    clear_cookie(&mut response);
    response
}
