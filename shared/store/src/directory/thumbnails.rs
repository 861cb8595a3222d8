//! That a file has a thumbnail.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, FileId, FileStatus};
use nexo_tenant_key::DirectoryKey;

use super::Directory;
use crate::StoreError;
use crate::expression::Expression;
use crate::pause::ATTEMPTS;
use crate::write::PURGE;

impl Directory {
    /// Notes that a file has a thumbnail, however often. Answers whether it did: nothing is noted of a file that is not
    /// available, about to be erased, or gone.
    ///
    /// It is nothing that a caller has changed or could: its version and the time of its last change stay as they are,
    /// so that whoever has read it may change it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when others change the file all the time, and when the store does not answer.
    pub async fn note_thumbnail(&self, account: &AccountId, file: &FileId) -> Result<bool, StoreError> {
        let key = DirectoryKey::file(account, file);
        let mut change = Expression::new();
        change.set("hasThumbnail", AttributeValue::Bool(true));
        change.if_equal("status", AttributeValue::S(FileStatus::Available.to_string())).if_absent(PURGE);
        for attempt in 0..ATTEMPTS {
            if let Some(noted) = self.try_update(&key, &change, attempt).await? {
                return Ok(noted.is_ok());
            }
        }
        Err(StoreError::Busy)
    }
}
