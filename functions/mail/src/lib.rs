//! Sends the mails of the table's outbox.
//!
//! It is called with records of the table's stream, each the insertion of a mail. They are sent one after
//! the other. The first that fails is reported by its number, and Lambda calls again from there
//! (`ReportBatchItemFailures`): those before it are not sent twice, those behind it wait. One that always
//! fails is given up after the template's number of retries, and what is behind it goes on.

mod event;
pub mod ses;

use nexo_api::LogSink;
use nexo_identity::{LinkKey, SignError};
use nexo_mail::{Mailer, SendError, WriteError, Writer};
use serde_json::json;

pub use event::{Answer, Event};

/// Sends what events hold.
pub struct Sender {
    writer: Writer,
    mailer: Box<dyn Mailer>,
    log: LogSink,
}

/// Why one mail was not sent.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the record holds no mail: {0}")]
    Unreadable(#[from] serde_dynamo::Error),
    #[error(transparent)]
    Unwritten(#[from] WriteError),
    #[error("the mail was not taken: {0}")]
    Refused(#[from] SendError),
}

impl Sender {
    /// A sender through `mailer`, with links to `link_page` made with the stack's secret for links.
    ///
    /// # Errors
    /// When the secret has fewer than 32 bytes.
    pub fn new(
        link_secret: &str,
        link_page: &str,
        mailer: Box<dyn Mailer>,
        log: LogSink,
    ) -> Result<Self, SignError> {
        let key = LinkKey::from_secret(link_secret.as_bytes())?;
        Ok(Self { writer: Writer::new(key, link_page), mailer, log })
    }

    /// Sends the mails of an event, up to the first that fails.
    pub async fn send(&self, event: Event) -> Answer {
        for record in event.records {
            let number = record.dynamodb.sequence_number;
            let sent = self.send_one(record.dynamodb.new_image).await;
            let line = match &sent {
                Ok(kind) => {
                    json!({"level": "INFO", "message": "mail", "kind": kind, "eventId": record.event_id})
                }
                Err(failure) => json!({
                    "level": "ERROR", "message": "mail not sent", "cause": failure.to_string(),
                    "eventId": record.event_id,
                }),
            };
            (self.log)(&line.to_string());
            if sent.is_err() {
                return Answer::failed_at(number);
            }
        }
        Answer::default()
    }

    async fn send_one(&self, image: serde_dynamo::Item) -> Result<&'static str, Failure> {
        let letter: nexo_mail::Letter = serde_dynamo::from_item(image)?;
        if let Some(mail) = self.writer.write(&letter)? {
            self.mailer.send(&mail).await?;
        }
        Ok(letter.message.word())
    }
}
