//! The DynamoDB client: built in a few instructions, without credentials of its own.

use std::time::Duration;

use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config, config};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpClient as _, SharedHttpClient, http_client_fn};
use nexo_identity::{Clock, Credentials};

/// Amazon's four root certificates, which sign every AWS endpoint
/// (<https://www.amazontrust.com/repository/>). Parsing the system's 140 would be nine tenths of a
/// function's start.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Connections are dropped after this long without use: a sandbox that was frozen for longer would
/// find them dead.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Where the table is and who the function itself is.
#[derive(Clone)]
pub struct StoreConfig {
    /// The table's name.
    pub table: String,
    /// The AWS region.
    pub region: String,
    /// Another endpoint than AWS's: the local engine, or any DynamoDB-compatible server.
    pub endpoint: Option<String>,
    /// The function's own role.
    pub own_role: AwsCredentials,
    /// The HTTP client; [`StoreConfig::https`] in the cloud.
    pub http: SharedHttpClient,
    /// The clock.
    pub clock: Clock,
}

impl StoreConfig {
    /// An HTTPS client on ring that trusts Amazon's roots and nothing else. Plain `http://`
    /// endpoints work too.
    ///
    /// The roots are read with the first connection, not here; a test shows that they can be.
    ///
    /// # Panics
    /// When the context cannot be built, which takes a setting that is not made here.
    #[expect(clippy::expect_used, reason = "nothing that could be refused is set")]
    pub fn https() -> SharedHttpClient {
        let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        let context = TlsContext::builder().with_trust_store(roots).build().expect("embedded roots");
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .pool_idle_timeout(POOL_IDLE)
            .build_https();
        // Behind a function, so that a config is not tried out when it is built: that would parse the
        // roots once more, for other timeouts than ours.
        http_client_fn(move |settings, components| client.http_connector(settings, components))
    }
}

/// The table's client. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: String,
    pub(crate) clock: Clock,
    own_role: AwsCredentials,
}

impl Store {
    /// A client for the table of `config`. Opens nothing yet.
    pub fn new(config: StoreConfig) -> Self {
        let mut builder = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region))
            .http_client(config.http)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts());
        if let Some(endpoint) = config.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Self {
            client: Client::from_conf(builder.build()),
            table: config.table,
            clock: config.clock,
            own_role: config.own_role,
        }
    }

    /// Settings that make a call under the function's own role.
    pub(crate) fn as_function(&self) -> config::Builder {
        Config::builder().credentials_provider(self.own_role.clone())
    }
}

/// Settings that make a call under an account's credentials.
pub(crate) fn as_tenant(credentials: &Credentials) -> config::Builder {
    Config::builder().credentials_provider(of_tenant(credentials))
}

/// An account's credentials, as AWS's clients take them.
pub fn of_tenant(credentials: &Credentials) -> AwsCredentials {
    AwsCredentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.as_str(),
        (!credentials.session_token.is_empty()).then(|| credentials.session_token.clone()),
        None,
        "nexo-tenant",
    )
}

/// A connection in one second, an answer in three, all attempts in eight: well within the
/// function's own deadline, so that a slow table gives our 503 and not the gateway's.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn the_embedded_roots_are_amazons_four() {
        let roots = CertificateDer::pem_slice_iter(AMAZON_ROOTS).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(roots.len(), 4);
        let names = ["Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4"];
        for (root, name) in roots.iter().zip(names) {
            assert!(root.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
            // What rustls makes of each when a connection is opened.
            assert!(webpki::anchor_from_trusted_cert(root).is_ok(), "{name}");
        }
    }
}
