//! The roles of an account: the system's five, and those it defines itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::string_form::string_form;
use crate::{Grant, Grants, Invalid, Role, RoleId, Text, Timestamp};

/// Names a role: a system role by its word, an account's own by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoleRef {
    /// One that every account has.
    System(Role),
    /// One that the account defines.
    Custom(RoleId),
}

impl RoleRef {
    /// Reads `manager`, or `rol_01J…`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.starts_with("rol_") {
            RoleId::parse(text).map(Self::Custom)
        } else {
            Role::parse(text).map(Self::System)
        }
    }
}

impl RoleRef {
    /// Whether it is one that the account defines.
    pub const fn is_custom(&self) -> bool {
        matches!(self, Self::Custom(_))
    }
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(role) => fmt::Display::fmt(role, f),
            Self::Custom(id) => fmt::Display::fmt(id, f),
        }
    }
}

string_form! {
    impl [] for RoleRef;
    expecting = "a role: viewer, member, manager, admin, owner, or the id of one of the account's own";
    name = "RoleRef";
    inline = false;
    schema = {
        "type": "string",
        "pattern": "^(viewer|member|manager|admin|owner|rol_[0-7][0-9A-HJKMNP-TV-Z]{25})$",
        "examples": ["manager", "rol_01ARZ3NDEKTSV4RRFFQ69G5FAV"],
    };
}

/// A role that an account defines: what it grants itself, and what its parents do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomRole {
    /// The id.
    pub id: RoleId,
    /// The name, which no other of the account's roles has.
    pub name: Text<100>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<Text<250>>,
    /// Roles whose grants it has too.
    #[serde(default)]
    pub parent_ids: Vec<RoleRef>,
    /// What it grants beyond its parents.
    #[serde(default)]
    pub permissions: Vec<Grant>,
    /// Counts the writes.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The most roles an account defines.
const MOST_CUSTOM_ROLES: usize = 100;

/// The most parents that a role names.
const MOST_PARENTS: usize = 8;

/// The most roles that lead from one to the farthest of its parents, both counted.
const DEEPEST_ROLE: usize = 5;

/// The roles that an account defines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomRoles(Vec<CustomRole>);

