//! The caller, and the proof that it is who it says.

use std::ops::Deref;

use nexo_domain::{AccountId, Permission, Reach, Role, SessionId, UserId};

/// Who a request comes from: a user of an account, in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account whose data the request may touch, and no other's.
    pub account: AccountId,
    /// The person.
    pub user: UserId,
    /// The login the request belongs to.
    pub session: SessionId,
    /// What the person may do.
    pub role: Role,
}

impl Principal {
    /// How far the principal may go with `permission`; `None` when it lacks it.
    pub fn reach(&self, permission: Permission) -> Option<Reach> {
        self.role.reach(permission)
    }
}

/// A value whose truth was checked by this crate.
///
/// The field is private, there is no `Default`, no `From` and no constructor outside this crate:
/// code that holds a `Verified<Principal>` got it from [`crate::Verifier::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn vouch(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
