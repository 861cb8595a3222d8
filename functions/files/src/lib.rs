//! Looks at what has arrived in the bucket.
//!
//! It is called with S3's events, at least once for each new object and in any order. What arrived is compared
//! with what was announced, and its first bytes with its type: the file is then available, or quarantined.
//! Whatever comes twice, late, or for no file changes nothing. When the bucket or the table does not answer for
//! one object, the others are looked at still, and then the event fails: Lambda calls again, and in the end puts it
//! into the queue of failures.

mod event;

use nexo_api::{LogSink, Platform};
use nexo_domain::QuarantineReason;
use nexo_files::{Arrived, Bucket, BucketError};
use nexo_store::{Announced, Directory, Meter, StoreError};
use nexo_tenant_key::ArrivedObject;
use serde_json::json;

pub use event::Event;

/// Looks at objects.
pub struct Inspector {
    directory: Directory,
    bucket: Bucket,
    log: LogSink,
}

/// Why an event is to come again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket did not answer.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no file of it.
    Orphan,
    /// It is not there.
    Gone,
    /// Nobody waits for it: its file was finished before, or given up.
    Known,
    /// It was compared.
    Compared(Option<QuarantineReason>),
}

impl Inspector {
    /// An inspector of `bucket`, with the platform's table and log.
    pub fn new(platform: &Platform, bucket: Bucket) -> Self {
        let directory = platform.directory(&Meter::default());
        Self { directory, bucket, log: platform.log.clone() }
    }

    /// Looks at all objects of an event.
    ///
    /// # Errors
    /// The first one: the table or the bucket does not answer.
    pub async fn inspect(&self, event: Event) -> Result<(), Failure> {
        let mut failed = Ok(());
        for record in event.records {
            let object = ArrivedObject::parse(&record.s3.object.key());
            let Some(object) = object.filter(|_| record.s3.bucket.name == self.bucket.name()) else {
                // A key that is none of ours is whatever somebody made it: it stays out of the log.
                self.say("WARN", "object of no account", None, None);
                continue;
            };
            if let Err(failure) = self.look_at(&object).await {
                failed = failed.and(Err(failure));
            }
        }
        failed
    }

    /// Looks at one object, and says in the log what became of it.
    ///
    /// # Errors
    /// The table or the bucket does not answer.
    pub async fn look_at(&self, object: &ArrivedObject) -> Result<Outcome, Failure> {
        let looked = self.compare(object).await;
        let (level, message, cause) = match &looked {
            Ok(Outcome::Compared(None)) => ("INFO", "file available", None),
            Ok(Outcome::Compared(Some(reason))) => ("WARN", "file quarantined", Some(reason.to_string())),
            Ok(Outcome::Known) => ("INFO", "file finished before", None),
            Ok(Outcome::Gone) => ("WARN", "object gone", None),
            Ok(Outcome::Orphan) => ("WARN", "object without a file", None),
            Err(error) => ("ERROR", "object not looked at", Some(error.to_string())),
        };
        self.say(level, message, Some(object), cause.as_deref());
        looked
    }

    async fn compare(&self, object: &ArrivedObject) -> Result<Outcome, Failure> {
        let Some(announced) = self.directory.announced(&object.account, &object.file).await? else {
            return Ok(Outcome::Orphan);
        };
        if !announced.is_awaited() {
            return Ok(Outcome::Known);
        }
        let Some(arrived) = self.bucket.look(object).await? else { return Ok(Outcome::Gone) };
        let wrong = self.difference(object, &announced, &arrived).await?;
        let is_news = self.directory.finish(&object.account, &object.file, &announced, wrong).await?;
        Ok(if is_news { Outcome::Compared(wrong) } else { Outcome::Known })
    }

    /// What differs from what was announced. S3 refuses another size, type or digest already, by what the address was
    /// signed for, but neither other first bytes nor other bytes in parts; and objects could come another way. The
    /// digest comes last: for it a file that came in parts is read as a whole.
    async fn difference(
        &self,
        object: &ArrivedObject,
        announced: &Announced,
        arrived: &Arrived,
    ) -> Result<Option<QuarantineReason>, Failure> {
        Ok(if arrived.size != announced.size {
            Some(QuarantineReason::SizeDiffers)
        } else if arrived.content_type != announced.content_type.as_str() {
            Some(QuarantineReason::TypeDiffers)
        } else if !announced.content_type.begins(&arrived.first_bytes) {
            Some(QuarantineReason::ContentDiffers)
        } else if !self.bucket.has_digest(object, arrived, &announced.sha256).await? {
            Some(QuarantineReason::ChecksumDiffers)
        } else {
            None
        })
    }

    fn say(&self, level: &str, message: &str, object: Option<&ArrivedObject>, cause: Option<&str>) {
        let file = object.map(|object| object.file.to_string());
        let line = json!({"level": level, "message": message, "fileId": file, "cause": cause});
        (self.log)(&line.to_string());
    }
}
