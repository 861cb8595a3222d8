//! Does imports, step by step.
//!
//! It is called with records of the table's stream, each a version of an import for which there is something to do.
//! It does one step: so many rows, or so many seconds. Then it writes how far it came, if the import still has the
//! version that it was called with: and this very write is what it is called with next. So there is no moment at
//! which the progress is known and the next step not asked for, or the other way round; and a record that comes
//! twice, or late, finds another version and does nothing.
//!
//! A step that fails is reported, and Lambda calls again with the same version. What it had written is in the
//! entries of its rows ([`nexo_store::Note`]), and is not done again. After an hour the import becomes `failed`.
//!
//! It works with the account's own credentials, for the user who had the import begin or go on, with what that user
//! may do at each step.

mod event;
mod mapping;
mod sheet;
mod step;
mod text;
mod undo;
mod workbook;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use imports::{Import, ImportStatus};
use nexo_api::{Failure as RowFailure, Platform, StreamAnswer};
use nexo_domain::{FileId, ImportId, Reach};
use nexo_files::{Bucket, BucketError};
use nexo_identity::DirectoryError;
use nexo_store::{Entity, Input, Meter, RequestInfo, StoreError, TenantTable};
use nexo_tenant_key::TenantScope;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use event::Event;
use event::Written;
use step::Externals;
use workbook::Sheet;

/// How long a step is tried again, in seconds. One that has waited longer for others is tried once.
const GIVE_UP_SECONDS: i64 = 3600;

/// How long the last try of a step may take: less than the function's time.
const LAST_TRY: Duration = Duration::from_mins(4);

/// When nothing is tried any more, in seconds: a step that ends the function each time must not be for ever.
const HOPELESS_SECONDS: i64 = 3 * 3600;

/// Does imports.
pub struct Importer {
    platform: Platform,
    bucket: Bucket,
    /// The records by their names in another system, of imports with steps here.
    externals: Mutex<HashMap<ImportId, Externals>>,
    /// The sheet of the workbook that was read last.
    sheet: Mutex<Option<(FileId, Arc<Sheet>)>>,
}

/// Why a step is to be made again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{0}")]
    NotNow(String),
}

impl From<RowFailure> for Failure {
    fn from(failure: RowFailure) -> Self {
        Self::NotNow(format!("{failure:?}"))
    }
}

/// Why an import stops, for programs.
pub(crate) type Reason = &'static str;

/// An import, and the table as the one it is done for sees it.
pub(crate) struct Job {
    table: TenantTable,
    import: Entity<Import>,
}

/// What comes of a step.
pub(crate) struct Outcome {
    next: Import,
    errors: Vec<imports::RowError>,
    /// The first row that the errors can be of.
    first: u32,
}

impl Importer {
    /// An importer with the platform's table and log, and files from `bucket`.
    pub fn new(platform: &Platform, bucket: Bucket) -> Self {
        Self { platform: platform.clone(), bucket, externals: Mutex::default(), sheet: Mutex::default() }
    }

    /// Makes a step for each record of an event, up to the first that fails.
    pub async fn handle(&self, event: Event) -> StreamAnswer {
        for record in event.records {
            let change = record.dynamodb;
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            let made = change.approximate_creation_date_time as i64;
            let waited = self.platform.clock.now_seconds() - made;
            let Some(written) = change.written() else { continue };
            if let Err(failure) = self.follow(written, waited).await {
                self.say("WARN", "step not made", &written, &failure.to_string());
                return StreamAnswer::failed_at(change.sequence_number);
            }
        }
        StreamAnswer::default()
    }

