//! The public keys: in the table for the other functions, and at `GET /.well-known/jwks.json` for all.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::Extension;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use nexo_api::{Problem, json};
use nexo_identity::{Clock, PublicKey, key_period};
use nexo_store::Directory;
use serde::Serialize;

use crate::Auth;

/// So often it is checked that the keys are still in the table, in seconds: it may have been restored
/// from a backup, or a sandbox with another secret may have been the last to publish.
const CHECKED_EVERY: i64 = 3600;

/// When this sandbox last saw its keys in the table, in seconds since the Unix epoch.
pub(crate) struct Published(AtomicI64);

impl Published {
    pub(crate) fn now(clock: &Clock) -> Self {
        Self(AtomicI64::new(clock.now_seconds()))
    }

    fn is_due(&self, now: i64) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        key_period(at) != key_period(now) || now - at >= CHECKED_EVERY
    }
}

impl Auth {
    /// Publishes the keys when a new period has begun, and looks after them now and then. Comes before
    /// tokens are made, and before anything is written for them.
    pub(crate) async fn keep_keys_published(
        &self,
        directory: &Directory,
        clock: &Clock,
    ) -> Result<(), Problem> {
        let now = clock.now_seconds();
        if self.published.is_due(now) {
            directory.publish(&self.signer.public_keys()).await?;
            self.published.0.store(now, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A set of public keys (RFC 7517, section 5).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub(crate) struct Jwks {
    keys: Vec<Jwk>,
}

/// A public key for Ed25519 (RFC 8037, section 2).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    /// Names the key in a token's header.
    kid: String,
    /// The 32 bytes of the key, in base64url.
    x: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        let x = key.x_base64url();
        Self { kty: "OKP", crv: "Ed25519", kid: key.kid, x, usage: "sig", alg: "EdDSA" }
    }
}

/// The next period's key is in the set for 30 days before it signs, so a copy may be kept for a while.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Answers the keys. They follow from the secret and the time: the table is not asked.
pub(crate) async fn jwks(Extension(auth): Extension<Auth>) -> Response {
    let keys = auth.signer.public_keys().map(Jwk::from).into();
    let mut response = json(StatusCode::OK, &Jwks { keys });
    response.headers_mut().insert(CACHE_CONTROL, KEPT);
    response
}
