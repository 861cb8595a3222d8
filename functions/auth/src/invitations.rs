//! `POST /api/auth/invitations/accept`: whoever was invited becomes a user.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Body, FieldErrors, Input, Platform, Problem, RequestContext};
use nexo_domain::{SecurityEventType, Text};
use nexo_identity::Purpose;
use nexo_store::{Access, StoreError};
use serde::Deserialize;

use crate::password::{Owner, Password};
use crate::register::{Person, logged_in};
use crate::tokens::TokenDelivery;
use crate::{Auth, links};

/// Who accepts an invitation.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Acceptance {
    token: String,
    password: Password,
    first_name: Text<100>,
    last_name: Text<100>,
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for Acceptance {
    const SAMPLE: &'static str = r#"{"token":"nexo_lt1_…","password":"correct horse battery staple","firstName":"Grace","lastName":"Hopper"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        let names = [self.first_name.as_str(), self.last_name.as_str()];
        self.password.judge(&Owner { names: &names, ..Owner::default() }, "/password", errors);
    }
}

/// How often it starts over, with the password hashed, because the account's roles were changed at the same moment.
const ATTEMPTS: u32 = 4;

/// Makes the user.
pub(crate) async fn accept(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<Acceptance>,
) -> Result<Response, Problem> {
    let (directory, clock) = (platform.directory(context.meter()), &platform.clock);
    let link = auth.link(Purpose::Invitation, &given.token)?;
    auth.keep_keys_published(&directory, clock).await?;
    let mut invitation = directory.invitation(&link).await?.ok_or_else(links::gone)?;
    let mut errors = FieldErrors::default();
    let owner = Owner { email: Some(&invitation.email), ..Owner::default() };
    given.password.judge(&owner, "/password", &mut errors);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let password_hash = auth.hasher.hash(given.password).await?;
    let names = [given.first_name, given.last_name];
    let person = Person { email: invitation.email.clone(), names, password_hash };
    let access = Access::new(invitation.role_ids.clone());
    let (account, _) = link.invitation();
    let mut new = person.joins(clock, &context, account, access, SecurityEventType::InvitationAccept)?;
    let (_, asks_for_mfa) = directory.factors_and_demand(&account, &new.user).await?;
    new.state.is_for_setup = asks_for_mfa;
    let mut attempt = 1;
    let outcome = loop {
        match directory.accept(&link, &invitation, &new).await {
            // Something else of the account was changed meanwhile, which need not be what this depends on.
            Err(StoreError::Busy) if attempt < ATTEMPTS => {
                attempt += 1;
                invitation = directory.invitation(&link).await?.ok_or_else(links::gone)?;
            }
            outcome => break outcome?,
        }
    };
    links::done(outcome)?;
    let (principal, user) = logged_in(&new);
    auth.answer(StatusCode::CREATED, &principal, &new.state, given.token_delivery, Some(user))
}
