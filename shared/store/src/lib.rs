//! The table, seen through a `TenantScope`.
//!
//! - [`TenantTable`] reads and writes an account's records, each call under credentials that the
//!   engine itself limits to that account.
//! - [`Directory`] is what functions do under their own role: logins, sessions, public keys.
//! - [`Meter`] counts calls and capacity units, for the log, the tests and the benchmarks.
//!
//! There is no scan, no raw key and no call without credentials: the client has none of its own, so
//! a call that brings none fails before it leaves the process.
#![warn(missing_docs)]

mod api_keys;
mod batch;
mod client;
mod directory;
mod error;
mod events;
mod expression;
mod invitations;
mod list;
mod members;
mod meter;
mod pause;
mod range;
mod record;
mod sts;
mod table;
mod transaction;
mod tree;
mod write;

pub use api_keys::StoredKey;
pub use client::{Store, StoreConfig, of_tenant};
pub use directory::{
    Access, Announced, AttemptCount, Attempts, Candidate, Directory, Factors, Finding, Login, LoginUse,
    LoginView, NewAccount, NewUser, Organization, Outgoing, Passkey, Pending, PendingEmail,
    PendingInvitation, PendingRegistration, PendingReset, PendingTotp, Profile, ProfileChange, Proof,
    ProvenSession, Rotation, Session, SessionUse, Side, Spent, Team, Told, Totp, Used,
};
pub use error::StoreError;
pub use events::{Actor, EventPage, EventQuery, SecurityEvent};
pub use invitations::{MailLimit, Offer};
pub use list::{Filter, ListQuery, Listed, Order, Walk};
pub use members::{Account, Member, MemberChange, MemberRefusal};
pub use meter::{Meter, Usage};
pub use record::{Beside, Counter, Entity, Input, Record, Reference, Target, Tree, Unique};
pub use sts::StsVendor;
pub use table::{RequestInfo, TenantTable};
pub use write::{Created, Idempotency, Note, PURGE_AT, RowEntry, Stored, errors_id};
