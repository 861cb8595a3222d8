//! How long an account's credentials are kept.

use std::sync::{Arc, Mutex};

use nexo_domain::{AccountId, Timestamp};
use nexo_identity::{
    BoxFuture, Clock, CredentialCache, CredentialVendor, Credentials, Principal, VendError, Verified,
};

use crate::world::{PROOF, World, now, principal};

const MINUTE_MS: i64 = 60_000;

/// Gives credentials that live an hour, and remembers for whom.
#[derive(Clone)]
struct Vendor {
    clock: Clock,
    sold: Arc<Mutex<Vec<AccountId>>>,
    closed: Arc<Mutex<bool>>,
}

impl CredentialVendor for Vendor {
    fn vend<'a>(&'a self, account: &'a AccountId) -> BoxFuture<'a, Result<Credentials, VendError>> {
        let number = {
            let mut sold = self.sold.lock().unwrap();
            sold.push(*account);
            sold.len()
        };
        let closed = *self.closed.lock().unwrap();
        let expires_at = Timestamp::from_millis(self.clock.now_ms() + 60 * MINUTE_MS);
        Box::pin(async move {
            if closed {
                return Err(VendError("closed".into()));
            }
            Ok(Credentials {
                account: *account,
                access_key_id: format!("key {number}"),
                secret_access_key: "secret".into(),
                session_token: "token".into(),
                expires_at,
            })
        })
    }
}

struct Counter {
    world: World,
    vendor: Vendor,
    cache: CredentialCache,
}

impl Counter {
    fn new() -> Self {
        let world = World::new();
        let vendor = Vendor { clock: world.clock.clone(), sold: Arc::default(), closed: Arc::default() };
        let cache = CredentialCache::new(Box::new(vendor.clone()), world.clock.clone());
        Self { world, vendor, cache }
    }

    fn verified(&self, number: u64) -> Verified<Principal> {
        let token = self.world.signer.sign(&principal(number), PROOF).unwrap();
        self.world.verify(&token).unwrap()
    }

    /// The access key that the account of `principal(number)` gets.
    fn key_of(&self, number: u64) -> String {
        now(self.cache.for_principal(&self.verified(number))).unwrap().access_key_id
    }

    fn sold(&self) -> usize {
        self.vendor.sold.lock().unwrap().len()
    }
}

#[test]
fn credentials_are_kept_while_half_an_hour_is_left() {
    let counter = Counter::new();
    assert_eq!(counter.key_of(1), "key 1");
    counter.world.clock.advance(30 * MINUTE_MS - 1000);
    assert_eq!(counter.key_of(1), "key 1");
    counter.world.clock.advance(1001);
    assert_eq!(counter.key_of(1), "key 2");
    assert_eq!(counter.key_of(1), "key 2");
    assert_eq!(counter.sold(), 2);
}

#[test]
fn each_account_has_its_own() {
    let counter = Counter::new();
    assert_eq!([1, 2, 1, 2].map(|number| counter.key_of(number)), ["key 1", "key 2", "key 1", "key 2"]);
    let expected = vec![principal(1).account, principal(2).account];
    assert_eq!(*counter.vendor.sold.lock().unwrap(), expected);
}

#[test]
fn a_thousand_accounts_are_remembered_and_the_first_to_expire_makes_room() {
    let counter = Counter::new();
    for number in 1..=1000 {
        counter.key_of(number);
        counter.world.clock.advance(1);
    }
    assert_eq!(counter.key_of(1), "key 1");
    assert_eq!(counter.key_of(1001), "key 1001");
    // The first has made room; the second and the newest are still there.
    assert_eq!(counter.key_of(2), "key 2");
    assert_eq!(counter.key_of(1001), "key 1001");
    assert_eq!(counter.key_of(1), "key 1002");
    // Now the second has.
    assert_eq!(counter.key_of(2), "key 1003");
    assert_eq!(counter.sold(), 1003);
}

#[test]
fn a_refusal_is_passed_on_and_not_remembered() {
    let counter = Counter::new();
    let verified = counter.verified(1);
    *counter.vendor.closed.lock().unwrap() = true;
    let refused = now(counter.cache.for_principal(&verified)).err().unwrap();
    assert_eq!(refused.to_string(), "no credentials for the account: closed");
    *counter.vendor.closed.lock().unwrap() = false;
    assert_eq!(counter.key_of(1), "key 2");
}

#[test]
fn a_log_line_of_credentials_holds_no_secret() {
    let account = principal(1).account;
    let credentials = Credentials {
        account,
        access_key_id: "hidden id".into(),
        secret_access_key: "hidden key".into(),
        session_token: "hidden token".into(),
        expires_at: Timestamp::from_millis(0),
    };
    assert_eq!(
        format!("{credentials:?}"),
        format!("Credentials {{ account: {account}, expires_at: 1970-01-01T00:00:00.000Z, .. }}")
    );
}
