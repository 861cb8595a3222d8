//! Files over 100 MB: each is sent in parts, by an address for each, and then put together.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use nexo_domain::{FileId, FileType};
use nexo_tenant_key::{ArrivedObject, TenantScope};

use crate::{Bucket, BucketError, Signed, UPLOAD_SECONDS, as_tenant, fault, signed, sort};

/// The largest file that is sent in one request, in bytes.
pub const LARGEST_WHOLE: u64 = 100 * 1024 * 1024;

/// The size of each part of a larger one but the last, in bytes. S3 takes 5 MB to 5 GB, and 10,000 parts.
pub const PART: u64 = 64 * 1024 * 1024;

/// How long a caller waits for parts to be put together, for which S3 takes its time. Together with [`LOOK`] and the
/// table's 8 s it is less than the 25 s after which the function answers anyway. What goes on in S3 then is found by
/// the caller's retry.
const COMPLETE: Duration = Duration::from_secs(12);

/// How long a caller waits to hear what became of them, where S3 does not know the upload any more.
const LOOK: Duration = Duration::from_secs(3);

/// What became of an upload in parts that was to be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The object is there, by this call or by one before.
    Done,
    /// A part is not there, or another one than was named.
    Wrong,
    /// There is no such upload any more: it was put together a moment ago, or has ended.
    Over,
}

impl Bucket {
    /// Begins the upload of a file in parts, and answers its id. One that nobody hears of costs nothing, and is ended
    /// by the bucket.
    ///
    /// S3 is asked for no digest of the parts: it could only make one of digests, which is not the announced one.
    /// [`Bucket::has_digest`] makes that of the whole.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn begin_parts(
        &self,
        scope: &TenantScope,
        file: &FileId,
        content_type: FileType,
    ) -> Result<String, BucketError> {
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.name)
            .key(scope.object(file).as_str())
            .content_type(content_type.as_str());
        let begun = request.customize().config_override(as_tenant(scope.credentials())).send().await;
        let begun = begun.map_err(|error| sort("CreateMultipartUpload", &error))?;
        Ok(begun.upload_id().unwrap_or_default().to_owned())
    }

    /// Signs the upload of each part, in their order: so many bytes, within [`UPLOAD_SECONDS`], any number of times
    /// until they are put together.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub async fn parts(
        &self,
        scope: &TenantScope,
        file: &FileId,
        upload: &str,
        size: u64,
    ) -> Result<Vec<Signed>, BucketError> {
        let mut parts = Vec::new();
        let (until, expires_at) = self.window(UPLOAD_SECONDS)?;
        for (number, length) in (1..).zip(lengths(size)) {
            let length = i64::try_from(length).map_err(|error| fault("UploadPart", &error))?;
            let request = self
                .client
                .upload_part()
                .bucket(&self.name)
                .key(scope.object(file).as_str())
                .upload_id(upload)
                .part_number(number)
                .content_length(length)
                .customize()
                .config_override(as_tenant(scope.credentials()))
                .presigned(until.clone())
                .await
                .map_err(|error| sort("UploadPart", &error))?;
            parts.push(signed(&request, expires_at));
        }
        Ok(parts)
    }

    /// Puts a file together of its parts, whose `ETag`s are given in their order, if there is none yet.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn complete(
        &self,
        scope: &TenantScope,
        file: &FileId,
        upload: &str,
        etags: &[String],
    ) -> Result<Completed, BucketError> {
        let key = scope.object(file);
        let parts = (1..)
            .zip(etags)
            .map(|(number, etag)| CompletedPart::builder().part_number(number).e_tag(etag.as_str()).build());
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.name)
            .key(key.as_str())
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build());
        let patient = as_tenant(scope.credentials()).timeout_config(at_most(COMPLETE));
        let sent = request.customize().config_override(patient).send().await;
        let Err(error) = sent else { return Ok(Completed::Done) };
        match error.code() {
            Some("PreconditionFailed") => Ok(Completed::Done),
            Some("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall") => Ok(Completed::Wrong),
            Some("NoSuchUpload" | "ConditionalRequestConflict") => {
                let head = self.client.head_object().bucket(&self.name).key(key.as_str());
                let brief = as_tenant(scope.credentials()).timeout_config(at_most(LOOK));
                let head = head.customize().config_override(brief).send().await;
                match head.map_err(|error| (status(&error), error)) {
                    Ok(_) => Ok(Completed::Done),
                    // Who may not list is told that all that is not there is forbidden.
                    Err((Some(403 | 404), _)) => Ok(Completed::Over),
                    Err((_, error)) => Err(sort("HeadObject", &error)),
                }
            }
            _ => Err(sort("CompleteMultipartUpload", &error)),
        }
    }

    /// Ends an upload in parts that nobody waits for: its parts are gone. Nothing happens where there is none.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn abort(&self, object: &ArrivedObject, upload: &str) -> Result<(), BucketError> {
        let request = self.client.abort_multipart_upload().bucket(&self.name).key(object.key().as_str());
        match request.upload_id(upload).customize().config_override(self.as_function()).send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            sent => sent.map(drop).map_err(|error| sort("AbortMultipartUpload", &error)),
        }
    }
}

/// One attempt, and no longer than this.
fn at_most(time: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(time)
        .operation_timeout(time)
        .build()
}

/// The lengths of the parts of a file, in bytes.
fn lengths(size: u64) -> impl Iterator<Item = u64> {
    (0..size.div_ceil(PART)).map(move |number| PART.min(size - number * PART))
}

/// The status that S3 answered.
fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
