//! What a principal may do, and the roles that grant it.
//!
//! An operation needs a [`Permission`]. A role grants it within a [`Reach`]: `client:read:own` is to read
//! the clients one is responsible for, `client:read:all` to read every one of the account. Who may do what
//! is in docs/PERMISSIONS.md, and a test holds the code to it.

use crate::string_form::word_enum;

word_enum! {
    /// One action on one resource, written `resource:action`.
    pub enum Permission ("unknown_permission", "a permission such as client:read") {
        /// List and read clients.
        ClientRead = "client:read",
        /// Create and change clients.
        ClientWrite = "client:write",
        /// Delete and restore clients.
        ClientDelete = "client:delete",
        /// List and read the account's users.
        UserRead = "user:read",
        /// Change users' roles, disable and enable them.
        UserManage = "user:manage",
        /// Decide about the account itself, and who owns it.
        AccountManage = "account:manage",
    }
}

word_enum! {
    /// How far a permission goes. Ordered: each includes the ones before it.
    pub enum Reach ("unknown_reach", "one of own, all") {
        /// Records whose `ownerId` is the user.
        Own = "own",
        /// Every record of the account.
        All = "all",
    }
}

word_enum! {
    /// A named set of permissions that a user holds in an account.
    pub enum Role ("unknown_role", "one of viewer, member, manager, admin, owner") {
        /// Reads.
        Viewer = "viewer",
        /// Works with the records it owns.
        Member = "member",
        /// Works with all records.
        Manager = "manager",
        /// Also decides who may do what, but for owners.
        Admin = "admin",
        /// May do everything. Every account has at least one.
        Owner = "owner",
    }
}

impl Role {
    /// How far the role's grant of `permission` goes; `None` when it grants nothing of it.
    pub const fn reach(self, permission: Permission) -> Option<Reach> {
        use Permission::{AccountManage, ClientDelete, ClientRead, ClientWrite, UserManage, UserRead};
        match (self, permission) {
            (Self::Owner, _)
            | (Self::Admin, ClientRead | ClientWrite | ClientDelete | UserRead | UserManage)
            | (Self::Manager, ClientRead | ClientWrite | ClientDelete | UserRead)
            | (Self::Member, UserRead)
            | (Self::Viewer, ClientRead | UserRead) => Some(Reach::All),
            (Self::Member, ClientRead | ClientWrite | ClientDelete) => Some(Reach::Own),
            (Self::Admin | Self::Manager | Self::Member | Self::Viewer, AccountManage)
            | (Self::Manager | Self::Member | Self::Viewer, UserManage)
            | (Self::Viewer, ClientWrite | ClientDelete) => None,
        }
    }

    /// Whether the role grants everything that `other` does: nobody gives, or takes, what they lack.
    pub fn covers(self, other: Self) -> bool {
        Permission::ALL.iter().all(|permission| self.reach(*permission) >= other.reach(*permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_resource_and_action() {
        for permission in Permission::ALL {
            let (resource, action) = permission.as_str().split_once(':').unwrap();
            assert!(!resource.is_empty() && !action.is_empty() && !action.contains(':'), "{permission}");
            assert_eq!(Permission::parse(permission.as_str()), Ok(*permission));
        }
    }

    #[test]
    fn an_unknown_or_differently_written_word_is_refused() {
        for text in ["", "client", "client:Read", " client:read", "client:read "] {
            let refusal = Permission::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("unknown_permission"));
        }
        assert!(Role::parse("Owner").is_err());
    }

    #[test]
    fn an_owner_may_do_everything_and_nobody_else_may() {
        for permission in Permission::ALL {
            assert_eq!(Role::Owner.reach(*permission), Some(Reach::All), "{permission}");
        }
        for role in Role::ALL {
            assert!(Role::Owner.covers(*role) && role.covers(*role), "{role}");
            assert_eq!(role.covers(Role::Owner), *role == Role::Owner, "{role}");
        }
    }

    #[test]
    fn to_reach_less_far_is_to_grant_less() {
        // A member reads its own clients, a viewer all of them, and writes none.
        assert!(!Role::Member.covers(Role::Viewer) && !Role::Viewer.covers(Role::Member));
        for lower in [Role::Viewer, Role::Member] {
            assert!(Role::Manager.covers(lower) && Role::Admin.covers(lower), "{lower}");
        }
        assert!(!Role::Manager.covers(Role::Admin));
    }

    #[test]
    fn they_are_strings_in_json() {
        let json = serde_json::to_string(&(Role::Owner, Permission::ClientRead, Reach::Own)).unwrap();
        assert_eq!(json, r#"["owner","client:read","own"]"#);
        assert_eq!(
            serde_json::from_str::<(Role, Permission, Reach)>(&json).unwrap(),
            (Role::Owner, Permission::ClientRead, Reach::Own)
        );
    }
}
