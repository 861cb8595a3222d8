//! `POST /api/auth/password-reset`, and `/password-reset/confirm`.
//!
//! As with a registration, only the mail says whether the address is known: for one that is not, a mail that
//! is never sent is written.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use nexo_api::{Body, Input, Platform, Problem, RequestContext};
use nexo_domain::{Email, SecurityEventType};
use nexo_identity::{Link, Purpose};
use nexo_mail::{Change, Message};
use nexo_store::{Candidate, Login, PendingReset, Told};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::attempts::{self, Act};
use crate::origin::Origin;
use crate::password::{Length, Password};
use crate::{Auth, links, sessions};

/// Whose password is forgotten.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Forgotten {
    email: Email,
}

impl Input for Forgotten {
    const SAMPLE: &'static str = r#"{"email":"ada@acme.example"}"#;
}

/// A link is good for so long, in seconds.
const KEPT: i64 = 30 * 60;

/// Mails a link to choose a new password. Earlier ones stay good until one of them is used: nobody takes the
/// user's away by asking for another.
pub(crate) async fn ask(
    State(platform): State<Platform>,
    context: RequestContext,
    Body(Forgotten { email }): Body<Forgotten>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let login =
        attempts::count_mail(&directory, clock, Act::PasswordReset, &email, &context.caller()).await?;
    let id = links::fresh(clock)?;
    let link = Link::new(&["password reset", id.ulid()], id);
    let password = password_digest(login.as_ref());
    let message = match login {
        Some(_) => Message::PasswordReset { link: link.clone() },
        None => Message::Nothing,
    };
    let mail = links::outgoing(clock, None, &email, message)?;
    directory.hold(&link, &PendingReset { email, password }, clock.now_seconds() + KEPT, &[mail]).await?;
    Ok(links::accepted())
}

/// What a link remembers of the password that it is to replace; alike where there is none.
fn password_digest(login: Option<&Login>) -> String {
    let hash = login.map_or("", |login| login.password_hash.as_str());
    URL_SAFE_NO_PAD.encode(Sha256::digest(hash))
}

/// A new password in place of a forgotten one.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Reset {
    token: String,
    new_password: Password,
}

impl Input for Reset {
    const SAMPLE: &'static str = r#"{"token":"nexo_lt1_…","newPassword":"a new sentence to remember"}"#;
}

/// Sets the password that the link's holder chose, and ends all of the user's sessions.
pub(crate) async fn confirm(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<Reset>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let link = auth.link(Purpose::PasswordReset, &given.token)?;
    let PendingReset { email, password } = directory.held(&link).await?.ok_or_else(links::gone)?;
    // It may have moved to another address since.
    let caller = context.caller();
    let (origin, login) = Origin::look(&directory, Act::Login, &email, &caller).await?;
    let is_same = |login: &Login| password_digest(Some(login)) == password;
    let login = login.filter(is_same).ok_or_else(links::gone)?;
    let (account, user) = (&login.account_id, &login.user_id);
    let Candidate { profile, factors, .. } =
        directory.candidate(account, user).await?.ok_or_else(links::gone)?;
    given.new_password.judge_for(&profile, &factors, "/newPassword")?;
    let is_short = given.new_password.is_short();
    let new = auth.hasher.hash(given.new_password).await?;
    let occasion = links::occasion(clock, &caller);
    let message = Message::SecurityChange { what: Change::PasswordByLink, occasion };
    let mail = links::outgoing(clock, Some(login.account_id), &email, message)?;
    // Before as well as after: after this write the link is used, and what failed then is not tried again.
    sessions::end_all(&directory, &login.account_id, &login.user_id, None).await?;
    // Beside a second factor, the counts guard that one too, of which a link says nothing.
    let cleared = if factors.is_enrolled() { Vec::new() } else { origin.counts_at_address(&email) };
    let length = Length { directory: &directory, account, user, factors: &factors, is_short };
    length.note_before().await?;
    let told = Told { mail: &mail, event: &context.event(SecurityEventType::PasswordReset) };
    links::done(directory.reset_password(&link, &email, &login, &new, &cleared, told).await?)?;
    // The password is set. What stays noted is put right by the next change.
    let _ = length.note_after().await;
    // One that began since is over too; this only takes it out of the user's list.
    let _ = sessions::end_all(&directory, &login.account_id, &login.user_id, None).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
