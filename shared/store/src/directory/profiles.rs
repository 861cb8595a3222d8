//! Profiles.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, Text, Timestamp, UserId};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::{Directory, read};
use crate::StoreError;
use crate::expression::Expression;
use crate::record::attributes;
use crate::table::write_id;

/// A user's own data.
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
    /// When the user was made.
    pub created_at: Timestamp,
    /// Counts the writes.
    pub version: u64,
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

    /// Changes a user's profile.
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
        for field in wanted.fields {
            match values.remove(*field) {
                Some(value) => change.set(field, value),
                None => change.remove(field),
            };
        }
        change.increment("version").if_exists("pk");
        if let Some(version) = wanted.expected {
            change.if_equal("version", AttributeValue::N(version.to_string()));
        }
        // A retry of this very write, after its answer was lost, must not count twice.
        let write = AttributeValue::S(write_id()?);
        change.set("writeId", write.clone()).if_not_equal("writeId", write.clone());
        match self.update(&DirectoryKey::user(account, user), &change).await? {
            Ok(item) => read(item),
            Err(Some(found)) if found.get("writeId") == Some(&write) => read(found),
            Err(Some(found)) => {
                Err(StoreError::Stale { version: crate::table::version(&found).unwrap_or_default() })
            }
            Err(None) => Err(StoreError::NotFound),
        }
    }
}
