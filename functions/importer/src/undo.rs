//! Undoing what the rows of an import did, from the last to the first: so what a row took up is free again when
//! the one before it, which gave it up, gets it back.

use futures_util::future::join_all;
use imports::ImportStatus;
use nexo_api::Undone;
use nexo_store::Note;
use tokio::time::Instant;

use crate::step::{AT_ONCE, LONGEST, Tally};
use crate::{Importer, Job, Outcome, Stop};

/// The most rows of a step.
const ROWS: i32 = 500;

impl Importer {
    /// Undoes rows, from where the import is.
    pub(crate) async fn undo(&self, job: &Job) -> Result<Outcome, Stop> {
        let started = Instant::now();
        let import = job.fields();
        let how = import.resource.how();
        let denied = || Stop::Because("permission_denied");
        let (writes, deletes) = (
            job.table.within(how.write).ok_or_else(denied)?,
            job.table.within(how.delete).ok_or_else(denied)?,
        );
        let mut next = import.clone();
        let entries = match import.next_row.checked_sub(1) {
            Some(from) => job.table.rows(&job.import.id, from, true, ROWS).await?,
            None => Vec::new(),
        };
        let mut rest = entries.as_slice();
        if rest.is_empty() {
            next.status = ImportStatus::Undone;
        }
        let in_order = (how.in_order)(&[], false);
        let (mut tally, mut failure) = (Tally::of(&import.columns), None);
        while !rest.is_empty() && failure.is_none() && !tally.is_full() && started.elapsed() < LONGEST {
            // What was created is deleted without regard to others.
            let creates = rest.iter().take(AT_ONCE).take_while(|entry| !entry.is_update).count();
            let wave = if in_order { 1 } else { creates.max(1) };
            let one = async |entry| {
                let entry: &nexo_store::RowEntry = entry;
                if entry.is_undone {
                    return Ok(Undone::Done);
                }
                let table = if entry.is_update { &writes } else { &deletes };
                (how.undo)(table, &Note::undo(job.import.id, entry.row), entry).await
            };
            let done = join_all(rest[..wave].iter().map(one)).await;
            for (entry, undone) in rest.iter().zip(done) {
                match undone {
                    Ok(Undone::Done) => next.undone += 1,
                    Ok(Undone::Conflict(found)) => {
                        next.conflicts += 1;
                        tally.add(entry.row, found);
                    }
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
                next.rows_done += 1;
                next.next_row = entry.row;
            }
            rest = &rest[wave..];
        }
        match failure {
            Some(failure) if next.rows_done == import.rows_done => Err(failure.into()),
            _ => Ok(Outcome { first: next.next_row, next, errors: tally.errors }),
        }
    }
}
