//! What a user has besides the password.

use axum::extract::State;
use axum::response::Response;
use http::HeaderValue;
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use nexo_api::{Code, Platform, Problem, RequestContext, SignedIn};
use nexo_domain::{AccountId, Email, SecurityEventType, UserId};
use nexo_identity::{Clock, SessionPrincipal};
use nexo_mail::{Change, Message};
use nexo_store::{
    Candidate, Directory, Factors, Outgoing, Profile, Proof, ProvenSession, SecurityEvent, Spent, Told,
};
use serde::Serialize;
use serde_json::json;

use crate::attempts::{OwnAttempt, ProofBy};
use crate::password::Password;
use crate::webauthn::Assertion;
use crate::{Auth, activity, links, recovery, sessions};

/// A user's second factors.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct MfaView {
    /// Whether an authenticator app is set up.
    totp: bool,
    /// How many passkeys there are.
    passkeys: usize,
    /// Recovery codes that were not used yet.
    recovery_codes_left: usize,
    /// Whether the account asks every user for a second factor.
    required: bool,
}

/// `GET /api/auth/mfa`.
pub(crate) async fn get(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    let (factors, required) = directory.factors_and_demand(&principal.account, &principal.user).await?;
    let view = MfaView {
        totp: factors.totp.is_some(),
        passkeys: factors.passkeys.len(),
        recovery_codes_left: factors.recovery_codes.len(),
        required,
    };
    Ok(nexo_api::json(StatusCode::OK, &view))
}

/// What a user gives besides the password. One is enough; the first that is given counts.
#[derive(Default)]
pub(crate) struct SecondFactor {
    pub(crate) totp: Option<String>,
    pub(crate) passkey: Option<Assertion>,
    pub(crate) recovery_code: Option<String>,
}

impl SecondFactor {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self { totp: None, passkey: None, recovery_code: None })
    }
}

/// What came of a second factor.
pub(crate) enum Outcome {
    /// The user has none.
    NotNeeded,
    /// None was given.
    Missing,
    /// It was none of the user's, or used up.
    Wrong,
    /// It is used up once the user's factors are saved, with the challenge that it answered, if any.
    Right(Option<Spent>),
}

impl Auth {
    /// Judges a second factor, and takes it out of `factors` where it is good once.
    pub(crate) fn check_second_factor(
        &self,
        clock: &Clock,
        who: (&AccountId, &UserId, &Email),
        factors: &mut Factors,
        given: &SecondFactor,
    ) -> Result<Outcome, Problem> {
        if !factors.is_enrolled() {
            return Ok(Outcome::NotNeeded);
        }
        let right = match given {
            SecondFactor { totp: Some(code), .. } => {
                self.use_totp(clock, who, factors, code)?.then_some(None)
            }
            SecondFactor { passkey: Some(proof), .. } => {
                self.use_passkey(clock, factors, proof).ok().map(Some)
            }
            SecondFactor { recovery_code: Some(code), .. } => {
                recovery::take(&mut factors.recovery_codes, who.1, code).then_some(None)
            }
            SecondFactor { totp: None, passkey: None, recovery_code: None } => return Ok(Outcome::Missing),
        };
        Ok(right.map_or(Outcome::Wrong, Outcome::Right))
    }
}

/// The second factors of the signed-in user, to be changed.
pub(crate) struct Own<'a> {
    pub(crate) directory: Directory,
    pub(crate) profile: Profile,
    pub(crate) factors: Factors,
    /// Whether the account asks every user for a second factor.
    pub(crate) asks_for_mfa: bool,
    platform: &'a Platform,
    context: &'a RequestContext,
    principal: &'a SessionPrincipal,
}

impl<'a> Own<'a> {
    /// Reads them, in one call.
    pub(crate) async fn read(
        platform: &'a Platform,
        context: &'a RequestContext,
        principal: &'a SessionPrincipal,
    ) -> Result<Self, Problem> {
        let directory = platform.directory(context.meter());
        let found = directory.candidate(&principal.account, &principal.user).await?;
        let Candidate { profile, factors, asks_for_mfa, .. } = found.ok_or_else(Problem::not_found)?;
        Ok(Self { directory, profile, factors, asks_for_mfa, platform, context, principal })
    }

