//! The caller, and the proof that it is who it says.

use std::ops::Deref;
use std::sync::Arc;

use nexo_domain::{AccountId, ApiKeyId, Grants, Permission, Reach, Role, RoleRef, SessionId, UserId};

/// Who a request comes from: a user of an account, or a program with a key that acts for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account whose data the request may touch, and no other's.
    pub account: AccountId,
    /// The person.
    pub user: UserId,
    /// What the request came with.
    pub credential: Credential,
    /// What it may do: all that the person may, or what of that the key was given.
    pub standing: Arc<Standing>,
}

/// What a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token of this login.
    Session(SessionId),
    /// This key.
    ApiKey(ApiKeyId),
    /// Nothing: it is work that the person began, and that goes on without them.
    Work,
}

/// A user who is logged in: whom operations on one's own login are for, and whom access tokens are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPrincipal {
    /// The account whose data the request may touch, and no other's.
    pub account: AccountId,
    /// The person.
    pub user: UserId,
    /// The login.
    pub session: SessionId,
    /// What the person may do.
    pub standing: Arc<Standing>,
}

/// What a user may do at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The roles.
    pub roles: Vec<RoleRef>,
    /// What they grant together.
    pub grants: Grants,
    /// Whose records are within [`Reach::Team`]: the user's team, the user included. Empty unless that
    /// reach is granted.
    pub team: Vec<UserId>,
}

impl Standing {
    /// What these roles grant, if they are all the system's, whose grants need not be looked up.
    pub fn of_system_roles(roles: &[RoleRef]) -> Option<Self> {
        let system = roles.iter().map(|role| match role {
            RoleRef::System(role) => Some(role.grants()),
            RoleRef::Custom(_) => None,
        });
        let grants: Vec<Grants> = system.collect::<Option<_>>()?;
        let grants = grants.into_iter().fold(Grants::default(), Grants::union);
        Some(Self { roles: roles.to_vec(), grants, team: Vec::new() })
    }

    /// What of it is also in `limit`.
    #[must_use]
    pub fn within(self, limit: Grants) -> Self {
        Self { grants: self.grants.intersection(limit), ..self }
    }
}

impl From<Role> for Standing {
    fn from(role: Role) -> Self {
        Self { roles: vec![RoleRef::System(role)], grants: role.grants(), team: Vec::new() }
    }
}

impl Principal {
    /// How far the principal may go with `permission`; `None` when it lacks it.
    pub fn reach(&self, permission: Permission) -> Option<Reach> {
        self.standing.grants.reach(permission)
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

impl Verified<Principal> {
    /// The login the request belongs to; `None` when it came with a key.
    pub fn in_session(&self) -> Option<Verified<SessionPrincipal>> {
        let Principal { account, user, credential, standing } = self.0.clone();
        match credential {
            Credential::Session(session) => {
                Some(Verified(SessionPrincipal { account, user, session, standing }))
            }
            Credential::ApiKey(_) | Credential::Work => None,
        }
    }
}

impl From<SessionPrincipal> for Principal {
    fn from(principal: SessionPrincipal) -> Self {
        let SessionPrincipal { account, user, session, standing } = principal;
        Self { account, user, credential: Credential::Session(session), standing }
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
