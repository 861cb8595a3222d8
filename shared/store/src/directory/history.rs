//! What is left of a record that is gone.

use nexo_domain::{AccountId, IdKind};
use nexo_tenant_key::DirectoryKey;

use super::Directory;
use super::files::ulid;
use crate::StoreError;

impl Directory {
    /// Removes the entries of one kind of the history of a record, whose ULID is given.
    ///
    /// # Errors
    /// When the store does not answer: some may be left, and are removed when this is called again.
    pub async fn forget_history<E: IdKind>(
        &self,
        account: &AccountId,
        record: &str,
    ) -> Result<(), StoreError> {
        let partition = DirectoryKey::history(account, E::KIND, record);
        loop {
            let (entries, has_more) = self.behind(&partition, None).await?;
            for entry in entries.iter().filter_map(ulid) {
                self.delete(&DirectoryKey::entry(account, E::KIND, record, entry)).await?;
            }
            if !has_more {
                return Ok(());
            }
        }
    }
}
