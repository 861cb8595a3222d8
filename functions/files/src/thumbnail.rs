//! Thumbnails: of each picture that is available, once.
//!
//! First the file is available, then its picture is decoded, and its thumbnail kept in the bucket, and at last noted in
//! the record. So nothing that a decoder does holds up a file; and whatever fails on the way is done again, when the
//! event comes again.

use std::time::Duration;

use nexo_domain::FileStatus;
use nexo_store::{Announced, Finding};
use nexo_tenant_key::ArrivedObject;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::picture::{MOST_BYTES, NoThumbnail, thumbnail};
use crate::{Failure, Inspector, Outcome};

/// How long a decoder is waited for. The slowest picture that is known takes some seconds.
const MOST_TIME: Duration = Duration::from_mins(1);

impl Inspector {
    /// Makes the thumbnail of a picture that is available and has none. That there can be none is said in the log, and
    /// is no failure: it would come to the same again.
    pub(crate) async fn depict(
        &self,
        object: &ArrivedObject,
        outcome: Outcome,
        file: &Announced,
    ) -> Result<(), Failure> {
        let is_available = match outcome {
            Outcome::Found(finding) => finding == Finding::Available,
            Outcome::Known => file.status == FileStatus::Available,
            Outcome::Gone | Outcome::Orphan => false,
        };
        if !is_available || !file.content_type.is_picture() || file.has_thumbnail {
            return Ok(());
        }
        let made = self.make(object, file).await;
        let (level, message, cause) = match &made {
            Ok(Ok(true)) => ("INFO", "thumbnail made", None),
            Ok(Ok(false)) => ("INFO", "thumbnail of a file that is not available any more", None),
            Ok(Err(why)) => ("WARN", "no thumbnail", Some(why.clone())),
            Err(failure) => ("ERROR", "thumbnail not made", Some(failure.to_string())),
        };
        self.say(level, message, Some(object), cause.as_deref());
        made.map(drop)
    }

    /// Makes a thumbnail and answers whether it was noted, or why there is none.
    async fn make(&self, object: &ArrivedObject, file: &Announced) -> Result<Result<bool, String>, Failure> {
        if file.size > MOST_BYTES {
            return Ok(Err(NoThumbnail::TooLarge.to_string()));
        }
        let Some(bytes) = self.bucket.bytes(object, MOST_BYTES).await? else {
            return Ok(Err("the object is gone".to_owned()));
        };
        let content_type = file.content_type;
        // What a library makes of a stranger's picture may end in a panic, and takes a while.
        let work = timeout(MOST_TIME, spawn_blocking(move || thumbnail(&bytes, content_type)));
        let jpeg = match work.await {
            Ok(Ok(Ok(jpeg))) => jpeg,
            Ok(Ok(Err(why))) => return Ok(Err(why.to_string())),
            Ok(Err(error)) if error.is_panic() => return Ok(Err("the decoder panicked".to_owned())),
            Ok(Err(_)) => return Err(Failure::Ended),
            Err(_) => return Ok(Err("the decoder takes too long".to_owned())),
        };
        // It may have been purged meanwhile: nothing of it is to come back.
        let now = self.directory.announced(&object.account, &object.file).await?;
        if !now.is_some_and(|now| now.status == FileStatus::Available && !now.is_purged()) {
            return Ok(Ok(false));
        }
        self.bucket.put_thumbnail(object, jpeg).await?;
        Ok(Ok(self.directory.note_thumbnail(&object.account, &object.file).await?))
    }
}
