//! Mails that wait to be sent.
//!
//! A mail is an item that is written in the transaction that causes it. The table's stream hands it to the
//! function that sends: a request calls no mail service, and no mail is sent of what did not happen.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, MailId};
use nexo_mail::Letter;
use nexo_tenant_key::DirectoryKey;

use super::whole;
use crate::StoreError;
use crate::record::{Item, attributes};
use crate::transaction::Transaction;

/// A mail for the outbox.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its number.
    pub id: MailId,
    /// The account of the user it is to; none where the address belongs to no user that is known.
    pub account: Option<AccountId>,
    /// To whom, and what.
    pub letter: Letter,
}

/// A mail is in the outbox for a day, in seconds: as long as the stream can hand it over.
const KEPT_SECONDS: u64 = 24 * 3600;

impl Outgoing {
    /// Puts the mail into `transaction`.
    pub(crate) fn post<M>(&self, transaction: &mut Transaction<M>, role: M) -> Result<(), StoreError> {
        let key = match &self.account {
            Some(account) => DirectoryKey::account_mail(account, &self.id),
            None => DirectoryKey::mail(&self.id),
        };
        let mut item: Item = attributes(&self.letter)?;
        let expires_at = self.id.timestamp_ms() / 1000 + KEPT_SECONDS;
        item.insert("expiresAt".into(), AttributeValue::N(expires_at.to_string()));
        transaction.put_new(role, whole(&key, "mail", item))
    }
}
