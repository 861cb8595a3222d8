//! `cargo xtask openapi`.

use std::fs;
use std::path::PathBuf;

use nexo_local::description::description;

fn path() -> PathBuf {
    crate::process::project().join("openapi.json")
}

/// Writes `openapi.json`.
pub(crate) fn write() -> Result<(), String> {
    fs::write(path(), description()?).map_err(|error| format!("{}: {error}", path().display()))
}

/// Compares `openapi.json` with the routes' declarations.
pub(crate) fn check() -> Result<(), String> {
    let text = fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
    let current = description()?;
    if text == current {
        return Ok(());
    }
    let differing = text.lines().zip(current.lines()).position(|(old, new)| old != new);
    let line = differing.unwrap_or_else(|| text.lines().count().min(current.lines().count())) + 1;
    Err(format!("differs from the routes at line {line}: run `cargo xtask openapi`"))
}
