//! One round through all accounts that have files: each one's records, objects and thumbnails, side by side.
//!
//! All are named by the same ids and listed in their order, so that one pass with a page of each in memory meets
//! whatever one side has and the other has not. What was seen on a page may have changed since: each change looks
//! again, and is made on the condition that it still holds.
//!
//! | record | object | what becomes of it |
//! | --- | --- | --- |
//! | deleted for 30 days, or to be purged | any | erased and removed |
//! | pending | there for 6 hours | looked at, as if its event had come |
//! | pending for two days | none, or in parts | parts erased, looked for again, then expired: its bytes count no more, and of a version nothing is left |
//! | available or scanning | none | quarantined as `missing`, and reported |
//! | scanning for a day | there | quarantined as `not_scanned`, and reported; available, where nobody scans |
//! | quarantined as `missing` | there again for 6 hours | looked at |
//! | expired, or none at all | there for a day | put away: hidden now, gone with the bucket's old versions |
//! | none at all | a thumbnail, for a day | put away as well |

use std::collections::VecDeque;

use files::{Failure, Outcome, Scanner};
use nexo_domain::{AccountId, FileId, FileStatus, QuarantineReason, Timestamp};
use nexo_files::Found;
use nexo_store::{Announced, Finding};
use nexo_tenant_key::ArrivedObject;
use serde_json::json;

use crate::Sweeper;

/// How long bytes are waited for at least, in milliseconds; a round a day makes it two to three days. An announcement
/// can be repeated with its idempotency key for one day, parts can be put together for one and a half, and what was
/// begun by then takes its time.
const PENDING_MS: i64 = 2 * 24 * 3600 * 1000;

/// How long an object that has arrived is left to its event, in milliseconds: for so long that is tried again
/// (`FilesFunction` in `template.yaml`). One that came in parts is as old as its upload, so that it may be looked at by
/// both. To look at a file that came in parts it is read as a whole, and a round that does
/// so gets to fewer others.
const EVENT_MS: i64 = 6 * 3600 * 1000;

/// How long a verdict on malware is waited for, in seconds. It takes effect later too.
const SCAN_SECONDS: i64 = 24 * 3600;

/// How long an object stays that belongs to nothing, in milliseconds.
const ORPHAN_MS: i64 = 24 * 3600 * 1000;

/// How long one call works, in milliseconds: less than the function's own limit. The next one goes on from there.
const WORK_MS: i64 = 10 * 60 * 1000;

/// What a round has done.
#[derive(Debug, Default)]
struct Tally {
    accounts: u64,
    files: u64,
    purged: u64,
    looked_at: u64,
    expired: u64,
    missing: u64,
    unscanned: u64,
    put_away: u64,
}

/// One side of the comparison: a page of it, and what the next one is behind.
struct Side<T> {
    page: VecDeque<(FileId, T)>,
    next: Option<Next>,
}

/// What there is of one file.
struct Row {
    record: Option<Announced>,
    object: Option<Found>,
    thumbnail: Option<Found>,
}

/// Where the next page begins.
enum Next {
    Start,
    Behind(String),
}

impl<T> Side<T> {
    fn behind(start: Option<String>) -> Self {
        Self { page: VecDeque::new(), next: Some(start.map_or(Next::Start, Next::Behind)) }
    }

    /// Where the next page begins, once there is nothing left of the last one.
    fn wanted(&mut self) -> Option<Next> {
        if self.page.is_empty() { self.next.take() } else { None }
    }

    fn first(&self) -> Option<FileId> {
        self.page.front().map(|(file, _)| *file)
    }

    /// What this side has of a file, if that is the first one.
    fn take(&mut self, file: FileId) -> Option<T> {
        (self.first() == Some(file)).then(|| self.page.pop_front()).flatten().map(|(_, it)| it)
    }
}

impl Side<Found> {
    /// Takes a page of the bucket, and the key that the next one is behind.
    fn add(&mut self, (page, more): (Vec<Found>, Option<String>)) {
        self.next = more.map(Next::Behind);
        self.page.extend(page.into_iter().map(|found| (found.file, found)));
    }
}

