//! The records of the table's stream, which the engine keeps in a table of its own.

use std::path::Path;

use rusqlite::Connection;

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
