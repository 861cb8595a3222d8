//! `POST /api/auth/register`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Body, Code, FieldErrors, Input, Platform, Problem, RequestContext};
use nexo_domain::{Email, Role, Text};
use nexo_identity::Principal;
use nexo_store::{Access, Login, NewAccount, Profile};
use serde::Deserialize;

use crate::attempts::{digest, network};
use crate::password::{Owner, Password};
use crate::tokens::{TokenDelivery, User};
use crate::{Auth, sessions};

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
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for Registration {
    const SAMPLE: &'static str = r#"{"companyName":"Acme GmbH","email":"ada@acme.example","password":"correct horse battery staple","firstName":"Ada","lastName":"Lovelace"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        let names = [self.company_name.as_str(), self.first_name.as_str(), self.last_name.as_str()];
        self.password.judge(&Owner { names: &names, email: Some(&self.email) }, "/password", errors);
    }
}

/// Creates an account, its owner, the owner's login and first session, all in one transaction.
pub(crate) async fn register(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(new): Body<Registration>,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    auth.keep_keys_published(&directory, &platform.clock).await?;
    let password_hash = auth.hasher.hash(new.password).await?;
    let clock = &platform.clock;
    let minted = |error| Problem::internal(&error);
    let principal = Principal {
        account: clock.mint().map_err(minted)?,
        user: clock.mint().map_err(minted)?,
        session: clock.mint().map_err(minted)?,
        standing: Arc::new(Role::Owner.into()),
    };
    let access = Access::new(principal.standing.roles.clone());
    let caller = context.caller();
    let names = [new.first_name, new.last_name];
    let profile = Profile::new(principal.user, new.email.clone(), names, &access, clock.now());
    let user = User::new(&principal, &profile);
    let account = NewAccount {
        account: principal.account,
        company: new.company_name,
        user: principal.user,
        profile,
        login: Login {
            account_id: principal.account,
            user_id: principal.user,
            password_hash,
            networks: vec![digest(&new.email, &network(&caller.ip))],
        },
        session: principal.session,
        state: sessions::begin(clock, &caller),
        access,
    };
    if !directory.register(&account).await? {
        return Err(Problem::new(Code::AlreadyExists, "This email is registered already. Log in instead."));
    }
    auth.answer(StatusCode::CREATED, &principal, 0, new.token_delivery, Some(user))
}