impl Sweeper {
    /// Goes through all accounts, or from where the last call ran out of time.
    pub(crate) async fn sweep(&self) -> Result<(), Failure> {
        let until = self.clock.now_ms() + WORK_MS;
        let (mut tally, mut failed) = (Tally::default(), Ok(()));
        let left = self.directory.sweep_position().await?;
        let mut after = left.map(|(account, _)| account);
        // First what is left of the account in which it ran out.
        let mut queue: VecDeque<_> = left.into_iter().filter(|(_, file)| file.is_some()).collect();
        let mut has_more = true;
        loop {
            if queue.is_empty() && has_more {
                let (accounts, more) = self.directory.accounts_with_files(after.as_ref()).await?;
                queue.extend(accounts.into_iter().map(|account| (account, None)));
                has_more = more;
            }
            let Some((account, file)) = queue.pop_front() else { break };
            if self.clock.now_ms() >= until {
                self.directory.keep_sweep_position(after.as_ref().map(|account| (account, None))).await?;
                self.report("swept in part", &tally);
                return failed;
            }
            after = Some(account);
            tally.accounts += 1;
            match self.compare(&account, file, until, &mut tally).await {
                Ok(None) => {}
                Ok(Some(file)) => {
                    self.directory.keep_sweep_position(Some((&account, Some(&file)))).await?;
                    self.report("swept in part", &tally);
                    return failed;
                }
                Err(failure) => {
                    let cause = json!({"accountId": account.to_string(), "cause": failure.to_string()});
                    self.say("ERROR", "account not swept", &cause);
                    failed = failed.and(Err(failure));
                }
            }
        }
        self.directory.keep_sweep_position(None).await?;
        self.report("swept", &tally);
        failed
    }

    /// Compares the two sides of an account, behind a file. Answers the file it came to when its time was over.
    async fn compare(
        &self,
        account: &AccountId,
        start: Option<FileId>,
        until: i64,
        tally: &mut Tally,
    ) -> Result<Option<FileId>, Failure> {
        let mut records: Side<Announced> = Side::behind(start.map(|file| file.ulid().to_owned()));
        let mut objects: Side<Found> =
            Side::behind(start.map(|file| ArrivedObject::of(*account, file).key().as_str().to_owned()));
        let mut thumbnails: Side<Found> =
            Side::behind(start.map(|file| ArrivedObject::of(*account, file).thumbnail().as_str().to_owned()));
        let mut failed = None;
        loop {
            while let Some(next) = records.wanted() {
                let after = next.key().and_then(|ulid| FileId::from_ulid(&ulid).ok());
                let (page, has_more) = self.directory.files(account, after.as_ref()).await?;
                let last = page.last().map(|(file, _)| file.ulid().to_owned());
                records.next = last.filter(|_| has_more).map(Next::Behind);
                records.page.extend(page);
            }
            while let Some(next) = objects.wanted() {
                objects.add(self.bucket.objects(account, next.key()).await?);
            }
            while let Some(next) = thumbnails.wanted() {
                thumbnails.add(self.bucket.thumbnails(account, next.key()).await?);
            }
            let firsts = [records.first(), objects.first(), thumbnails.first()];
            let Some(file) = firsts.into_iter().flatten().min() else {
                return failed.map_or(Ok(None), Err);
            };
            let found = Row {
                record: records.take(file),
                object: objects.take(file),
                thumbnail: thumbnails.take(file),
            };
            tally.files += 1;
            // One file that fails holds up no other.
            if let Err(failure) = self.settle(&ArrivedObject::of(*account, file), found, tally).await {
                let cause = json!({"fileId": file.to_string(), "cause": failure.to_string()});
                self.say("ERROR", "file not swept", &cause);
                failed.get_or_insert(failure);
            }
            if self.clock.now_ms() >= until {
                return Ok(Some(file));
            }
        }
    }

