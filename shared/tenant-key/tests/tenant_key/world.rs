//! Scopes, made the only way there is: from a token.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use nexo_domain::{AccountId, ClientId, IdKind, Role, SessionId, Timestamp, UserId};
use nexo_identity::{
    BoxFuture, Clock, Credentials, Demand, Directory, DirectoryError, Principal, ProofState, PublicKey,
    SessionPrincipal, SessionState, Signer, Verified, Verifier,
};
use nexo_tenant_key::TenantScope;
use proptest::prelude::*;

const ISSUER: &str = "https://nexo.test";

const PROOF: ProofState = ProofState { at: 0, is_for_setup: false };

/// Published keys, and every session alive.
struct InMemoryDirectory(Vec<PublicKey>);

impl Directory for InMemoryDirectory {
    fn public_keys(&self) -> BoxFuture<'_, Result<Vec<PublicKey>, DirectoryError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn session<'a>(
        &'a self,
        _: &'a AccountId,
        _: &'a UserId,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<SessionState>, DirectoryError>> {
        Box::pin(async {
            Ok(Some(SessionState { expires_at: i64::MAX, proof: PROOF, standing: Role::Owner.into() }))
        })
    }
}

pub(crate) fn verified(account: AccountId, user: UserId) -> Verified<Principal> {
    let clock = Clock::system();
    let signer = Signer::from_secret(&[7; 32], ISSUER, clock.clone()).unwrap();
    let directory = InMemoryDirectory(signer.public_keys().to_vec());
    let session = SessionId::from_parts(0, [3; 10]);
    let standing = std::sync::Arc::new(Role::Owner.into());
    let token = signer.sign(&SessionPrincipal { account, user, session, standing }, PROOF).unwrap();
    let verifier = Verifier::new(ISSUER, clock);
    match pin!(verifier.verify(&token, Demand::default(), &directory))
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(outcome) => outcome.unwrap(),
        Poll::Pending => panic!("the directory in memory waits for something"),
    }
}

pub(crate) fn credentials(account: AccountId) -> Credentials {
    Credentials {
        account,
        access_key_id: "key id".into(),
        secret_access_key: "secret".into(),
        session_token: "token".into(),
        expires_at: Timestamp::MAX,
    }
}

pub(crate) fn scope_of(account: AccountId, user: UserId) -> TenantScope {
    TenantScope::new(verified(account, user), credentials(account)).unwrap()
}

/// The scope of the account with this number.
pub(crate) fn scope(number: u64) -> TenantScope {
    scope_of(AccountId::from_parts(number, [1; 10]), UserId::from_parts(number, [2; 10]))
}

pub(crate) fn any_id<K: IdKind>() -> impl Strategy<Value = nexo_domain::Id<K>> {
    (0..1_u64 << 48, any::<[u8; 10]>())
        .prop_map(|(millis, random)| nexo_domain::Id::from_parts(millis, random))
}

pub(crate) fn any_scope() -> impl Strategy<Value = TenantScope> {
    (any_id(), any_id()).prop_map(|(account, user)| scope_of(account, user))
}

pub(crate) const CLIENT: &str = "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV";

pub(crate) fn client() -> ClientId {
    CLIENT.parse().unwrap()
}
