//! Passkeys: registering, listing and removing them, and logging in with one.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Body, Code, Id, Input, Patch, Platform, Problem, RequestContext, SignedIn, json};
use nexo_domain::{Email, PasskeyId, Text, Timestamp, UserStatus, kind};
use nexo_identity::{Clock, SessionPrincipal, Standing};
use nexo_mail::Change;
use nexo_store::{Candidate, Factors, LoginUse, Passkey, Proof, ProvenSession, Session, Spent, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};

use crate::attempts::Act;
use crate::mfa::Own;
use crate::origin::Origin;
use crate::password::Password;
use crate::tokens::{TokenDelivery, User};
use crate::webauthn::{Assertion, CHALLENGE_SECONDS, Ceremony, Known, NewCredential, cose, user_handle};
use crate::{Auth, activity, mfa, sessions};

/// Passkeys of one user: a bound on the item they are in.
const MOST: usize = 20;

/// What a browser is asked with. `publicKey` is read by `PublicKeyCredential.parseCreationOptionsFromJSON()`
/// or `parseRequestOptionsFromJSON()`.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    public_key: Value,
}

fn answer_options(public_key: Value) -> Response {
    json(StatusCode::OK, &Options { public_key })
}

/// `POST /api/auth/passkey/options`: how to make a passkey.
pub(crate) async fn options(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let (account, user) = (&principal.account, &principal.user);
    let Own { profile, factors, .. } = Own::read(&platform, &context, &principal).await?;
    let known = factors.passkeys.iter().map(|passkey| {
        value!({"type": "public-key", "id": passkey.credential_id, "transports": passkey.transports})
    });
    Ok(answer_options(value!({
        "rp": {"id": auth.party.id, "name": "NEXO"},
        "user": {
            "id": user_handle(account, user),
            "name": profile.email,
            "displayName": format!("{} {}", profile.first_name, profile.last_name),
        },
        "challenge": auth.party.challenge(&platform.clock, Ceremony::Registration(account, user))?,
        "pubKeyCredParams": cose::ALGORITHMS.map(|alg| value!({"type": "public-key", "alg": alg})),
        "timeout": CHALLENGE_SECONDS * 1000,
        "excludeCredentials": known.collect::<Vec<_>>(),
        "authenticatorSelection":
            {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
        "attestation": "none",
    })))
}

/// A passkey that was just made.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What the user calls it.
    name: Text<100>,
    /// `credential.toJSON()`.
    credential: NewCredential,
    /// The user's password, which is asked for where there is no second factor yet.
    password: Option<Password>,
}

impl Input for NewPasskey {
    const SAMPLE: &'static str = r#"{"name":"My phone","credential":{"id":"AAAA","response":{"clientDataJSON":"e30","authenticatorData":"AAAA"}}}"#;
}

/// A user's passkey.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasskeyView {
    id: PasskeyId,
    name: Text<100>,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    /// Whether it is synchronised to other devices.
    is_backed_up: bool,
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        let Passkey { id, name, created_at, last_used_at, is_backed_up, .. } = passkey;
        Self { id, name, created_at, last_used_at, is_backed_up }
    }
}

/// `POST /api/auth/passkeys`: registers one.
pub(crate) async fn create(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(new): Body<NewPasskey>,
) -> Result<Response, Problem> {
    let (account, user, clock) = (&principal.account, &principal.user, &platform.clock);
    let mut own = Own::read(&platform, &context, &principal).await?;
    if !own.factors.is_enrolled() {
        // Whoever only got hold of a session must not lock its user out.
        let password =
            new.password.ok_or_else(|| Problem::invalid_field("/password", "required", "is required"))?;
        own.check_password(&auth, password).await?;
    }
    let known = &mut own.factors.passkeys;
    if known.len() >= MOST {
        return Err(refused("too_many", format!("is one more than the {MOST} that a user may have")));
    }
    let registered = auth.party.register(clock, Ceremony::Registration(account, user), &new.credential);
    let registered = registered.map_err(|why| refused("not_verified", format!("cannot be taken: {why}")))?;
    if known.iter().any(|known| known.credential_id == registered.credential_id) {
        return Err(Problem::new(Code::AlreadyExists, "This passkey is registered already."));
    }
    let passkey = Passkey {
        id: clock.mint().map_err(|error| Problem::internal(&error))?,
        name: new.name,
        credential_id: registered.credential_id,
        public_key: registered.public_key,
        sign_count: registered.sign_count,
        is_backup_eligible: registered.is_backup_eligible,
        is_backed_up: registered.is_backed_up,
        transports: registered.transports,
        created_at: clock.now(),
        last_used_at: None,
    };
    known.push(passkey.clone());
    own.add(Change::PasskeyAdded, Some(&registered.challenge)).await.map_err(|problem| {
        match problem.code() {
            Code::InvalidCredentials => {
                refused("not_verified", "cannot be taken: its challenge was used before".into())
            }
            _ => problem,
        }
    })?;
    Ok(json(StatusCode::CREATED, &PasskeyView::from(passkey)))
}

fn refused(code: &str, message: String) -> Problem {
    Problem::invalid_field("/credential", code, message)
}

/// The user's passkeys, oldest first.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasskeyList {
    data: Vec<PasskeyView>,
}

/// `GET /api/auth/passkeys`.
pub(crate) async fn list(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let factors = platform.directory(context.meter()).factors(&principal.account, &principal.user).await?;
    let data = factors.passkeys.into_iter().map(PasskeyView::from).collect();
    Ok(json(StatusCode::OK, &PasskeyList { data }))
}

/// What a user may change of a passkey.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasskeyInput {
    name: Text<100>,
}

impl Input for PasskeyInput {
    const SAMPLE: &'static str = r#"{"name":"My phone"}"#;
}

