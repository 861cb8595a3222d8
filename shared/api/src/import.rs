//! A row of a table as the create, or change, of a record: by the same rules as a request's.

use std::collections::{BTreeMap, HashMap};

use nexo_domain::{Id, Permission, Text, UserId};
use nexo_identity::BoxFuture;
use nexo_store::{Entity, Input, Note, Record, RowEntry, StoreError, TenantTable};
use serde_json::{Map, Value};

use crate::body::sample;
use crate::columns::Column;
use crate::parse::{FieldError, FieldErrors, merge_patch};
use crate::record::{given, judge, parse_record};
use crate::resource::{judge_change, may_give, read_again};
use crate::{Code, Private, Problem, Resource};

/// A resource whose records can be made and changed out of files, without its type.
#[derive(Clone, Copy)]
pub struct Importable {
    /// What is needed to create and change.
    pub write: Permission,
    /// What is needed to delete, and so to undo.
    pub delete: Permission,
    /// The fields that need a further permission.
    pub private: Option<Private>,
    /// The columns that a file can have.
    pub columns: fn() -> Vec<Column>,
    /// The fields with a unique value that rows can be matched by.
    pub matched_by: &'static [&'static str],
    /// Whether rows must be done one after the other, where these members are given: what one of them changes
    /// may be what another needs.
    pub in_order: fn(members: &[&str], is_matched: bool) -> bool,
    /// The values of a row that no two rows done at once, for this user, may share.
    pub claims: fn(&Row<'_>, UserId) -> Vec<String>,
    /// Does a row.
    pub apply: for<'a> fn(&'a TenantTable, &'a Row<'a>) -> Doing<'a, Applied>,
    /// Undoes what a row did.
    pub undo: for<'a> fn(&'a TenantTable, &'a Note, &'a RowEntry) -> Doing<'a, Undone>,
    /// The ids of all records that have a name in another system, by that name; `None` when there are more records.
    pub externals: for<'a> fn(&'a TenantTable, usize) -> Doing<'a, Option<Externals>>,
}

/// What can fail as a row can.
type Doing<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// The ULIDs of records, by their names in another system.
pub type Externals = HashMap<String, Vec<String>>;

