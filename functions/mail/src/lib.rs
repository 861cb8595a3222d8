//! Sends the mails of the table's outbox.
//!
//! It is called with records of the table's stream, each the insertion of a mail. They are sent one after
//! the other. A mail that will never be taken is noted in the log, and the next one goes on. When none is taken
//! now, the mail is reported by its number, and Lambda calls again from there (`ReportBatchItemFailures`): those
//! before it are not sent twice, those behind it wait, for as long as the template says.

mod event;
pub mod ses;

use nexo_api::{LogSink, StreamAnswer};
use nexo_identity::{LinkKey, SignError};
use nexo_mail::{Mailer, SendError, WriteError, Writer};
use serde_json::json;

pub use event::Event;

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
    #[error("the mail was not taken, {0}")]
    NotTaken(#[from] SendError),
}

impl Failure {
    /// Whether the same mail may be sent later.
    const fn passes(&self) -> bool {
        matches!(self, Self::NotTaken(SendError::NotNow(_)))
    }
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

    /// Sends the mails of an event, up to the first that is to be sent later.
    pub async fn send(&self, event: Event) -> StreamAnswer {
        for record in event.records {
            let number = record.dynamodb.sequence_number;
            let sent = self.send_one(record.dynamodb.new_image).await;
            let waits = sent.as_ref().is_err_and(Failure::passes);
            let line = match sent {
                Ok(kind) => {
                    json!({"level": "INFO", "message": "mail", "kind": kind, "eventId": record.event_id})
                }
                Err(failure) => json!({
                    "level": if waits { "WARN" } else { "ERROR" },
                    "message": if waits { "mail not sent yet" } else { "mail not sent" },
                    "cause": failure.to_string(), "eventId": record.event_id,
                }),
            };
            (self.log)(&line.to_string());
            if waits {
                return StreamAnswer::failed_at(number);
            }
        }
        StreamAnswer::default()
    }

    async fn send_one(&self, image: serde_dynamo::Item) -> Result<&'static str, Failure> {
        let letter: nexo_mail::Letter = serde_dynamo::from_item(image)?;
        if let Some(mail) = self.writer.write(&letter)? {
            self.mailer.send(&mail).await?;
        }
        Ok(letter.message.word())
    }
}
