//! Passwords: what is accepted, how they are kept, how one is changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use nexo_api::{Body, FieldErrors, Input, Platform, Problem, RequestContext, SignedIn};
use nexo_domain::{Email, Invalid};
use nexo_mail::{Change, Message};
use nexo_store::Profile;
use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use crate::attempts::{self, Limit};
use crate::blocklist::Blocklist;
use crate::policy::Weakness;
use crate::{Auth, links, sessions};

/// NIST SP 800-63B-4, section 3.1.1.2: at least 15 characters where a password is the only factor
/// (it would be 8 beside a second one), and room for at least 64.
const SHORTEST: usize = 15;
const LONGEST: usize = 256;

/// A password as it was typed, in Unicode's NFC so that two keyboards type the same one. Never
/// printed, never logged, never answered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    fn is_acceptable(&self, owner: &Owner<'_>) -> Result<(), Invalid> {
        match self.0.chars().count() {
            ..SHORTEST => Err(Invalid::new(
                "too_short",
                "must have at least 15 characters; a sentence is easy to remember and hard to guess",
            )),
            SHORTEST..=LONGEST => {
                let weakness = Weakness::of(&self.0, SHORTEST, &owner.words(), &Blocklist::embedded());
                weakness.map_or(Ok(()), |weakness| Err(weakness.refusal()))
            }
            _ => Err(Invalid::new("too_long", "must have at most 256 characters")),
        }
    }

    /// Refuses it when the user of `profile` cannot choose it as a password.
    pub(crate) fn judge_for(&self, profile: &Profile, pointer: &str) -> Result<(), Problem> {
        let mut errors = FieldErrors::default();
        let names = &[profile.first_name.as_str(), profile.last_name.as_str()];
        self.judge(&Owner { names, email: Some(&profile.email) }, pointer, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
    }

    /// Adds an error when `owner` cannot choose it as a password.
    pub(crate) fn judge(&self, owner: &Owner<'_>, pointer: &str, errors: &mut FieldErrors) {
        if let Err(invalid) = self.is_acceptable(owner) {
            errors.add(pointer, invalid.code(), invalid.message());
        }
    }
}

/// Whose password it is to be, as far as that is known.
#[derive(Default)]
pub(crate) struct Owner<'a> {
    pub(crate) names: &'a [&'a str],
    pub(crate) email: Option<&'a Email>,
}

impl<'a> Owner<'a> {
    /// What the password must not be made of.
    fn words(&self) -> Vec<&'a str> {
        // Without the top-level domain, whose letters are in many words.
        let email = self.email.and_then(|email| email.as_str().rsplit_once('.')).map(|(rest, _)| rest);
        self.names.iter().copied().chain(email).collect()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = String::deserialize(deserializer)?;
        // Bounds the work of normalising, for whoever sends half a megabyte.
        if typed.len() > 4 * LONGEST {
            return Err(Invalid::new("too_long", "must have at most 256 characters").into_de_error());
        }
        Ok(Self(typed.nfc().collect()))
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for Password {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "format": "password", "maxLength": LONGEST, "writeOnly": true,
            "description": "When it is chosen: at least 15 characters of any kind (NIST SP 800-63B-4), and none that \
                is easy to guess. A refusal has one of the codes `too_short`, `too_long`, `too_predictable` \
                (repeats itself, or runs along the alphabet or the keyboard), `too_common` (on the list of \
                known passwords, or one common word with digits) and `too_similar` (made of the user's \
                names, email or the company's or the service's name)",
        })
    }
}

/// Hashes at once in one process: each takes 19 MiB and a whole core.
const AT_ONCE: usize = 2;

