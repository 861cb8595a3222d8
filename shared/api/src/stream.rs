//! The answer to records of the table's stream.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>.

use serde::Serialize;

/// Which records of the stream were not processed: they come again.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamAnswer {
    batch_item_failures: Vec<Failed>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    item_identifier: String,
}

impl StreamAnswer {
    /// From this record on, none was processed.
    pub fn failed_at(sequence_number: String) -> Self {
        let mut answer = Self::default();
        answer.add(sequence_number);
        answer
    }

    /// This record was not processed.
    pub fn add(&mut self, sequence_number: String) {
        self.batch_item_failures.push(Failed { item_identifier: sequence_number });
    }
}
