//! What a function runs on: the table, the keys and the clock.

use std::sync::Arc;

use aws_credential_types::Credentials;
use nexo_domain::{AccountId, UserId};
use nexo_identity::{Clock, CredentialCache, CredentialVendor, Verifier};
use nexo_store::{Directory, Meter, SecurityEvent, Store, StoreConfig, StsVendor};
use nexo_tenant_key::CursorKey;

use crate::RequestContext;
use crate::denials::Denials;

/// Receives one line of JSON for each request.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// What all functions share. Made once, in init; cheap to clone.
#[derive(Clone)]
pub struct Platform {
    /// The table.
    pub store: Store,
    /// Checks access tokens.
    pub verifier: Arc<Verifier>,
    /// Account-scoped credentials; a function that has no tenant data has none.
    pub credentials: Option<Arc<CredentialCache>>,
    /// Seals cursors; a function without lists has none.
    pub cursors: Option<CursorKey>,
    /// The time.
    pub clock: Clock,
    /// Where log lines go.
    pub log: LogSink,
    /// Which denials were noted.
    pub(crate) denials: Arc<Denials>,
}

impl Platform {
    /// A platform on `store`.
    pub fn new(store: StoreConfig, issuer: &str, vendor: Option<Box<dyn CredentialVendor>>) -> Self {
        let clock = store.clock.clone();
        let store = Store::new(store);
        Self {
            verifier: Arc::new(Verifier::new(issuer, clock.clone())),
            credentials: vendor.map(|vendor| Arc::new(CredentialCache::new(vendor, clock.clone()))),
            cursors: None,
            store,
            clock,
            log: Arc::new(log_to_stderr),
            denials: Arc::default(),
        }
    }

    /// The platform the environment describes, as `template.yaml` sets it.
    ///
    /// # Panics
    /// When a variable is missing: a function that cannot work must not start.
    pub fn from_env() -> Self {
        let own_role = Credentials::new(
            required("AWS_ACCESS_KEY_ID"),
            required("AWS_SECRET_ACCESS_KEY"),
            variable("AWS_SESSION_TOKEN"),
            None,
            "lambda",
        );
        let http = StoreConfig::https();
        let region = required("AWS_REGION");
        let vendor = vendor_from_env(&own_role, &region, &http);
        let store = StoreConfig {
            table: required("NEXO_TABLE"),
            region,
            endpoint: endpoint("NEXO_DYNAMODB_ENDPOINT"),
            own_role,
            http,
            clock: Clock::system(),
        };
        let mut platform = Self::new(store, &required("NEXO_ISSUER"), vendor);
        platform.cursors =
            variable("NEXO_CURSOR_SECRET").map(|secret| CursorKey::from_secret(secret.as_bytes()));
        platform
    }

    /// Looks at the session of every request instead of once a minute.
    #[must_use]
    pub fn always_checking_the_session(&self) -> Self {
        Self { verifier: Arc::new(self.verifier.always_checking_the_session()), ..self.clone() }
    }

    /// The directory, counted by `meter`.
    pub fn directory(&self, meter: &Meter) -> Directory {
        Directory::new(self.store.clone(), meter.clone())
    }

    /// Keeps an event for a user, after what it is about. What was done stays done if that fails.
    pub async fn note(
        &self,
        context: &RequestContext,
        account: &AccountId,
        user: &UserId,
        event: &SecurityEvent,
    ) {
        if let Err(error) = self.directory(context.meter()).note(account, user, event).await {
            context.warn(format!("security event not kept: {error}"));
        }
    }

    /// A variable of the function's environment, unless it is missing or empty.
    pub fn variable(name: &str) -> Option<String> {
        variable(name)
    }

    /// A variable of the function's environment.
    ///
    /// # Panics
    /// When it is missing.
    pub fn required_variable(name: &str) -> String {
        required(name)
    }
}

/// Credentials come from STS, or from the endpoint that stands in for it beside a local table.
fn vendor_from_env(
    own_role: &Credentials,
    region: &str,
    http: &aws_smithy_runtime_api::client::http::SharedHttpClient,
) -> Option<Box<dyn CredentialVendor>> {
    let role = variable("NEXO_TENANT_ROLE_ARN")?;
    let endpoint = endpoint("NEXO_STS_ENDPOINT");
    Some(Box::new(StsVendor::new(role, region.to_owned(), endpoint, own_role.clone(), http.clone())))
}

/// Another address than AWS's own.
fn endpoint(name: &str) -> Option<String> {
    variable(name).filter(|address| address != "aws")
}

/// Writes a line of log where Lambda reads it.
pub fn log_to_stderr(line: &str) {
    use std::io::Write as _;
    // One write a line, so that lines of concurrent requests do not mix. A log that cannot be
    // written must not fail the request.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::panic, reason = "a function that lacks its settings must not start")]
fn required(name: &str) -> String {
    match variable(name) {
        Some(value) => value,
        None => panic!("the environment variable {name} is not set"),
    }
}
