//! Looks at what has arrived in the bucket.
//!
//! It is called with S3's events, at least once for each new object and in any order. What arrived is compared
//! with what was announced, and its first bytes with its type: the file is then available, or quarantined. Where
//! GuardDuty looks for malware, a file that is right is `scanning` until its verdict has come, and a file becomes
//! available with both (ADR 0024). A verdict is an event of its own, which may come first, late, or more than once.
//! Whatever comes twice, late, or for no file changes nothing. Of a picture that is available a thumbnail is made
//! (`thumbnail.rs`, ADR 0026). When the bucket or the table does not answer for
//! one object, the others are looked at still, and then the event fails: Lambda calls again, and in the end puts it
//! into the queue of failures.

mod event;
mod picture;
mod thumbnail;

use nexo_api::{LogSink, Platform};
use nexo_domain::{FileStatus, QuarantineReason};
use nexo_files::{Arrived, Bucket, BucketError};
use nexo_store::{Announced, Directory, Finding, Meter, StoreError};
use nexo_tenant_key::ArrivedObject;
use serde_json::json;

pub use event::Event;
use event::{Arrivals, Detail, Verdict};

/// How often a verdict is brought together with what another event makes of its file meanwhile. Each does so once.
const ATTEMPTS: usize = 4;

/// Who looks for malware in what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanner {
    /// Nobody.
    None,
    /// GuardDuty, which then sends an event.
    GuardDuty,
}

impl Scanner {
    /// Reads `NEXO_MALWARE_SCAN`, as `template.yaml` sets it.
    ///
    /// # Panics
    /// When it is neither `none` nor `guardduty`: a function that would not wait for a scan must not start.
    pub fn of(setting: &str) -> Self {
        match setting {
            "none" => Self::None,
            "guardduty" => Self::GuardDuty,
            other => panic!("NEXO_MALWARE_SCAN is {other}"),
        }
    }

    /// What becomes of a file whose bytes are what was announced.
    const fn next(self) -> Finding {
        match self {
            Self::None => Finding::Available,
            Self::GuardDuty => Finding::Scanning,
        }
    }
}

/// Looks at objects.
pub struct Inspector {
    directory: Directory,
    bucket: Bucket,
    scanner: Scanner,
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
    /// The function was told to end.
    #[error("the function ends")]
    Ended,
}

/// What became of one object, and what its file was before, if there is one.
type Looked = (Outcome, Option<Announced>);

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is no file of it.
    Orphan,
    /// It is not there.
    Gone,
    /// It changes nothing: its file was finished before, or given up.
    Known,
    /// It was looked at, and this is its file now.
    Found(Finding),
}

impl Inspector {
    /// An inspector of `bucket`, with the platform's table and log.
    pub fn new(platform: &Platform, bucket: Bucket, scanner: Scanner) -> Self {
        let directory = platform.directory(&Meter::default());
        Self { directory, bucket, scanner, log: platform.log.clone() }
    }

    /// Who looks for malware in what arrives.
    pub const fn scanner(&self) -> Scanner {
        self.scanner
    }

