//! Account-scoped credentials from AWS STS.

use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::types::Tag;
use aws_sdk_sts::{Client, Config};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_domain::{AccountId, Timestamp};
use nexo_identity::{BoxFuture, CredentialVendor, Credentials, VendError};

use crate::client::timeouts;
use crate::error::chain;

/// The tag that names the account; the tenant role's policy compares keys with it.
const ACCOUNT_TAG: &str = "account";

/// Role chaining caps a session at one hour, in seconds.
const SESSION_SECONDS: i32 = 3600;

/// Assumes the tenant role with the account as session tag.
pub struct StsVendor {
    client: Client,
    role_arn: String,
}

impl StsVendor {
    /// A vendor that assumes `role_arn` as the function's own role, at AWS or at `endpoint`.
    pub fn new(
        role_arn: String,
        region: String,
        endpoint: Option<String>,
        own_role: AwsCredentials,
        http: SharedHttpClient,
    ) -> Self {
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(own_role)
            .http_client(http)
            .timeout_config(timeouts());
        config.set_endpoint_url(endpoint);
        Self { client: Client::from_conf(config.build()), role_arn }
    }
}

impl CredentialVendor for StsVendor {
    fn vend<'a>(&'a self, account: &'a AccountId) -> BoxFuture<'a, Result<Credentials, VendError>> {
        Box::pin(async move {
            let fault = |what: String| VendError(what);
            let tag = Tag::builder().key(ACCOUNT_TAG).value(account.ulid()).build();
            let answer = self
                .client
                .assume_role()
                .role_arn(&self.role_arn)
                .role_session_name(account.ulid())
                .tags(tag.map_err(|error| fault(error.to_string()))?)
                .duration_seconds(SESSION_SECONDS)
                .send()
                .await
                .map_err(|error| fault(format!("AssumeRole: {}", chain(&error))))?;
            let given = answer.credentials.ok_or_else(|| fault("AssumeRole gave no credentials".into()))?;
            Ok(Credentials {
                account: *account,
                access_key_id: given.access_key_id,
                secret_access_key: given.secret_access_key,
                session_token: given.session_token,
                expires_at: Timestamp::from_millis(given.expiration.secs().saturating_mul(1000)),
            })
        })
    }
}
