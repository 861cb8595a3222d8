//! The clients of an account: companies and people it does, did or may do business with.

mod client;

pub use client::Client;
use nexo_api::{Platform, Routes, resource};

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    resource::<Client>(platform)
}
