//! Accounts, logins, sessions and profiles.
//!
//! The only function that reaches logins, and the only one that can sign access tokens. It looks at
//! the session of every request, so that what is revoked here is refused here at once.

mod activity;
mod attempts;
pub mod blocklist;
mod email;
mod invitations;
mod keys;
mod link;
mod links;
mod login;
mod logout;
mod mfa;
mod origin;
mod passkeys;
mod password;
pub mod policy;
mod profile;
mod recovery;
mod refresh;
mod register;
mod reset;
mod seal;
mod sessions;
mod step_up;
mod tokens;
mod totp;
mod webauthn;

use std::sync::Arc;

use nexo_api::{Access, Operation, Platform, Routes, Verb, shape};
use nexo_identity::{LinkKey, SignError, Signer};
use nexo_store::{Meter, StoreError};

use crate::keys::Published;
use crate::password::Hasher;
use crate::seal::Seal;
use crate::webauthn::RelyingParty;

/// What this function has and no other.
pub struct Settings {
    /// What the signing keys are derived from; at least 32 bytes.
    pub signing_secret: String,
    /// What the tokens of links in mails are made with; at least 32 bytes.
    pub link_secret: String,
    /// `iss` of the tokens.
    pub issuer: String,
    /// The domain that passkeys are bound to.
    pub relying_party: String,
    /// The origin of the page that uses them.
    pub origin: String,
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
            relying_party: Platform::required_variable("NEXO_RELYING_PARTY"),
            origin: Platform::required_variable("NEXO_ORIGIN"),
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
    seal: Arc<Seal>,
    party: Arc<RelyingParty>,
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
    let signer = settings.signer(platform)?;
    let auth = Auth {
        seal: Arc::new(Seal::new(&signer)),
        party: Arc::new(RelyingParty::new(settings.relying_party.clone(), settings.origin.clone(), &signer)),
        signer: Arc::new(signer),
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
    let [mfa, new_totp, confirm_totp, no_totp, new_codes, step_up] = MFA;
    let [passkeys, options, new_passkey, rename, no_passkey, login_options, passkey_login] = PASSKEYS;
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
        .on(mfa, mfa::get)
        .on(new_totp, totp::start)
        .on(confirm_totp, totp::confirm)
        .on(no_totp, totp::remove)
        .on(new_codes, recovery::renew)
        .on(step_up, step_up::step_up)
        .on(passkeys, passkeys::list)
        .on(options, passkeys::options)
        .on(new_passkey, passkeys::create)
        .on(rename, passkeys::rename)
        .on(no_passkey, passkeys::delete)
        .on(login_options, passkeys::login_options)
        .on(passkey_login, passkeys::login)
        .on(activity::LIST, activity::list)
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
        problems: &[400, 401, 409, 413, 415, 422],
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
        access: Access::Enrolling,
        problems: &[],
        success: 204,
        shape: shape!(|_| ()),
    },
    Operation {
        method: Verb::Post,
        path: "/logout-all",
        id: "logoutAll",
        summary: "Ends all sessions of the user",
        access: Access::EnrollingRecently,
        problems: &[],
        success: 204,
        shape: shape!(|_| ()),
    },
    Operation {
        method: Verb::Post,
        path: "/password",
        id: "changePassword",
        summary: "Changes the password and ends the user's other sessions",
        access: Access::SignedInRecently,
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
        access: Access::SignedInRecently,
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
        access: Access::Enrolling,
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
        access: Access::SignedInRecently,
        problems: &[404],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<nexo_domain::kind::Session>()),
    },
];

const MFA: [Operation; 6] = [
    Operation {
        method: Verb::Get,
        path: "/mfa",
        id: "getMfa",
        summary: "The user's second factors",
        access: Access::Enrolling,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<mfa::MfaView>()),
    },
    Operation {
        method: Verb::Post,
        path: "/mfa/totp",
        id: "startTotp",
        summary: "Makes a secret for an authenticator app (RFC 6238), to be confirmed within 10 minutes",
        access: Access::EnrollingRecently,
        problems: &[400, 409, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.body::<totp::NewTotp>().answer::<totp::TotpSetup>()),
    },
    Operation {
        method: Verb::Post,
        path: "/mfa/totp/confirm",
        id: "confirmTotp",
        summary: "Asks for the authenticator app at each login from now on, and answers ten recovery codes",
        access: Access::Enrolling,
        problems: &[400, 409, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.body::<totp::FirstCode>().answer::<recovery::RecoveryCodes>()),
    },
    Operation {
        method: Verb::Delete,
        path: "/mfa/totp",
        id: "deleteTotp",
        summary: "Asks for the authenticator app no more",
        access: Access::SignedInRecently,
        problems: &[404, 409],
        success: 204,
        shape: shape!(|_| ()),
    },
    Operation {
        method: Verb::Post,
        path: "/mfa/recovery-codes",
        id: "createRecoveryCodes",
        summary: "Ten new recovery codes in place of the old ones",
        access: Access::SignedInRecently,
        problems: &[409],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<recovery::RecoveryCodes>()),
    },
    Operation {
        method: Verb::Post,
        path: "/step-up",
        id: "stepUp",
        summary: "Proves again who the user is, for operations with `x-max-authentication-age`",
        access: Access::Enrolling,
        problems: &[400, 409, 413, 415, 422],
        success: 204,
        shape: shape!(|draft| _ = draft.body::<step_up::StepUp>()),
    },
];

const PASSKEYS: [Operation; 7] = [
    Operation {
        method: Verb::Get,
        path: "/passkeys",
        id: "listPasskeys",
        summary: "The user's passkeys",
        access: Access::Enrolling,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<passkeys::PasskeyList>()),
    },
    Operation {
        method: Verb::Post,
        path: "/passkey/options",
        id: "passkeyOptions",
        summary: "What a browser makes a passkey with (Web Authentication Level 3)",
        access: Access::EnrollingRecently,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<passkeys::Options>()),
    },
    Operation {
        method: Verb::Post,
        path: "/passkeys",
        id: "createPasskey",
        summary: "Registers a passkey",
        access: Access::EnrollingRecently,
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<passkeys::NewPasskey>().answer::<passkeys::PasskeyView>()),
    },
    Operation {
        method: Verb::Patch,
        path: "/passkeys/{id}",
        id: "updatePasskey",
        summary: "Gives a passkey another name",
        access: Access::SignedIn,
        problems: &[400, 404, 409, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft
            .id::<nexo_domain::kind::Passkey>()
            .patch::<passkeys::PasskeyInput>()
            .answer::<passkeys::PasskeyView>()),
    },
    Operation {
        method: Verb::Delete,
        path: "/passkeys/{id}",
        id: "deletePasskey",
        summary: "Removes a passkey",
        access: Access::SignedInRecently,
        problems: &[404, 409],
        success: 204,
        shape: shape!(|draft| _ = draft.id::<nexo_domain::kind::Passkey>()),
    },
    Operation {
        method: Verb::Post,
        path: "/login/passkey/options",
        id: "passkeyLoginOptions",
        summary: "What a browser asks for a passkey with, at a login or a step-up",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<passkeys::Options>()),
    },
    Operation {
        method: Verb::Post,
        path: "/login/passkey",
        id: "passkeyLogin",
        summary: "Logs a user in with a passkey",
        access: Access::Public,
        problems: &[400, 401, 409, 413, 415, 422],
        success: 200,
        shape: shape!(|draft| _ = draft.body::<passkeys::PasskeyLogin>().answer::<tokens::LoggedIn>()),
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
