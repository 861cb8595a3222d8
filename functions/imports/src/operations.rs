//! What can be asked of an import.

use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access, Body, Code, Column, FieldErrors, Id, Input, Operation, Problem, Resource, SignedIn, Tenant, Verb,
    answer, created, json, shape, with_etag,
};
use nexo_domain::{FileId, FileStatus, FileType, Permission, Tags, Timestamp, kind};
use nexo_store::{Entity, Input as Given, ListQuery, Order, StoreError};
use serde::Deserialize;
use uploads::File;

use crate::import::{EmptyCells, Import, ImportColumn, ImportResource, ImportStatus, MOST_BYTES, NEEDED};

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        method: Verb::Post,
        path: "",
        id: "createImport",
        summary: "Has a file looked at, to propose which of its columns is which field",
        access: Access::Needs(NEEDED),
        problems: &[400, 409, 413, 415, 422],
        success: 201,
        shape: shape!(|draft| _ = draft.body::<NewImport>().record::<Import>().created()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/start",
        id: "startImport",
        summary: "Tries all rows, or does them",
        access: Access::Needs(NEEDED),
        problems: &[400, 404, 409, 413, 415, 422],
        success: 202,
        shape: shape!(|draft| _ = draft.id::<kind::Import>().body::<ImportStart>().record::<Import>().etag()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/resume",
        id: "resumeImport",
        summary: "Lets an import that has failed, or stands still, go on where it was",
        access: Access::Needs(NEEDED),
        problems: &[404, 409],
        success: 202,
        shape: shape!(|draft| _ = draft.id::<kind::Import>().record::<Import>().etag()),
    },
    Operation {
        method: Verb::Post,
        path: "/{id}/undo",
        id: "undoImport",
        summary: "Undoes what all rows did, but for records that were changed since",
        access: Access::Needs(NEEDED),
        problems: &[404, 409],
        success: 202,
        shape: shape!(|draft| _ = draft.id::<kind::Import>().record::<Import>().etag()),
    },
];

/// How long it is known what an import did, in milliseconds: 30 days, as long as what it created, once deleted, could
/// be restored.
const KNOWN_MS: i64 = 30 * 24 * 3600 * 1000;

/// The most imports of an account that go on at once: steps of others wait behind them.
const MOST_AT_ONCE: usize = 5;

/// How long an import has stood still when its last step is lost, in milliseconds: longer than one waits, or is tried
/// again.
const LOST_MS: i64 = 6 * 3600 * 1000;

/// Which file is to be imported.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewImport {
    /// The file: CSV or XLSX, at most 50 MB, uploaded and available.
    file_id: FileId,
    /// What the records are.
    resource: ImportResource,
}

impl Input for NewImport {
    const SAMPLE: &'static str = r#"{"fileId":"fil_01ARZ3NDEKTSV4RRFFQ69G5FAV","resource":"clients"}"#;
}

/// How an import is to be done.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImportStart {
    /// Whether rows are only tried, and nothing is written.
    dry_run: bool,
    /// Which columns are which fields, in place of what is proposed. Columns that are not named are left out.
    columns: Option<Vec<ImportColumn>>,
    /// The field by which a row finds the record that it changes: `id`, `externalId`, or one that is unique. What
    /// finds none creates a record. Without, each row creates a record.
    match_by: Option<String>,
    /// What empty cells do to a record that is changed.
    #[serde(default)]
    empty_cells: EmptyCells,
}

impl Input for ImportStart {
    const SAMPLE: &'static str = r#"{"dryRun":false}"#;
}

