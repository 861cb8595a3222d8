//! A user as it is answered.

use nexo_api::{FieldErrors, FilterKind, FilterParameter, Resource};
use nexo_domain::{
    Email, LanguageTag, Permission, RoleRef, Tags, TeamId, Text, TimeZoneName, Timestamp, UserId, UserStatus,
    WebUrl, kind,
};
use nexo_store::{Entity, Input, Profile, Record};
use serde::{Deserialize, Serialize};

/// A user of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct User {
    /// The address the user logs in with.
    email: Email,
    /// First name.
    first_name: Text<100>,
    /// Last name.
    last_name: Text<100>,
    /// The language to speak (BCP 47).
    locale: Option<LanguageTag>,
    /// Where the user's day begins (IANA).
    time_zone: Option<TimeZoneName>,
    /// Where a picture is.
    avatar_url: Option<WebUrl>,
    /// The roles.
    role_ids: Vec<RoleRef>,
    /// Whether the user can log in.
    status: UserStatus,
    /// The team.
    team_id: Option<TeamId>,
    /// Whether there is a second factor.
    #[serde(default)]
    mfa_enabled: bool,
    /// The last login.
    last_login_at: Option<Timestamp>,
}

impl Record for User {
    type Kind = kind::User;

    const SORT_FIELDS: &'static [&'static str] = &["firstName", "lastName"];

    fn sort_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

impl Resource for User {
    const PATH: &'static str = "/api/users";
    const NAME: &'static str = "user";
    const SAMPLE: &'static str = r#"{"email":"ada@acme.example","firstName":"Ada","lastName":"Lovelace","roleIds":["member"],"status":"active"}"#;
    const READ: Permission = Permission::UserRead;
    const WRITE: Permission = Permission::UserManage;
    const DELETE: Permission = Permission::UserManage;
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "active or disabled",
            kind: FilterKind::Equals("status"),
            parse: |text| UserStatus::parse(text).map(|status| status.to_string()),
        },
        FilterParameter {
            name: "roleId",
            summary: "Users with this role",
            kind: FilterKind::Contains("roleIds"),
            parse: |text| RoleRef::parse(text).map(|role| role.to_string()),
        },
        FilterParameter {
            name: "teamId",
            summary: "Users of this team",
            kind: FilterKind::Equals("teamId"),
            parse: |text| TeamId::parse(text).map(|team| team.to_string()),
        },
        FilterParameter {
            name: "email",
            summary: "The user with this address",
            kind: FilterKind::Equals("email"),
            parse: |text| Email::parse(text).map(|email| email.to_string()),
        },
        FilterParameter {
            name: "q",
            summary: "Names that begin so, without regard to case",
            kind: FilterKind::NamePrefix,
            parse: |text| Text::<249>::parse(text).map(|text| text.to_string()),
        },
    ];
    const JUDGED_TOGETHER: &'static [&'static str] = &[];

    fn validate(&self, _: &mut FieldErrors) {}
}

/// A user as `list` and `get` answer it.
pub(crate) fn entity(id: UserId, profile: Profile) -> Entity<User> {
    Entity {
        id,
        version: profile.version,
        created_at: profile.created_at,
        created_by: profile.created_by,
        updated_at: profile.updated_at,
        updated_by: profile.updated_by,
        deleted_at: None,
        input: Input {
            owner_id: None,
            tags: Tags::default(),
            external_id: None,
            fields: User {
                email: profile.email,
                first_name: profile.first_name,
                last_name: profile.last_name,
                locale: profile.locale,
                time_zone: profile.time_zone,
                avatar_url: profile.avatar_url,
                role_ids: profile.role_ids,
                status: profile.status,
                team_id: profile.team_id,
                mfa_enabled: profile.mfa_enabled,
                last_login_at: profile.last_login_at,
            },
        },
    }
}
