//! What is written to users, and how it reads.
//!
//! - A [`Letter`] is what the table's outbox holds: to whom, and a [`Message`] with its parameters. It
//!   stands there if and only if what caused it was written, and holds no secret.
//! - [`Writer::write`] makes the [`Mail`] of it, with the links that only the holder of the link key can
//!   make.
//! - A [`Mailer`] sends it: Amazon SES in the cloud, a mailbox in memory on a laptop.
#![warn(missing_docs)]

mod message;
mod page;
mod write;

use nexo_domain::Email;
use nexo_identity::BoxFuture;
use serde::{Deserialize, Serialize};

pub use message::{Change, Message, Occasion};
pub use write::{WriteError, Writer};

/// A mail that waits to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// To whom.
    pub to: Email,
    /// What it says.
    pub message: Message,
}

/// A mail as it is sent. The recipient and the subject are one line each: neither an [`Email`] nor what
/// subjects are made of can hold a line break, so no header can be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What it is about.
    pub subject: String,
    /// All it says, as plain text.
    pub text: String,
    /// The same, as HTML.
    pub html: String,
}

/// Sends mails.
pub trait Mailer: Send + Sync {
    /// Hands `mail` over for delivery.
    ///
    /// # Errors
    /// When it was not taken. It may be sent again: a mailer need not know that it had it before.
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), SendError>>;
}

/// Why a mail was not taken for delivery; the text goes to the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is this mail that is not taken, and it will not be later. Others may.
    #[error("refused: {0}")]
    Refused(String),
    /// No mail is taken now. Later this one may be.
    #[error("not now: {0}")]
    NotNow(String),
}