/// `POST /api/imports`.
pub(crate) async fn create(
    SignedIn(caller): SignedIn,
    tenant: Tenant,
    Body(new): Body<NewImport>,
) -> Result<Response, Problem> {
    let wrong = |code: &str, message: &str| Problem::invalid_field("/fileId", code, message);
    let files = tenant.within(Permission::FileRead).ok_or_else(|| Problem::denied(Permission::FileRead))?;
    let file = match files.get_consistent::<File>(&new.file_id).await {
        Ok(file) => file.input.fields,
        Err(StoreError::NotFound) => return Err(wrong("no_such_record", "names no record of this account")),
        Err(error) => return Err(error.into()),
    };
    if file.status != FileStatus::Available {
        return Err(wrong("not_available", "names a file that is not available"));
    }
    if !matches!(file.content_type, FileType::Csv | FileType::Xlsx) {
        return Err(wrong("unsupported_type", "must be CSV or XLSX"));
    }
    if file.size > MOST_BYTES {
        return Err(wrong("too_large", "has more than 50 MB"));
    }
    let import = Import {
        file_id: new.file_id,
        file_name: file.name,
        resource: new.resource,
        status: ImportStatus::Reading,
        failed_while: None,
        reason: None,
        format: None,
        columns: Vec::new(),
        match_by: None,
        empty_cells: EmptyCells::Keep,
        rows: None,
        rows_done: 0,
        created: 0,
        updated: 0,
        unchanged: 0,
        refused: 0,
        undone: 0,
        conflicts: 0,
        started_by: caller.user,
        started_at: None,
        offset: 0,
        next_row: 0,
        phase: 0,
    };
    permitted(&tenant, &import, false)?;
    has_room(&tenant).await?;
    let input =
        Given { owner_id: Some(caller.user), tags: Tags::default(), external_id: None, fields: import };
    let entity = tenant.create(input, None).await?.entity;
    let path = format!("{}/{}", Import::PATH, entity.id);
    Ok(created(answer(StatusCode::CREATED, &entity), &path))
}

fn permitted(tenant: &Tenant, import: &Import, undoes: bool) -> Result<(), Problem> {
    import.lacks(tenant, undoes).map_or(Ok(()), |permission| Err(Problem::denied(permission)))
}

fn wrong_state(detail: &str) -> Problem {
    Problem::new(Code::WrongState, detail)
}

