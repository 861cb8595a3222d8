//! `POST /api/auth/email`, `/email/confirm` and `/email/cancel`.
//!
//! An address is changed when both the old and the new one have confirmed it. The new one shows that it is
//! the user's; the old one, that it is not somebody else who sits at the user's session. The old one can
//! stop it instead.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Body, Input, Platform, Problem, RequestContext, SignedIn};
use nexo_domain::{Email, SecurityEventType};
use nexo_identity::{Link, Purpose};
use nexo_mail::{Change, Message};
use nexo_store::{PendingEmail, Side};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::attempts::{self, Act, OwnAttempt, ProofBy};
use crate::links::Opened;
use crate::password::Password;
use crate::{Auth, activity, links, sessions};

/// Another address for a user.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEmail {
    new_email: Email,
    password: Password,
}

impl Input for NewEmail {
    const SAMPLE: &'static str =
        r#"{"newEmail":"ada@lovelace.example","password":"correct horse battery staple"}"#;
}

/// A change waits so long for both addresses, in seconds.
const KEPT: i64 = 24 * 3600;

/// Asks both addresses to confirm a change.
pub(crate) async fn ask(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(NewEmail { new_email, password }): Body<NewEmail>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let old_email = directory.profile(&principal.account, &principal.user).await?.email;
    if new_email == old_email {
        return Err(Problem::invalid_field("/newEmail", "unchanged", "must be another than the current one"));
    }
    let attempt = OwnAttempt::count(&directory, clock, &principal, &old_email, ProofBy::Password).await?;
    let checked = attempt.check_password(&auth.hasher, password, "/password").await;
    activity::checked(&platform, &context, SecurityEventType::EmailChange, checked).await?;
    let taken =
        attempts::count_mail(&directory, clock, Act::EmailChange, &new_email, &context.caller()).await?;
    let link = Link::new(&["email", principal.user.ulid()], links::fresh(clock)?);
    let to_new = match taken {
        None => Message::EmailChange { link: link.clone() },
        Some(_) => Message::AddressTaken,
    };
    let to_old = Message::EmailChangeRequested { link: link.clone(), new_email: new_email.clone() };
    let mails = [
        links::outgoing(clock, None, &new_email, to_new)?,
        links::outgoing(clock, Some(principal.account), &old_email, to_old)?,
    ];
    let pending = PendingEmail {
        account_id: principal.account,
        user_id: principal.user,
        session_id: principal.session,
        old_email,
        new_email,
        old_confirmed: false,
        new_confirmed: false,
    };
    directory.hold(&link, &pending, clock.now_seconds() + KEPT, &mails).await?;
    attempt.forget().await;
    Ok(links::accepted())
}

/// What a confirmation came to.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Confirmed {
    /// Whether the address is changed now; otherwise the other address has yet to confirm it.
    changed: bool,
}

/// Confirms a change from one of the addresses; the second of both makes it.
pub(crate) async fn confirm(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(Opened { token }): Body<Opened>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let (link, side) = match auth.link(Purpose::NewEmail, &token) {
        Ok(link) => (link, Side::New),
        Err(_) => (auth.link(Purpose::OldEmail, &token)?, Side::Old),
    };
    // Noted first and judged by what is there then: of two at once, the last sees both.
    let pending = directory.confirm_email(&link, side).await?.ok_or_else(links::gone)?;
    let changed = pending.old_confirmed && pending.new_confirmed;
    if changed {
        let PendingEmail { account_id, user_id, session_id, old_email, new_email, .. } = &pending;
        // Who was removed may have left the address to another user since.
        let login = directory.login(old_email, &[]).await?.login;
        let login = login.filter(|login| login.account_id == *account_id && login.user_id == *user_id);
        let login = login.ok_or_else(links::gone)?;
        let occasion = links::occasion(clock, &context.caller());
        let message = Message::SecurityChange { what: Change::Email, occasion };
        let mails = [
            links::outgoing(clock, Some(*account_id), old_email, message.clone())?,
            links::outgoing(clock, Some(*account_id), new_email, message)?,
        ];
        sessions::end_all(&directory, account_id, user_id, Some(session_id)).await?;
        let event = context.event(SecurityEventType::EmailChange).by(*user_id);
        let event = event.with("email", json!({"old": old_email, "new": new_email}));
        links::done(directory.move_email(&link, &pending, &login, &mails, &event).await?)?;
        sessions::end_all(&directory, account_id, user_id, Some(session_id)).await?;
    }
    Ok(nexo_api::json(StatusCode::OK, &Confirmed { changed }))
}

/// Stops a change, from the old address.
pub(crate) async fn cancel(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(Opened { token }): Body<Opened>,
) -> Result<Response, Problem> {
    let link = auth.link(Purpose::KeepEmail, &token)?;
    if platform.directory(context.meter()).drop_held(&link).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(links::gone())
    }
}
