//! `POST /api/auth/step-up`: the user proves again who they are, for what asks for a recent proof.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use nexo_api::{Body, Input, Platform, Problem, RequestContext, SignedIn};
use nexo_domain::SecurityEventType;
use nexo_store::{Proof, ProvenSession, StoreError};
use serde::Deserialize;

use crate::attempts::{OwnAttempt, ProofBy};
use crate::mfa::{self, Outcome, Own, SecondFactor};
use crate::password::Password;
use crate::webauthn::Assertion;
use crate::{Auth, activity};

/// Who has a second factor gives one of it; who has none gives the password.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepUp {
    /// The user's password.
    password: Option<Password>,
    /// The code that the authenticator app shows.
    totp: Option<String>,
    /// A proof by a passkey, made with the options of `/api/auth/login/passkey/options`.
    passkey: Option<Assertion>,
    /// One of the recovery codes.
    recovery_code: Option<String>,
}

impl Input for StepUp {
    const SAMPLE: &'static str = "{}";
}

/// Makes the session's proof one of now. It is in force in every function with its next request.
pub(crate) async fn step_up(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(given): Body<StepUp>,
) -> Result<Response, Problem> {
    let StepUp { password, totp, passkey, recovery_code } = given;
    let second = SecondFactor { totp, passkey, recovery_code };
    let (account, user, clock) = (&principal.account, &principal.user, &platform.clock);
    let Own { directory, profile, mut factors, .. } = Own::read(&platform, &context, &principal).await?;
    let by = if factors.is_enrolled() { ProofBy::SecondFactor } else { ProofBy::Password };
    match by {
        ProofBy::Password if password.is_none() => return Err(required("/password", "is required")),
        ProofBy::SecondFactor if second.is_missing() => {
            let choices = mfa::choices(&factors).join(", ");
            return Err(required("", &format!("must have one of your second factors: {choices}")));
        }
        ProofBy::Password | ProofBy::SecondFactor => {}
    }
    let attempt = OwnAttempt::count(&directory, clock, &principal, &profile.email, by).await?;
    let who = (account, user, &profile.email);
    let outcome = auth.check_second_factor(clock, who, &mut factors, &second)?;
    let proven = match (outcome, password) {
        (Outcome::Right(challenge), _) => Ok((Some(&factors), challenge)),
        (Outcome::NotNeeded, Some(password)) => {
            attempt.check_password(&auth.hasher, password, "/password").await.map(|()| (None, None))
        }
        (Outcome::NotNeeded | Outcome::Missing | Outcome::Wrong, _) => Err(wrong()),
    };
    let noted = SecurityEventType::StepUp;
    let (factors, challenge) = activity::checked(&platform, &context, noted, proven).await?;
    let session = ProvenSession::Renewed(&principal.session, clock.now_seconds());
    let event =
        activity::with_session(context.event(SecurityEventType::StepUp).by(*user), &principal.session);
    let proof = Proof {
        account,
        user,
        session,
        login: None,
        factors,
        challenge: challenge.as_ref(),
        mail: None,
        event: &event,
    };
    let recorded = directory.record(&proof).await.map_err(|error| match error {
        StoreError::Spent => wrong(),
        error => error.into(),
    });
    activity::checked(&platform, &context, noted, recorded).await?;
    attempt.forget().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn wrong() -> Problem {
    Problem::invalid_field("", "wrong_code", "has a wrong second factor, or one that was used before")
}

fn required(pointer: &str, message: &str) -> Problem {
    Problem::invalid_field(pointer, "required", message)
}