    /// Does what is to be done about one file.
    async fn settle(
        &self,
        object: &ArrivedObject,
        Row { record, object: found, thumbnail }: Row,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let (account, file) = (&object.account, &object.file);
        let now = self.clock.now();
        let is_past = |since: Timestamp, ms: i64| now.as_millis() - since.as_millis() >= ms;
        let is_old = found.is_some_and(|found| is_past(found.since, ORPHAN_MS));
        let Some(record) = record else {
            let has_old_thumbnail = thumbnail.is_some_and(|found| is_past(found.since, ORPHAN_MS));
            // The record may be younger than the page that it is not on.
            if (is_old || has_old_thumbnail) && self.directory.announced(account, file).await?.is_none() {
                if has_old_thumbnail {
                    self.bucket.put_away_thumbnail(object).await?;
                    self.say("WARN", "thumbnail of no file put away", &json!({"fileId": file.to_string()}));
                    tally.put_away += 1;
                }
                if is_old {
                    self.put_away(object, tally).await?;
                }
            }
            return Ok(());
        };
        if record.is_to_be_purged(now) {
            tally.purged += u64::from(self.purge(object).await?);
            return Ok(());
        }
        if found.is_none_or(|found| is_past(found.since, EVENT_MS)) {
            if record.status == FileStatus::Pending && is_past(record.created_at, PENDING_MS) {
                self.give_up(object, &record, tally).await?;
            } else if record.is_awaited() && found.is_some() {
                self.look_at(object, tally).await?;
            }
        }
        match record.status {
            FileStatus::Available | FileStatus::Scanning
                if found.is_none() && self.bucket.look(object).await?.is_none() =>
            {
                let missing = Finding::Quarantined(QuarantineReason::Missing);
                if self.directory.finish(account, file, &record, missing).await? {
                    self.say("ERROR", "file without its object", &json!({"fileId": file.to_string()}));
                    tally.missing += 1;
                }
            }
            // It was what was announced, and nobody scans any more.
            FileStatus::Scanning if self.inspector.scanner() == Scanner::None => {
                self.directory.finish(account, file, &record, Finding::Available).await?;
            }
            FileStatus::Scanning if now.as_seconds() - record.arrived_at() >= SCAN_SECONDS => {
                let unscanned = Finding::Quarantined(QuarantineReason::NotScanned);
                if self.directory.finish(account, file, &record, unscanned).await? {
                    self.say("ERROR", "file without a scan", &json!({"fileId": file.to_string()}));
                    tally.unscanned += 1;
                }
            }
            FileStatus::Expired if is_old => self.put_away(object, tally).await?,
            FileStatus::Available
            | FileStatus::Expired
            | FileStatus::Pending
            | FileStatus::Quarantined
            | FileStatus::Scanning => {}
        }
        Ok(())
    }

    /// Gives up waiting for a file's bytes. First its upload in parts is ended, which is the same for as long as the
    /// file lives: what was put together before is found then, and nothing is afterwards.
    async fn give_up(
        &self,
        object: &ArrivedObject,
        record: &Announced,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        if let Some(upload) = &record.parts {
            self.bucket.abort(object, upload).await?;
        }
        if self.look_at(object, tally).await? == Outcome::Gone {
            let expired = self.directory.expire(&object.account, &object.file).await?;
            tally.expired += u64::from(expired);
        }
        Ok(())
    }

    async fn look_at(&self, object: &ArrivedObject, tally: &mut Tally) -> Result<Outcome, Failure> {
        let outcome = self.inspector.look_at(object).await?;
        tally.looked_at += u64::from(matches!(outcome, Outcome::Found(_)));
        Ok(outcome)
    }

    async fn put_away(&self, object: &ArrivedObject, tally: &mut Tally) -> Result<(), Failure> {
        self.bucket.put_away(object).await?;
        self.say("WARN", "object of no file put away", &json!({"fileId": object.file.to_string()}));
        tally.put_away += 1;
        Ok(())
    }

    fn report(&self, message: &str, tally: &Tally) {
        let Tally { accounts, files, purged, looked_at, expired, missing, unscanned, put_away } = tally;
        let counts = json!({
            "accounts": accounts, "files": files, "purged": purged, "lookedAt": looked_at, "expired": expired,
            "missing": missing, "unscanned": unscanned, "putAway": put_away,
        });
        self.say("INFO", message, &counts);
    }
}

impl Next {
    fn key(self) -> Option<String> {
        match self {
            Self::Start => None,
            Self::Behind(key) => Some(key),
        }
    }
}
