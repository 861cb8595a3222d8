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
use nexo_domain::{AccountId, Email, Invalid, SecurityEventType, UserId};
use nexo_mail::{Change, Message};
use nexo_store::{Directory, Factors, Profile, StoreError, Told};
use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use crate::attempts::{OwnAttempt, ProofBy};
use crate::blocklist::Blocklist;
use crate::policy::Weakness;
use crate::{Auth, activity, links, sessions};

/// NIST SP 800-63B-4, section 3.1.1.2: at least 15 characters where a password is the only factor, 8 beside a
/// second one, and room for at least 64.
const SHORTEST: usize = 15;
const SHORTEST_BESIDE_MFA: usize = 8;
const LONGEST: usize = 256;

/// A password as it was typed, in Unicode's NFC so that two keyboards type the same one. Never
/// printed, never logged, never answered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    fn is_acceptable(&self, owner: &Owner<'_>) -> Result<(), Invalid> {
        let shortest = if owner.has_mfa { SHORTEST_BESIDE_MFA } else { SHORTEST };
        let length = self.0.chars().count();
        if length < shortest {
            let advice = "a sentence is easy to remember and hard to guess";
            return Err(Invalid::new(
                "too_short",
                format!("must have at least {shortest} characters; {advice}"),
            ));
        }
        if length > LONGEST {
            return Err(Invalid::new("too_long", "must have at most 256 characters"));
        }
        let weakness = Weakness::of(&self.0, shortest, &owner.words(), &Blocklist::embedded());
        weakness.map_or(Ok(()), |weakness| Err(weakness.refusal()))
    }

    /// Whether it is accepted only beside a second factor.
    pub(crate) fn is_short(&self) -> bool {
        self.0.chars().count() < SHORTEST
    }

    /// Refuses it when the user of `profile` cannot choose it as a password.
    pub(crate) fn judge_for(
        &self,
        profile: &Profile,
        factors: &Factors,
        pointer: &str,
    ) -> Result<(), Problem> {
        let mut errors = FieldErrors::default();
        let names = &[profile.first_name.as_str(), profile.last_name.as_str()];
        let owner = Owner { names, email: Some(&profile.email), has_mfa: factors.is_enrolled() };
        self.judge(&owner, pointer, &mut errors);
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
    /// Whether a second factor stands beside the password.
    pub(crate) has_mfa: bool,
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
            "description": "When it is chosen: at least 15 characters of any kind, or 8 beside a second factor (NIST SP \
                800-63B-4), and none that \
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

/// Notes beside a user's second factors whether the password is too short to stand alone: before a short one
/// is set and after a long one, so that there never is a short one that is not noted.
pub(crate) struct Length<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) account: &'a AccountId,
    pub(crate) user: &'a UserId,
    pub(crate) factors: &'a Factors,
    pub(crate) is_short: bool,
}

impl Length<'_> {
    pub(crate) async fn note_before(&self) -> Result<(), StoreError> {
        // Also where it is noted: a change that is under way must not take the note away after this.
        if self.is_short { self.note().await } else { Ok(()) }
    }

    pub(crate) async fn note_after(&self) -> Result<(), StoreError> {
        if self.is_short || !self.factors.has_short_password { Ok(()) } else { self.note().await }
    }

    async fn note(&self) -> Result<(), StoreError> {
        let mut factors = self.factors.clone();
        factors.has_short_password = self.is_short;
        self.directory.save_factors(self.account, self.user, None, &factors, None).await
    }
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
    let (account, user) = (&principal.account, &principal.user);
    let profile = directory.profile(account, user).await?;
    let factors = directory.factors(account, user).await?;
    change.new_password.judge_for(&profile, &factors, "/newPassword")?;
    let attempt =
        OwnAttempt::count(&directory, &platform.clock, &principal, &profile.email, ProofBy::Password).await?;
    let checked = attempt.check_password(&auth.hasher, change.current_password, "/currentPassword").await;
    activity::checked(&platform, &context, SecurityEventType::PasswordChange, checked).await?;
    let is_short = change.new_password.is_short();
    let new = auth.hasher.hash(change.new_password).await?;
    // Before as well as after: whoever's answer is lost now cannot try again with the old password,
    // and must not leave others logged in.
    sessions::end_all_but(&directory, &principal, &principal.session).await?;
    let occasion = links::occasion(&platform.clock, &context.caller());
    let message = Message::SecurityChange { what: Change::Password, occasion };
    let mail = links::outgoing(&platform.clock, Some(principal.account), &profile.email, message)?;
    let length = Length { directory: &directory, account, user, factors: &factors, is_short };
    length.note_before().await?;
    let told = Told { mail: &mail, event: &context.event(SecurityEventType::PasswordChange) };
    let judged_by = (&principal.session, &factors);
    directory.change_password(&profile.email, &attempt.login, judged_by, &new, told).await?;
    // The password is changed: what comes after must not undo it.
    sessions::end_all_but(&directory, &principal, &principal.session).await?;
    let _ = length.note_after().await;
    attempt.forget().await;
    Ok(StatusCode::NO_CONTENT.into_response())
}
