//! Files whose bytes have arrived.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, FileId, FileStatus, FileType, QuarantineReason, Sha256};
use nexo_tenant_key::DirectoryKey;
use serde::Deserialize;

use super::{Directory, read};
use crate::expression::Expression;
use crate::table::{Stamp, write_id};
use crate::{StoreError, TenantTable};

/// What was announced of a file, and where it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// How many bytes.
    pub size: u64,
    /// Of which type.
    pub content_type: FileType,
    /// With which digest.
    pub sha256: Sha256,
    /// Where it stands.
    pub status: FileStatus,
}

impl Directory {
    /// What was announced of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn announced(
        &self,
        account: &AccountId,
        file: &FileId,
    ) -> Result<Option<Announced>, StoreError> {
        self.get(&DirectoryKey::file(account, file), true).await?.map(read).transpose()
    }

    /// Finishes a file whose bytes were looked at: it is available, or quarantined for a reason. Nothing
    /// happens to a file that is finished already, or gone.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn finish(
        &self,
        account: &AccountId,
        file: &FileId,
        wrong: Option<QuarantineReason>,
    ) -> Result<(), StoreError> {
        let key = DirectoryKey::file(account, file);
        let stamp = Stamp { now: self.store.clock.now(), write_id: write_id()? };
        // Deleted files are in no list. Whether it is one can change until the write, not twice at once.
        for is_deleted in [false, true] {
            let mut change = Expression::new();
            change.increment("version").set("updatedAt", AttributeValue::S(stamp.now.to_string()));
            change.set("writeId", AttributeValue::S(stamp.write_id.clone()));
            let status = if wrong.is_some() { FileStatus::Quarantined } else { FileStatus::Available };
            change.set("status", AttributeValue::S(status.to_string()));
            if let Some(reason) = wrong {
                change.set("quarantineReason", AttributeValue::S(reason.to_string()));
            }
            change.if_equal("status", AttributeValue::S(FileStatus::Pending.to_string()));
            if is_deleted {
                change.if_exists("deletedAt");
            } else {
                TenantTable::touch(&mut change, &stamp);
                change.if_absent("deletedAt");
            }
            match self.update(&key, &change).await? {
                Err(Some(item)) if !stamp.wrote(&item) && item.contains_key("deletedAt") => {}
                Ok(_) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}
