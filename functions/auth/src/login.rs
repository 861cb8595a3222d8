//! `POST /api/auth/login`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Body, Input, Platform, Problem, RequestContext};
use nexo_domain::{Email, UserStatus, kind};
use nexo_identity::{Principal, Standing};
use nexo_mail::Message;
use nexo_store::{AttemptCount, Besides, Login, StoreError};
use serde::Deserialize;

use crate::attempts::{self, Limit, digest, network};
use crate::password::Password;
use crate::tokens::{TokenDelivery, User};
use crate::{Auth, links, sessions};

/// What a user logs in with.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Credentials {
    email: Email,
    password: Password,
    #[serde(default)]
    token_delivery: TokenDelivery,
}

impl Input for Credentials {
    const SAMPLE: &'static str = r#"{"email":"ada@acme.example","password":"correct horse battery staple"}"#;
}

/// Networks a login remembers.
const NETWORKS: usize = 10;

/// Logs a user in. Whatever is wrong, the answer, the calls and the one hash are the same.
pub(crate) async fn login(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    Body(given): Body<Credentials>,
) -> Result<Response, Problem> {
    let Credentials { email, password, token_delivery } = given;
    let directory = platform.directory(context.meter());
    auth.keep_keys_published(&directory, &platform.clock).await?;
    let caller = context.caller();
    let network = network(&caller.ip);
    let by_network = Limit::for_network(&network);
    let by_email = Limit::for_email(&email);
    let by_known = Limit::for_known_network(&email, &network);
    let counts = [&by_network, &by_email, &by_known].map(|limit| limit.attempts.clone());
    let view = directory.login(&email, &counts).await?;
    let [from_network, at_email, at_known] = <[AttemptCount; 3]>::try_from(view.attempts)
        .map_err(|_| Problem::internal(&"as many counts as were asked for"))?;
    let known = digest(&email, &network);
    let is_known = view.login.as_ref().is_some_and(|login| login.networks.contains(&known));
    let (by_login, at_login) = if is_known { (&by_known, at_known) } else { (&by_email, at_email) };
    attempts::due(&platform.clock, at_login)?;
    attempts::count(&directory, &platform.clock, &by_network, from_network).await?;
    attempts::count(&directory, &platform.clock, by_login, at_login).await?;
    let hash = view.login.as_ref().map(|login| login.password_hash.clone());
    let right = auth.hasher.verify(password.clone(), hash).await?;
    let Some(login) = view.login.filter(|_| right) else {
        return Err(Problem::invalid_credentials());
    };
    let user = directory.user(&login.account_id, &login.user_id).await;
    let (profile, access) = user.map_err(|error| match error {
        StoreError::NotFound => Problem::invalid_credentials(),
        error => error.into(),
    })?;
    if access.status != UserStatus::Active {
        return Err(Problem::invalid_credentials());
    }
    // Only a login has the password to hash anew; if that fails now, the next one does it.
    let renewed = auth.hasher.renew(password.clone(), &login.password_hash).await.unwrap_or_else(|problem| {
        context.warn(format!("password hash not renewed: {}", problem.cause().unwrap_or_default()));
        None
    });
    let state = sessions::begin(&platform.clock, &caller);
    let mint = || platform.clock.mint::<kind::Session>().map_err(|error| Problem::internal(&error));
    let session = mint()?;
    let login = remember(login, known.clone());
    let tell = || {
        let message = Message::NewSignIn(links::occasion(&platform.clock, &caller));
        links::outgoing(&platform.clock, Some(login.account_id), &email, message)
    };
    let mail = if is_known { None } else { Some(tell()?) };
    let renewed = renewed.as_deref();
    let besides = Besides { renewed, cleared: &by_login.attempts, mail: mail.as_ref() };
    let opened = directory.open_session(&email, &login, &session, &state, &besides).await;
    let (login, session) = match opened {
        // Another login may have renewed the hash first.
        Err(StoreError::Busy) if renewed.is_some() => {
            let now = directory.login(&email, &[]).await?.login.ok_or(StoreError::Busy)?;
            if !auth.hasher.verify(password, Some(now.password_hash.clone())).await? {
                return Err(StoreError::Busy.into());
            }
            let (login, session) = (remember(now, known), mint()?);
            let besides = Besides { renewed: None, ..besides };
            directory.open_session(&email, &login, &session, &state, &besides).await?;
            (login, session)
        }
        opened => opened.map(|()| (login, session))?,
    };
    // The session is open: that one attempt too many stays counted for an hour must not undo it.
    let _ = directory.forgive(&by_network.attempts).await;
    let standing = Arc::new(Standing { roles: access.role_ids, ..Standing::default() });
    let principal = Principal { account: login.account_id, user: login.user_id, session, standing };
    let user = User::new(&principal, &profile);
    auth.answer(StatusCode::OK, &principal, 0, token_delivery, Some(user))
}

/// The login with `network` as the one it was used from last.
fn remember(mut login: Login, network: String) -> Login {
    login.networks.retain(|known| *known != network);
    login.networks.insert(0, network);
    login.networks.truncate(NETWORKS);
    login
}
