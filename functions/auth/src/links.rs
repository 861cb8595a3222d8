//! What the links of mails, and the mails themselves, have in common.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Caller, Code, Input, Problem};
use nexo_domain::{AccountId, Email, LinkId};
use nexo_identity::{Clock, Link, Purpose};
use nexo_mail::{Letter, Message, Occasion};
use nexo_store::{Outgoing, Used};
use serde::Deserialize;

use crate::Auth;

/// The token of a link.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) token: String,
}

impl Input for Opened {
    const SAMPLE: &'static str = r#"{"token":"nexo_lt1_…"}"#;
}

impl Auth {
    /// The link that `token` is of.
    pub(crate) fn link(&self, purpose: Purpose, token: &str) -> Result<Link, Problem> {
        self.links.open(purpose, token).ok_or_else(gone)
    }
}

/// The answer to a link that leads to nothing: whether it was made up, used, replaced or is out of date.
pub(crate) fn gone() -> Problem {
    let detail = "It was used before, is out of date, was withdrawn, or a later one took its place.";
    Problem::new(Code::LinkGone, detail)
}

/// What came of a link, as an answer, when the change was not made.
pub(crate) fn done(used: Used) -> Result<(), Problem> {
    match used {
        Used::Done => Ok(()),
        Used::Gone => Err(gone()),
        Used::Taken => Err(Problem::new(Code::AlreadyExists, "The address has an account meanwhile.")),
    }
}

/// The answer that says nothing but that a mail tells the rest.
pub(crate) fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// The number of a new link.
pub(crate) fn fresh(clock: &Clock) -> Result<LinkId, Problem> {
    clock.mint().map_err(|error| Problem::internal(&error))
}

/// A mail to a user of `account`, or to an address that belongs to none that is known.
pub(crate) fn outgoing(
    clock: &Clock,
    account: Option<AccountId>,
    to: &Email,
    message: Message,
) -> Result<Outgoing, Problem> {
    let id = clock.mint().map_err(|error| Problem::internal(&error))?;
    Ok(Outgoing { id, account, letter: Letter { to: to.clone(), message } })
}

/// This moment, and where its request came from.
pub(crate) fn occasion(clock: &Clock, caller: &Caller) -> Occasion {
    Occasion { at: clock.now(), ip: caller.ip.clone(), agent: caller.user_agent.clone() }
}