/// `PATCH /api/auth/passkeys/{id}`: gives it another name.
pub(crate) async fn rename(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Id(id): Id<kind::Passkey>,
    Patch { values, fields }: Patch<PasskeyInput>,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    let mut passkeys = own.factors.passkeys.iter_mut();
    let passkey = passkeys.find(|passkey| passkey.id == id).ok_or_else(Problem::not_found)?;
    if !fields.is_empty() {
        passkey.name = values.name;
    }
    let view = PasskeyView::from(passkey.clone());
    own.save_quietly().await?;
    Ok(json(StatusCode::OK, &view))
}

/// `DELETE /api/auth/passkeys/{id}`.
pub(crate) async fn delete(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Id(id): Id<kind::Passkey>,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    let known = own.factors.passkeys.iter().position(|passkey| passkey.id == id);
    own.factors.passkeys.remove(known.ok_or_else(Problem::not_found)?);
    mfa::may_be_without(&own.factors, own.asks_for_mfa)?;
    own.factors.drop_idle_codes();
    own.save(Change::PasskeyRemoved).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /api/auth/login/passkey/options`: how to prove who one is with a passkey. Whose is not known yet, so
/// nothing is told of anybody.
pub(crate) async fn login_options(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
) -> Result<Response, Problem> {
    Ok(answer_options(value!({
        "challenge": auth.party.challenge(&platform.clock, Ceremony::Authentication)?,
        "rpId": auth.party.id,
        "timeout": CHALLENGE_SECONDS * 1000,
        "userVerification": "required",
        "allowCredentials": [],
    })))
}

/// A login with a passkey and nothing else.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasskeyLogin {
    /// `credential.toJSON()`.
    passkey: Assertion,
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for PasskeyLogin {
    const SAMPLE: &'static str = r#"{"passkey":{"id":"AAAA","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA"}}}"#;
}

/// The address that is looked up in place of a user's that there is not.
const NOBODY: &str = "nobody@passkey.invalid";

/// `POST /api/auth/login/passkey`. A passkey is something one has, and it verified its user: no second
/// factor is asked for beside it.
pub(crate) async fn login(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<PasskeyLogin>,
) -> Result<Response, Problem> {
    let (clock, directory) = (&platform.clock, platform.directory(context.meter()));
    auth.keep_keys_published(&directory, clock).await?;
    let caller = context.caller();
    let (account, user) = given.passkey.user().ok_or_else(Problem::invalid_credentials)?;
    let mut candidate = directory.candidate(&account, &user).await?;
    let email = match &candidate {
        Some(Candidate { profile, .. }) => profile.email.clone(),
        None => Email::parse(NOBODY).map_err(|invalid| Problem::internal(&invalid))?,
    };
    let (origin, login) = Origin::look(&directory, Act::Login, &email, &caller).await?;
    // A proof that nobody guesses: only what comes from the network is counted.
    origin.count_network(&directory, clock).await?;
    let whose = candidate.is_some().then_some((account, user));
    let proven = match &mut candidate {
        Some(Candidate { access, factors, .. }) if access.status == UserStatus::Active => {
            auth.use_passkey(clock, factors, &given.passkey)
        }
        _ => Err("there is no such user, or it is disabled"),
    };
    let (challenge, Candidate { profile, access, factors, .. }) = match (proven, candidate) {
        (Ok(challenge), Some(candidate)) => (challenge, candidate),
        (wrong, _) => {
            activity::note_failed_login(&platform, &context, whose).await;
            return Err(Problem::invalid_credentials().because(&wrong.err().unwrap_or_default()));
        }
    };
    // Its address was changed since it was read.
    let login = login.ok_or(StoreError::Busy)?;
    let login = origin.remember(login);
    let mail = origin.mail(clock, &caller, account, &profile.email)?;
    let session = clock.mint().map_err(|error| Problem::internal(&error))?;
    let state = Session { is_multi_factor: true, ..sessions::begin(clock, &caller) };
    let cleared = &origin.by_address.attempts;
    let proof = Proof {
        account: &account,
        user: &user,
        session: ProvenSession::Opened(&session, &state),
        login: Some(LoginUse { email: &profile.email, login: &login, renewed: None, cleared }),
        factors: Some(&factors),
        challenge: Some(&challenge),
        mail: mail.as_ref(),
        event: &activity::logged_in(&context, &user, &session),
    };
    directory.record(&proof).await?;
    // That one attempt too many stays counted for an hour must not undo it.
    let _ = directory.forgive(&origin.by_network.attempts).await;
    let standing = Arc::new(Standing { roles: access.role_ids, ..Standing::default() });
    let principal = SessionPrincipal { account, user, session, standing };
    let user = User::new(&principal, &profile);
    auth.answer(StatusCode::OK, &principal, &state, given.token_delivery, Some(user))
}

impl Auth {
    /// Verifies a proof by one of the passkeys in `factors`, and notes its use there; or says, for the log,
    /// what is wrong with it.
    pub(crate) fn use_passkey(
        &self,
        clock: &Clock,
        factors: &mut Factors,
        proof: &Assertion,
    ) -> Result<Spent, &'static str> {
        let id = proof.credential_id();
        let passkey = factors.passkeys.iter_mut().find(|passkey| passkey.credential_id == id);
        let passkey = passkey.ok_or("the passkey is none of the user's")?;
        let known = Known {
            public_key: &passkey.public_key,
            sign_count: passkey.sign_count,
            is_backup_eligible: passkey.is_backup_eligible,
        };
        let proven = self.party.authenticate(clock, &known, proof)?;
        passkey.sign_count = proven.sign_count;
        passkey.is_backed_up = proven.is_backed_up;
        passkey.last_used_at = Some(clock.now());
        Ok(proven.challenge)
    }
}
