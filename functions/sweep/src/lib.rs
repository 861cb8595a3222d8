//! Sweeps up: erases what was purged, gives up what never came, and compares the bucket with the table.
//!
//! Two things call it. The table's stream, with files whose purge was asked for, with accounts that have their
//! first file, and with employees who are gone, whose history goes with them; and a schedule, once a day, for a
//! round through all accounts that have files (`round.rs`).
//!
//! **Purge.** First the way back is shut, in the record, then the object is erased with all its versions, and at
//! last the record goes together with its bytes in the account's sum. Further versions of a file go before it, each
//! in the same steps. Whatever fails in between is done again, by the stream and by the next round, and counts once.

mod event;
mod round;

pub use files::Scanner;
use files::{Failure, Inspector};
use nexo_api::{LogSink, Platform, StreamAnswer};
use nexo_domain::{FileStatus, Kind, kind};
use nexo_files::Bucket;
use nexo_identity::Clock;
use nexo_store::{Announced, Directory, Meter};
use nexo_tenant_key::{ArrivedObject, account_of};
use serde_json::json;

pub use event::Event;
use event::{Change, Happened};

/// Sweeps up.
pub struct Sweeper {
    directory: Directory,
    bucket: Bucket,
    inspector: Inspector,
    clock: Clock,
    log: LogSink,
}

impl Sweeper {
    /// A sweeper of `bucket`, with the platform's table, clock and log, that looks at what no event told of.
    pub fn new(platform: &Platform, bucket: Bucket, scanner: Scanner) -> Self {
        Self {
            directory: platform.directory(&Meter::default()),
            inspector: Inspector::new(platform, bucket.clone(), scanner),
            bucket,
            clock: platform.clock.clone(),
            log: platform.log.clone(),
        }
    }

    /// Does what an event asks for, and answers which records of the stream are to come again.
    ///
    /// # Errors
    /// A round has failed for an account, the first one: the table or the bucket does not answer.
    pub async fn handle(&self, event: Event) -> Result<StreamAnswer, Failure> {
        match event {
            Event::Stream(changes) => {
                let mut answer = StreamAnswer::default();
                for record in changes.records {
                    if let Err(failure) = self.follow(record.event_name, &record.dynamodb).await {
                        self.say("ERROR", "not done for now", &json!({"cause": failure.to_string()}));
                        answer.add(record.dynamodb.sequence_number);
                    }
                }
                Ok(answer)
            }
            Event::Schedule(_) => self.sweep().await.map(|()| StreamAnswer::default()),
        }
    }

    /// What follows from one change of the table; the event source's filter lets through what something does.
    async fn follow(&self, happened: Happened, change: &Change) -> Result<(), Failure> {
        let (partition, sort) = (change.keys.pk.text.as_str(), change.keys.sk.text.as_str());
        if happened == Happened::Remove {
            let Some(account) = account_of(partition, Kind::Employee.tag()) else { return Ok(()) };
            return Ok(self.directory.forget_history::<kind::EmploymentRecord>(&account, sort).await?);
        }
        if let Some(account) = account_of(partition, "STO") {
            return Ok(self.directory.note_account_with_files(&account).await?);
        }
        match ArrivedObject::of_record(partition, sort) {
            Some(object) => self.purge(&object).await.map(drop),
            None => Ok(()),
        }
    }

    /// Erases a file for good if it is deleted, and its time is over or that was asked for. Answers whether it was.
    async fn purge(&self, object: &ArrivedObject) -> Result<bool, Failure> {
        let (account, file) = (&object.account, &object.file);
        let Some(claimed) = self.directory.claim_purge(account, file).await? else { return Ok(false) };
        for version in &claimed.versions {
            let version = ArrivedObject::of(*account, *version);
            // Whoever asks for the same meanwhile does it as well.
            if let Some(claimed) = self.directory.claim_version(account, &version.file).await? {
                self.erase(&version, &claimed).await?;
            }
        }
        self.erase(object, &claimed).await?;
        self.say("INFO", "file purged", &json!({"fileId": file.to_string()}));
        Ok(true)
    }

    /// Erases an object for good, and then the record of its file. Where it is yet to come in parts, that is ended first.
    async fn erase(&self, object: &ArrivedObject, claimed: &Announced) -> Result<(), Failure> {
        if let (FileStatus::Pending, Some(upload)) = (claimed.status, &claimed.parts) {
            self.bucket.abort(object, upload).await?;
        }
        self.bucket.erase(object).await?;
        Ok(self.directory.purge(&object.account, &object.file, claimed).await?)
    }

    fn say(&self, level: &str, message: &str, more: &serde_json::Value) {
        let mut line = json!({"level": level, "message": message});
        if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
            line.extend(more.clone());
        }
        (self.log)(&line.to_string());
    }
}
