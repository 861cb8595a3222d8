//! The parts of events that are read here.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html> and
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html>.

use serde::Deserialize;

/// What the function is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// Records of the table's stream.
    Stream(Changes),
    /// It is time to sweep.
    Schedule(Tick),
}

/// Records of the table's stream, in their order.
#[derive(Debug, Deserialize)]
pub struct Changes {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) event_name: Happened,
    pub(crate) dynamodb: Change,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Happened {
    Insert,
    Modify,
    Remove,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    pub(crate) sequence_number: String,
    pub(crate) keys: Keys,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Keys {
    pub(crate) pk: Text,
    pub(crate) sk: Text,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Text {
    #[serde(rename = "S")]
    pub(crate) text: String,
}

/// A scheduled event.
#[derive(Debug, Deserialize)]
pub struct Tick {
    #[serde(rename = "detail-type")]
    _kind: Kind,
}

#[derive(Debug, Deserialize)]
enum Kind {
    #[serde(rename = "Scheduled Event")]
    Scheduled,
}
