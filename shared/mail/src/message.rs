//! The messages there are.

use nexo_domain::{Email, Text, Timestamp};
use nexo_identity::Link;
use serde::{Deserialize, Serialize};

/// What a mail says, with what it needs to say it.
///
/// What strangers could have typed is in none that goes to an address nobody confirmed yet: such a mail
/// would carry their words under our name. With one exception: an invitation must say who invites. Of those
/// two names a mail shows what can be part of a name, in quotes, and none of it in its subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Message {
    /// Someone registered with this address: confirm it.
    Registration {
        /// Confirms it.
        link: Link,
    },
    /// Someone registered with this address, which has a login already.
    AddressTaken,
    /// A company wants this person as a user.
    Invitation {
        /// Accepts it.
        link: Link,
        /// The company's name.
        company: Text<249>,
        /// Who invites.
        inviter: Text<201>,
    },
    /// Someone asked for a new password.
    PasswordReset {
        /// Chooses one.
        link: Link,
    },
    /// To the new address of a user: confirm it.
    EmailChange {
        /// Confirms it.
        link: Link,
    },
    /// To the old address of a user: confirm the new one, or stop the change.
    EmailChangeRequested {
        /// Confirms it, and stops it: two tokens are made of it.
        link: Link,
        /// The new address.
        new_email: Email,
    },
    /// Someone logged in from a network that the login does not know.
    NewSignIn(Occasion),
    /// What guards the account was changed.
    SecurityChange {
        /// What it was.
        what: Change,
        /// When and by whom.
        #[serde(flatten)]
        occasion: Occasion,
    },
    /// Nothing is sent. Written where a mail would tell by its absence that an address is not known.
    Nothing,
}

/// When something was done, and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Occasion {
    /// When.
    pub at: Timestamp,
    /// The address of the network.
    pub ip: String,
    /// The browser or program.
    #[serde(default)]
    pub agent: Option<String>,
}

/// What was changed of what guards an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The password, by the signed-in user.
    Password,
    /// The password, by a link that was sent to the address.
    PasswordByLink,
    /// The address that logs in.
    Email,
    /// An authenticator app was added, or took the place of another.
    TotpAdded,
    /// The authenticator app was removed.
    TotpRemoved,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// The recovery codes were replaced.
    RecoveryCodesRenewed,
    /// An API key was made.
    ApiKeyAdded,
}

impl Message {
    /// The word that stands for its kind in logs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Registration { .. } => "registration",
            Self::AddressTaken => "addressTaken",
            Self::Invitation { .. } => "invitation",
            Self::PasswordReset { .. } => "passwordReset",
            Self::EmailChange { .. } => "emailChange",
            Self::EmailChangeRequested { .. } => "emailChangeRequested",
            Self::NewSignIn(_) => "newSignIn",
            Self::SecurityChange { .. } => "securityChange",
            Self::Nothing => "nothing",
        }
    }
}
