//! What can go wrong between a rule and the table.

use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// Why a call to the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such record in the account, or it was deleted.
    #[error("no such record")]
    NotFound,
    /// The record has another version than the caller expected.
    #[error("the record has changed; its version is {version}")]
    Stale {
        /// The version it has now.
        version: u64,
    },
    /// Another record holds this unique value.
    #[error("the value of {field} is taken")]
    Taken {
        /// The field whose value is taken.
        field: &'static str,
    },
    /// A field names a record that does not exist in the account.
    #[error("{field} names no record")]
    NoSuchReference {
        /// The field.
        field: &'static str,
    },
    /// A record would become its own ancestor.
    #[error("{field} would make a cycle")]
    Cycle {
        /// The field.
        field: &'static str,
    },
    /// A tree would become deeper than is allowed.
    #[error("{field} would make the tree too deep")]
    TooDeep {
        /// The field.
        field: &'static str,
    },
    /// A tree would have more records than it can.
    #[error("there would be too many records by {field}")]
    TooMany {
        /// The field that makes the tree.
        field: &'static str,
    },
    /// A field names a record that takes no more.
    #[error("{field} names a record that is full")]
    Full {
        /// The field.
        field: &'static str,
    },
    /// A field names a record that takes none for now.
    #[error("{field} names a record that is not open")]
    NotOpen {
        /// The field.
        field: &'static str,
    },
    /// Other records need this one.
    #[error("the record is in use")]
    InUse,
    /// The caller may decide about its own records only, and this would be another's, or nobody's.
    #[error("the record would be another's")]
    BeyondReach,
    /// The account's files would take more than they may.
    #[error("the account's files would take more than they may")]
    OverQuota,
    /// A record has as many versions as it can have.
    #[error("too many versions")]
    TooManyVersions,
    /// The record is not deleted.
    #[error("the record is not deleted")]
    NotDeleted,
    /// The record's object may still arrive.
    #[error("the record's object may still arrive")]
    Awaited,
    /// This row of an import was done before; nothing was written.
    #[error("the row was done before")]
    RowDone,
    /// Another row of the same import has changed the record.
    #[error("another row of the import has the record")]
    SameRecord,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// What is good once was used before.
    #[error("the challenge was used before")]
    Spent,
    /// Another request is changing the same items right now; nothing was written.
    #[error("another request is changing the same records")]
    Busy,
    /// The table is over its throughput for now; nothing was written.
    #[error("the table is throttled")]
    Throttled,
    /// The engine refused the call: the code asked for what its credentials do not allow.
    #[error("the engine refused {operation}: {reason}")]
    Denied {
        /// The operation.
        operation: &'static str,
        /// The engine's reason, for the log.
        reason: String,
    },
    /// The table did not answer, or with something unexpected.
    #[error("{operation} failed: {reason}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// What happened, for the log.
        reason: String,
    },
    /// A stored item does not have the form its type asks for.
    #[error("a stored item cannot be read: {0}")]
    Corrupt(String),
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<getrandom::Error> for StoreError {
    fn from(error: getrandom::Error) -> Self {
        Self::Unavailable { operation: "getrandom", reason: error.to_string() }
    }
}

/// An error and its causes, in words: never its `Debug`, which can hold what the table answered.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Sorts an SDK error that the caller has no special use for.
pub(crate) fn sort<E, R>(operation: &'static str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: Debug,
{
    let (code, message) = match error {
        SdkError::ServiceError(service) => {
            (service.err().code().unwrap_or_default(), service.err().message().unwrap_or_default())
        }
        other => return StoreError::Unavailable { operation, reason: chain(other) },
    };
    match code {
        "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded" => {
            StoreError::Throttled
        }
        "TransactionConflictException" => StoreError::Busy,
        "AccessDeniedException" => StoreError::Denied { operation, reason: message.to_owned() },
        _ => StoreError::Unavailable { operation, reason: format!("{code}: {message}") },
    }
}
