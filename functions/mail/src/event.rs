//! The part of a stream event that is read here, and the answer to it.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>.

use serde::{Deserialize, Serialize};

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

/// Which records were not processed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    batch_item_failures: Vec<Failed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    item_identifier: String,
}

impl Answer {
    /// From this record on, none was processed.
    pub(crate) fn failed_at(sequence_number: String) -> Self {
        Self { batch_item_failures: vec![Failed { item_identifier: sequence_number }] }
    }
}