    async fn follow(&self, written: Written, waited: i64) -> Result<(), Failure> {
        let meter = Meter::default();
        let directory = self.platform.directory(&meter);
        let principal =
            self.platform.verifier.at_work_for(&written.account, &written.user, &directory).await?;
        let cache = self.platform.credentials.as_ref();
        let cache = cache.ok_or_else(|| Failure::NotNow("no tenant role".into()))?;
        let credentials = cache.for_principal(&principal).await;
        let credentials = credentials.map_err(|error| Failure::NotNow(error.to_string()))?;
        let scope = TenantScope::new(principal, credentials);
        let scope = scope.map_err(|error| Failure::NotNow(error.to_string()))?;
        let request = RequestInfo {
            request_id: written.import.to_string(),
            ip: String::new(),
            user_agent: None,
            meter,
        };
        // What is known of the import is this function's to write, whatever the user may do by now.
        let table = TenantTable::new(self.platform.store.clone(), scope, request, Reach::All);
        let import = match table.get_consistent::<Import>(&written.import).await {
            Err(StoreError::NotFound) => return Ok(()),
            import => import?,
        };
        if import.version != written.version || !import.input.fields.status.is_active() {
            return Ok(());
        }
        let job = Job { table, import };
        let made = match waited {
            HOPELESS_SECONDS.. => Err(Stop::Because("unavailable")),
            GIVE_UP_SECONDS.. => match timeout(LAST_TRY, self.step(&job)).await {
                Ok(Err(Stop::NotNow(_))) | Err(_) => Err(Stop::Because("unavailable")),
                Ok(made) => made,
            },
            _ => self.step(&job).await,
        };
        let outcome = match made {
            Ok(outcome) => outcome,
            Err(Stop::Because(reason)) => job.failed(reason),
            Err(Stop::NotNow(failure)) => return Err(failure),
        };
        let line = outcome.next.reason.clone().unwrap_or_default();
        self.say("INFO", "step made", &written, &line);
        match job.write(outcome).await {
            // Without the errors, which may be what cannot be written.
            Err(failure) if waited >= GIVE_UP_SECONDS => {
                self.say("ERROR", "step not kept", &written, &failure.to_string());
                job.write(job.failed("unavailable")).await
            }
            written => written,
        }
    }

    async fn step(&self, job: &Job) -> Result<Outcome, Stop> {
        let import = job.fields();
        if import.lacks(&job.table, import.status == ImportStatus::Undoing).is_some() {
            return Err(Stop::Because("permission_denied"));
        }
        match import.status {
            ImportStatus::Reading => self.propose(job).await,
            ImportStatus::Undoing => self.undo(job).await,
            _ => self.rows(job).await,
        }
    }

    fn say(&self, level: &str, message: &str, written: &Written, cause: &str) {
        let line = json!({
            "level": level, "message": message, "importId": written.import.to_string(),
            "version": written.version, "cause": cause,
        });
        (self.platform.log)(&line.to_string());
    }
}

/// Why there is no outcome.
pub(crate) enum Stop {
    /// The import cannot go on as it is.
    Because(Reason),
    /// It is to be tried again.
    NotNow(Failure),
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::NotNow(error.into())
    }
}

/// How long errors are kept, in seconds.
const ERRORS_SECONDS: i64 = 30 * 24 * 3600;

impl Job {
    fn fields(&self) -> &Import {
        &self.import.input.fields
    }

    /// An import that stops here, and may go on.
    fn failed(&self, reason: Reason) -> Outcome {
        let mut next = self.fields().clone();
        next.failed_while = Some(next.status);
        next.status = ImportStatus::Failed;
        next.reason = Some(reason.to_owned());
        Outcome { next, errors: Vec::new(), first: 0 }
    }

    /// Writes what has come of the step, with the errors it found. Nothing happens when another call of this
    /// function, or a user, was faster.
    async fn write(&self, outcome: Outcome) -> Result<(), Failure> {
        let Outcome { next, mut errors, first } = outcome;
        let mut sides = Vec::new();
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.row);
            let id = imports::chunk_id(next.phase, first);
            let expires_at = self.table.now().as_seconds() + ERRORS_SECONDS;
            sides.push(nexo_store::Beside::add(&id, &imports::Chunk { first, errors, expires_at })?);
        }
        let input = Input { fields: next, ..self.import.input.clone() };
        match self.table.replace_adding(&self.import, &input, &sides).await {
            Ok(_) | Err(StoreError::Stale { .. } | StoreError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
