//! Which keys of the table and the bucket a request may touch.
//!
//! Every key of an account's data comes from a [`TenantScope`], and a scope only from a
//! `Verified<Principal>` together with credentials of that principal's account. Keys and partitions
//! have private fields and no constructor of their own, so code that forges one does not compile
//! (`tests/forgeries/` holds the attempts). Cursors carry a position and never a partition: that
//! comes from the scope of the request that uses them.
//!
//! The layout is described in `docs/ARCHITECTURE.md`, "Keys".
#![warn(missing_docs)]

mod cursor;
mod directory;
mod key;
mod scope;

pub use cursor::{CursorKey, InvalidCursor, Position};
pub use directory::DirectoryKey;
pub use key::{ArrivedObject, Key, ObjectKey, Partition, account_of, objects_of, thumbnails_of};
pub use nexo_domain::AccountId;
pub use nexo_identity::{Principal, Verified};
pub use scope::{TenantScope, WrongAccount};
