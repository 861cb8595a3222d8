//! What a principal may do, and the roles that grant it.
//!
//! An operation needs a [`Permission`]. A role grants it within a [`Reach`]: `client:read:own` is to read
//! the clients one is responsible for, `client:read:all` to read every one of the account. Who may do what
//! is in docs/PERMISSIONS.md, and a test holds the code to it.

use std::fmt;

use crate::Invalid;
use crate::string_form::{string_form, word_enum};

word_enum! {
    /// One action on one resource, written `resource:action`.
    pub enum Permission ("unknown_permission", "a permission such as client:read") {
        /// List and read clients.
        ClientRead = "client:read",
        /// Create and change clients.
        ClientWrite = "client:write",
        /// Delete and restore clients.
        ClientDelete = "client:delete",
        /// List and read departments.
        DepartmentRead = "department:read",
        /// Create, change and move departments.
        DepartmentWrite = "department:write",
        /// Delete and restore departments.
        DepartmentDelete = "department:delete",
        /// List and read positions.
        PositionRead = "position:read",
        /// Create and change positions.
        PositionWrite = "position:write",
        /// Delete and restore positions.
        PositionDelete = "position:delete",
        /// List and read employees and how they were employed.
        EmployeeRead = "employee:read",
        /// Create and change employees, and how they are employed.
        EmployeeWrite = "employee:write",
        /// Delete and restore employees.
        EmployeeDelete = "employee:delete",
        /// Read, and with `employee:write` give, what is private of employees: birth date, personal email,
        /// emergency contact and pay.
        EmployeeReadPrivate = "employee:read-private",
        /// List, read and download files.
        FileRead = "file:read",
        /// Upload, rename and link files.
        FileWrite = "file:write",
        /// Delete and restore files.
        FileDelete = "file:delete",
        /// Make and change records out of files, beside what that takes of the records themselves.
        ImportRun = "import:run",
        /// List and read the account's users, roles and teams.
        UserRead = "user:read",
        /// Invite users, change their roles and teams, disable and enable them, remove them.
        UserManage = "user:manage",
        /// Define roles and teams.
        RoleManage = "role:manage",
        /// Make and revoke API keys.
        ApiKeyManage = "api-key:manage",
        /// Decide about the account itself, and who owns it.
        AccountManage = "account:manage",
    }
}

word_enum! {
    /// How far a permission goes. Ordered: each includes the ones before it.
    pub enum Reach ("unknown_reach", "one of own, team, all") {
        /// Records whose `ownerId` is the user.
        Own = "own",
        /// Records whose `ownerId` is in the user's team.
        Team = "team",
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

word_enum! {
    /// Whether a user can log in.
    #[derive(Default)]
    pub enum UserStatus ("unknown_status", "one of active, disabled") {
        /// Can log in.
        #[default]
        Active = "active",
        /// Cannot, and what was logged in is logged out.
        Disabled = "disabled",
    }
}

word_enum! {
    /// What became of an invitation.
    #[derive(Default)]
    pub enum InvitationStatus ("unknown_status", "one of pending, accepted") {
        /// It can be accepted until its time is over.
        #[default]
        Pending = "pending",
        /// It has made a user.
        Accepted = "accepted",
    }
}

impl Permission {
    /// Whether it is about records that users are responsible for, so that it can reach less far than all.
    pub const fn is_about_records(self) -> bool {
        !matches!(
            self,
            Self::ImportRun
                | Self::UserRead
                | Self::UserManage
                | Self::RoleManage
                | Self::ApiKeyManage
                | Self::AccountManage
        )
    }

    /// Whether an API key can have it. What decides about who may do what is for people: a key that leaked
    /// must not make others, nor users. An import goes on when who began it has left: it is a person's to begin,
    /// and programs write records themselves.
    pub const fn suits_api_keys(self) -> bool {
        !matches!(
            self,
            Self::UserManage | Self::RoleManage | Self::ApiKeyManage | Self::AccountManage | Self::ImportRun
        )
    }
}

/// A permission and how far it goes, written `client:read:own`. Without a reach it goes as far as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    permission: Permission,
    reach: Reach,
}

impl Grant {
    /// What it grants.
    pub const fn permission(self) -> Permission {
        self.permission
    }

    /// How far.
    pub const fn reach(self) -> Reach {
        self.reach
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, reach) = match text.rsplit_once(':') {
            Some((name, reach)) if name.contains(':') => (name, Reach::parse(reach)?),
            _ => (text, Reach::All),
        };
        let permission = Permission::parse(name)?;
        if reach < Reach::All && !permission.is_about_records() {
            return Err(Invalid::new(
                "unknown_reach",
                format!("must be {permission}, which has no narrower reach"),
            ));
        }
        Ok(Self { permission, reach })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.permission.is_about_records() {
            write!(f, "{}:{}", self.permission, self.reach)
        } else {
            write!(f, "{}", self.permission)
        }
    }
}

