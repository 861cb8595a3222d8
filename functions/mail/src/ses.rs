//! Amazon SES.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::config::{BehaviorVersion, Region};
use aws_sdk_sesv2::error::{BuildError, DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
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
    /// The service of the function's region; `from` is a sender that SES has verified. The SDK's own variable
    /// `AWS_ENDPOINT_URL_SESV2` names another endpoint than AWS's.
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
        let endpoint = Platform::variable("AWS_ENDPOINT_URL_SESV2");
        Self::new(from, Platform::required_variable("AWS_REGION"), credentials, endpoint)
    }

    /// The service of `region`, at AWS or at `endpoint`.
    pub fn new(from: String, region: String, credentials: Credentials, endpoint: Option<String>) -> Self {
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(StoreConfig::https())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts());
        config.set_endpoint_url(endpoint);
        Self { client: Client::from_conf(config.build()), from }
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), SendError> {
        let content = content(mail).map_err(|error| SendError::Refused(error.to_string()))?;
        let request = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(mail.to.as_str()).build())
            .content(content);
        let Err(error) = request.send().await else { return Ok(()) };
        // SES repeats the address in some of its words; it stays out of the log.
        let why = DisplayErrorContext(&error).to_string().replace(mail.to.as_str(), "(recipient)");
        Err(match error.as_service_error() {
            Some(error) if is_about_the_mail(error, &self.from.to_lowercase()) => SendError::Refused(why),
            _ => SendError::NotNow(why),
        })
    }
}

/// Whether SES refuses this mail, for what it is or whom it is to, and not the sender or the moment: a sender
/// that is not verified, paused or over its quota gets no other mail out either, and may be put right.
///
/// `MessageRejected` is the code of both, and names the addresses that are not verified; nothing but its words says
/// that sending is paused.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors>,
/// <https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html>.
fn is_about_the_mail(error: &SendEmailError, from: &str) -> bool {
    let (SendEmailError::MessageRejected(_) | SendEmailError::BadRequestException(_)) = error else {
        return false;
    };
    let words = error.message().unwrap_or_default().to_lowercase();
    let domain = from.rsplit_once('@').map_or(from, |(_, domain)| domain);
    let is_of_sender = |word: &str| word == from || word == domain;
    let mut named = words.split(|c: char| c.is_whitespace() || ",:;()<>\"'".contains(c));
    let is_sender_named = named.any(|word| is_of_sender(word.trim_end_matches('.')));
    !is_sender_named && !["paused", "suspended", "disabled"].iter().any(|word| words.contains(word))
}

/// Ten mails of a batch fit into the function's 90 s, however slow SES is.
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

#[cfg(test)]
mod tests;
