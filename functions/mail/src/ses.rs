//! Amazon SES.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Region};
use aws_sdk_sesv2::error::{BuildError, DisplayErrorContext};
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use aws_sdk_sesv2::{Client, Config};
use nexo_api::Platform;
use nexo_identity::BoxFuture;
use nexo_mail::{Mail, Mailer, SendError};
use nexo_store::StoreConfig;

/// Sends by Amazon SES, under the function's own role.
pub struct Ses {
    client: Client,
    from: String,
}

impl Ses {
    /// The service of the function's region; `from` is a sender that SES has verified.
    ///
    /// # Panics
    /// When the environment lacks what Lambda puts into it.
    pub fn from_env(from: String) -> Self {
        let credentials = Credentials::new(
            Platform::required_variable("AWS_ACCESS_KEY_ID"),
            Platform::required_variable("AWS_SECRET_ACCESS_KEY"),
            Some(Platform::required_variable("AWS_SESSION_TOKEN")),
            None,
            "lambda",
        );
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(Platform::required_variable("AWS_REGION")))
            .credentials_provider(credentials)
            .http_client(StoreConfig::https())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts())
            .build();
        Self { client: Client::from_conf(config), from }
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), SendError> {
        let content = content(mail).map_err(|error| SendError(error.to_string()))?;
        let request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(mail.to.as_str()).build())
            .content(content);
        let sent = request.send().await;
        sent.map(drop).map_err(|error| SendError(DisplayErrorContext(&error).to_string()))
    }
}

/// Ten mails of a batch fit into the function's 30 s unless SES is far from well.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let utf8 = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
    let message = Message::builder().subject(utf8(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

impl Mailer for Ses {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.hand_over(mail))
    }
}
