//! The part of a stream event that is read here.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>.

use nexo_domain::{AccountId, ImportId, UserId};
use nexo_tenant_key::account_of;
use serde::Deserialize;

/// Records of the table's stream, in their order.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    pub(crate) sequence_number: String,
    /// When it was written, in seconds since 1970.
    pub(crate) approximate_creation_date_time: f64,
    keys: Keys,
    new_image: Image,
}

#[derive(Debug, Deserialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    version: Number,
    started_by: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(rename = "N")]
    number: String,
}

/// An import of which a version was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) account: AccountId,
    pub(crate) import: ImportId,
    pub(crate) version: u64,
    /// Whose permissions count.
    pub(crate) user: UserId,
}

impl Change {
    /// What was written; `None` when it is no import.
    pub(crate) fn written(&self) -> Option<Written> {
        Some(Written {
            account: account_of(&self.keys.pk.text, "IMP")?,
            import: ImportId::from_ulid(&self.keys.sk.text).ok()?,
            version: self.new_image.version.number.parse().ok()?,
            user: UserId::parse(&self.new_image.started_by.text).ok()?,
        })
    }
}
