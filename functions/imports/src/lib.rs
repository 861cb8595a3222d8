//! Imports of records out of files that were uploaded: what is asked for, and how far it is.
//!
//! No byte of a file goes through here, and no row is done here: an import is a record, and `importer` does what
//! its status asks for.

mod errors;
mod import;
mod operations;

pub use uploads::File;

pub use errors::{Chunk, RowError, chunk_id};
pub use import::{
    EmptyCells, Format, Import, ImportColumn, ImportResource, ImportStatus, MOST_BYTES, MOST_ROWS, NEEDED,
};
use nexo_api::{Platform, Routes, list_and_get};

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    let [create, start, resume, undo] = operations::OPERATIONS;
    list_and_get::<Import>(platform)
        .on(create, operations::create)
        .on(start, operations::start)
        .on(resume, operations::resume)
        .on(undo, operations::undo)
        .on(errors::OPERATION, errors::errors)
}
