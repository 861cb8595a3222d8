//! A resource's seven routes, written once.

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use nexo_domain::Permission;
use nexo_store::{Created, Entity, Idempotency, Record, StoreError};
use nexo_tenant_key::CursorKey;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::body::{MERGE_PATCH, read_object};
use crate::extract::{IfMatch, IfNoneMatch, Tenant};
use crate::idempotency::{digest, given_key};
use crate::list::{FilterParameter, ListRequest};
use crate::parse::{FieldErrors, merge_patch};
use crate::record::{judge, read_patch, read_record};
use crate::routes::Verb;
use crate::{Access, Code, Described, Id, Operation, Platform, Problem, Routes, shape};

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

    /// Rules across fields.
    fn validate(&self, errors: &mut FieldErrors);
}

/// The seven routes of a resource.
pub fn resource<R: Resource>(platform: &Platform) -> Routes {
    let [list, create, get, replace, merge, delete, restore] = operations::<R>();
    Routes::new(platform, R::PATH)
        .on(list, handle_list::<R>)
        .on(create, handle_create::<R>)
        .on(get, handle_get::<R>)
        .on(replace, handle_replace::<R>)
        .on(merge, handle_merge::<R>)
        .on(delete, handle_delete::<R>)
        .on(restore, handle_restore::<R>)
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
            problems: &[400, 404, 412],
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
struct Page<R: Record> {
    data: Vec<Entity<R>>,
    next_cursor: Option<String>,
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
    Ok(json(StatusCode::OK, &Page { data: listed.records, next_cursor }))
}

async fn handle_create<R: Resource>(tenant: Tenant, request: Request) -> Result<Response, Problem> {
    let key = given_key(request.headers())?;
    let mut document = read_object(request, JSON).await?;
    let idempotency = key.map(|key| Idempotency { key, request_digest: digest::<R>(&document) });
    // Whoever creates a record is responsible for it, unless the body says otherwise.
    if !document.contains_key("ownerId") {
        document.insert("ownerId".into(), Value::String(tenant.scope().principal().user.to_string()));
    }
    let input = read_record::<R>(document)?;
    let Created { entity, replayed } =
        tenant.create(input, idempotency.as_ref()).await.map_err(|error| match (error, &idempotency) {
            (StoreError::Busy, Some(_)) => {
                Problem::new(Code::IdempotencyInProgress, "Try again in a moment.").retry_after(1)
            }
            (error, _) => refused_write::<R>(error),
        })?;
    let path = format!("{}/{}", R::PATH, entity.id);
    let mut response = created(answer(StatusCode::CREATED, &entity), &path);
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
    Ok(answer(StatusCode::OK, &entity))
}

async fn handle_replace<R: Resource>(
    tenant: Tenant,
    Id(id): Id<R::Kind>,
    IfMatch(expected): IfMatch,
    request: Request,
) -> Result<Response, Problem> {
    let input = read_record::<R>(read_object(request, JSON).await?)?;
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
        value.is_object() || sorts || name == "ownerId" || R::JUDGED_TOGETHER.contains(&name)
    });
    let merged = if together {
        merge_together::<R>(&tenant, &id, expected, patch).await
    } else {
        judge(&changed)?;
        let fields: Vec<&str> = patch.keys().map(String::as_str).collect();
        tenant.merge(&id, expected, &changed, &fields).await.map_err(Failure::Store)
    };
    match merged {
        Ok(entity) => Ok(answer(StatusCode::OK, &entity)),
        Err(Failure::Store(error)) => Err(with_current::<R>(&tenant, &id, error).await),
        Err(Failure::Refused(problem)) => Err(problem),
    }
}

enum Failure {
    Store(StoreError),
    Refused(Problem),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How often a PATCH without `If-Match` starts over because another write came between.
const ATTEMPTS: usize = 4;

/// Merges where the outcome depends on what is stored: reads, merges, and replaces what was read.
async fn merge_together<R: Resource>(
    tenant: &Tenant,
    id: &nexo_domain::Id<R::Kind>,
    expected: Option<u64>,
    patch: Map<String, Value>,
) -> Result<Entity<R>, Failure> {
    let patch = Value::Object(patch);
    for _ in 0..ATTEMPTS {
        let current = tenant.get_consistent::<R>(id).await?;
        if expected.is_some_and(|version| version != current.version) {
            return Err(StoreError::Stale { version: current.version }.into());
        }
        let mut document =
            serde_json::to_value(&current.input).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if let Value::Object(members) = &mut document {
            members.retain(|_, value| !value.is_null());
        }
        merge_patch(&mut document, &patch);
        let Value::Object(document) = document else {
            return Err(StoreError::Corrupt("a record that is no object".into()).into());
        };
        let input = read_record::<R>(document).map_err(Failure::Refused)?;
        match tenant.replace_read(&current, &input).await {
            Err(StoreError::Stale { .. }) if expected.is_none() => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(StoreError::Busy.into())
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
    Ok(answer(StatusCode::OK, &tenant.restore::<R>(&id).await?))
}

const JSON: &[&str] = &["application/json"];

/// Says that an answer is the first one, given again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

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
    match tenant.get_consistent::<R>(id).await {
        Ok(current) => problem.with_current(&current),
        Err(_) => problem,
    }
}

fn cursors(platform: &Platform) -> Result<&CursorKey, Problem> {
    platform.cursors.as_ref().ok_or_else(|| Problem::internal(&"this function has no cursor key"))
}

fn etag<R: Record>(entity: &Entity<R>) -> String {
    format!("\"{}\"", entity.version)
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
