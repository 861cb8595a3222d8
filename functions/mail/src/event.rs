//! The part of a stream event that is read here.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>.

use serde::Deserialize;

/// Records of the table's stream, in their order.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    #[serde(rename = "eventID")]
    pub(crate) event_id: String,
    pub(crate) dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    pub(crate) sequence_number: String,
    /// The event source's filter lets through what has one; without it, it is no mail.
    #[serde(default)]
    pub(crate) new_image: serde_dynamo::Item,
}
