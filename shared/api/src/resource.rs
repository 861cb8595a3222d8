//! A resource's seven routes, written once.

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use nexo_domain::{Date, Permission, UserId};
use nexo_store::{Created, Entity, Idempotency, Input, Record, StoreError, TenantTable};
use nexo_tenant_key::CursorKey;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{JSON, MERGE_PATCH, members, read_object, sample};
use crate::extract::{IfMatch, IfNoneMatch, Tenant};
use crate::idempotency::{digest, given_key};
use crate::list::{FilterParameter, ListRequest};
use crate::parse::{FieldErrors, merge_patch};
use crate::record::{given, judge, parse_record, read_patch, read_record};
use crate::routes::Verb;
use crate::{Access, Code, Column, Described, Id, Operation, Platform, Problem, Routes, export, shape};

/// What differs from one resource to the next.
pub trait Resource: Record + Described {
    /// The path, such as `/api/clients`.
    const PATH: &'static str;

    /// The resource in the singular, such as `client`: names operations and schemas.
    const NAME: &'static str;

    /// The smallest valid body of a create, in JSON. Its members are the required fields.
    const SAMPLE: &'static str;

    /// Needed to list and read.
    const READ: Permission;

    /// Needed to create and change.
    const WRITE: Permission;

    /// Needed to delete and restore.
    const DELETE: Permission;

    /// The query parameters that narrow the list.
    const FILTERS: &'static [FilterParameter];

    /// Fields whose change must be judged with the rest of the record: unique ones, and those that
    /// a rule across fields looks at. A PATCH of any other is one call to the store.
    const JUDGED_TOGETHER: &'static [&'static str];

    /// The columns of its own fields, for a resource that is exported as CSV.
    const COLUMNS: &'static [Column] = &[];

    /// Fields with a unique value by which the rows of an import find the records that they change.
    const MATCHED_BY: &'static [&'static str] = &[];

    /// Fields that not everybody who reads the record may read.
    const PRIVATE: Option<Private> = None;

    /// Rules across fields.
    fn validate(&self, errors: &mut FieldErrors);

    /// Rules of what a record may become, for kinds that are bound ([`Record::BOUND`]).
    fn validate_change(&self, before: &Self, today: Date, errors: &mut FieldErrors) {
        let _ = (before, today, errors);
    }
}

/// Fields that need a permission of their own: to read them, and beside the one for the write, to give them.
/// Who lacks it does not see them, and does not change them either.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    /// The permission.
    pub permission: Permission,
    /// The fields.
    pub fields: &'static [&'static str],
}

/// The seven routes of a resource, and its export if it names columns.
pub fn resource<R: Resource>(platform: &Platform) -> Routes {
    let [list, create, get, replace, merge, delete, restore] = operations::<R>();
    let routes = Routes::new(platform, R::PATH)
        .on(list, handle_list::<R>)
        .on(create, handle_create::<R>)
        .on(get, handle_get::<R>)
        .on(replace, handle_replace::<R>)
        .on(merge, handle_merge::<R>)
        .on(delete, handle_delete::<R>)
        .on(restore, handle_restore::<R>);
    if R::COLUMNS.is_empty() { routes } else { routes.on(export::operation::<R>(), export::handle::<R>) }
}

/// The routes of a resource that is listed and read like any other, and written in ways of its own.
pub fn list_and_get<R: Resource>(platform: &Platform) -> Routes {
    let [list, _, get, ..] = operations::<R>();
    Routes::new(platform, R::PATH).on(list, handle_list::<R>).on(get, handle_get::<R>)
}

/// Like [`list_and_get`], for a resource that is deleted like any other, too.
pub fn list_get_and_delete<R: Resource>(platform: &Platform) -> Routes {
    let [_, _, _, _, _, delete, _] = operations::<R>();
    list_and_get::<R>(platform).on(delete, handle_delete::<R>)
}