/// How a row finds the record it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// It finds none: each row creates a record.
    None,
    /// By its id.
    Id(&'a str),
    /// By this field, which is unique.
    Unique(&'a str),
    /// By its name in another system: the ids that have it.
    External(&'a [String]),
}

/// A row, as it is asked for.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// What the write is noted as.
    pub note: Note,
    /// The columns that are taken, each with its cell.
    pub cells: Vec<(Column, &'a str)>,
    /// How it finds the record it changes.
    pub key: Key<'a>,
    /// Whether an empty cell takes the field from a record that is changed.
    pub clears: bool,
}

impl Row<'_> {
    /// Its name in another system, as it is kept.
    pub fn external_id(&self) -> Option<String> {
        let (column, cell) = self.cells.iter().find(|(column, _)| column.name == "externalId")?;
        let mut read = Map::new();
        column.read(cell, &mut read).ok()?;
        Text::<255>::parse(read.get("externalId")?.as_str()?).ok().map(|name| name.to_string())
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A record was created, with this ULID.
    Created(String),
    /// A record was changed.
    Updated,
    /// The record is so already.
    Unchanged,
}

/// What became of an undoing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as before.
    Done,
    /// It is not, for these reasons.
    Conflict(Vec<FieldError>),
}

/// Why a row was not done.
#[derive(Debug)]
pub enum Failure {
    /// What the API refuses.
    Refused(Vec<FieldError>),
    /// It was done before.
    Done,
    /// Something else is in the way, so that it is to be tried again.
    NotNow(String),
}

type IdOf<R> = Id<<R as Record>::Kind>;

/// How often a row is tried while others change the same records.
const ATTEMPTS: usize = 5;

impl Importable {
    /// The resource `R`.
    pub const fn of<R: Resource>() -> Self {
        Self {
            write: R::WRITE,
            delete: R::DELETE,
            private: R::PRIVATE,
            columns: columns::<R>,
            matched_by: R::MATCHED_BY,
            in_order: in_order::<R>,
            claims: claims::<R>,
            apply: |table, row| Box::pin(apply::<R>(table, row)),
            undo: |table, note, entry| Box::pin(undo::<R>(table, note, entry)),
            externals: |table, most| Box::pin(externals::<R>(table, most)),
        }
    }
}

fn columns<R: Resource>() -> Vec<Column> {
    let own = R::COLUMNS.iter().filter(|column| !R::KEPT.contains(&column.member()));
    let common = [Column::text("ownerId"), Column::lines("tags"), Column::text("externalId")];
    std::iter::once(Column::text("id")).chain(own.copied()).chain(common).collect()
}

fn in_order<R: Resource>(members: &[&str], is_matched: bool) -> bool {
    R::BOUND || is_matched && members.iter().any(|member| R::JUDGED_TOGETHER.contains(member))
}

/// The record that a row describes, as far as it can be read, laid over the sample.
fn described<R: Resource>(row: &Row<'_>, only: Option<&str>) -> Option<Input<R>> {
    let sample = sample(R::SAMPLE).ok()?;
    let mut document = sample.clone();
    for (column, cell) in &row.cells {
        if column.name != "id" && only.is_none_or(|only| only == column.name) {
            column.read(cell, &mut document).ok()?;
        }
    }
    parse_record::<R>(document, &sample).ok()
}

/// Values, named so that equal means equal, and what stands for all that a row names.
fn claims<R: Resource>(row: &Row<'_>, user: UserId) -> Vec<String> {
    let mut claims = Vec::new();
    if let Some(input) = described::<R>(row, None) {
        let unique = input.fields.unique().into_iter();
        claims.extend(unique.map(|unique| format!("{}={}", unique.field, unique.value)));
        if !input.fields.references().is_empty() {
            claims.push("references".to_owned());
        }
        // Of another owner it is asked whether there is one.
        let other = input.owner_id.filter(|owner| *owner != user);
        claims.extend(other.map(|owner| format!("ownerId={owner}")));
    }
    match row.key {
        Key::Id(id) if !id.trim().is_empty() => claims.push(format!("id={}", id.trim())),
        Key::External(_) => claims.extend(row.external_id().map(|name| format!("externalId={name}"))),
        Key::Id(_) | Key::None | Key::Unique(_) => {}
    }
    claims
}

/// The members that a row gives, and what is wrong with its cells.
fn read(row: &Row<'_>) -> (Map<String, Value>, FieldErrors) {
    let (mut document, mut errors) = (Map::new(), FieldErrors::default());
    for (column, cell) in row.cells.iter().filter(|(column, _)| column.name != "id") {
        if let Err(invalid) = column.read(cell, &mut document) {
            errors.add(&column.pointer(), invalid.code(), invalid.message());
        }
    }
    (document, errors)
}

async fn apply<R: Resource>(table: &TenantTable, row: &Row<'_>) -> Result<Applied, Failure> {
    let mut outcome = Err(Failure::NotNow("nothing was tried".into()));
    for _ in 0..ATTEMPTS {
        outcome = match find::<R>(table, row).await? {
            Some(current) => change(table, row, &current).await,
            None => create::<R>(table, row).await,
        };
        if !matches!(outcome, Err(Failure::NotNow(_))) {
            return outcome;
        }
    }
    outcome
}

async fn create<R: Resource>(table: &TenantTable, row: &Row<'_>) -> Result<Applied, Failure> {
    let (mut document, mut errors) = read(row);
    // Whoever creates a record is responsible for it, unless the row says otherwise.
    if !document.contains_key("ownerId") {
        document.insert("ownerId".into(), Value::String(table.scope().principal().user.to_string()));
    }
    let read = parse_record::<R>(document.clone(), &sample(R::SAMPLE)?);
    let input = match read {
        Ok(input) if errors.is_empty() => input,
        Ok(_) => return Err(errors.into()),
        Err(others) => {
            errors.extend_uncovered(others);
            return Err(errors.into());
        }
    };
    judge(&input)?;
    may_give::<R>(table, &document, input.owner_id)?;
    match table.create_row(&row.note, input).await {
        Ok(created) => Ok(Applied::Created(created.entity.id.ulid().to_owned())),
        Err(error) => Err(refused(error)),
    }
}

async fn change<R: Resource>(
    table: &TenantTable,
    row: &Row<'_>,
    current: &Entity<R>,
) -> Result<Applied, Failure> {
    let (mut patch, errors) = read(row);
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let before = given(current)?;
    if row.clears {
        clear::<R>(row, &before, &mut patch);
    }
    let (mut document, patch) = (Value::Object(before.clone()), Value::Object(patch));
    merge_patch(&mut document, &patch);
    let (Value::Object(document), Value::Object(patch)) = (document, patch) else {
        return Err(Failure::NotNow("a record that is no object".into()));
    };
    may_give::<R>(table, &patch, current.input.owner_id)?;
    let input = read_again(current, document)?;
    if given(&Entity { input: input.clone(), ..current.clone() })? == before {
        return Ok(Applied::Unchanged);
    }
    judge_change(table, current, &input)?;
    match table.replace_row(&row.note, current, &input).await {
        Ok(_) => Ok(Applied::Updated),
        Err(StoreError::Stale { .. }) => Err(Failure::NotNow("the record is being changed".into())),
        Err(error) => Err(refused(error)),
    }
}

/// Adds a `null` for each field whose cell is empty; for a whole member where all that it has are.
fn clear<R: Resource>(row: &Row<'_>, before: &Map<String, Value>, patch: &mut Map<String, Value>) {
    let mut empty: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (column, cell) in &row.cells {
        if column.name != "id" && cell.trim().is_empty() {
            empty.entry(column.member()).or_default().push(column.name);
        }
    }
    for (member, names) in empty {
        if columns::<R>().iter().filter(|column| column.member() == member).count() == names.len() {
            patch.insert(member.to_owned(), Value::Null);
        } else if patch.contains_key(member) || before.get(member).is_some_and(Value::is_object) {
            // What has no column in the file stays.
            let inner = patch.entry(member).or_insert_with(|| Value::Object(Map::new()));
            let fields = names.iter().filter_map(|name| name.split_once('.'));
            if let Value::Object(inner) = inner {
                inner.extend(fields.map(|(_, field)| (field.to_owned(), Value::Null)));
            }
        }
    }
}

/// The record that a row changes; `None` when it creates one.
async fn find<R: Resource>(table: &TenantTable, row: &Row<'_>) -> Result<Option<Entity<R>>, Failure> {
    let wrong = |field: &str, code: &str, message: &str| {
        Failure::from(FieldErrors::one(&format!("/{field}"), code, message))
    };
    let (field, id) = match row.key {
        Key::None | Key::External([]) => return Ok(None),
        Key::Id(id) if id.trim().is_empty() => return Ok(None),
        Key::Id(id) => {
            let id = IdOf::<R>::parse(id.trim());
            ("id", id.map_err(|invalid| wrong("id", invalid.code(), invalid.message()))?)
        }
        Key::Unique(field) => {
            let described = described::<R>(row, None).or_else(|| described::<R>(row, Some(field)));
            let is_given =
                row.cells.iter().any(|(column, cell)| column.name == field && !cell.trim().is_empty());
            let unique = described
                .filter(|_| is_given)
                .and_then(|input| input.fields.unique().into_iter().find(|unique| unique.field == field));
            // What is not given, or wrong, is for the create to say.
            let Some(unique) = unique else { return Ok(None) };
            let Some(holder) = table.holder::<R>(&unique).await.map_err(refused)? else {
                return Ok(None);
            };
            (unique.field, holder)
        }
        Key::External([ulid]) => (
            "externalId",
            IdOf::<R>::from_ulid(ulid).map_err(|invalid| Failure::NotNow(invalid.message().to_owned()))?,
        ),
        Key::External(_) => {
            return Err(wrong("externalId", "ambiguous", "is the name of more than one record"));
        }
    };
    match table.get_consistent::<R>(&id).await {
        Ok(found) => Ok(Some(found)),
        // It is there, and beyond reach; or it is not.
        Err(StoreError::NotFound) => Err(wrong(field, "no_such_record", "names no record that you reach")),
        Err(error) => Err(refused(error)),
    }
}

async fn undo<R: Resource>(table: &TenantTable, note: &Note, entry: &RowEntry) -> Result<Undone, Failure> {
    let undone = if entry.is_update {
        restore::<R>(table, note, entry).await
    } else {
        table.delete_row::<R>(note, entry).await.map_err(refused)
    };
    match undone {
        Ok(()) | Err(Failure::Done) => Ok(Undone::Done),
        Err(Failure::Refused(errors)) => Ok(Undone::Conflict(errors)),
        Err(failure) => Err(failure),
    }
}

async fn restore<R: Resource>(table: &TenantTable, note: &Note, entry: &RowEntry) -> Result<(), Failure> {
    let (current, before) = table.around_row::<R>(entry).await.map_err(refused)?;
    let (now, then) = (given(&current)?, given(&Entity { input: before.clone(), ..current.clone() })?);
    // What it had and has not, and what it gets: whoever may not give a private field takes none away either.
    let differs = |member: &String| now.get(member) != then.get(member);
    let back = now.iter().chain(&then).filter(|(member, _)| differs(member));
    let back = back.map(|(member, value)| (member.clone(), value.clone())).collect();
    may_give::<R>(table, &back, current.input.owner_id)?;
    judge_change(table, &current, &before)?;
    table.replace_row(note, &current, &before).await.map_err(refused)?;
    Ok(())
}

async fn externals<R: Resource>(table: &TenantTable, most: usize) -> Result<Option<Externals>, Failure> {
    let (mut found, mut looked_at) = (Externals::new(), 0);
    let mut walk = table.walk_all::<R>().await.map_err(refused)?;
    while !walk.is_done() {
        let records = walk.step().await.map_err(refused)?;
        looked_at += records.len();
        if looked_at > most {
            return Ok(None);
        }
        for entity in records {
            if let Some(name) = &entity.input.external_id {
                found.entry(name.to_string()).or_default().push(entity.id.ulid().to_owned());
            }
        }
    }
    Ok(Some(found))
}

/// Why the store did not write a row.
fn refused(error: StoreError) -> Failure {
    let one = |code: &str, message: &str| FieldErrors::one("", code, message).into();
    match error {
        StoreError::RowDone => Failure::Done,
        StoreError::SameRecord => one("duplicate_record", "another row of the file has the same record"),
        StoreError::Stale { .. } => one("changed_since", "the record was changed since"),
        StoreError::NotFound => one("not_found", "the record is gone"),
        StoreError::BeyondReach => {
            FieldErrors::one("/ownerId", "beyond_reach", "must be within your reach").into()
        }
        StoreError::Busy
        | StoreError::Throttled
        | StoreError::Denied { .. }
        | StoreError::Unavailable { .. }
        | StoreError::Corrupt(_) => Failure::NotNow(error.to_string()),
        error => Problem::from(error).into(),
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        if matches!(problem.code(), Code::Internal | Code::Unavailable) {
            return Self::NotNow(problem.cause().unwrap_or_else(|| problem.detail()).to_owned());
        }
        if problem.field_errors().is_empty() {
            return FieldErrors::one("", problem.code().as_str(), problem.detail()).into();
        }
        Self::Refused(problem.field_errors().to_vec())
    }
}

impl From<FieldErrors> for Failure {
    fn from(errors: FieldErrors) -> Self {
        Self::Refused(errors.into_vec())
    }
}
