//! Recovery codes: what a user logs in with when the second factor is lost.

use axum::extract::State;
use axum::response::Response;
use base32::Alphabet;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use nexo_api::{Code, Platform, Problem, RequestContext, SignedIn, json};
use nexo_domain::UserId;
use nexo_mail::Change;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::mfa::Own;

/// Codes a user gets at once.
const COUNT: usize = 10;

/// Bytes of a code: 120 bits. Below 112, NIST SP 800-63B-4 (section 3.1.2.2) asks for a password's hash.
const BYTES: usize = 15;

/// Characters between two dashes.
const GROUP: usize = 4;

/// Fresh codes, as they are shown once, and what is kept of them.
pub(crate) struct Codes {
    pub(crate) shown: Vec<String>,
    pub(crate) kept: Vec<String>,
}

impl Codes {
    pub(crate) fn fresh(user: &UserId) -> Result<Self, Problem> {
        let mut codes = Self { shown: Vec::new(), kept: Vec::new() };
        for _ in 0..COUNT {
            let mut code = [0; BYTES];
            getrandom::fill(&mut code).map_err(|error| Problem::internal(&error))?;
            codes.shown.push(text(&code));
            codes.kept.push(hash(user, &code));
        }
        Ok(codes)
    }
}

/// Codes to log in with when the second factor is lost. They are shown once; each is good once.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecoveryCodes {
    pub(crate) recovery_codes: Vec<String>,
}

/// `POST /api/auth/mfa/recovery-codes`: ten new codes in place of the old ones.
pub(crate) async fn renew(
    State(platform): State<Platform>,
    context: RequestContext,
    SignedIn(principal): SignedIn,
) -> Result<Response, Problem> {
    let mut own = Own::read(&platform, &context, &principal).await?;
    if !own.factors.is_enrolled() {
        return Err(Problem::new(
            Code::MfaNotSetUp,
            "Recovery codes stand in for a second factor. Set one up first.",
        ));
    }
    let codes = Codes::fresh(&principal.user)?;
    own.factors.recovery_codes = codes.kept;
    own.save(Change::RecoveryCodesRenewed).await?;
    Ok(json(StatusCode::OK, &RecoveryCodes { recovery_codes: codes.shown }))
}

/// Takes the code out of those that are `kept`: it is good once. `false` when it is none of them.
pub(crate) fn take(kept: &mut Vec<String>, user: &UserId, given: &str) -> bool {
    let hash = read(given).map(|code| hash(user, &code));
    let found = kept.iter().position(|one| Some(one) == hash.as_ref());
    found.map(|index| kept.remove(index)).is_some()
}

fn text(code: &[u8]) -> String {
    let letters: Vec<char> = base32::encode(Alphabet::Crockford, code).to_lowercase().chars().collect();
    letters.chunks(GROUP).map(String::from_iter).collect::<Vec<_>>().join("-")
}

/// A code in any case and grouping; Crockford's letters cannot be taken for digits.
fn read(given: &str) -> Option<Vec<u8>> {
    let letters: String = given.chars().filter(char::is_ascii_alphanumeric).take(2 * BYTES).collect();
    base32::decode(Alphabet::Crockford, &letters).filter(|code| code.len() == BYTES)
}

/// A code has as much chance in it as a key: one hash is enough, and comparing hashes tells nothing of one.
fn hash(user: &UserId, code: &[u8]) -> String {
    let hash =
        Sha256::new().chain_update(b"nexo recovery code 1").chain_update(user.ulid()).chain_update(code);
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use nexo_identity::Clock;

    use super::*;

    #[test]
    fn a_code_is_good_once_for_its_user_however_it_is_typed() {
        let clock = Clock::system();
        let (user, other) = (clock.mint().unwrap(), clock.mint().unwrap());
        let Codes { shown, mut kept } = Codes::fresh(&user).unwrap();
        assert_eq!((shown.len(), kept.len()), (10, 10));
        let typed =
            format!(" {} ", shown[3].to_uppercase().replace('-', " ").replace('1', "l").replace('0', "O"));
        assert!(!take(&mut kept, &other, &typed));
        assert!(take(&mut kept, &user, &typed));
        assert!(!take(&mut kept, &user, &shown[3]));
        assert!(take(&mut kept, &user, &shown[4]));
        for wrong in ["", "0000-0000-0000-0000-0000-0000", "ü", &shown[5][..28], &"x".repeat(500_000)] {
            assert!(!take(&mut kept, &user, wrong), "{wrong}");
        }
        assert_eq!(kept.len(), 8);
    }

    #[test]
    fn a_code_reads_well() {
        assert_eq!(text(&[0xff; BYTES]), "zzzz-zzzz-zzzz-zzzz-zzzz-zzzz");
    }
}