impl CustomRoles {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &CustomRole> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, id: &RoleId) -> Option<&CustomRole> {
        self.0.iter().find(|role| role.id == *id)
    }

    /// Takes one out.
    pub fn remove(&mut self, id: &RoleId) -> Option<CustomRole> {
        let index = self.0.iter().position(|role| role.id == *id)?;
        Some(self.0.remove(index))
    }

    /// Adds a role, or puts it in place of the one with its id, if all of them then make sense.
    ///
    /// # Errors
    /// What is wrong, with the field of the role that it is about.
    pub fn put(&mut self, mut role: CustomRole) -> Result<(), (&'static str, Invalid)> {
        role.parent_ids.sort_unstable();
        role.parent_ids.dedup();
        // Each permission once, as far as it goes.
        role.permissions = role.permissions.into_iter().collect::<Grants>().iter().collect();
        let mut next = self.clone();
        next.remove(&role.id);
        next.judge(&role)?;
        next.0.push(role);
        next.0.sort_by_key(|role| role.id);
        *self = next;
        Ok(())
    }

    /// Judges a role that is to be added to these.
    fn judge(&self, role: &CustomRole) -> Result<(), (&'static str, Invalid)> {
        if self.0.len() >= MOST_CUSTOM_ROLES {
            let most =
                format!("cannot be added: an account has at most {MOST_CUSTOM_ROLES} roles of its own");
            return Err(("name", Invalid::new("too_many", most)));
        }
        let folded = |name: &Text<100>| name.as_str().to_lowercase();
        let is_system = Role::parse(&folded(&role.name)).is_ok();
        if is_system || self.iter().any(|other| folded(&other.name) == folded(&role.name)) {
            return Err(("name", Invalid::new("already_exists", "is the name of another role")));
        }
        if role.parent_ids.len() > MOST_PARENTS {
            let most = format!("must be at most {MOST_PARENTS}");
            return Err(("parentIds", Invalid::new("too_many", most)));
        }
        for parent in &role.parent_ids {
            let is_known = match parent {
                // Whoever owns the account is counted, and cannot be through another role.
                RoleRef::System(Role::Owner) => {
                    let owner = "cannot be owner, which is given to users directly";
                    return Err(("parentIds", Invalid::new("not_a_parent", owner)));
                }
                RoleRef::System(_) => true,
                RoleRef::Custom(id) => *id == role.id || self.get(id).is_some(),
            };
            if !is_known {
                return Err(("parentIds", Invalid::new("unknown_role", format!("{parent} does not exist"))));
            }
        }
        let Some(below) = self.depth(&role.parent_ids, &role.id) else {
            let cycle = "would make the role its own parent";
            return Err(("parentIds", Invalid::new("cycle", cycle)));
        };
        // Roles above this one get deeper with it.
        let above = self.height(&role.id);
        if below + 1 + above > DEEPEST_ROLE {
            let deep = format!("would make a chain of more than {DEEPEST_ROLE} roles");
            return Err(("parentIds", Invalid::new("too_deep", deep)));
        }
        Ok(())
    }

    /// The longest chain that begins with one of `parents`, in roles; `None` when `role` is in one. It ends: these
    /// roles make no cycle.
    fn depth(&self, parents: &[RoleRef], role: &RoleId) -> Option<usize> {
        let mut deepest = 0;
        for parent in parents {
            let depth = match parent {
                RoleRef::System(_) => 1,
                RoleRef::Custom(id) if id == role => return None,
                RoleRef::Custom(id) => {
                    let parents = self.get(id).map_or(&[][..], |parent| &parent.parent_ids);
                    1 + self.depth(parents, role)?
                }
            };
            deepest = deepest.max(depth);
        }
        Some(deepest)
    }

    /// The longest chain that ends at `role`, without it, in roles.
    fn height(&self, role: &RoleId) -> usize {
        let children = self.iter().filter(|child| child.parent_ids.contains(&RoleRef::Custom(*role)));
        children.map(|child| 1 + self.height(&child.id)).max().unwrap_or(0)
    }

    /// What all of `roles` grant together. One that does not exist grants nothing.
    pub fn grants(&self, roles: &[RoleRef]) -> Grants {
        self.sources(roles).iter().fold(Grants::default(), |grants, (_, given)| grants.union(*given))
    }

    /// Each role that `roles` lead to, by the shortest way there, and what it grants itself. Shortest ways
    /// first.
    pub fn sources(&self, roles: &[RoleRef]) -> Vec<(Vec<RoleRef>, Grants)> {
        let mut ways: Vec<Vec<RoleRef>> = Vec::new();
        let mut next: Vec<Vec<RoleRef>> = roles.iter().map(|role| vec![*role]).collect();
        while !next.is_empty() {
            let step = ways.len();
            for way in next {
                if ways.iter().all(|known| known.last() != way.last()) {
                    ways.push(way);
                }
            }
            let parents = |way: &Vec<RoleRef>| match way.last() {
                Some(RoleRef::Custom(id)) => self.get(id).map(|role| role.parent_ids.clone()),
                _ => None,
            };
            let onward = |way: &Vec<RoleRef>| -> Vec<Vec<RoleRef>> {
                let parents = parents(way).unwrap_or_default().into_iter();
                parents.map(|parent| [way.as_slice(), &[parent]].concat()).collect()
            };
            next = ways[step..].iter().flat_map(onward).collect();
        }
        let own = |way: Vec<RoleRef>| {
            let grants = match way.last()? {
                RoleRef::System(role) => role.grants(),
                RoleRef::Custom(id) => self.get(id)?.permissions.iter().copied().collect(),
            };
            Some((way, grants))
        };
        ways.into_iter().filter_map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Permission, Reach};

    fn id(number: u8) -> RoleId {
        RoleId::from_parts(u64::from(number), [number; 10])
    }

    fn role(number: u8, parents: &[RoleRef], permissions: &[&str]) -> CustomRole {
        let at = Timestamp::from_millis(0);
        CustomRole {
            id: id(number),
            name: Text::parse(&format!("Role {number}")).unwrap(),
            description: None,
            parent_ids: parents.to_vec(),
            permissions: permissions.iter().map(|text| Grant::parse(text).unwrap()).collect(),
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }

    fn custom(number: u8) -> RoleRef {
        RoleRef::Custom(id(number))
    }

    fn refused(roles: &CustomRoles, role: CustomRole) -> (&'static str, &'static str) {
        let before = roles.clone();
        let mut roles = roles.clone();
        let (field, invalid) = roles.put(role).unwrap_err();
        assert_eq!(roles, before);
        (field, invalid.code())
    }

    #[test]
    fn a_role_grants_what_it_and_its_parents_do() {
        let mut roles = CustomRoles::default();
        roles.put(role(1, &[RoleRef::System(Role::Member)], &["client:read:team"])).unwrap();
        roles.put(role(2, &[custom(1)], &["api-key:manage"])).unwrap();
        let grants = roles.grants(&[custom(2)]);
        assert_eq!(grants.reach(Permission::ClientRead), Some(Reach::Team));
        assert_eq!(grants.reach(Permission::ClientWrite), Some(Reach::Own));
        assert_eq!(grants.reach(Permission::ApiKeyManage), Some(Reach::All));
        assert_eq!(grants.reach(Permission::UserManage), None);
        let both = roles.grants(&[custom(2), RoleRef::System(Role::Viewer)]);
        assert_eq!(both.reach(Permission::ClientRead), Some(Reach::All));
        assert_eq!(roles.grants(&[custom(9)]), Grants::default());
        let ways: Vec<_> = roles.sources(&[custom(2)]).into_iter().map(|(way, _)| way).collect();
        let member = RoleRef::System(Role::Member);
        assert_eq!(ways, [vec![custom(2)], vec![custom(2), custom(1)], vec![custom(2), custom(1), member]]);
    }

    #[test]
    fn no_role_is_its_own_parent() {
        let mut roles = CustomRoles::default();
        assert_eq!(refused(&roles, role(1, &[custom(1)], &[])), ("parentIds", "cycle"));
        roles.put(role(1, &[], &[])).unwrap();
        roles.put(role(2, &[custom(1)], &[])).unwrap();
        roles.put(role(3, &[custom(2), custom(1)], &[])).unwrap();
        assert_eq!(refused(&roles, role(1, &[custom(3)], &[])), ("parentIds", "cycle"));
        assert_eq!(refused(&roles, role(1, &[RoleRef::System(Role::Viewer), custom(2)], &[])).1, "cycle");
    }

    #[test]
    fn a_chain_has_five_roles_at_most() {
        let mut roles = CustomRoles::default();
        roles.put(role(1, &[], &["user:read"])).unwrap();
        for number in 2..=5 {
            roles.put(role(number, &[custom(number - 1)], &[])).unwrap();
        }
        assert_eq!(roles.grants(&[custom(5)]).reach(Permission::UserRead), Some(Reach::All));
        assert_eq!(refused(&roles, role(6, &[custom(5)], &[])), ("parentIds", "too_deep"));
        // Deeper from the other end: everything above the first role would be.
        assert_eq!(refused(&roles, role(1, &[RoleRef::System(Role::Viewer)], &[])).1, "too_deep");
        roles.put(role(7, &[], &[])).unwrap();
        assert_eq!(refused(&roles, role(1, &[custom(7)], &[])).1, "too_deep");
    }

    #[test]
    fn a_role_has_eight_parents_at_most() {
        let mut roles = CustomRoles::default();
        let parents: Vec<_> = (1..=9).map(custom).collect();
        for number in 1..=9 {
            roles.put(role(number, &[], &["client:read"])).unwrap();
        }
        roles.put(role(10, &parents[..8], &[])).unwrap();
        assert_eq!(refused(&roles, role(10, &parents, &[])), ("parentIds", "too_many"));
    }

    #[test]
    fn names_differ_and_parents_exist() {
        let mut roles = CustomRoles::default();
        roles.put(role(1, &[], &[])).unwrap();
        let named = |number: u8, name: &str| CustomRole {
            name: Text::parse(name).unwrap(),
            ..role(number, &[], &[])
        };
        assert_eq!(refused(&roles, named(2, "role 1")), ("name", "already_exists"));
        assert_eq!(refused(&roles, named(2, "Owner")), ("name", "already_exists"));
        roles.put(named(1, "Role one")).unwrap();
        assert_eq!(refused(&roles, role(2, &[custom(8)], &[])), ("parentIds", "unknown_role"));
        let owner = RoleRef::System(Role::Owner);
        assert_eq!(refused(&roles, role(2, &[owner], &[])), ("parentIds", "not_a_parent"));
        assert_eq!(roles.iter().count(), 1);
    }

    #[test]
    fn an_account_has_a_hundred_roles_at_most() {
        let mut roles = CustomRoles::default();
        for number in 0..100 {
            roles.put(role(number, &[], &[])).unwrap();
        }
        assert_eq!(refused(&roles, role(100, &[], &[])), ("name", "too_many"));
        roles.put(role(7, &[], &["user:read"])).unwrap();
    }

    #[test]
    fn a_role_is_named_by_word_or_id() {
        for text in ["owner", "rol_01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            assert_eq!(RoleRef::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RoleRef::parse("boss").map_err(|invalid| invalid.code()), Err("unknown_role"));
        assert_eq!(RoleRef::parse("rol_1").map_err(|invalid| invalid.code()), Err("invalid_id"));
    }
}
