//! `POST /api/auth/login`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Body, Caller, Code, Input, Platform, Problem, RequestContext};
use nexo_domain::{Email, UserStatus, kind};
use nexo_identity::{SessionPrincipal, Standing};
use nexo_store::{Candidate, Directory, Login, LoginUse, Proof, ProvenSession, Session};
use serde::Deserialize;

use crate::attempts::Act;
use crate::mfa::{Outcome, SecondFactor};
use crate::origin::Origin;
use crate::password::Password;
use crate::tokens::{TokenDelivery, User};
use crate::webauthn::Assertion;
use crate::{Auth, activity, mfa, sessions};

/// What a user logs in with. Who has a second factor gives one of it besides the password.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Credentials {
    email: Email,
    password: Password,
    /// The code that the authenticator app shows.
    totp: Option<String>,
    /// A proof by a passkey, made with the options of `/api/auth/login/passkey/options`.
    passkey: Option<Assertion>,
    /// One of the recovery codes.
    recovery_code: Option<String>,
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for Credentials {
    const SAMPLE: &'static str = r#"{"email":"ada@acme.example","password":"correct horse battery staple"}"#;
}

/// Logs a user in. Whatever is wrong, the answer, the calls and the one hash are the same.
pub(crate) async fn login(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<Credentials>,
) -> Result<Response, Problem> {
    let Credentials { email, password, totp, passkey, recovery_code, token_delivery } = given;
    let directory = platform.directory(context.meter());
    auth.keep_keys_published(&directory, &platform.clock).await?;
    let caller = context.caller();
    let (origin, login) = Origin::look(&directory, Act::Login, &email, &caller).await?;
    origin.count(&directory, &platform.clock).await?;
    let whose = login.as_ref().map(|login| (login.account_id, login.user_id));
    let second = SecondFactor { totp, passkey, recovery_code };
    let attempt = Attempt { platform, auth, context, directory, caller, email, password, second, origin };
    let opened = match attempt.open(login).await {
        // Another login renewed the hash first, or used the code: what is there now decides.
        Err(problem) if problem.code() == Code::Conflict => {
            attempt.open(attempt.directory.login(&attempt.email, &[]).await?.login).await
        }
        opened => opened,
    };
    if opened.as_ref().is_err_and(|problem| problem.code() == Code::InvalidCredentials) {
        activity::note_failed_login(&attempt.platform, &attempt.context, whose).await;
    }
    let is_right = opened.as_ref().err().is_none_or(|problem| problem.code() == Code::MfaRequired);
    if is_right {
        // That one attempt too many stays counted for an hour must not undo it.
        let _ = attempt.directory.forgive(&attempt.origin.by_network.attempts).await;
    }
    let (principal, state, user) = opened?;
    attempt.auth.answer(StatusCode::OK, &principal, &state, token_delivery, Some(user))
}

/// A login that is counted already.
struct Attempt {
    platform: Platform,
    auth: Auth,
    context: RequestContext,
    directory: Directory,
    caller: Caller,
    email: Email,
    password: Password,
    second: SecondFactor,
    origin: Origin,
}

impl Attempt {
    /// Opens a session if everything is right. The user is read before anything is judged, under made-up
    /// ids where there is no login.
    async fn open(&self, login: Option<Login>) -> Result<(SessionPrincipal, Session, User), Problem> {
        let clock = &self.platform.clock;
        let minted = |error| Problem::internal(&error);
        let (account, user) = match &login {
            Some(login) => (login.account_id, login.user_id),
            None => (clock.mint().map_err(minted)?, clock.mint().map_err(minted)?),
        };
        let candidate = self.directory.candidate(&account, &user).await?;
        let hash = login.as_ref().map(|login| login.password_hash.clone());
        let is_right = self.auth.hasher.verify(self.password.clone(), hash).await?;
        let candidate = candidate.filter(|candidate| candidate.access.status == UserStatus::Active);
        let (Some(login), Some(candidate)) = (login.filter(|_| is_right), candidate) else {
            return Err(Problem::invalid_credentials());
        };
        let Candidate { profile, access, mut factors, asks_for_mfa } = candidate;
        let who = (&account, &user, &self.email);
        let (factors, challenge) =
            match self.auth.check_second_factor(clock, who, &mut factors, &self.second)? {
                Outcome::NotNeeded => (None, None),
                Outcome::Right(challenge) => (Some(&factors), challenge),
                Outcome::Missing => return Err(mfa::missing(&factors)),
                Outcome::Wrong => return Err(Problem::invalid_credentials()),
            };
        let renewed = self.renew(&login).await;
        let session = clock.mint::<kind::Session>().map_err(minted)?;
        let mut state = sessions::begin(clock, &self.caller);
        state.is_for_setup = asks_for_mfa && factors.is_none();
        state.is_multi_factor = factors.is_some();
        let mail = self.origin.mail(clock, &self.caller, account, &self.email)?;
        let login = self.origin.remember(login);
        let login = LoginUse {
            email: &self.email,
            login: &login,
            renewed: renewed.as_deref(),
            cleared: &self.origin.by_address.attempts,
        };
        let proof = Proof {
            account: &account,
            user: &user,
            session: ProvenSession::Opened(&session, &state),
            login: Some(login),
            factors,
            challenge: challenge.as_ref(),
            mail: mail.as_ref(),
            event: &activity::logged_in(&self.context, &user, &session),
        };
        self.directory.record(&proof).await?;
        let standing = Arc::new(Standing { roles: access.role_ids, ..Standing::default() });
        let principal = SessionPrincipal { account, user, session, standing };
        let user = User::new(&principal, &profile);
        Ok((principal, state, user))
    }

    /// Only a login has the password to hash anew; if that fails now, the next one does it.
    async fn renew(&self, login: &Login) -> Option<String> {
        let renewed = self.auth.hasher.renew(self.password.clone(), &login.password_hash).await;
        renewed.unwrap_or_else(|problem| {
            let cause = problem.cause().unwrap_or_default();
            self.context.warn(format!("password hash not renewed: {cause}"));
            None
        })
    }
}
