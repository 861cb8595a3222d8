//! Profiles.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, RoleRef, TeamId, Text, Timestamp, UserId, UserStatus};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::{Directory, read};
use crate::expression::Expression;
use crate::record::{Item, attributes, name_key};
use crate::table::write_id;
use crate::{Access, StoreError};

/// A user, as it is listed: a record of the account. What the user may do counts where [`Access`] says it;
/// here it is repeated, by the same transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The address.
    pub email: Email,
    /// First name.
    pub first_name: Text<100>,
    /// Last name.
    pub last_name: Text<100>,
    /// BCP 47.
    #[serde(default)]
    pub locale: Option<nexo_domain::LanguageTag>,
    /// IANA name.
    #[serde(default)]
    pub time_zone: Option<nexo_domain::TimeZoneName>,
    /// Where a picture is.
    #[serde(default)]
    pub avatar_url: Option<nexo_domain::WebUrl>,
    /// The roles.
    pub role_ids: Vec<RoleRef>,
    /// Whether the user can log in.
    pub status: UserStatus,
    /// The team.
    #[serde(default)]
    pub team_id: Option<TeamId>,
    /// Whether there is a second factor.
    #[serde(default)]
    pub mfa_enabled: bool,
    /// The last login.
    #[serde(default)]
    pub last_login_at: Option<Timestamp>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Who changed it.
    pub updated_by: UserId,
    /// Counts the writes.
    pub version: u64,
}

impl Profile {
    /// A user who made itself.
    pub fn new(
        user: UserId,
        email: Email,
        [first_name, last_name]: [Text<100>; 2],
        access: &Access,
        now: Timestamp,
    ) -> Self {
        Self {
            email,
            first_name,
            last_name,
            locale: None,
            time_zone: None,
            avatar_url: None,
            role_ids: access.role_ids.clone(),
            status: access.status,
            team_id: access.team_id,
            mfa_enabled: access.mfa_enabled,
            last_login_at: Some(now),
            created_at: now,
            created_by: user,
            updated_at: now,
            updated_by: user,
            version: 1,
        }
    }

    /// The item's attributes, with its places in the indexes.
    pub(crate) fn attributes(&self) -> Result<Item, StoreError> {
        let mut item = attributes(self)?;
        item.insert("gsi1sk".into(), AttributeValue::S(self.sort_key()));
        item.insert("gsi2sk".into(), AttributeValue::S(self.updated_at.to_string()));
        Ok(item)
    }

    /// The place in the order by name.
    pub(crate) fn sort_key(&self) -> String {
        name_key(&format!("{} {}", self.first_name, self.last_name))
    }
}

/// The fields of a profile that its user may set, and which of them to set.
#[derive(Clone, Debug)]
pub struct ProfileChange<'a, T> {
    /// The new values.
    pub values: &'a T,
    /// The fields that count; one that has no value is removed.
    pub fields: &'a [&'a str],
    /// The version the profile must have.
    pub expected: Option<u64>,
}

impl Directory {
    /// A user's profile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn profile(&self, account: &AccountId, user: &UserId) -> Result<Profile, StoreError> {
        self.get(&DirectoryKey::user(account, user), true).await?.map_or(Err(StoreError::NotFound), read)
    }

    /// Changes a user's own profile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`].
    pub async fn change_profile<T: Serialize>(
        &self,
        account: &AccountId,
        user: &UserId,
        wanted: &ProfileChange<'_, T>,
    ) -> Result<Profile, StoreError> {
        let mut change = Expression::new();
        let mut values = attributes(wanted.values)?;
        let mut expected = wanted.expected;
        // The order by name sorts by both names, of which one may stay.
        if wanted.fields.iter().any(|field| NAMES.contains(field)) {
            let mut item =
                self.get(&DirectoryKey::user(account, user), true).await?.ok_or(StoreError::NotFound)?;
            let new = NAMES.iter().filter_map(|name| Some(((*name).to_owned(), values.get(*name)?.clone())));
            item.extend(new);
            let renamed: Profile = read(item)?;
            if expected.is_some_and(|expected| expected != renamed.version) {
                return Err(StoreError::Stale { version: renamed.version });
            }
            change.set("gsi1sk", AttributeValue::S(renamed.sort_key()));
            expected = Some(renamed.version);
        }
        for field in wanted.fields {
            match values.remove(*field) {
                Some(value) => change.set(field, value),
                None => change.remove(field),
            };
        }
        let now = AttributeValue::S(self.store.clock.now().to_string());
        change.set("updatedAt", now.clone()).set("gsi2sk", now);
        change.set("updatedBy", AttributeValue::S(user.to_string()));
        change.increment("version").if_exists("pk").if_absent("deletedAt");
        if let Some(version) = expected {
            change.if_equal("version", AttributeValue::N(version.to_string()));
        }
        // A retry of this very write, after its answer was lost, must not count twice.
        let write = AttributeValue::S(write_id()?);
        change.set("writeId", write.clone()).if_not_equal("writeId", write.clone());
        match self.update(&DirectoryKey::user(account, user), &change).await? {
            Ok(item) => read(item),
            Err(Some(found)) if found.get("writeId") == Some(&write) => read(found),
            Err(Some(_)) if wanted.expected.is_none() => Err(StoreError::Busy),
            Err(Some(found)) => {
                Err(StoreError::Stale { version: crate::table::version(&found).unwrap_or_default() })
            }
            Err(None) => Err(StoreError::NotFound),
        }
    }
}

/// What the order by name sorts by.
const NAMES: [&str; 2] = ["firstName", "lastName"];
