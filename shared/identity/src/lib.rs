//! Who is asking.
//!
//! [`Verifier::verify`] turns a bearer token into a [`Verified<Principal>`], after checking its
//! signature, its claims and the session behind it, or the API key that it is. Nothing else in the workspace can make that
//! value: its field is private and it has no other constructor. Everything that reaches an
//! account's data (`nexo_tenant_key::TenantScope`, and through it the store) starts from it.
//!
//! No AWS and no HTTP here: sessions and keys come through [`Directory`], credentials through
//! [`CredentialVendor`]. The store implements both for the cloud, `infra/local` the second for a
//! laptop.
#![warn(missing_docs)]

mod api_key;
mod clock;
mod credentials;
mod crypto;
mod link;
mod principal;
mod refresh;
mod signer;
mod token;
mod verifier;

pub use api_key::{API_KEY_LENGTH, API_KEY_PREFIX, ApiKey, ApiKeyHash};
pub use clock::Clock;
pub use credentials::{CredentialCache, CredentialVendor, Credentials, VendError};
pub use link::{Link, LinkKey, Purpose};
pub use principal::{Credential, Principal, SessionPrincipal, Standing, Verified};
pub use refresh::{RefreshKey, RefreshToken};
pub use signer::{KEY_PERIOD_SECONDS, SignError, Signer, key_period};
pub use token::{ACCESS_TOKEN_SECONDS, AUDIENCE, MAX_TOKEN_BYTES, PublicKey};
pub use verifier::{
    ApiKeyState, Demand, Directory, DirectoryError, KEY_COPY_SECONDS, KEY_USE_SECONDS,
    LONGEST_KEY_COPY_SECONDS, ProofState, RECENT_SECONDS, REVOCATION_SECONDS, SessionState, Verifier,
    VerifyError,
};

/// A boxed future, so that the traits of this crate can be used as objects.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
