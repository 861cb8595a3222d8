//! What users may do.

use nexo_domain::{AccountId, Role, UserId};
use nexo_tenant_key::DirectoryKey;
use serde::{Deserialize, Serialize};

use super::{Directory, read};
use crate::{Profile, StoreError};

/// What a user may do now. One item for each user; sessions and tokens only repeat it, for a minute at
/// most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The role.
    pub role: Role,
}

impl Directory {
    /// A user: the profile, and what it may do.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn user(&self, account: &AccountId, user: &UserId) -> Result<(Profile, Access), StoreError> {
        let keys = [DirectoryKey::user(account, user), DirectoryKey::access(account, user)];
        let mut found = self.batch(&keys).await?.into_iter().flatten();
        let (Some(profile), Some(access)) = (found.next(), found.next()) else {
            return Err(StoreError::NotFound);
        };
        Ok((read(profile)?, read(access)?))
    }

    /// What a user may do; `None` when there is no such user any more.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn access(&self, account: &AccountId, user: &UserId) -> Result<Option<Access>, StoreError> {
        self.get(&DirectoryKey::access(account, user), true).await?.map(read).transpose()
    }
}
