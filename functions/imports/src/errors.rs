//! `GET /api/imports/{id}/errors.csv`: what is wrong with which row, page by page, as the export of records.

use axum::extract::RawQuery;
use axum::response::Response;
use nexo_api::{Access, Id, Operation, Problem, Tenant, Verb, csv_page, guarded, read_parameters, shape};
use nexo_domain::{ImportErrorsId, kind};
use nexo_store::errors_id;
use serde::{Deserialize, Serialize};

use crate::import::{Import, NEEDED};

pub(crate) const OPERATION: Operation = Operation {
    method: Verb::Get,
    path: "/{id}/errors.csv",
    id: "getImportErrors",
    summary: "What is wrong with which row, as CSV, page by page: the pages, one after the other, are one file",
    access: Access::Needs(NEEDED),
    success: 200,
    problems: &[400, 404],
    shape: shape!(|draft| _ = draft.id::<kind::Import>().csv(&["row", "column", "field", "code", "message"])),
};

/// What is wrong with one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The row, as a spreadsheet counts: the header is 1.
    pub row: u32,
    /// The column's name in the file; empty where it is about the row.
    pub column: String,
    /// The field.
    pub field: String,
    /// What, for programs.
    pub code: String,
    /// What, for people.
    pub message: String,
}

/// What is wrong with the rows of one step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// The first row of the step.
    pub first: u32,
    /// The errors, in the order of the rows.
    pub errors: Vec<RowError>,
    /// When it is forgotten, in seconds since 1970.
    pub expires_at: i64,
}

/// The id of the errors of a step.
pub fn chunk_id(phase: u32, first: u32) -> ImportErrorsId {
    errors_id(phase, first)
}

/// Steps of one page: each has at most 300 KB of errors, and an answer 6 MB.
const CHUNKS: i32 = 5;

/// `GET /api/imports/{id}/errors.csv`.
pub(crate) async fn errors(
    tenant: Tenant,
    Id(id): Id<kind::Import>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut from = 0;
    read_parameters(&query.unwrap_or_default(), |name, value| match name {
        "cursor" => {
            from =
                value.parse().map_err(|_| Problem::invalid_parameter(name, "is none that was answered"))?;
            Ok(())
        }
        _ => Err(Problem::invalid_parameter(name, "is not known here")),
    })?;
    let import = tenant.get_consistent::<Import>(&id).await?.input.fields;
    let (low, high) = (chunk_id(import.phase, from), chunk_id(import.phase, u32::MAX));
    let chunks: Vec<Chunk> = tenant.history_from(&id, &low, &high, CHUNKS).await?;
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let mut write =
        |cells: [&str; 5]| rows.write_record(cells.map(guarded)).map_err(|error| Problem::internal(&error));
    if from == 0 {
        write(["row", "column", "field", "code", "message"])?;
    }
    for error in chunks.iter().flat_map(|chunk| &chunk.errors) {
        write([&error.row.to_string(), &error.column, &error.field, &error.code, &error.message])?;
    }
    let body = rows.into_inner().map_err(|error| Problem::internal(&error))?;
    // Behind the last one there may be more, also where a page was cut short.
    let next = chunks.last().map(|last| format!("/api/imports/{id}/errors.csv?cursor={}", last.first + 1));
    csv_page(body, from == 0, "errors.csv", next.as_deref())
}
