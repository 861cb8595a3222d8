//! The records of the table's stream, which the engine keeps in a table of its own.

use std::path::Path;

use dynoxide::Database;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::{shard_id, stream_arn};
use rusqlite::Connection;
use serde_json::Value as Json;

/// The engine asks for the highest sequence number at every write, and has no index to find it by:
/// without this one a write costs more the more have been. The expression is the engine's, to the
/// letter: `SQLite` uses no other. A table in memory cannot be reached for it, and stays slower.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS nexo_stream_order
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// A stream keeps its records for 24 hours (AWS, DynamoDB Streams); the engine keeps them for good.
const TRIM: &str = "DELETE FROM _stream_records WHERE created_at < unixepoch() - 24 * 60 * 60";

/// Makes the order of the stream cheap to find, and forgets what DynamoDB would have forgotten.
pub(super) fn tidy(file: &Path) -> Result<(), String> {
    let connection = Connection::open(file).map_err(|error| error.to_string())?;
    connection.execute_batch(&format!("{INDEX};{TRIM}")).map_err(|error| error.to_string())
}

/// Reads records as Lambda hands them over.
pub(super) fn read(
    database: &Database,
    table: &str,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<Json>, String> {
    let arn = stream_arn(table, "local");
    let from = if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
    let iterator = database.get_shard_iterator(GetShardIteratorRequest {
        stream_arn: arn.clone(),
        shard_id: shard_id(table),
        shard_iterator_type: from.to_owned(),
        sequence_number: after,
    });
    let shard_iterator = iterator.map_err(text)?.shard_iterator.ok_or("the stream has no iterator")?;
    let page =
        database.get_records(GetRecordsRequest { shard_iterator, limit: Some(limit) }).map_err(text)?;
    let records = page.records.iter().map(|record| {
        let mut record = serde_json::to_value(record)?;
        record["eventSourceARN"] = Json::from(arn.as_str());
        Ok(record)
    });
    records.collect::<Result<_, serde_json::Error>>().map_err(text)
}

/// Where a record is in the stream.
pub(crate) fn sequence_number(record: &Json) -> Option<&str> {
    record["dynamodb"]["SequenceNumber"].as_str()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
