//! What a principal may do, and the roles that grant it.

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
    }
}

word_enum! {
    /// A named set of permissions that a user holds in an account.
    pub enum Role ("unknown_role", "a role such as owner") {
        /// May do everything. Every account has at least one.
        Owner = "owner",
    }
}

impl Role {
    /// What the role grants.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Owner => Permission::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_resource_and_action() {
        let words: Vec<_> = Permission::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(words, ["client:read", "client:write", "client:delete"]);
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Ok(*permission));
        }
    }

    #[test]
    fn an_unknown_or_differently_written_word_is_refused() {
        for text in ["", "client", "client:Read", " client:read", "client:read "] {
            let refusal = Permission::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("unknown_permission"));
        }
        assert!(Role::parse("admin").is_err());
    }

    #[test]
    fn an_owner_may_do_everything() {
        assert_eq!(Role::Owner.permissions(), Permission::ALL);
    }

    #[test]
    fn they_are_strings_in_json() {
        let json = serde_json::to_string(&(Role::Owner, Permission::ClientRead)).unwrap();
        assert_eq!(json, r#"["owner","client:read"]"#);
        assert_eq!(
            serde_json::from_str::<(Role, Permission)>(&json).unwrap(),
            (Role::Owner, Permission::ClientRead)
        );
    }
}