/// The table of operations, from which both the routes and their description are made.
#[cfg_attr(
    feature = "openapi",
    expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone is not general enough over its draft's lifetime"
    )
)]
const fn operations<R: Resource>() -> [Operation; 7] {
    let (read, write, delete) = (Access::Needs(R::READ), Access::Needs(R::WRITE), Access::Needs(R::DELETE));
    [
        Operation {
            method: Verb::Get,
            path: "",
            id: "list",
            summary: "Lists records, page by page",
            access: read,
            success: 200,
            problems: &[400],
            shape: shape!(|draft| draft.list::<R>()),
        },
        Operation {
            method: Verb::Post,
            path: "",
            id: "create",
            summary: "Creates a record",
            access: write,
            success: 201,
            problems: &[400, 409, 413, 415, 422],
            shape: shape!(|draft| draft.create::<R>()),
        },
        Operation {
            method: Verb::Get,
            path: "/{id}",
            id: "get",
            summary: "Reads a record",
            access: read,
            success: 200,
            problems: &[404],
            shape: shape!(|draft| draft.get::<R>()),
        },
        Operation {
            method: Verb::Put,
            path: "/{id}",
            id: "replace",
            summary: "Replaces a record's fields",
            access: write,
            success: 200,
            problems: &[400, 404, 409, 412, 413, 415, 422],
            shape: shape!(|draft| draft.replace::<R>()),
        },
        Operation {
            method: Verb::Patch,
            path: "/{id}",
            id: "merge",
            summary: "Changes some of a record's fields (RFC 7396)",
            access: write,
            success: 200,
            problems: &[400, 404, 409, 412, 413, 415, 422],
            shape: shape!(|draft| draft.merge::<R>()),
        },
        Operation {
            method: Verb::Delete,
            path: "/{id}",
            id: "delete",
            summary: "Deletes a record; it can be restored for 30 days",
            access: delete,
            success: 204,
            problems: if R::BOUND { &[400, 404, 409, 412] } else { &[400, 404, 412] },
            shape: shape!(|draft| draft.delete::<R>()),
        },
        Operation {
            method: Verb::Post,
            path: "/{id}/restore",
            id: "restore",
            summary: "Brings a deleted record back",
            access: delete,
            success: 200,
            problems: &[404, 409],
            shape: shape!(|draft| draft.restore::<R>()),
        },
    ]
}

/// A page, as it is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", bound = "R: Record")]
struct Page<'a, R: Record> {
    data: Vec<Shown<'a, R>>,
    next_cursor: Option<String>,
}

/// A record as far as the caller may read it.
#[derive(Serialize)]
#[serde(untagged, bound = "R: Record")]
pub(crate) enum Shown<'a, R: Record> {
    Whole(&'a Entity<R>),
    Part(Map<String, Value>),
}

pub(crate) fn shown<'a, R: Resource>(
    tenant: &Tenant,
    entity: &'a Entity<R>,
) -> Result<Shown<'a, R>, Problem> {
    match R::PRIVATE {
        Some(private) if !tenant.reaches(private.permission, entity.input.owner_id) => {
            let mut members = members(entity)?;
            members.retain(|name, _| !private.fields.contains(&name.as_str()));
            Ok(Shown::Part(members))
        }
        _ => Ok(Shown::Whole(entity)),
    }
}

/// Refuses a body that gives private fields of a record that `owner` is responsible for, by somebody who may
/// not read them.
pub(crate) fn may_give<R: Resource>(
    tenant: &TenantTable,
    document: &Map<String, Value>,
    owner: Option<UserId>,
) -> Result<(), Problem> {
    match R::PRIVATE {
        Some(private)
            if private.fields.iter().any(|field| document.contains_key(*field))
                && !tenant.reaches(private.permission, owner) =>
        {
            Err(Problem::denied(private.permission))
        }
        _ => Ok(()),
    }
}

async fn handle_list<R: Resource>(
    State(platform): State<Platform>,
    tenant: Tenant,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let cursors = cursors(&platform)?;
    let query = query.unwrap_or_default();
    let wanted = ListRequest::read(&query, R::FILTERS, R::PATH, tenant.scope(), cursors)?;
    let listed = tenant.list::<R>(&wanted.query).await?;
    let next_cursor = listed
        .next
        .map(|position| cursors.seal(tenant.scope(), R::PATH, &wanted.bound_to, &position))
        .transpose()
        .map_err(|error| Problem::internal(&error))?;
    let data = listed.records.iter().map(|entity| shown(&tenant, entity)).collect::<Result<_, _>>()?;
    Ok(json(StatusCode::OK, &Page { data, next_cursor }))
}

