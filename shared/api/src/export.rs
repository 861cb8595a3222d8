//! `GET …/export.csv`: a resource's records as CSV (RFC 4180), page by page, so that neither the memory of a
//! function nor what one answer can hold bounds how many there are. The pages, one after the other, are one
//! file.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use nexo_domain::SecurityEventType;
use nexo_tenant_key::Position;

use crate::body::members;
use crate::columns::{AFTER, BEFORE, Column};
use crate::extract::{SignedIn, Tenant};
use crate::list::{ListRequest, read_parameters};
use crate::resource::{cursors, shown};
use crate::routes::Verb;
use crate::{Access, Operation, Platform, Problem, RequestContext, Resource, shape};

/// The most rows of a page.
const MOST_ROWS: usize = 1000;

/// What one read looks at: a page is done when another one may not fit.
const READ_ROWS: usize = 500;

/// With so many bytes a page is done. A read adds 2 MB at most, as it is 1 MB of items, in which each byte can
/// be a quotation mark, and so two. In Lambda's answer, which is JSON, each of those is two again: and 6 MB are
/// what that may have.
const ENOUGH_BYTES: usize = 1_000_000;

/// Reads of a page, where filters let little through: 2,500 records, or 5 MB, are about 640 read units.
const MOST_READS: usize = 5;

/// How long an export may take. A cursor that is older would be an export that nothing was noted of.
const LONGEST_SECONDS: i64 = 24 * 60 * 60;

/// Between the moment an export began, in a cursor, and the place where it goes on.
const BEGUN: char = '~';

const FIRST: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
const FURTHER: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=absent");

/// The operation, beside those of the resource.
#[cfg_attr(
    feature = "openapi",
    expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone is not general enough over its draft's lifetime"
    )
)]
pub(crate) const fn operation<R: Resource>() -> Operation {
    Operation {
        method: Verb::Get,
        path: "/export.csv",
        id: "export",
        summary: "All records as CSV, page by page: the pages, one after the other, are one file",
        access: Access::NeedsRecent(R::READ),
        success: 200,
        problems: &[400],
        shape: shape!(|draft| draft.export::<R>()),
    }
}

/// The columns of all that can be exported of a resource.
pub(crate) fn columns<R: Resource>() -> impl Iterator<Item = Column> {
    BEFORE.iter().chain(R::COLUMNS).chain(&AFTER).copied()
}

pub(crate) async fn handle<R: Resource>(
    State(platform): State<Platform>,
    SignedIn(caller): SignedIn,
    context: RequestContext,
    tenant: Tenant,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let cursors = cursors(&platform)?;
    let query = query.unwrap_or_default();
    let given = parameters(&query)?;
    let private = R::PRIVATE.filter(|private| tenant.scope().principal().reach(private.permission).is_none());
    let hidden = private.map_or(&[][..], |private| private.fields);
    let columns: Vec<Column> = columns::<R>().filter(|column| !hidden.contains(&column.member())).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let path = format!("{}{}", R::PATH, operation::<R>().path);
    // An export goes on in the session that began it, and with the columns that it began with.
    let route = format!("{path} {} {}", caller.session, names.join(","));
    let mut wanted = ListRequest::read(&query, R::FILTERS, &route, tenant.scope(), cursors)?;
    let now = platform.clock.now_seconds();
    let begun = wanted.query.after.as_mut().map_or(Some(now), take_begin);
    let begun = begun.filter(|begun| now - begun < LONGEST_SECONDS).ok_or_else(Problem::invalid_cursor)?;
    let is_first = wanted.query.after.is_none();
    if is_first {
        // Before anything is read: what is not noted is not exported.
        // By which filters it was narrowed, and not to whom: events are kept longer than deleted records.
        let filters: Vec<&str> =
            given.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "sort").collect();
        let event = context.event(SecurityEventType::Export).with("resource", R::NAME);
        let event = event.with("filters", filters).with("private", R::PRIVATE.is_some() && private.is_none());
        platform.directory(context.meter()).note(&caller.account, &caller.user, &event).await?;
    }
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if is_first {
        rows.write_record(&names).map_err(|error| Problem::internal(&error))?;
    }
    wanted.query.limit = READ_ROWS;
    let mut walk = tenant.walk::<R>(&wanted.query).await?;
    let mut count = 0;
    for _ in 0..MOST_READS {
        for entity in walk.step().await? {
            count += 1;
            let record = members(&shown(&tenant, &entity)?)?;
            let cells = columns.iter().map(|column| column.cell(&record));
            rows.write_record(cells).map_err(|error| Problem::internal(&error))?;
        }
        rows.flush().map_err(|error| Problem::internal(&error))?;
        let is_full = count + READ_ROWS > MOST_ROWS || rows.get_ref().len() >= ENOUGH_BYTES;
        if walk.is_done() || is_full {
            break;
        }
    }
    let next = walk.position().map(|position| {
        let position = Position { record: format!("{begun}{BEGUN}{}", position.record), ..position };
        cursors.seal(tenant.scope(), &route, &wanted.bound_to, &position)
    });
    let next = next.transpose().map_err(|error| Problem::internal(&error))?;
    let body = rows.into_inner().map_err(|error| Problem::internal(&error))?;
    let next = next.map(|cursor| next_page(&path, given, cursor)).transpose()?;
    csv_page(body, is_first, &format!("{}.csv", plural::<R>()), next.as_deref())
}

/// A page of CSV that is saved as `file_name`, of which only the first has the header row, and where the next one is
/// (RFC 8288).
///
/// # Errors
/// When a name or an address is none that a header can have.
pub fn csv_page(
    body: Vec<u8>,
    is_first: bool,
    file_name: &str,
    next: Option<&str>,
) -> Result<Response, Problem> {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, if is_first { FIRST } else { FURTHER });
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, header(&format!("attachment; filename=\"{file_name}\""))?);
    if let Some(next) = next {
        headers.insert(LINK, header(&format!("<{next}>; rel=\"next\""))?);
    }
    Ok(response)
}

/// The last word of the resource's path, such as `clients`.
pub(crate) fn plural<R: Resource>() -> &'static str {
    R::PATH.rsplit('/').next().unwrap_or(R::NAME)
}

/// When the export of a cursor began, in seconds of Unix time; the cursor then is that of a list.
fn take_begin(cursor: &mut Position) -> Option<i64> {
    let (begun, record) = cursor.record.split_once(BEGUN)?;
    let (begun, record) = (begun.parse().ok()?, record.to_owned());
    cursor.record = record;
    Some(begun)
}

/// What narrows and sorts the list. A page's size is not the caller's to choose.
fn parameters(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut given = Vec::new();
    read_parameters(query, |name, value| match name {
        "limit" => Err(Problem::invalid_parameter(name, "is not known here")),
        "cursor" => Ok(()),
        _ => {
            given.push((name.to_owned(), value.to_owned()));
            Ok(())
        }
    })?;
    Ok(given)
}

/// Where the next page is.
fn next_page(path: &str, mut given: Vec<(String, String)>, cursor: String) -> Result<String, Problem> {
    given.push(("cursor".to_owned(), cursor));
    let query = serde_urlencoded::to_string(given).map_err(|error| Problem::internal(&error))?;
    Ok(format!("{path}?{query}"))
}

fn header(value: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(value).map_err(|error| Problem::internal(&error))
}
