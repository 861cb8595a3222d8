//! The steps of an import: looking at its file, and doing rows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use imports::{EmptyCells, File, Import, ImportColumn, ImportStatus, MOST_ROWS, RowError};
use nexo_api::{Applied, Column, Failure as RowFailure, FieldError, Key, Row};
use nexo_domain::{FileStatus, ImportId, Permission};
use nexo_store::{Note, StoreError, TenantTable};
use tokio::time::Instant;

use crate::mapping::{MOST_COLUMNS, propose};
use crate::sheet::SheetRow;
use crate::{Failure, Importer, Job, Outcome, Stop};

/// The most rows of a step.
const ROWS: usize = 1000;

/// With so long a step is done: well within the function's time.
pub(crate) const LONGEST: Duration = Duration::from_secs(20);

/// With so many bytes of errors a step is done: with those of the rows done at once they are one item, of at most
/// 400 KB.
const MOST_ERRORS: usize = 150_000;

/// Rows that are done at once.
pub(crate) const AT_ONCE: usize = 16;

/// The most records whose names in another system are looked for, and names that are kept between steps.
const MOST_NAMES: usize = 500_000;

/// The records by their names in another system, as an import knows them.
pub(crate) struct Externals {
    /// The version of the import that they go with: another sandbox may have done steps in between.
    version: u64,
    by_name: HashMap<String, Vec<String>>,
}

/// What one row did.
enum Did {
    /// A record, with its ULID where it is known.
    Created(Option<String>),
    Updated,
    Unchanged,
    Refused(Vec<FieldError>),
}

/// What is the same for all rows of a step.
struct Work<'a> {
    import: &'a Import,
    job: &'a Job,
    table: TenantTable,
    taken: Vec<(usize, Column)>,
    /// Whether rows are done one after the other.
    in_order: bool,
    /// The records by their names in another system, where they are matched by those.
    by_name: HashMap<String, Vec<String>>,
    /// Rows that a step before has done without coming to its end, and whether each changed a record.
    before: HashMap<u32, bool>,
}

impl Importer {
    /// Looks at the whole file, and proposes which column is which field.
    pub(crate) async fn propose(&self, job: &Job) -> Result<Outcome, Stop> {
        let mut next = job.fields().clone();
        let file = readable(job).await?;
        let text = self.text(job.table.scope(), next.file_id, file.content_type).await?;
        let overview = text.overview(MOST_ROWS).await?;
        if overview.header.len() > MOST_COLUMNS {
            return Err(Stop::Because("too_many_columns"));
        }
        next.columns = propose(&overview.header, &(next.resource.how().columns)());
        next.format = Some(overview.format);
        next.rows = Some(overview.rows);
        next.status = ImportStatus::Proposed;
        Ok(Outcome { next, errors: Vec::new(), first: 0 })
    }

    /// Does, or tries, rows from where the import is.
    pub(crate) async fn rows(&self, job: &Job) -> Result<Outcome, Stop> {
        let import = job.fields();
        let how = import.resource.how();
        let table = job.table.within(how.write).ok_or(Stop::Because("permission_denied"))?;
        let file = readable(job).await?;
        let text = self.text(job.table.scope(), import.file_id, file.content_type).await?;
        let part = text.part(import, ROWS).await?;
        let by_name = if is_by_external_id(import) { self.known(job, &table).await? } else { HashMap::new() };
        let last = part.rows.last().map_or(0, |row| row.number);
        let before = if import.status == ImportStatus::Running {
            job.table.rows_done(&job.import.id, import.next_row, last).await?
        } else {
            HashMap::new()
        };
        let taken = import.taken();
        let members: Vec<&str> = taken.iter().map(|(_, column)| column.member()).collect();
        let in_order = (how.in_order)(&members, import.match_by.is_some());
        let mut work = Work { import, job, table, taken, in_order, by_name, before };
        let mut next = import.clone();
        let mut tally = Tally::of(&import.columns);
        let first = part.rows.first().map_or(0, |row| row.number);
        let mut failure = None;
        let mut rest = part.rows.as_slice();
        // From here on: what comes before takes the time that it takes, and one wave at least is done.
        let started = Instant::now();
        while !rest.is_empty() && failure.is_none() && !tally.is_full() && started.elapsed() < LONGEST {
            let (wave, behind) = rest.split_at(work.wave(rest));
            for (row, done) in wave.iter().zip(join_all(wave.iter().map(|row| work.one(row))).await) {
                match done {
                    Ok(Did::Created(record)) => {
                        work.learn(row, record);
                        next.created += 1;
                    }
                    Ok(Did::Updated) => next.updated += 1,
                    Ok(Did::Unchanged) => next.unchanged += 1,
                    Ok(Did::Refused(errors)) => {
                        next.refused += 1;
                        tally.add(row.number, errors);
                    }
                    // What those behind it did stands in their entries.
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                }
                next.rows_done += 1;
                next.next_row = row.number + 1;
                next.offset = row.end;
            }
            rest = behind;
        }
        match failure {
            Some(failure) if next.rows_done == import.rows_done => return Err(Stop::NotNow(failure)),
            // The next step begins with it.
            Some(_) => {}
            None => {
                if rest.is_empty() {
                    next.next_row = part.next_row;
                    next.offset = part.offset;
                    if part.is_end {
                        let is_trial = import.status == ImportStatus::Checking;
                        next.status = if is_trial { ImportStatus::Checked } else { ImportStatus::Done };
                    }
                }
                if is_by_external_id(import) && next.status.is_active() {
                    let (version, by_name) = (job.import.version + 1, work.by_name);
                    self.keep(job.import.id, Externals { version, by_name }).await;
                }
            }
        }
        Ok(Outcome { next, errors: tally.errors, first })
    }