async fn handle_create<R: Resource>(tenant: Tenant, request: Request) -> Result<Response, Problem> {
    let key = given_key(request.headers())?;
    let mut document = read_object(request, JSON).await?;
    let idempotency = key.map(|key| Idempotency { key, request_digest: digest::<R>(&document) });
    // Whoever creates a record is responsible for it, unless the body says otherwise.
    if !document.contains_key("ownerId") {
        document.insert("ownerId".into(), Value::String(tenant.scope().principal().user.to_string()));
    }
    let input = read_record::<R>(document.clone())?;
    may_give::<R>(&tenant, &document, input.owner_id)?;
    let Created { entity, replayed } =
        tenant.create(input, idempotency.as_ref()).await.map_err(|error| match (error, &idempotency) {
            (StoreError::Busy, Some(_)) => {
                Problem::new(Code::IdempotencyInProgress, "Try again in a moment.").retry_after(1)
            }
            (error, _) => refused_write::<R>(error),
        })?;
    let path = format!("{}/{}", R::PATH, entity.id);
    let mut response = created(show(StatusCode::CREATED, &tenant, &entity)?, &path);
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn handle_get<R: Resource>(
    tenant: Tenant,
    Id(id): Id<R::Kind>,
    if_none_match: IfNoneMatch,
) -> Result<Response, Problem> {
    let entity = tenant.get::<R>(&id).await?;
    let etag = etag(&entity);
    if if_none_match.names(&etag) {
        return Ok(with_etag(StatusCode::NOT_MODIFIED.into_response(), entity.version));
    }
    show(StatusCode::OK, &tenant, &entity)
}

async fn handle_replace<R: Resource>(
    tenant: Tenant,
    Id(id): Id<R::Kind>,
    IfMatch(expected): IfMatch,
    request: Request,
) -> Result<Response, Problem> {
    let document = read_object(request, JSON).await?;
    let input = read_record::<R>(document.clone())?;
    if R::BOUND || R::PRIVATE.is_some() {
        return revise(&tenant, &id, expected, |current: &Entity<R>| {
            let mut document = document.clone();
            may_give::<R>(&tenant, &document, current.input.owner_id)?;
            // What the caller does not see stays as it is.
            if let Some(private) = R::PRIVATE
                && !tenant.reaches(private.permission, current.input.owner_id)
            {
                let hidden = given(current)?;
                document
                    .extend(hidden.into_iter().filter(|(name, _)| private.fields.contains(&name.as_str())));
            }
            read_again(current, document)
        })
        .await;
    }
    match tenant.replace(&id, expected, &input).await {
        Ok(entity) => Ok(answer(StatusCode::OK, &entity)),
        Err(error) => Err(with_current::<R>(&tenant, &id, error).await),
    }
}

async fn handle_merge<R: Resource>(
    tenant: Tenant,
    Id(id): Id<R::Kind>,
    IfMatch(expected): IfMatch,
    request: Request,
) -> Result<Response, Problem> {
    let patch = read_object(request, MERGE_PATCH).await?;
    let changed = read_patch::<R>(&patch)?;
    let together = patch.iter().any(|(name, value)| {
        let name = name.as_str();
        let sorts = R::SORT_FIELDS.len() > 1 && R::SORT_FIELDS.contains(&name);
        let is_private = R::PRIVATE.is_some_and(|private| private.fields.contains(&name));
        value.is_object() || sorts || is_private || name == "ownerId" || R::JUDGED_TOGETHER.contains(&name)
    });
    if together {
        // Where the outcome depends on what is stored: reads, merges, and replaces what was read.
        let patch = Value::Object(patch);
        return revise(&tenant, &id, expected, |current: &Entity<R>| {
            let mut document = Value::Object(given(current)?);
            merge_patch(&mut document, &patch);
            let (Value::Object(document), Value::Object(patch)) = (document, &patch) else {
                return Err(Problem::internal(&"a record that is no object"));
            };
            may_give::<R>(&tenant, patch, current.input.owner_id)?;
            read_again(current, document)
        })
        .await;
    }
    judge(&changed)?;
    let fields: Vec<&str> = patch.keys().map(String::as_str).collect();
    match tenant.merge(&id, expected, &changed, &fields).await {
        Ok(entity) => show(StatusCode::OK, &tenant, &entity),
        Err(error) => Err(with_current::<R>(&tenant, &id, error).await),
    }
}

/// How often a change without `If-Match` starts over because another write came between.
const ATTEMPTS: usize = 4;

/// Changes a record by a rule: reads it, and writes what `rule` makes of it if nobody wrote it meanwhile.
///
/// # Errors
/// Those of `rule`, which is asked again when it was written meanwhile; and those of a write.
pub async fn revise<R: Resource>(
    tenant: &Tenant,
    id: &nexo_domain::Id<R::Kind>,
    expected: Option<u64>,
    rule: impl Fn(&Entity<R>) -> Result<Input<R>, Problem>,
) -> Result<Response, Problem> {
    let mut outcome = Err(StoreError::Busy);
    for _ in 0..ATTEMPTS {
        let current = tenant.get_consistent::<R>(id).await?;
        if expected.is_some_and(|version| version != current.version) {
            outcome = Err(StoreError::Stale { version: current.version });
            break;
        }
        let input = rule(&current)?;
        judge_change(tenant, &current, &input)?;
        outcome = tenant.replace_read(&current, &input).await;
        match outcome {
            Err(StoreError::Stale { .. }) if expected.is_none() => outcome = Err(StoreError::Busy),
            _ => break,
        }
    }
    match outcome {
        Ok(entity) => show(StatusCode::OK, tenant, &entity),
        Err(error) => Err(with_current::<R>(tenant, id, error).await),
    }
}

/// Applies the rules of what a record may become.
pub(crate) fn judge_change<R: Resource>(
    table: &TenantTable,
    current: &Entity<R>,
    input: &Input<R>,
) -> Result<(), Problem> {
    let mut errors = FieldErrors::default();
    input.fields.validate(&mut errors);
    input.fields.validate_change(&current.input.fields, table.now().date(), &mut errors);
    if let Some(private) = R::PRIVATE
        && !table.reaches(private.permission, current.input.owner_id)
    {
        // An error would tell of what is hidden, and so would the record, once it is the caller's own.
        errors = errors.without(private.fields);
        if table.reaches(private.permission, input.owner_id) {
            return Err(Problem::denied(private.permission));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// Reads a body that was made of a stored record, which keeps what the store keeps of it.
pub(crate) fn read_again<R: Resource>(
    current: &Entity<R>,
    document: Map<String, Value>,
) -> Result<Input<R>, Problem> {
    let input = parse_record::<R>(document, &sample(R::SAMPLE)?).map_err(Problem::invalid)?;
    Ok(current.keep(input)?)
}

async fn handle_delete<R: Resource>(
    tenant: Tenant,
    Id(id): Id<R::Kind>,
    IfMatch(expected): IfMatch,
) -> Result<Response, Problem> {
    match tenant.delete::<R>(&id, expected).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) => Err(with_current::<R>(&tenant, &id, error).await),
    }
}

async fn handle_restore<R: Resource>(tenant: Tenant, Id(id): Id<R::Kind>) -> Result<Response, Problem> {
    let restored = tenant.restore::<R>(&id).await.map_err(|error| match error {
        // Nothing is wrong with the request.
        StoreError::NoSuchReference { field }
        | StoreError::Full { field }
        | StoreError::NotOpen { field } => {
            Problem::new(Code::Conflict, format!("What `{field}` names does not take it back."))
        }
        StoreError::TooDeep { .. } | StoreError::TooMany { .. } => {
            Problem::new(Code::Conflict, "The tree has no room for it any more.")
        }
        error => Problem::from(error),
    })?;
    show(StatusCode::OK, &tenant, &restored)
}

/// Says that an answer is the first one, given again.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The problem for a failed write.
fn refused_write<R: Resource>(error: StoreError) -> Problem {
    match error {
        StoreError::BeyondReach => Problem::denied_beyond_own(R::WRITE),
        error => Problem::from(error),
    }
}

/// The problem for a failed write; for a stale version with the record as it is now, so that a
/// caller can merge.
async fn with_current<R: Resource>(
    tenant: &Tenant,
    id: &nexo_domain::Id<R::Kind>,
    error: StoreError,
) -> Problem {
    let stale = matches!(error, StoreError::Stale { .. });
    let problem = refused_write::<R>(error);
    if !stale {
        return problem;
    }
    // Who may write a record need not be one who may read it.
    let current = tenant.get_consistent::<R>(id).await;
    let readable = current.ok().filter(|current| tenant.reaches(R::READ, current.input.owner_id));
    match readable.as_ref().map(|current| shown(tenant, current)) {
        Some(Ok(current)) => problem.with_current(&current),
        _ => problem,
    }
}

pub(crate) fn cursors(platform: &Platform) -> Result<&CursorKey, Problem> {
    platform.cursors.as_ref().ok_or_else(|| Problem::internal(&"this function has no cursor key"))
}

fn etag<R: Record>(entity: &Entity<R>) -> String {
    format!("\"{}\"", entity.version)
}

/// A record as far as the caller may read it, with its `ETag`.
fn show<R: Resource>(status: StatusCode, tenant: &Tenant, entity: &Entity<R>) -> Result<Response, Problem> {
    Ok(with_etag(json(status, &shown(tenant, entity)?), entity.version))
}

/// A record, with its `ETag`.
pub fn answer<R: Record>(status: StatusCode, entity: &Entity<R>) -> Response {
    with_etag(json(status, entity), entity.version)
}

/// The response with a version as its `ETag`.
pub fn with_etag(mut response: Response, version: u64) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// The response with the path of what was created.
pub fn created(mut response: Response, path: &str) -> Response {
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// An answer in JSON.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = (status, body).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}
