//! What every function does the same.
//!
//! - [`Routes`] binds operations to handlers. An operation states who may call it ([`Access`]), and
//!   that is checked before its handler runs.
//! - [`resource`] gives a [`Resource`] its seven routes, and an export as CSV if it names [`Column`]s.
//! - Extractors read a request; whatever is wrong with it is answered as a [`Problem`] (RFC 9457).
//! - [`app`] wraps the routes with what surrounds every request: its id, deadline, log line, and an
//!   answer in our format whatever happens. [`serve`] runs that on Lambda.
//! - With the feature `openapi`, [`openapi`] describes the same routes.
#![warn(missing_docs)]

mod activity;
mod app;
mod body;
mod columns;
mod context;
mod denials;
mod export;
mod extract;
mod idempotency;
mod import;
mod list;
#[cfg(feature = "openapi")]
pub mod openapi;
mod parse;
mod platform;
mod problem;
mod record;
mod resource;
mod routes;
mod serve;
mod stream;
mod strict;

pub use activity::{Activity, ActivityQuery};
pub use app::{app, app_with_deadline};
pub use body::{Body, Input, OptionalBody, Patch};
pub use columns::{Column, Form, guarded};
pub use context::{Caller, RequestContext};
pub use export::csv_page;
pub use extract::{Id, IfMatch, Named, SignedIn, Tenant};
pub use idempotency::Once;
pub use import::{Applied, Externals, Failure, Importable, Key, Row, Undone};
pub use list::{FilterKind, FilterParameter, choice, chosen, id_of, no_parameters, read_parameters, text};
pub use parse::{FieldError, FieldErrors};
pub use platform::{LogSink, Platform, log_to_stderr};
pub use problem::{Code, Problem};
pub use resource::{
    Private, REPLAYED, Resource, answer, created, json, list_and_get, list_get_and_delete, resource, revise,
    with_etag,
};
pub use routes::{Access, Described, Operation, Routes, Shape, Verb};
pub use serve::serve;
pub use stream::StreamAnswer;

/// The version of this build, as health checks and the API's description show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
