//! Authenticator apps: time-based one-time passwords (RFC 6238), six digits, a new one each 30 s.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Body, Code, Input, Platform, Problem, RequestContext, SignedIn, json};
use nexo_domain::{AccountId, Email, SecurityEventType, Timestamp, UserId};
use nexo_identity::Clock;
use nexo_mail::Change;
use nexo_store::{Factors, PendingTotp, Totp};
use serde::{Deserialize, Serialize};
use totp_rs::Builder;

use crate::attempts::{OwnAttempt, ProofBy};
use crate::mfa::Own;
use crate::password::Password;
use crate::recovery::{Codes, RecoveryCodes};
use crate::{Auth, activity, mfa};

/// What an authenticator app shows as the service's name.
const ISSUER: &str = "NEXO";

/// 160 bits, as RFC 4226 (section 4, R6) recommends.
const SECRET_BYTES: usize = 20;

/// Seconds in which an app that is being set up must show its first code.
const PENDING_SECONDS: i64 = 10 * 60;

/// SHA-1, six digits, 30 s, and one step before and after the present one: what every app can do, and room
/// for a clock that is half a minute off (RFC 6238, section 5.2).
fn app(secret: Vec<u8>, email: &Email) -> Result<totp_rs::Totp, Problem> {
    let builder =
        Builder::new().with_secret(secret).with_issuer(Some(ISSUER)).with_account_name(email.as_str());
    builder.build().map_err(|error| Problem::internal(&error))
}

/// The step whose code was given.
fn step_of(app: &totp_rs::Totp, code: &str, clock: &Clock) -> Option<u64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(16).collect();
    app.check(&digits, u64::try_from(clock.now_seconds()).ok()?)
}

impl Auth {
    /// Whether `code` is one of the user's app. Notes that it is used up: it, and all before, are good for
    /// nothing once `factors` are saved.
    pub(crate) fn use_totp(
        &self,
        clock: &Clock,
        (account, user, email): (&AccountId, &UserId, &Email),
        factors: &mut Factors,
        code: &str,
    ) -> Result<bool, Problem> {
        let Some(totp) = &mut factors.totp else { return Ok(false) };
        let app = app(self.seal.open(account, user, &totp.secret)?, email)?;
        let step = step_of(&app, code, clock).filter(|step| *step > totp.last_step);
        totp.last_step = step.unwrap_or(totp.last_step);
        Ok(step.is_some())
    }
}

/// Asks for an authenticator app.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewTotp {
    /// The user's password.
    password: Password,
}

impl Input for NewTotp {
    const SAMPLE: &'static str = r#"{"password":"correct horse battery staple"}"#;
}

/// What the app is to know. It is shown once.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotpSetup {
    /// The secret in base 32, to be typed into the app.
    secret: String,
    /// The same as an `otpauth:` URI, to be shown as a QR code.
    uri: String,
    /// Until when the app must have shown a code.
    expires_at: Timestamp,
}

/// `POST /api/auth/mfa/totp`: a secret for an app. One that is in use stays until the new one is confirmed.
pub(crate) async fn start(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(new): Body<NewTotp>,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    own.check_password(&auth, new.password).await?;
    let mut secret = vec![0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| Problem::internal(&error))?;
    let sealed = auth.seal.seal(&principal.account, &principal.user, &secret)?;
    let app = app(secret, &own.profile.email)?;
    let expires_at = platform.clock.now_seconds() + PENDING_SECONDS;
    own.factors.pending_totp = Some(PendingTotp { secret: sealed, expires_at });
    own.save_quietly().await?;
    let setup = TotpSetup {
        secret: app.secret().to_base32(),
        uri: app.to_url().map_err(|error| Problem::internal(&error))?,
        expires_at: Timestamp::from_millis(expires_at * 1000),
    };
    Ok(json(StatusCode::OK, &setup))
}

/// The first code of an app.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FirstCode {
    /// The six digits that the app shows.
    code: String,
}

impl Input for FirstCode {
    const SAMPLE: &'static str = r#"{"code":"123456"}"#;
}

/// `POST /api/auth/mfa/totp/confirm`: the app works, and is asked for from now on.
pub(crate) async fn confirm(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(first): Body<FirstCode>,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    let email = &own.profile.email;
    let pending = own.factors.pending_totp.take().filter(|it| it.expires_at > platform.clock.now_seconds());
    let pending = pending.ok_or_else(|| {
        Problem::new(
            Code::MfaNotSetUp,
            "No authenticator app is being set up, or it took too long. Start again.",
        )
    })?;
    let by = ProofBy::SecondFactor;
    let attempt = OwnAttempt::count(&own.directory, &platform.clock, &principal, email, by).await?;
    let app = app(auth.seal.open(&principal.account, &principal.user, &pending.secret)?, email)?;
    let step = step_of(&app, &first.code, &platform.clock);
    let checked = step.ok_or_else(|| Problem::invalid_field("/code", "wrong_code", "is not the app's code"));
    let last_step = activity::checked(&platform, &context, SecurityEventType::FactorChange, checked).await?;
    let codes = Codes::fresh(&principal.user)?;
    own.factors.totp = Some(Totp { secret: pending.secret, last_step });
    own.factors.recovery_codes = codes.kept;
    own.add(Change::TotpAdded, None).await?;
    attempt.forget().await;
    Ok(json(StatusCode::OK, &RecoveryCodes { recovery_codes: codes.shown }))
}

/// `DELETE /api/auth/mfa/totp`: the app is asked for no more. Without any second factor there is nothing for
/// recovery codes to stand in for.
pub(crate) async fn remove(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    if own.factors.totp.take().is_none() {
        return Err(Problem::not_found());
    }
    mfa::may_be_without(&own.factors, own.asks_for_mfa)?;
    own.factors.drop_idle_codes();
    own.save(Change::TotpRemoved).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, for SHA-1: the last six of its eight digits.
    #[test]
    fn a_code_is_the_rfcs() {
        let app = app(b"12345678901234567890".to_vec(), &"ada@acme.example".parse().unwrap()).unwrap();
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(app.generate(time).to_string(), code);
            // One step either side, and no more. There are not two before the first.
            if time < 60 {
                continue;
            }
            for (given_at, step) in
                [(-60, None), (-30, Some(time / 30)), (0, Some(time / 30)), (30, Some(time / 30)), (60, None)]
            {
                assert_eq!(app.check(code, time.saturating_add_signed(given_at)), step, "{time} {given_at}");
            }
        }
        assert_eq!(app.check("28708", 59), None);
        assert_eq!(app.check("0287082", 59), None);
    }

    #[test]
    fn the_uri_is_what_apps_read() {
        let app = app(b"12345678901234567890".to_vec(), &"ada+crm@acme.example".parse().unwrap()).unwrap();
        assert_eq!(
            app.to_url().unwrap(),
            "otpauth://totp/NEXO:ada%2Bcrm%40acme.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=NEXO"
        );
    }
}
