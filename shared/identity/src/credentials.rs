//! Credentials that the storage engine itself limits to one account.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use nexo_domain::{AccountId, Timestamp};

use crate::{BoxFuture, Clock, Principal, Verified};

/// Temporary credentials of the tenant role, tagged with one account.
///
/// DynamoDB and S3 refuse, under these, every key that does not begin with that account.
#[derive(Clone)]
pub struct Credentials {
    /// The account they are limited to.
    pub account: AccountId,
    /// AWS access key id.
    pub access_key_id: String,
    /// AWS secret access key.
    pub secret_access_key: String,
    /// AWS session token; locally, the sealed name of the account.
    pub session_token: String,
    /// When they end.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The credentials could not be had.
#[derive(Debug, thiserror::Error)]
#[error("no credentials for the account: {0}")]
pub struct VendError(pub String);

/// Where account-scoped credentials come from: STS in the cloud, a sealing issuer locally.
pub trait CredentialVendor: Send + Sync {
    /// Credentials limited to `account`.
    fn vend<'a>(&'a self, account: &'a AccountId) -> BoxFuture<'a, Result<Credentials, VendError>>;
}

/// At least this much of their life must be left when credentials are used.
const LEAST_LEFT_MS: i64 = 30 * 60 * 1000;

/// Accounts remembered in one sandbox; beyond it the one that expires first makes room.
const CAPACITY: usize = 1000;

/// One vendor's credentials, kept per account for as long as they are good.
pub struct CredentialCache {
    vendor: Box<dyn CredentialVendor>,
    clock: Clock,
    held: Mutex<HashMap<AccountId, Credentials>>,
}

impl CredentialCache {
    /// A cache in front of `vendor`.
    pub fn new(vendor: Box<dyn CredentialVendor>, clock: Clock) -> Self {
        Self { vendor, clock, held: Mutex::default() }
    }

    /// The credentials of a verified principal's account, with at least 30 minutes left.
    ///
    /// # Errors
    /// When the vendor has none to give.
    pub async fn for_principal(&self, principal: &Verified<Principal>) -> Result<Credentials, VendError> {
        let good_until = Timestamp::from_millis(self.clock.now_ms() + LEAST_LEFT_MS);
        if let Some(found) = self.locked().get(&principal.account).filter(|c| c.expires_at >= good_until) {
            return Ok(found.clone());
        }
        let fresh = self.vendor.vend(&principal.account).await?;
        let mut held = self.locked();
        if held.len() >= CAPACITY
            && let Some(first) = held.values().min_by_key(|c| c.expires_at).map(|c| c.account)
        {
            held.remove(&first);
        }
        held.insert(principal.account, fresh.clone());
        Ok(fresh)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Credentials>> {
        // The map is whole even if a holder of the lock panicked: each change is one insert.
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
