//! Accounts, logins, sessions and profiles.
//!
//! The only function that reaches logins, and the only one that can sign access tokens. It looks at
//! the session of every request, so that what is revoked here is refused here at once.

mod attempts;
pub mod blocklist;
mod keys;
mod login;
mod logout;
mod password;
pub mod policy;
mod profile;
mod refresh;
mod register;
mod sessions;
mod tokens;

use std::sync::Arc;

use nexo_api::{Access, Operation, Platform, Routes, Verb, shape};
use nexo_identity::{SignError, Signer};
use nexo_store::{Meter, StoreError};

use crate::keys::Published;
use crate::password::Hasher;

/// What this function has and no other.
pub struct Settings {
    /// What the signing keys are derived from; at least 32 bytes.
    pub signing_secret: String,
    /// `iss` of the tokens.
    pub issuer: String,
}

impl Settings {
    /// The settings `template.yaml` puts into the environment.
    ///
    /// # Panics
    /// When one is missing.
    pub fn from_env() -> Self {
        Self {
            signing_secret: Platform::required_variable("NEXO_SIGNING_SECRET"),
            issuer: Platform::required_variable("NEXO_ISSUER"),
        }
    }

    fn signer(&self, platform: &Platform) -> Result<Signer, SignError> {
        Signer::from_secret(self.signing_secret.as_bytes(), self.issuer.as_str(), platform.clock.clone())
    }
}

/// What the handlers share besides the platform.
#[derive(Clone)]
struct Auth {
    signer: Arc<Signer>,
    published: Arc<Published>,
    hasher: Hasher,
}

/// Publishes the public halves of the signing keys, if that was not done before.
///
/// # Errors
/// When the keys cannot be made or published: a function whose tokens nobody can verify must not
/// start.
pub async fn publish_keys(platform: &Platform, settings: &Settings) -> Result<(), StartError> {
    let signer = settings.signer(platform)?;
    Ok(platform.directory(&Meter::default()).publish(&signer.public_keys()).await?)
}

/// The function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The signing keys could not be made.
    #[error(transparent)]
    Key(#[from] SignError),
    /// The public keys could not be published.
    #[error(transparent)]
    Publish(#[from] StoreError),
}

/// The function's routes. [`publish_keys`] comes before them.
///
/// # Errors
/// When the signing secret is shorter than 32 bytes.
pub fn routes(platform: &Platform, settings: &Settings) -> Result<Routes, SignError> {
    let auth = Auth {
        signer: Arc::new(settings.signer(platform)?),
        published: Arc::new(Published::now(&platform.clock)),
        hasher: Hasher::default(),
    };
    let platform = platform.always_checking_the_session();
    let [register, login, refresh, logout, logout_all, change_password] = CREDENTIALS;
    let [profile, change_profile, sessions, revoke] = OWN;
    Ok(Routes::new(&platform, "/api/auth")
        .on(register, register::register)
        .on(login, login::login)
        .on(refresh, refresh::refresh)
        .on(logout, logout::logout)
        .on(logout_all, logout::logout_all)
        .on(change_password, password::change)
        .on(profile, profile::get)
        .on(change_profile, profile::change)
        .on(sessions, sessions::list)
        .on(revoke, sessions::revoke)
        .and(Routes::new(&platform, "/.well-known").on(JWKS, keys::jwks))
        .share(auth))
}

const CREDENTIALS: [Operation; 6] = [
    Operation {
        method: Verb::Post,
        path: "/register",
        id: "register",
        summary: "Creates an account and its owner, and logs the owner in",
        access: Access::Public,
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<register::Registration>().answer::<tokens::LoggedIn>()),
    },
    Operation {
        method: Verb::Post,
        path: "/login",
        id: "login",
        summary: "Logs a user in",
        access: Access::Public,
        problems: &[400, 401, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.body::<login::Credentials>().answer::<tokens::LoggedIn>()),
    },
    Operation {
        method: Verb::Post,
        path: "/refresh",
        id: "refresh",
        summary: "Exchanges a refresh token for the next one and an access token",
        access: Access::Public,
        problems: &[400, 401, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.optional_body::<refresh::Refresh>().answer::<tokens::Tokens>()),
    },
    Operation {
        method: Verb::Post,
        path: "/logout",
        id: "logout",
        summary: "Ends this session",
        access: Access::SignedIn,
        problems: &[],
        success: 204,
        shape: shape!(|_| ()),
    },
    Operation {
        method: Verb::Post,
        path: "/logout-all",
        id: "logoutAll",
        summary: "Ends all sessions of the user",
        access: Access::SignedIn,
        problems: &[],
        success: 204,
        shape: shape!(|_| ()),
    },
    Operation {
        method: Verb::Post,
        path: "/password",
        id: "changePassword",
        summary: "Changes the password and ends the user's other sessions",
        access: Access::SignedIn,
        problems: &[400, 409, 413, 415, 422],
        success: 204,
        shape: shape!(|draft| _ = draft.body::<password::Change>()),
    },
];

const OWN: [Operation; 4] = [
    Operation {
        method: Verb::Get,
        path: "/profile",
        id: "getProfile",
        summary: "The user's own profile",
        access: Access::SignedIn,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<profile::ProfileView>()),
    },
    Operation {
        method: Verb::Patch,
        path: "/profile",
        id: "updateProfile",
        summary: "Changes the user's own profile (RFC 7396)",
        access: Access::SignedIn,
        problems: &[400, 412, 413, 415, 422],
        success: 200,
        shape: shape!(
            |draft| _ = draft.if_match().patch::<profile::ProfileInput>().answer::<profile::ProfileView>()
        ),
    },
    Operation {
        method: Verb::Get,
        path: "/sessions",
        id: "listSessions",
        summary: "The user's sessions",
        access: Access::SignedIn,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<sessions::SessionList>()),
    },
    Operation {
        method: Verb::Delete,
        path: "/sessions/{id}",
        id: "revokeSession",
        summary: "Ends one of the user's sessions",
        access: Access::SignedIn,
        problems: &[404],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<nexo_domain::kind::Session>()),
    },
];

const JWKS: Operation = Operation {
    method: Verb::Get,
    path: "/jwks.json",
    id: "getJwks",
    summary: "The public keys that access tokens are signed with: of this period, the one before and the next",
    access: Access::Public,
    problems: &[],
    success: 200,
    shape: shape!(|draft| _ = draft.answer::<keys::Jwks>()),
};