    /// Asks for the password once more, which is counted, and noted when it is wrong.
    pub(crate) async fn check_password(&self, auth: &Auth, given: Password) -> Result<(), Problem> {
        let Self { directory, platform, principal, profile, .. } = self;
        let by = ProofBy::Password;
        let attempt = OwnAttempt::count(directory, &platform.clock, principal, &profile.email, by).await?;
        let checked = attempt.check_password(&auth.hasher, given, "/password").await;
        activity::checked(platform, self.context, SecurityEventType::FactorChange, checked).await?;
        attempt.forget().await;
        Ok(())
    }

    /// What the user is told of a change.
    fn told(&self, what: Change) -> Result<(Outgoing, SecurityEvent), Problem> {
        let Self { context, platform, principal, .. } = *self;
        let clock = &platform.clock;
        let message = Message::SecurityChange { what, occasion: links::occasion(clock, &context.caller()) };
        let mail = links::outgoing(clock, Some(principal.account), &self.profile.email, message)?;
        let event = context.event(SecurityEventType::FactorChange).by(principal.user);
        Ok((mail, event.with("change", json!(what))))
    }

    /// Saves them with one that the user just showed to have: the session is as good as one that was opened
    /// with it. The first one ends all other sessions, which the password alone has opened.
    pub(crate) async fn add(&self, what: Change, challenge: Option<&Spent>) -> Result<(), Problem> {
        let SessionPrincipal { account, user, session, .. } = self.principal;
        let (mail, event) = self.told(what)?;
        let proof = Proof {
            account,
            user,
            session: ProvenSession::Enrolled(session, self.platform.clock.now_seconds()),
            login: None,
            factors: Some(&self.factors),
            challenge,
            mail: Some(&mail),
            event: &event,
        };
        self.directory.record(&proof).await?;
        if self.factors.is_first() {
            // They are admitted no more; this only takes them out of the user's list.
            let ended = sessions::end_all_but(&self.directory, self.principal, session).await;
            if let Err(problem) = ended {
                let cause = problem.cause().unwrap_or_default();
                self.context.warn(format!("sessions not taken out of the list: {cause}"));
            }
        }
        Ok(())
    }

    /// Saves them, and tells the user.
    pub(crate) async fn save(&self, what: Change) -> Result<(), Problem> {
        let (mail, event) = self.told(what)?;
        self.write(Some(Told { mail: &mail, event: &event })).await
    }

    /// Saves a change that says nothing of who can log in.
    pub(crate) async fn save_quietly(&self) -> Result<(), Problem> {
        self.write(None).await
    }

    async fn write(&self, told: Option<Told<'_>>) -> Result<(), Problem> {
        let SessionPrincipal { account, user, session, .. } = self.principal;
        Ok(self.directory.save_factors(account, user, Some(session), &self.factors, told).await?)
    }
}

/// The factors that would do, as `mfa_required` names them.
pub(crate) fn choices(factors: &Factors) -> Vec<&'static str> {
    let has = [
        ("totp", factors.totp.is_some()),
        ("passkey", !factors.passkeys.is_empty()),
        ("recovery_code", !factors.recovery_codes.is_empty()),
    ];
    has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

/// 401 for a login whose password is right and whose second factor was not given.
pub(crate) fn missing(factors: &Factors) -> Problem {
    Problem::new(Code::MfaRequired, "The password is right. Send it again with one of the `factors`.")
        .with_member("factors", choices(factors))
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// Refuses to leave a user without a second factor who needs one.
pub(crate) fn may_be_without(factors: &Factors, asks_for_mfa: bool) -> Result<(), Problem> {
    let why = match factors {
        _ if factors.is_enrolled() => return Ok(()),
        _ if asks_for_mfa => "The account asks every user for a second factor. Set up another one first.",
        Factors { has_short_password: true, .. } => {
            "The password is too short to stand alone. Set one of at least 15 characters first."
        }
        _ => return Ok(()),
    };
    Err(Problem::new(Code::MfaNeeded, why))
}
