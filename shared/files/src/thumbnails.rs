//! Thumbnails: objects of the same files under keys of their own, which one function writes and callers only get.

use nexo_domain::{AccountId, FileId};
use nexo_tenant_key::{ArrivedObject, TenantScope, thumbnails_of};

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::get_object::GetObjectError;

use crate::{Bucket, BucketError, DOWNLOAD_SECONDS, Found, Signed, as_tenant, fault, signed, sort};

/// The media type of thumbnails.
const TYPE: &str = "image/jpeg";

impl Bucket {
    /// The bytes of an object, but no more than `most`; `None` when it is not there.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn bytes(&self, object: &ArrivedObject, most: u64) -> Result<Option<Vec<u8>>, BucketError> {
        let got = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(object.key().as_str())
            .range(format!("bytes=0-{}", most.max(1) - 1))
            .customize()
            .config_override(self.as_function())
            .send()
            .await;
        match got {
            Ok(got) => {
                let bytes = got.body.collect().await.map_err(|error| fault("GetObject", &error))?;
                Ok(Some(bytes.to_vec()))
            }
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(sort("GetObject", &error)),
        }
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
        let (until, expires_at) = self.window(DOWNLOAD_SECONDS)?;
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(scope.thumbnail(file).as_str())
            .response_content_disposition("inline")
            .response_content_type(TYPE)
            .response_cache_control(format!("private, max-age={DOWNLOAD_SECONDS}"))
            .customize()
            .config_override(as_tenant(scope.credentials()))
            .presigned(until)
            .await
            .map_err(|error| sort("GetObject", &error))?;
        Ok(signed(&request, expires_at))
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
