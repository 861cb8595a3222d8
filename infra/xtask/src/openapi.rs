//! `cargo xtask openapi`.

use std::path::Path;

/// Writes `openapi.json`.
pub(crate) fn write() -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    std::fs::write(&path, nexo_local::description::description()?)
        .map_err(|error| format!("{}: {error}", path.display()))
}
