//! Accounts, logins, sessions and profiles.
//!
//! The only function that reaches logins, and the only one that can sign access tokens. It looks at
//! the session of every request, so that what is revoked here is refused here at once.

mod attempts;
pub mod blocklist;
mod email;
mod invitations;
mod keys;
mod link;
mod links;
mod login;
mod logout;
mod password;
pub mod policy;
mod profile;
mod refresh;
mod register;
mod reset;
mod sessions;
mod tokens;

use std::sync::Arc;

use nexo_api::{Access, Operation, Platform, Routes, Verb, shape};
use nexo_identity::{LinkKey, SignError, Signer};
use nexo_store::{Meter, StoreError};

use crate::keys::Published;
use crate::password::Hasher;

/// What this function has and no other.
pub struct Settings {
    /// What the signing keys are derived from; at least 32 bytes.
    pub signing_secret: String,
    /// What the tokens of links in mails are made with; at least 32 bytes.
    pub link_secret: String,
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
            link_secret: Platform::required_variable("NEXO_LINK_SECRET"),
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
    links: LinkKey,
    page: Arc<link::Page>,
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
/// When a secret is shorter than 32 bytes.
pub fn routes(platform: &Platform, settings: &Settings) -> Result<Routes, SignError> {
    let auth = Auth {
        signer: Arc::new(settings.signer(platform)?),
        published: Arc::new(Published::now(&platform.clock)),
        hasher: Hasher::default(),
        links: LinkKey::from_secret(settings.link_secret.as_bytes())?,
        page: Arc::new(link::Page::new()),
    };
    let platform = platform.always_checking_the_session();
    let [register, login, refresh, logout, logout_all, change_password] = CREDENTIALS;
    let [profile, change_profile, sessions, revoke] = OWN;
    let [confirm_registration, ask_reset, reset, ask_email, confirm_email, cancel_email, accept, page] =
        LINKS;
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
        .on(confirm_registration, register::confirm)
        .on(ask_reset, reset::ask)
        .on(reset, reset::confirm)
        .on(ask_email, email::ask)
        .on(confirm_email, email::confirm)
        .on(cancel_email, email::cancel)
        .on(accept, invitations::accept)
        .on(page, link::page)
        .and(Routes::new(&platform, "/.well-known").on(JWKS, keys::jwks))
        .share(auth))
}

const CREDENTIALS: [Operation; 6] = [
    Operation {
        method: Verb::Post,
        path: "/register",
        id: "register",
        summary: "Begins to register a company: a mail tells how it goes on, whether the address is known or not",
        access: Access::Public,
        problems: &[400, 413, 415, 422],
        success: 202,
        shape: shape!(|draft| _ = draft.body::<register::Registration>()),
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
        shape: shape!(|draft| _ = draft.body::<password::NewPassword>()),
    },
];

const LINKS: [Operation; 8] = [
    Operation {
        method: Verb::Post,
        path: "/register/confirm",
        id: "confirmRegistration",
        summary: "Creates an account and its owner, with the token of a mail, and logs the owner in",
        access: Access::Public,
        problems: &[400, 409, 410, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<register::Confirmation>().answer::<tokens::LoggedIn>()),
    },
    Operation {
        method: Verb::Post,
        path: "/password-reset",
        id: "requestPasswordReset",
        summary: "Mails a link to choose a new password, if the address has a login",
        access: Access::Public,
        problems: &[400, 413, 415, 422],
        success: 202,
        shape: shape!(|draft| _ = draft.body::<reset::Forgotten>()),
    },
    Operation {
        method: Verb::Post,
        path: "/password-reset/confirm",
        id: "resetPassword",
        summary: "Sets a new password with the token of a mail, and ends all of the user's sessions",
        access: Access::Public,
        problems: &[400, 409, 410, 413, 415, 422],
        success: 204,
        shape: shape!(|draft| _ = draft.body::<reset::Reset>()),
    },
    Operation {
        method: Verb::Post,
        path: "/email",
        id: "requestEmailChange",
        summary: "Asks the user's address and a new one, by mail, to confirm that the new one takes its place",
        access: Access::SignedIn,
        problems: &[400, 413, 415, 422],
        success: 202,
        shape: shape!(|draft| _ = draft.body::<email::NewEmail>()),
    },
    Operation {
        method: Verb::Post,
        path: "/email/confirm",
        id: "confirmEmailChange",
        summary: "Confirms a change of address with the token of a mail; when both addresses did, it is made",
        access: Access::Public,
        problems: &[400, 409, 410, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.body::<links::Opened>().answer::<email::Confirmed>()),
    },
    Operation {
        method: Verb::Post,
        path: "/email/cancel",
        id: "cancelEmailChange",
        summary: "Stops a change of address with the token of the mail to the old address",
        access: Access::Public,
        problems: &[400, 410, 413, 415, 422],
        success: 204,
        shape: shape!(|draft| _ = draft.body::<links::Opened>()),
    },
    Operation {
        method: Verb::Post,
        path: "/invitations/accept",
        id: "acceptInvitation",
        summary: "Makes a user of whoever was invited, with the token of the mail, and logs it in",
        access: Access::Public,
        problems: &[400, 409, 410, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<invitations::Acceptance>().answer::<tokens::LoggedIn>()),
    },
    Operation {
        method: Verb::Get,
        path: "/link",
        id: "getLinkPage",
        summary: "The page that the links of mails open",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.page()),
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
