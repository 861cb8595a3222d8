//! The table: an embedded DynamoDB engine on `SQLite`, with the table of the template in it.
//!
//! Nothing here asks who calls; that is the [`Door`](crate::Door)'s work, and the only way in for
//! functions. The engine has no port.

mod create;
mod dispatch;
mod stream;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dynoxide::Database;
use http::StatusCode;
use serde_json::Value as Json;
use tokio::sync::watch;

use crate::secrets::private_folder;
use crate::template::Table;
pub(crate) use dispatch::failure;
pub(crate) use stream::sequence_number;

const DATABASE_FILE: &str = "table.sqlite";
const LOCK_FILE: &str = "lock";

/// Where the table lives.
#[derive(Debug, Clone, Copy)]
pub enum Storage<'a> {
    /// In memory, gone with the process.
    Memory,
    /// In a folder, made if absent; one process at a time.
    Folder(&'a Path),
}

/// Why the table cannot be opened, in one line: `.nexo/table.sqlite: file is not a database`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct EngineError {
    /// The file or folder, or `memory`.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// What a call cost, in DynamoDB's capacity units, indexes included. A call that failed reports
/// nothing, as DynamoDB's errors do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Capacity {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

/// The engine's answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// DynamoDB's HTTP status.
    pub status: StatusCode,
    /// DynamoDB's JSON.
    pub body: Bytes,
    /// What the call cost, whether or not the caller asked to be told.
    pub capacity: Capacity,
}

/// The open table. Clones share it.
#[derive(Clone)]
pub struct Engine {
    database: Database,
    table: String,
    /// Counts the writes; who waits for more is woken.
    written: watch::Sender<u64>,
    /// Held so that no second process opens the folder: the engine keeps part of its state
    /// (transaction tokens) in memory.
    _lock: Option<Arc<File>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Opens the table, and makes it when it is not there.
    ///
    /// # Errors
    /// The folder cannot be used, or holds a table that differs from the template's.
    pub fn open(storage: Storage<'_>, table: &Table) -> Result<Self, EngineError> {
        let (place, database, lock, file) = match storage {
            Storage::Memory => ("memory".to_owned(), Database::memory(), None, None),
            Storage::Folder(folder) => {
                let lock = lock(folder)?;
                let file = folder.join(DATABASE_FILE);
                if !file.exists() {
                    create::whole(&file, table)
                        .map_err(|problem| EngineError { place: file.display().to_string(), problem })?;
                }
                let place = file.display().to_string();
                let path = file.to_str().ok_or_else(|| EngineError {
                    place: place.clone(),
                    problem: "the path is not UTF-8".to_owned(),
                })?;
                (place, Database::new(path), Some(Arc::new(lock)), Some(file))
            }
        };
        let failed = |problem: String| EngineError { place, problem };
        let database = match database {
            Ok(database) => database,
            Err(error) => return Err(failed(error.to_string())),
        };
        create::ensure(&database, table)
            .and_then(|()| file.as_deref().map_or(Ok(()), stream::tidy))
            .map_err(failed)?;
        Ok(Self { database, table: table.name.clone(), written: watch::Sender::new(0), _lock: lock })
    }

    /// Runs one DynamoDB operation and answers as DynamoDB does: its status and its JSON, errors
    /// included. Operations the functions do not use are unknown.
    pub async fn call(&self, operation: &str, body: Bytes) -> (StatusCode, Bytes) {
        let engine = self.clone();
        let operation = operation.to_owned();
        // SQLite works on the calling thread, under one lock.
        match tokio::task::spawn_blocking(move || engine.run(&operation, &body)).await {
            Ok(answer) => (answer.status, answer.body),
            Err(_) => failure("InternalServerError", "The request could not be completed"),
        }
    }

    /// [`Engine::call`] on the calling thread, with the cost.
    pub(crate) fn run(&self, operation: &str, body: &[u8]) -> Answer {
        let answer = dispatch::run(&self.database, operation, body);
        if matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems") {
            self.written.send_modify(|count| *count += 1);
        }
        answer
    }

    /// How many writes were answered, or are about to be.
    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// The records of the table's stream after the one with the sequence number `after`, or from the first
    /// that is left, in the form of a Lambda event; at most `limit`.
    pub(crate) async fn stream(&self, after: Option<String>, limit: usize) -> Result<Vec<Json>, String> {
        let Self { database, table, .. } = self.clone();
        let work = tokio::task::spawn_blocking(move || stream::read(&database, &table, after, limit));
        work.await.map_err(|error| error.to_string())?
    }

    /// The sequence number of the stream's last record.
    pub(crate) async fn stream_end(&self) -> Result<Option<String>, String> {
        let mut end = None;
        loop {
            let records = self.stream(end.clone(), 1000).await?;
            match records.last() {
                Some(last) => end = sequence_number(last).map(str::to_owned),
                None => return Ok(end),
            }
        }
    }

    /// Puts items, in DynamoDB's JSON, in one commit: past all conditions and without stream records.
    /// For data sets that are generated.
    ///
    /// # Errors
    /// An item lacks its key or is no item, or the storage failed; then none was put.
    pub async fn import(&self, items: Vec<serde_json::Value>) -> Result<(), String> {
        let Self { database, table, .. } = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let read = items.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>();
            let items = read.map_err(|error| error.to_string())?;
            let imported = database.import_items(&table, items, dynoxide::ImportOptions::default());
            imported.map(drop).map_err(|error| error.to_string())
        });
        work.await.map_err(|error| error.to_string())?
    }

    /// Removes the items whose time has passed; DynamoDB does so within days, this when called.
    ///
    /// # Errors
    /// The storage failed; the text says how.
    pub async fn sweep_expired(&self) -> Result<usize, String> {
        let database = self.database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(swept) => swept.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn lock(folder: &Path) -> Result<File, EngineError> {
    let failed = |problem: String| EngineError { place: folder.display().to_string(), problem };
    private_folder(folder).map_err(|error| failed(error.to_string()))?;
    let file = File::create(folder.join(LOCK_FILE)).map_err(|error| failed(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failed("in use by another process".to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