/// How long a login waits for its turn before it is told to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Hashes and verifies passwords, a few at a time.
#[derive(Clone)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// A hash that no password has: verified against when there is no login, so that the answer takes
/// the same work.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bmV4b25vYm9keW5leG8$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Hasher {
    /// The password's hash, as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Problem> {
        self.in_turn(move || {
            let hash: Result<PasswordHash, _> = argon2()?.hash_password(password.0.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
        })
        .await
    }

    /// Whether `password` is the one of `hash`. Without a hash it is not, after the same work.
    pub(crate) async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, Problem> {
        self.in_turn(move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| NOBODY.to_owned());
            let hash = PasswordHash::new(&text).map_err(|error| error.to_string())?;
            let right = argon2()?.verify_password(password.0.as_bytes(), &hash).is_ok();
            Ok(right && known)
        })
        .await
    }

    /// A new hash of the password that `old` is a hash of, when it was made in another way than today's
    /// are.
    pub(crate) async fn renew(&self, password: Password, old: &str) -> Result<Option<String>, Problem> {
        if is_of_today(old).map_err(|error| Problem::internal(&error))? {
            return Ok(None);
        }
        self.hash(password).await.map(Some)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Problem::unavailable(&"too many passwords to check"))?;
        let turn = turn.map_err(|error| Problem::internal(&error))?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))
    }
}

/// Argon2id with the parameters of OWASP's Password Storage Cheat Sheet.
fn argon2() -> Result<Argon2<'static>, String> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a hash was made with the algorithm, version, parameters and length of today's.
fn is_of_today(hash: &str) -> Result<bool, String> {
    let hash = PasswordHash::new(hash).map_err(|error| error.to_string())?;
    let today = argon2()?;
    let params = today.params();
    let made_with = Params::try_from(&hash).map_err(|error| error.to_string())?;
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    Ok(hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && costs(&made_with) == costs(params)
        && hash.hash.is_some_and(|output| output.len() == Params::DEFAULT_OUTPUT_LEN))
}

/// A change of password.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewPassword {
    current_password: Password,
    new_password: Password,
}

impl Input for NewPassword {
    const SAMPLE: &'static str =
        r#"{"currentPassword":"correct horse battery staple","newPassword":"a new sentence to remember"}"#;

    fn validate(&self, errors: &mut FieldErrors) {
        self.new_password.judge(&Owner::default(), "/newPassword", errors);
        if self.new_password == self.current_password {
            errors.add("/newPassword", "unchanged", "must be another than the current one");
        }
    }
}

/// `POST /api/auth/password`.
pub(crate) async fn change(
    State(platform): State<Platform>,
    Extension(auth): Extension<Auth>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
    Body(change): Body<NewPassword>,
) -> Result<Response, Problem> {
    let directory = platform.directory(context.meter());
    let profile = directory.profile(&principal.account, &principal.user).await?;
    change.new_password.judge_for(&profile, "/newPassword")?;
    // A stolen access token must not be a way to guess the password faster than a login is.
    let counted = Limit::for_user(&principal.user);
    let view = directory.login(&profile.email, std::slice::from_ref(&counted.attempts)).await?;
    let seen = view.attempts.first().copied().unwrap_or_default();
    attempts::count(&directory, &platform.clock, &counted, seen).await?;
    let login = view.login.ok_or_else(|| Problem::internal(&"a user without a login"))?;
    if !auth.hasher.verify(change.current_password, Some(login.password_hash.clone())).await? {
        return Err(Problem::invalid_field("/currentPassword", "wrong_password", "is not your password"));
    }
    let new = auth.hasher.hash(change.new_password).await?;
    // Before as well as after: whoever's answer is lost now cannot try again with the old password,
    // and must not leave others logged in.
    sessions::end_all_but(&directory, &principal, &principal.session).await?;
    let occasion = links::occasion(&platform.clock, &context.caller());
    let message = Message::SecurityChange { what: Change::Password, occasion };
    let mail = links::outgoing(&platform.clock, Some(principal.account), &profile.email, message)?;
    directory.change_password(&profile.email, &login.password_hash, &new, &mail).await?;
    // The password is changed: one attempt that stays counted must not undo it.
    let _ = directory.forgive(&counted.attempts).await;
    sessions::end_all_but(&directory, &principal, &principal.session).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
