//! What identity promises, against a directory in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_keys;
mod clock;
mod credentials;
mod keys;
mod links;
mod refresh;
mod revocation;
mod tokens;
mod world;
