//! What keys and cursors promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cursors;
mod directory;
mod keys;
mod world;
