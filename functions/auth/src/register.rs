//! `POST /api/auth/register`, and `/register/confirm`.
//!
//! The answer does not say whether the address is known: the mail does, to whoever reads it. Both cases make
//! the same calls, write as much and do the same work.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Body, FieldErrors, Input, Platform, Problem, RequestContext};
use nexo_domain::{AccountId, Email, Role, RoleRef, SecurityEventType, Text};
use nexo_identity::{Clock, Link, Purpose, SessionPrincipal, Standing};
use nexo_mail::Message;
use nexo_store::{Access, Login, NewAccount, NewUser, PendingRegistration, Profile};
use serde::Deserialize;

use crate::attempts::{self, Act, Limit, digest, network};
use crate::password::{Owner, Password};
use crate::tokens::{TokenDelivery, User};
use crate::{Auth, activity, links, sessions};

/// A company that starts.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registration {
    company_name: Text<249>,
    email: Email,
    password: Password,
    first_name: Text<100>,
    last_name: Text<100>,
}

impl Input for Registration {
    const SAMPLE: &'static str = r#"{"companyName":"Acme GmbH","email":"ada@acme.example","password":"correct horse battery staple","firstName":"Ada","lastName":"Lovelace"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        let names = [self.company_name.as_str(), self.first_name.as_str(), self.last_name.as_str()];
        self.password.judge(
            &Owner { names: &names, email: Some(&self.email), has_mfa: false },
            "/password",
            errors,
        );
    }
}

/// A registration waits so long for its link, in seconds.
const KEPT: i64 = 24 * 3600;

/// Keeps a registration until its address is confirmed.
pub(crate) async fn register(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(new): Body<Registration>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let login =
        attempts::count_mail(&directory, clock, Act::Registration, &new.email, &context.caller()).await?;
    let password_hash = auth.hasher.hash(new.password).await?;
    // By its own number and not by its address: nobody ends another's registration by a further one.
    let id = links::fresh(clock)?;
    let link = Link::new(&["registration", id.ulid()], id);
    let pending = PendingRegistration {
        company: new.company_name,
        email: new.email,
        password_hash,
        first_name: new.first_name,
        last_name: new.last_name,
    };
    // What is kept for a taken address has a link too. Nobody is told it.
    let message = match login {
        None => Message::Registration { link: link.clone() },
        Some(_) => Message::AddressTaken,
    };
    let mail = links::outgoing(clock, None, &pending.email, message)?;
    directory.hold(&link, &pending, clock.now_seconds() + KEPT, &[mail]).await?;
    Ok(links::accepted())
}

/// A registration whose address is confirmed.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Confirmation {
    token: String,
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for Confirmation {
    const SAMPLE: &'static str = r#"{"token":"nexo_lt1_…"}"#;
}

/// Creates an account, its owner, the owner's login and first session, all in one transaction.
pub(crate) async fn confirm(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<Confirmation>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let link = auth.link(Purpose::Register, &given.token)?;
    auth.keep_keys_published(&directory, clock).await?;
    let new: PendingRegistration = directory.held(&link).await?.ok_or_else(links::gone)?;
    let access = Access::new(vec![RoleRef::System(Role::Owner)]);
    let account = clock.mint().map_err(|error| Problem::internal(&error))?;
    let names = [new.first_name, new.last_name];
    let person = Person { email: new.email, names, password_hash: new.password_hash };
    let owner = person.joins(clock, &context, account, access, SecurityEventType::Register)?;
    let (principal, user) = logged_in(&owner);
    let network = network(&context.caller().ip);
    let account = NewAccount { company: new.company, owner };
    links::done(directory.register(&account, &link).await?)?;
    // The account is made: one mail that stays counted for an hour must not undo it.
    let _ = directory.forgive(&Limit::for_network(Act::Registration, &network).attempts).await;
    auth.answer(StatusCode::CREATED, &principal, &account.owner.state, given.token_delivery, Some(user))
}

/// Who is to be a user.
pub(crate) struct Person {
    pub(crate) email: Email,
    pub(crate) names: [Text<100>; 2],
    pub(crate) password_hash: String,
}

impl Person {
    /// The user that the person becomes in `account`, logged in by the request.
    pub(crate) fn joins(
        self,
        clock: &Clock,
        context: &RequestContext,
        account: AccountId,
        access: Access,
        r#type: SecurityEventType,
    ) -> Result<NewUser, Problem> {
        let minted = |error| Problem::internal(&error);
        let user = clock.mint().map_err(minted)?;
        let caller = context.caller();
        let networks = vec![digest(&self.email, &network(&caller.ip))];
        let password_hash = self.password_hash;
        let login = Login { account_id: account, user_id: user, password_hash, networks };
        let profile = Profile::new(user, self.email, self.names, &access, clock.now());
        let session = clock.mint().map_err(minted)?;
        let state = sessions::begin(clock, &caller);
        let event = activity::with_session(context.event(r#type).by(user), &session);
        Ok(NewUser { account, user, profile, login, session, state, access, event })
    }
}

/// What tokens and answers say of a new user.
pub(crate) fn logged_in(new: &NewUser) -> (SessionPrincipal, User) {
    let standing = Arc::new(Standing { roles: new.access.role_ids.clone(), ..Standing::default() });
    let principal = SessionPrincipal { account: new.account, user: new.user, session: new.session, standing };
    let user = User::new(&principal, &new.profile);
    (principal, user)
}
