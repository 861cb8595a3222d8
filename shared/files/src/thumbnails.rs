//! Thumbnails: objects of the same files under keys of their own, which one function writes and callers only get.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use nexo_domain::{AccountId, FileId};
use nexo_tenant_key::{ArrivedObject, TenantScope, thumbnails_of};

use crate::{Bucket, BucketError, DOWNLOAD_SECONDS, Found, Signed, sort};

/// The media type of thumbnails.
const TYPE: &str = "image/jpeg";

impl Bucket {
    /// The bytes of an object, but no more than `most`; `None` when it is not there.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn bytes(&self, object: &ArrivedObject, most: u64) -> Result<Option<Vec<u8>>, BucketError> {
        self.range(object.key(), 0, most, self.as_function()).await
    }

    /// Keeps the thumbnail of an object, a JPEG. One that is there stays.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn put_thumbnail(&self, object: &ArrivedObject, jpeg: Vec<u8>) -> Result<(), BucketError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(object.thumbnail().as_str())
            .content_type(TYPE)
            .if_none_match("*")
            .body(jpeg.into());
        match request.customize().config_override(self.as_function()).send().await {
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
            put => put.map(drop).map_err(|error| sort("PutObject", &error)),
        }
    }

    /// Signs the download of a file's thumbnail within [`DOWNLOAD_SECONDS`], to be shown.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn thumbnail(&self, scope: &TenantScope, file: &FileId) -> Result<Signed, BucketError> {
        let cache = format!("private, max-age={DOWNLOAD_SECONDS}");
        self.address(scope, &scope.thumbnail(file), "inline", TYPE, &cache).await
    }

    /// One page of an account's thumbnails, as [`Bucket::objects`].
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn thumbnails(
        &self,
        account: &AccountId,
        after: Option<String>,
    ) -> Result<(Vec<Found>, Option<String>), BucketError> {
        self.list(thumbnails_of(account), after, ArrivedObject::of_thumbnail).await
    }

    /// Hides a thumbnail, as [`Bucket::put_away`] an object.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn put_away_thumbnail(&self, object: &ArrivedObject) -> Result<(), BucketError> {
        self.hide(&object.thumbnail()).await
    }
}