    /// Does what an event asks for.
    ///
    /// # Errors
    /// The first one: the table or the bucket does not answer.
    pub async fn handle(&self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Arrived(arrivals) => self.inspect(arrivals).await,
            Event::Scanned(scan) => self.judge(&scan.detail).await,
        }
    }

    /// Looks at all objects of an event.
    async fn inspect(&self, arrivals: Arrivals) -> Result<(), Failure> {
        let mut failed = Ok(());
        for record in arrivals.records {
            let Some(object) = self.object(&record.s3.bucket.name, &record.s3.object.key()) else { continue };
            let looked = self.compare(&object).await;
            if let Err(failure) = self.finished(&object, looked).await {
                failed = failed.and(Err(failure));
            }
        }
        failed
    }

    /// Has a verdict take effect.
    async fn judge(&self, detail: &Detail) -> Result<(), Failure> {
        let Some(object) = self.object(&detail.object.bucket_name, &detail.object.object_key) else {
            return Ok(());
        };
        let judged = self.follow(&object, detail.verdict()).await;
        self.finished(&object, judged).await
    }

    /// Says in the log what became of an object, and makes its thumbnail.
    async fn finished(&self, object: &ArrivedObject, looked: Result<Looked, Failure>) -> Result<(), Failure> {
        let (outcome, file) = self.report(object, looked)?;
        match file {
            Some(file) => self.depict(object, outcome, &file).await,
            None => Ok(()),
        }
    }

    /// Which object of the bucket that is.
    fn object(&self, bucket: &str, key: &str) -> Option<ArrivedObject> {
        let object = ArrivedObject::parse(key).filter(|_| bucket == self.bucket.name());
        if object.is_none() {
            // A key that is none of ours is whatever somebody made it: it stays out of the log.
            self.say("WARN", "object of no account", None, None);
        }
        object
    }

    /// Looks at one object, and says in the log what became of it. It makes no thumbnail: its caller may do more than
    /// this function, and is kept away from what decodes strangers' pictures.
    ///
    /// # Errors
    /// The table or the bucket does not answer.
    pub async fn look_at(&self, object: &ArrivedObject) -> Result<Outcome, Failure> {
        let looked = self.compare(object).await;
        self.report(object, looked).map(|(outcome, _)| outcome)
    }

    async fn compare(&self, object: &ArrivedObject) -> Result<Looked, Failure> {
        let Some(announced) = self.directory.announced(&object.account, &object.file).await? else {
            return Ok((Outcome::Orphan, None));
        };
        if !announced.is_awaited() {
            return Ok((Outcome::Known, Some(announced)));
        }
        // What was lost and is there again was scanned when it first arrived, and is the same by its digest.
        let right =
            if announced.status == FileStatus::Pending { self.scanner.next() } else { Finding::Available };
        let Some(finding) = self.look(object, &announced, right).await? else {
            return Ok((Outcome::Gone, None));
        };
        let is_news = self.directory.finish(&object.account, &object.file, &announced, finding).await?;
        Ok((if is_news { Outcome::Found(finding) } else { Outcome::Known }, Some(announced)))
    }

    /// Has a verdict take effect on a file as it stands; again if its other event comes in between.
    async fn follow(&self, object: &ArrivedObject, verdict: Verdict) -> Result<Looked, Failure> {
        let (account, file) = (&object.account, &object.file);
        for _ in 0..ATTEMPTS {
            let Some(announced) = self.directory.announced(account, file).await? else {
                return Ok((Outcome::Orphan, None));
            };
            let finding = match effect(&announced, verdict) {
                None => return Ok((Outcome::Known, Some(announced))),
                // The verdict came first: who comes second finds the file finished.
                Some(finding) if announced.status == FileStatus::Pending && verdict != Verdict::Malware => {
                    match self.look(object, &announced, finding).await? {
                        Some(finding) => finding,
                        None => return Ok((Outcome::Gone, None)),
                    }
                }
                Some(finding) => finding,
            };
            if self.directory.finish(account, file, &announced, finding).await? {
                return Ok((Outcome::Found(finding), Some(announced)));
            }
        }
        Err(StoreError::Busy.into())
    }

    /// What is there makes of a file that what was announced of it; `right` if it is that. `None` where nothing is.
    async fn look(
        &self,
        object: &ArrivedObject,
        announced: &Announced,
        right: Finding,
    ) -> Result<Option<Finding>, Failure> {
        let Some(arrived) = self.bucket.look(object).await? else { return Ok(None) };
        let wrong = self.difference(object, announced, &arrived).await?;
        Ok(Some(wrong.map_or(right, Finding::Quarantined)))
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

    /// Says in the log what became of an object.
    fn report(&self, object: &ArrivedObject, looked: Result<Looked, Failure>) -> Result<Looked, Failure> {
        let (level, message, cause) = match looked.as_ref().map(|(outcome, _)| outcome) {
            Ok(Outcome::Found(Finding::Available)) => ("INFO", "file available", None),
            Ok(Outcome::Found(Finding::Scanning)) => ("INFO", "file waits for its scan", None),
            Ok(Outcome::Found(Finding::Quarantined(reason))) => {
                ("WARN", "file quarantined", Some(reason.to_string()))
            }
            Ok(Outcome::Known) => ("INFO", "file finished before", None),
            Ok(Outcome::Gone) => ("WARN", "object gone", None),
            Ok(Outcome::Orphan) => ("WARN", "object without a file", None),
            Err(error) => ("ERROR", "object not looked at", Some(error.to_string())),
        };
        self.say(level, message, Some(object), cause.as_deref());
        looked
    }

    fn say(&self, level: &str, message: &str, object: Option<&ArrivedObject>, cause: Option<&str>) {
        let file = object.map(|object| object.file.to_string());
        let line = json!({"level": level, "message": message, "fileId": file, "cause": cause});
        (self.log)(&line.to_string());
    }
}

/// What a verdict makes of a file as it stands, if anything. Malware is final, whatever was or comes; that nothing was
/// found out is not, so that a file can be scanned once more.
fn effect(announced: &Announced, verdict: Verdict) -> Option<Finding> {
    let reason = announced.quarantine_reason;
    match (announced.status, verdict) {
        (FileStatus::Expired, _) => None,
        (_, Verdict::Malware) => (reason != Some(QuarantineReason::Malware))
            .then_some(Finding::Quarantined(QuarantineReason::Malware)),
        (FileStatus::Pending | FileStatus::Scanning, Verdict::Clean) => Some(Finding::Available),
        (FileStatus::Quarantined, Verdict::Clean) if reason == Some(QuarantineReason::NotScanned) => {
            Some(Finding::Available)
        }
        (FileStatus::Pending | FileStatus::Scanning, Verdict::None) => {
            Some(Finding::Quarantined(QuarantineReason::NotScanned))
        }
        (FileStatus::Available | FileStatus::Quarantined, Verdict::Clean | Verdict::None) => None,
    }
}