string_form! {
    impl [] for Grant;
    expecting = "a permission such as client:read:own";
    name = "Grant";
    inline = false;
    schema = {
        "type": "string",
        "pattern": "^[a-z-]+:[a-z-]+(:(own|team|all))?$",
        "examples": ["client:read:own", "client:read:all", "user:manage"],
    };
}

/// Everything somebody may do: each permission at most once, as far as it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// For each reach, a bit for each permission that goes at least so far.
    by_reach: [u64; Reach::ALL.len()],
}

const _: () = assert!(Permission::ALL.len() <= u64::BITS as usize, "a bit for each permission");

impl Grants {
    /// These, and `permission` as far as `reach`.
    #[must_use]
    pub const fn with(mut self, permission: Permission, reach: Reach) -> Self {
        let mut level = 0;
        while level <= reach as usize {
            self.by_reach[level] |= 1 << permission as u64;
            level += 1;
        }
        self
    }

    /// How far `permission` goes; `None` when it is not granted.
    pub fn reach(self, permission: Permission) -> Option<Reach> {
        let goes = |reach: &&Reach| self.by_reach[**reach as usize] & (1 << permission as u64) != 0;
        Reach::ALL.iter().rev().find(goes).copied()
    }

    /// What either grants.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let [a, b] = [self.by_reach, other.by_reach];
        Self { by_reach: std::array::from_fn(|level| a[level] | b[level]) }
    }

    /// What both grant.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let [a, b] = [self.by_reach, other.by_reach];
        Self { by_reach: std::array::from_fn(|level| a[level] & b[level]) }
    }

    /// Whether `other` has nothing beyond these: nobody gives, or takes, what they lack.
    pub fn covers(self, other: Self) -> bool {
        self.union(other) == self
    }

    /// These, where whatever reaches a team reaches all: which team it is depends on who has it.
    #[must_use]
    pub const fn as_of_any_team(mut self) -> Self {
        self.by_reach[Reach::All as usize] |= self.by_reach[Reach::Team as usize];
        self
    }

    /// What `other` has beyond these.
    pub fn lacks(self, other: Self) -> impl Iterator<Item = Grant> {
        other.iter().filter(move |grant| self.reach(grant.permission) < Some(grant.reach))
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Grant> {
        let grant = move |permission: &Permission| {
            Some(Grant { permission: *permission, reach: self.reach(*permission)? })
        };
        Permission::ALL.iter().filter_map(grant)
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Self {
        grants.into_iter().fold(Self::default(), |all, grant| all.with(grant.permission, grant.reach))
    }
}

impl Role {
    /// What the role is for, in a few words.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Viewer => "Reads everything",
            Self::Member => "Works with the records it owns",
            Self::Manager => "Works with all records",
            Self::Admin => "Works with all records, and decides who may do what",
            Self::Owner => "May do everything, and owns the account",
        }
    }

    /// How far the role's grant of `permission` goes; `None` when it grants nothing of it.
    pub const fn reach(self, permission: Permission) -> Option<Reach> {
        use Permission::{
            AccountManage, ApiKeyManage, ClientDelete, ClientRead, ClientWrite, DepartmentDelete,
            DepartmentRead, DepartmentWrite, EmployeeDelete, EmployeeRead, EmployeeReadPrivate,
            EmployeeWrite, FileDelete, FileRead, FileWrite, ImportRun, PositionDelete, PositionRead,
            PositionWrite, RoleManage, UserManage, UserRead,
        };
        // Who is where is everybody's to know. The least role that has a permission, and how far from there on.
        let (from, reach) = match permission {
            ClientRead | FileRead if matches!(self, Self::Viewer) => (Self::Viewer, Reach::All),
            ClientRead | ClientWrite | ClientDelete | FileRead | FileWrite | FileDelete
                if matches!(self, Self::Member) =>
            {
                (Self::Member, Reach::Own)
            }
            UserRead | DepartmentRead | PositionRead | EmployeeRead => (Self::Viewer, Reach::All),
            ClientRead | ClientWrite | ClientDelete | FileRead | FileWrite | FileDelete | ImportRun
            | DepartmentWrite | DepartmentDelete | PositionWrite | PositionDelete | EmployeeWrite
            | EmployeeDelete => (Self::Manager, Reach::All),
            EmployeeReadPrivate | UserManage | RoleManage | ApiKeyManage => (Self::Admin, Reach::All),
            AccountManage => (Self::Owner, Reach::All),
        };
        if self as u8 >= from as u8 { Some(reach) } else { None }
    }

    /// Everything the role grants.
    pub const fn grants(self) -> Grants {
        let mut grants = Grants { by_reach: [0; Reach::ALL.len()] };
        let mut index = 0;
        while index < Permission::ALL.len() {
            let permission = Permission::ALL[index];
            if let Some(reach) = self.reach(permission) {
                grants = grants.with(permission, reach);
            }
            index += 1;
        }
        grants
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
            assert!(Role::Owner.grants().covers(role.grants()), "{role}");
            assert!(role.grants().covers(role.grants()), "{role}");
            assert_eq!(role.grants().covers(Role::Owner.grants()), *role == Role::Owner, "{role}");
            for permission in Permission::ALL {
                assert_eq!(role.grants().reach(*permission), role.reach(*permission), "{role} {permission}");
            }
        }
    }

    #[test]
    fn to_reach_less_far_is_to_grant_less() {
        let covers = |a: Role, b: Role| a.grants().covers(b.grants());
        // A member reads its own clients, a viewer all of them, and writes none.
        assert!(!covers(Role::Member, Role::Viewer) && !covers(Role::Viewer, Role::Member));
        for lower in [Role::Viewer, Role::Member] {
            assert!(covers(Role::Manager, lower) && covers(Role::Admin, lower), "{lower}");
        }
        assert!(!covers(Role::Manager, Role::Admin));
        let missing: Vec<_> =
            Role::Member.grants().lacks(Role::Viewer.grants()).map(|g| g.to_string()).collect();
        assert_eq!(missing, ["client:read:all", "file:read:all"]);
    }

    #[test]
    fn a_grant_reads_back_as_written() {
        for (text, printed) in [
            ("client:read:own", "client:read:own"),
            ("client:write:team", "client:write:team"),
            ("client:delete", "client:delete:all"),
            ("user:manage", "user:manage"),
            ("user:manage:all", "user:manage"),
            ("api-key:manage", "api-key:manage"),
        ] {
            assert_eq!(Grant::parse(text).unwrap().to_string(), printed);
        }
        for (text, code) in [
            ("user:manage:own", "unknown_reach"),
            ("client:read:mine", "unknown_reach"),
            ("client:read:", "unknown_reach"),
            ("client:all", "unknown_permission"),
            ("client", "unknown_permission"),
            (":own", "unknown_permission"),
            ("", "unknown_permission"),
        ] {
            assert_eq!(Grant::parse(text).map_err(|invalid| invalid.code()), Err(code), "{text:?}");
        }
    }

    #[test]
    fn grants_are_a_lattice() {
        let of = |texts: &[&str]| texts.iter().map(|text| Grant::parse(text).unwrap()).collect::<Grants>();
        let own = of(&["client:read:own", "client:write:own", "user:read"]);
        let team = of(&["client:read:team", "client:delete:own"]);
        assert_eq!(
            own.union(team),
            of(&["client:read:team", "client:write:own", "client:delete:own", "user:read"])
        );
        assert_eq!(own.intersection(team), of(&["client:read:own"]));
        assert!(own.union(team).covers(own) && own.union(team).covers(team) && !own.covers(team));
        assert_eq!(own.iter().collect::<Grants>(), own);
        assert_eq!(
            own.union(team).as_of_any_team(),
            of(&["client:read:all", "client:write:own", "client:delete:own", "user:read"])
        );
        assert_eq!(Grants::default().iter().count(), 0);
        assert_eq!(own.reach(Permission::ClientDelete), None);
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
