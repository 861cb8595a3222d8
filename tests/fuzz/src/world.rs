//! A verifier at one moment, a key to sign with, and a scope.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use nexo_domain::{AccountId, Role, SessionId, Timestamp, UserId};
use nexo_identity::{
    BoxFuture, Clock, Credentials, Demand, Directory, DirectoryError, Principal, ProofState, PublicKey,
    SessionState, Standing, Verified, Verifier,
};
use nexo_tenant_key::TenantScope;

/// The second in which all targets run, in Unix time: inputs that are kept must go on meaning the same.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) const ISSUER: &str = "https://nexo.test";

/// What a look at a session finds: less than the tokens that are tried name.
pub(crate) fn standing_now() -> Standing {
    Role::Viewer.into()
}

/// One published key, and every session alive.
struct World;

impl Directory for World {
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>> {
        Box::pin(async { Ok(vec![public()]) })
    }

    fn session<'a>(
        &'a self,
        _: &'a AccountId,
        _: &'a UserId,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>> {
        let proof = ProofState { at: NOW, is_for_setup: false };
        Box::pin(
            async move { Ok(Some(SessionState { expires_at: i64::MAX, proof, standing: standing_now() })) },
        )
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn public() -> PublicKey {
    PublicKey::new(key().verifying_key().to_bytes())
}

/// The principal of `token` in the second [`NOW`], for a verifier that has seen no other token.
pub(crate) fn verify(token: &str) -> Option<Verified<Principal>> {
    loop {
        let clock = Clock::system();
        clock.advance(NOW * 1000 - clock.now_ms());
        let verifier = Verifier::new(ISSUER, clock.clone());
        let mut answer = pin!(verifier.verify(token, Demand::default(), &World));
        let outcome = match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome.ok(),
            Poll::Pending => panic!("the directory in memory waits for something"),
        };
        // A machine that stood still for a second asks again.
        if clock.now_seconds() == NOW {
            return outcome;
        }
    }
}

/// The header that the verifier takes. Text, since the order of `json!`'s members depends on features that
/// other packages choose.
pub(crate) fn header() -> String {
    format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, public().kid)
}

/// The claims of a token that was made just now, for the account with this number.
fn claims(account: u64) -> String {
    let user = UserId::from_parts(account, [2; 10]);
    let session = SessionId::from_parts(account, [3; 10]);
    let account = AccountId::from_parts(account, [1; 10]);
    let exp = NOW + 900;
    format!(
        r#"{{"iss":"{ISSUER}","aud":"nexo-api","sub":"{user}","acc":"{account}","sid":"{session}","roles":["owner"],"iat":{NOW},"exp":{exp},"jti":"AAAAAAAAAAAAAAAAAAAAAA"}}"#
    )
}

/// The message of a token with this header and these claims, whatever they are.
pub(crate) fn message(header: &[u8], claims: &[u8]) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// `message` with the signature of the published key.
pub(crate) fn sign(message: &str) -> String {
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key().sign(message.as_bytes()).to_bytes()))
}

/// A token that is accepted.
pub(crate) fn genuine_token(account: u64) -> String {
    sign(&message(header().as_bytes(), claims(account).as_bytes()))
}

/// The scope of the account with this number.
pub(crate) fn scope(account: u64) -> TenantScope {
    let principal = verify(&genuine_token(account)).expect("a genuine token");
    let credentials = Credentials {
        account: principal.account,
        access_key_id: "key id".into(),
        secret_access_key: "secret".into(),
        session_token: "token".into(),
        expires_at: Timestamp::MAX,
    };
    TenantScope::new(principal, credentials).expect("credentials of the principal's account")
}