/// `POST /api/imports/{id}/start`.
pub(crate) async fn start(
    SignedIn(caller): SignedIn,
    tenant: Tenant,
    Id(id): Id<kind::Import>,
    Body(wanted): Body<ImportStart>,
) -> Result<Response, Problem> {
    let current = tenant.get_consistent::<Import>(&id).await?;
    if !matches!(current.input.fields.status, ImportStatus::Proposed | ImportStatus::Checked) {
        return Err(wrong_state("It can be started once, after the file was looked at."));
    }
    let mut next = current.input.clone();
    let import = &mut next.fields;
    let mut errors = FieldErrors::default();
    let how = import.resource.how();
    let known = (how.columns)();
    if let Some(columns) = wanted.columns {
        judge_columns(&columns, import, &known, &mut errors);
        for column in &mut import.columns {
            let wanted = columns.iter().find(|wanted| wanted.column == column.column);
            column.field = wanted.and_then(|wanted| wanted.field.clone());
        }
    }
    let fields: Vec<&str> = import.columns.iter().filter_map(|column| column.field.as_deref()).collect();
    if let Some(field) = &wanted.match_by {
        let can_match = ["id", "externalId"].contains(&field.as_str());
        if !can_match && !how.matched_by.contains(&field.as_str()) {
            errors.add("/matchBy", "invalid_choice", "must be id, externalId or a field that is unique");
        } else if !fields.contains(&field.as_str()) {
            errors.add("/matchBy", "no_such_column", "is no field of a column");
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let taken = fields.iter().filter(|field| **field != "id").count();
    if taken == 0 {
        return Err(Problem::invalid_field("/columns", "empty", "must name a field for one column at least"));
    }
    // Without `matchBy` an id says nothing: the store makes those.
    if wanted.match_by.as_deref() != Some("id") {
        for column in import.columns.iter_mut().filter(|column| column.field.as_deref() == Some("id")) {
            column.field = None;
        }
    }
    import.match_by = wanted.match_by;
    import.empty_cells = wanted.empty_cells;
    let now = tenant.now();
    begin(import, if wanted.dry_run { ImportStatus::Checking } else { ImportStatus::Running }, now);
    import.started_by = caller.user;
    permitted(&tenant, import, false)?;
    go_on(&tenant, &current, &next).await
}

/// Each phase counts from the first row on.
fn begin(import: &mut Import, status: ImportStatus, now: Timestamp) {
    import.status = status;
    import.phase += 1;
    import.rows_done = 0;
    import.next_row = 0;
    import.offset = 0;
    (import.created, import.updated, import.unchanged, import.refused) = (0, 0, 0, 0);
    if status == ImportStatus::Running {
        import.started_at = Some(now);
    }
}

fn judge_columns(columns: &[ImportColumn], import: &Import, known: &[Column], errors: &mut FieldErrors) {
    for (index, column) in columns.iter().enumerate() {
        let earlier = &columns[..index];
        if !import.columns.iter().any(|one| one.column == column.column) {
            errors.add(&format!("/columns/{index}/column"), "no_such_column", "is no column of the file");
        } else if earlier.iter().any(|one| one.column == column.column) {
            errors.add(&format!("/columns/{index}/column"), "duplicate", "is in the list already");
        }
        let Some(field) = &column.field else { continue };
        if !known.iter().any(|known| known.name == field) {
            errors.add(&format!("/columns/{index}/field"), "unknown_field", "is not a field here");
        } else if earlier.iter().any(|one| one.field.as_ref() == Some(field)) {
            errors.add(&format!("/columns/{index}/field"), "duplicate", "is in the list already");
        }
    }
}

/// `POST /api/imports/{id}/resume`.
pub(crate) async fn resume(
    SignedIn(caller): SignedIn,
    tenant: Tenant,
    Id(id): Id<kind::Import>,
) -> Result<Response, Problem> {
    let current = tenant.get_consistent::<Import>(&id).await?;
    let mut next = current.input.clone();
    let import = &mut next.fields;
    let is_lost = import.status.is_active() && is_past(&tenant, current.updated_at, LOST_MS);
    let status = if is_lost { Some(import.status) } else { import.failed_while.take() };
    let status = status.ok_or_else(|| wrong_state("It has not failed."))?;
    if matches!(status, ImportStatus::Running | ImportStatus::Undoing) {
        is_known(&tenant, import)?;
    }
    import.status = status;
    import.reason = None;
    import.started_by = caller.user;
    permitted(&tenant, import, status == ImportStatus::Undoing)?;
    go_on(&tenant, &current, &next).await
}

/// `POST /api/imports/{id}/undo`.
pub(crate) async fn undo(
    SignedIn(caller): SignedIn,
    tenant: Tenant,
    Id(id): Id<kind::Import>,
) -> Result<Response, Problem> {
    let current = tenant.get_consistent::<Import>(&id).await?;
    let mut next = current.input.clone();
    let import = &mut next.fields;
    let has_stopped = import.status == ImportStatus::Done
        || import.status == ImportStatus::Failed && import.failed_while == Some(ImportStatus::Running);
    if !has_stopped {
        return Err(wrong_state("It has done nothing that could be undone, or still goes on."));
    }
    is_known(&tenant, import)?;
    import.status = ImportStatus::Undoing;
    import.failed_while = None;
    import.reason = None;
    import.phase += 1;
    import.next_row = u32::MAX;
    import.rows_done = 0;
    (import.undone, import.conflicts) = (0, 0);
    import.started_by = caller.user;
    permitted(&tenant, import, true)?;
    go_on(&tenant, &current, &next).await
}

fn is_past(tenant: &Tenant, since: Timestamp, ms: i64) -> bool {
    tenant.now().as_millis() - since.as_millis() > ms
}

/// Refuses to go on with an import of which it is not known any more what its rows did.
fn is_known(tenant: &Tenant, import: &Import) -> Result<(), Problem> {
    if import.started_at.is_some_and(|started| is_past(tenant, started, KNOWN_MS)) {
        return Err(wrong_state("What it did is not known any more: it began 30 days ago."));
    }
    Ok(())
}

/// Refuses one more import that goes on when many do. They are at the top of what was changed last, as they change
/// with each step; requests at the same moment may each find room.
async fn has_room(tenant: &Tenant) -> Result<(), Problem> {
    let latest =
        ListQuery { order: Order::Updated, descending: true, limit: 50, after: None, filters: vec![] };
    let latest = tenant.list::<Import>(&latest).await?.records;
    let goes_on = |import: &&Entity<Import>| {
        import.input.fields.status.is_active() && !is_past(tenant, import.updated_at, LOST_MS)
    };
    if latest.iter().filter(goes_on).count() < MOST_AT_ONCE {
        return Ok(());
    }
    let detail = format!("{MOST_AT_ONCE} imports go on. Wait until one of them has ended.");
    Err(Problem::new(Code::QuotaExceeded, &detail))
}

/// Writes what is to be done next: the write itself has it done.
async fn go_on(tenant: &Tenant, current: &Entity<Import>, next: &Given<Import>) -> Result<Response, Problem> {
    has_room(tenant).await?;
    match tenant.replace_adding(current, next, &[]).await {
        Ok(entity) => Ok(with_etag(json(StatusCode::ACCEPTED, &entity), entity.version)),
        Err(StoreError::Stale { .. }) => Err(wrong_state("Another request has it go on.")),
        Err(error) => Err(error.into()),
    }
}