    /// Which record has which name in another system, as it is known from the step before, or read. It is taken: it
    /// is there again for the next step if this one comes to its end.
    async fn known(&self, job: &Job, table: &TenantTable) -> Result<HashMap<String, Vec<String>>, Stop> {
        let known = self.externals.lock().await.remove(&job.import.id);
        if let Some(known) = known.filter(|known| known.version == job.import.version) {
            return Ok(known.by_name);
        }
        let read = (job.fields().resource.how().externals)(table, MOST_NAMES).await?;
        read.ok_or(Stop::Because("too_many_records"))
    }

    /// Keeps names for the next step. Too many are not kept: imports that take turns read theirs again.
    async fn keep(&self, import: ImportId, known: Externals) {
        let mut kept = self.externals.lock().await;
        let names: usize = kept.values().map(|known| known.by_name.len()).sum();
        if names + known.by_name.len() > MOST_NAMES {
            kept.clear();
        }
        kept.insert(import, known);
    }
}

fn is_by_external_id(import: &Import) -> bool {
    import.match_by.as_deref() == Some("externalId")
}

impl Work<'_> {
    /// How many of these rows can be done at once: none of them bears on another.
    fn wave(&self, rows: &[SheetRow]) -> usize {
        if self.in_order {
            return 1;
        }
        let claims = self.import.resource.how().claims;
        let mut claimed = HashSet::new();
        for (index, row) in rows.iter().take(AT_ONCE).enumerate() {
            let claims = claims(&self.row(row), self.import.started_by);
            if claims.iter().any(|claim| claimed.contains(claim)) {
                return index;
            }
            claimed.extend(claims);
        }
        rows.len().min(AT_ONCE)
    }

    fn cell<'r>(&self, row: &'r SheetRow, field: &str) -> &'r str {
        let place = self.taken.iter().find(|(_, column)| column.name == field).map(|(place, _)| *place);
        place.and_then(|place| row.cells.get(place)).map_or("", String::as_str)
    }

    fn row<'r>(&'r self, row: &'r SheetRow) -> Row<'r> {
        let (id, number) = (self.job.import.id, row.number);
        let match_by = self.import.match_by.as_deref();
        let note = match self.import.status {
            ImportStatus::Checking => Note::trial(id, number),
            _ => Note::write(id, number, match_by.is_some()),
        };
        let cell =
            |(place, column): &(usize, Column)| (*column, row.cells.get(*place).map_or("", String::as_str));
        let mut read = Row {
            note,
            cells: self.taken.iter().map(cell).collect(),
            key: Key::None,
            clears: self.import.empty_cells == EmptyCells::Clear,
        };
        read.key = match match_by {
            None => Key::None,
            Some("id") => Key::Id(self.cell(row, "id")),
            Some("externalId") => {
                let found = read.external_id().and_then(|name| self.by_name.get(&name));
                Key::External(found.map_or(&[], Vec::as_slice))
            }
            Some(field) => Key::Unique(field),
        };
        read
    }

    /// The cells of a row whose formula has failed: what stands there is no value.
    fn broken(&self, row: &SheetRow) -> Vec<FieldError> {
        let broken = self.taken.iter().filter_map(|(place, column)| {
            let cell = row.cells.get(*place)?.trim();
            FORMULA_ERRORS.contains(&cell).then(|| FieldError {
                pointer: column.pointer(),
                code: "failed_formula".into(),
                message: format!("is {cell}, the error of a formula"),
            })
        });
        broken.collect()
    }

    /// Knows a record that was created by its name in another system, for the rows behind.
    fn learn(&mut self, row: &SheetRow, record: Option<String>) {
        let record = record.filter(|_| is_by_external_id(self.import));
        if let Some((name, record)) = self.row(row).external_id().zip(record) {
            self.by_name.entry(name).or_default().push(record);
        }
    }

    /// Does one row.
    async fn one(&self, row: &SheetRow) -> Result<Did, Failure> {
        let was = |is_update: bool| if is_update { Did::Updated } else { Did::Created(None) };
        if let Some(is_update) = self.before.get(&row.number) {
            return Ok(was(*is_update));
        }
        if row.cells.iter().skip(self.import.columns.len()).any(|cell| !cell.trim().is_empty()) {
            let message = "has more cells than the header".to_owned();
            let error = FieldError { pointer: String::new(), code: "too_many_cells".into(), message };
            return Ok(Did::Refused(vec![error]));
        }
        let broken = self.broken(row);
        if !broken.is_empty() {
            return Ok(Did::Refused(broken));
        }
        match (self.import.resource.how().apply)(&self.table, &self.row(row)).await {
            // What is only tried is not there for the rows behind.
            Ok(Applied::Created(record)) => {
                Ok(Did::Created(Some(record).filter(|_| self.import.status == ImportStatus::Running)))
            }
            Ok(Applied::Updated) => Ok(Did::Updated),
            Ok(Applied::Unchanged) => Ok(Did::Unchanged),
            Err(RowFailure::Refused(errors)) => Ok(Did::Refused(errors)),
            Err(RowFailure::Done) => {
                let entry = self.job.table.rows(&self.job.import.id, row.number, false, 1).await?;
                let entry = entry.into_iter().find(|entry| entry.row == row.number);
                Ok(was(entry.ok_or_else(|| Failure::NotNow("no entry of a row".into()))?.is_update))
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Errors, with the names of the file's columns.
pub(crate) struct Tally<'a> {
    columns: &'a [ImportColumn],
    pub(crate) errors: Vec<RowError>,
    bytes: usize,
}

/// What a spreadsheet shows, and writes into CSV, where a formula has no value (ECMA-376 part 1, 18.17.3).
const FORMULA_ERRORS: [&str; 9] =
    ["#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#SPILL!", "#CALC!"];

/// The file, if whoever the import acts for may still read it and it is still there.
async fn readable(job: &Job) -> Result<File, Stop> {
    let files = job.table.within(Permission::FileRead).ok_or(Stop::Because("permission_denied"))?;
    match files.get_consistent::<File>(&job.fields().file_id).await {
        Ok(file) if file.input.fields.status == FileStatus::Available => Ok(file.input.fields),
        Ok(_) | Err(StoreError::NotFound) => Err(Stop::Because("file_gone")),
        Err(error) => Err(error.into()),
    }
}

/// The most errors of a row that are told.
const MOST_OF_A_ROW: usize = 20;

impl<'a> Tally<'a> {
    pub(crate) fn of(columns: &'a [ImportColumn]) -> Self {
        Self { columns, errors: Vec::new(), bytes: 0 }
    }

    /// Whether the step is done with what there is.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= MOST_ERRORS
    }

    pub(crate) fn add(&mut self, row: u32, errors: Vec<FieldError>) {
        for error in errors.into_iter().take(MOST_OF_A_ROW) {
            let error = described(self.columns, row, error);
            self.bytes +=
                60 + error.column.len() + error.field.len() + error.code.len() + error.message.len();
            self.errors.push(error);
        }
    }
}

/// An error of a row, with the column that it is about: the one whose field it is, or is within.
fn described(columns: &[ImportColumn], row: u32, error: FieldError) -> RowError {
    let parts = error.pointer.split('/').skip(1).filter(|part| part.parse::<u32>().is_err());
    let path = parts.collect::<Vec<_>>().join(".");
    let is_within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let with =
        |fits: &dyn Fn(&str) -> bool| columns.iter().find(|column| column.field.as_deref().is_some_and(fits));
    let found = (!path.is_empty())
        .then(|| with(&|field| is_within(field, &path)).or_else(|| with(&|field| is_within(&path, field))));
    let column = found.flatten().map(|column| column.column.clone()).unwrap_or_default();
    RowError { row, column, field: path, code: error.code.into_owned(), message: error.message }
}
