//! The bucket of files.
//!
//! - [`Bucket::upload`] and [`Bucket::download`] make addresses that whoever has them can use once or for a
//!   while. They are signed with an account's credentials, so that S3 itself refuses another account's key,
//!   whatever the code asks for. No call is made for it. A file over [`LARGEST_WHOLE`] is sent in parts, by an
//!   address for each; S3 is called to begin that and to put them together.
//! - [`Bucket::look`] reads, under the function's own role, what has arrived; [`Bucket::objects`],
//!   [`Bucket::put_away`] and [`Bucket::erase`] are for the function that sweeps up.
//!
//! Objects are named by their file's id and never by a name that a user gave.
#![warn(missing_docs)]

mod parts;
mod thumbnails;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as AwsCredentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::ChecksumMode;
use aws_sdk_s3::{Client, Config, config};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nexo_api::Platform;
use nexo_domain::{AccountId, FileId, FileName, FileType, Sha256, Timestamp};
use nexo_identity::{Clock, Credentials};
use nexo_store::{StoreConfig, of_tenant};
use nexo_tenant_key::{ArrivedObject, ObjectKey, TenantScope, objects_of};
use sha2::{Digest as _, Sha256 as Digester};

pub use parts::{Completed, LARGEST_WHOLE, PART};

/// How long an address to upload to is good.
pub const UPLOAD_SECONDS: u32 = 15 * 60;

/// How long an address to download from is good.
pub const DOWNLOAD_SECONDS: u32 = 5 * 60;

/// Bytes that are asked for at once for a digest. They are hashed as they come.
const CHUNK: u64 = 8 * 1024 * 1024;

/// How often in a row they may break off before any has come.
const FAILURES: u32 = 3;

/// Where the bucket is and who the function itself is.
pub struct BucketConfig {
    /// The bucket's name.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// Another endpoint than AWS's, which names buckets in the path.
    pub endpoint: Option<String>,
    /// The function's own role.
    pub own_role: AwsCredentials,
    /// The HTTP client.
    pub http: SharedHttpClient,
    /// The clock.
    pub clock: Clock,
}

/// What is to be uploaded: nothing else can be, with the address that is made for it.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// How many bytes.
    pub size: u64,
    /// Of which type.
    pub content_type: FileType,
    /// With which digest.
    pub sha256: Sha256,
}

/// A request that is signed and can be made by anybody until it expires.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The address.
    pub url: String,
    /// The headers that must be sent, as they are.
    pub headers: Vec<(String, String)>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// How many bytes.
    pub size: u64,
    /// The type it was stored with.
    pub content_type: String,
    /// The SHA-256 that S3 has checked, in base64; it knows none of what came in parts.
    sha256: Option<String>,
    /// The first [`FileType::LOOKED_AT`] bytes, or all.
    pub first_bytes: Vec<u8>,
    /// What tells it from any other object of this key.
    etag: Option<String>,
}

/// An object that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file it belongs to, if there is one.
    pub file: FileId,
    /// Since when it is there.
    pub since: Timestamp,
}

/// The bucket did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("S3: {operation}: {reason}")]
pub struct BucketError {
    operation: &'static str,
    /// For the log.
    reason: String,
}

/// The bucket's client. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    name: String,
    clock: Clock,
    own_role: AwsCredentials,
}

impl Bucket {
    /// A client for the bucket of `config`, without credentials of its own. Opens nothing yet.
    pub fn new(config: BucketConfig) -> Self {
        let mut builder = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region))
            .http_client(config.http)
            .time_source(time_source(&config.clock))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            // The digest of an upload is the caller's; a part of an object has none.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .timeout_config(timeouts());
        if let Some(endpoint) = config.endpoint {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        Self {
            client: Client::from_conf(builder.build()),
            name: config.name,
            clock: config.clock,
            own_role: config.own_role,
        }
    }

    /// The bucket the environment describes, as `template.yaml` sets it.
    ///
    /// # Panics
    /// When a variable is missing: a function that cannot work must not start.
    pub fn from_env() -> Self {
        Self::new(BucketConfig {
            name: Platform::required_variable("NEXO_BUCKET"),
            region: Platform::required_variable("AWS_REGION"),
            endpoint: Platform::variable("NEXO_S3_ENDPOINT").filter(|address| address != "aws"),
            own_role: AwsCredentials::new(
                Platform::required_variable("AWS_ACCESS_KEY_ID"),
                Platform::required_variable("AWS_SECRET_ACCESS_KEY"),
                Platform::variable("AWS_SESSION_TOKEN"),
                None,
                "lambda",
            ),
            http: StoreConfig::https(),
            clock: Clock::system(),
        })
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Signs the upload of a file: these bytes, once, within [`UPLOAD_SECONDS`].
    ///
    /// Length, type and digest are signed, and `if-none-match: *`, by which S3 refuses a second upload.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn upload(
        &self,
        scope: &TenantScope,
        file: &FileId,
        announced: Announced,
    ) -> Result<Signed, BucketError> {
        let length = i64::try_from(announced.size).map_err(|error| fault("PutObject", &error))?;
        let (until, expires_at) = self.window(UPLOAD_SECONDS)?;
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(scope.object(file).as_str())
            .content_length(length)
            .content_type(announced.content_type.as_str())
            .checksum_sha256(STANDARD.encode(announced.sha256.as_bytes()))
            .if_none_match("*")
            .customize()
            .config_override(as_tenant(scope.credentials()))
            .presigned(until)
            .await
            .map_err(|error| sort("PutObject", &error))?;
        Ok(signed(&request, expires_at))
    }

    /// Signs the download of a file within [`DOWNLOAD_SECONDS`]: browsers save it under `name`, as what
    /// `content_type` is served as.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn download(
        &self,
        scope: &TenantScope,
        file: &FileId,
        name: &FileName,
        content_type: FileType,
    ) -> Result<Signed, BucketError> {
        let key = scope.object(file);
        // Whoever uploads may send headers that are not signed, and this one is kept with the object.
        self.address(scope, &key, &name.attachment(), content_type.served_as(), "private, no-store").await
    }

    /// Signs that an object is got within [`DOWNLOAD_SECONDS`], with these headers whatever is kept with it.
    async fn address(
        &self,
        scope: &TenantScope,
        key: &ObjectKey,
        disposition: &str,
        content_type: &str,
        cache_control: &str,
    ) -> Result<Signed, BucketError> {
        let (until, expires_at) = self.window(DOWNLOAD_SECONDS)?;
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key.as_str())
            .response_content_disposition(disposition)
            .response_content_type(content_type)
            .response_cache_control(cache_control)
            .customize()
            .config_override(as_tenant(scope.credentials()))
            .presigned(until)
            .await
            .map_err(|error| sort("GetObject", &error))?;
        Ok(signed(&request, expires_at))
    }

    /// What has arrived; `None` when there is nothing.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn look(&self, object: &ArrivedObject) -> Result<Option<Arrived>, BucketError> {
        let key = object.key();
        let head = self
            .client
            .head_object()
            .bucket(&self.name)
            .key(key.as_str())
            .checksum_mode(ChecksumMode::Enabled)
            .customize()
            .config_override(self.as_function())
            .send()
            .await;
        let head = match head {
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
                return Ok(None);
            }
            head => head.map_err(|error| sort("HeadObject", &error))?,
        };
        let size = head.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
        let mut first_bytes = Vec::new();
        if size > 0 {
            let part = self
                .client
                .get_object()
                .bucket(&self.name)
                .key(key.as_str())
                .range(format!("bytes=0-{}", FileType::LOOKED_AT - 1))
                .customize()
                .config_override(self.as_function())
                .send()
                .await
                .map_err(|error| sort("GetObject", &error))?;
            first_bytes = part.body.collect().await.map_err(|error| fault("GetObject", &error))?.to_vec();
        }
        Ok(Some(Arrived {
            size,
            content_type: head.content_type().unwrap_or_default().to_owned(),
            sha256: head.checksum_sha256().map(str::to_owned),
            first_bytes,
            etag: head.e_tag().map(str::to_owned),
        }))
    }

    /// Whether what has arrived has this digest. S3 knows none of what came in parts: that is read as a whole, a
    /// little at a time.
    ///
    /// # Errors
    /// When the bucket does not answer, or there is another object by now.
    pub async fn has_digest(
        &self,
        object: &ArrivedObject,
        arrived: &Arrived,
        sha256: &Sha256,
    ) -> Result<bool, BucketError> {
        if let Some(known) = &arrived.sha256 {
            return Ok(*known == STANDARD.encode(sha256.as_bytes()));
        }
        let (mut hash, mut next, mut failures) = (Digester::new(), 0, 0);
        while next < arrived.size {
            let last = arrived.size.min(next + CHUNK) - 1;
            let mut body = self
                .client
                .get_object()
                .bucket(&self.name)
                .key(object.key().as_str())
                .set_if_match(arrived.etag.clone())
                .range(format!("bytes={next}-{last}"))
                .customize()
                .config_override(self.as_function())
                .send()
                .await
                .map_err(|error| sort("GetObject", &error))?
                .body;
            // The SDK makes a call again that fails, but not one whose bytes break off: that goes on from there.
            while next <= last {
                match body.try_next().await {
                    Ok(Some(bytes)) => {
                        hash.update(&bytes);
                        next += bytes.len() as u64;
                        failures = 0;
                    }
                    _ if failures < FAILURES => {
                        failures += 1;
                        break;
                    }
                    Ok(None) => return Err(fault("GetObject", &std::io::Error::other("too few bytes"))),
                    Err(error) => return Err(fault("GetObject", &error)),
                }
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        Ok(digest == *sha256.as_bytes())
    }

    /// Some bytes of a file, from `from` on and at most `most`: fewer at its end, none behind it. `None` when there is
    /// no such object. S3 itself refuses another account's.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn read(
        &self,
        scope: &TenantScope,
        file: &FileId,
        from: u64,
        most: u64,
    ) -> Result<Option<Vec<u8>>, BucketError> {
        self.range(&scope.object(file), from, most, as_tenant(scope.credentials())).await
    }

    /// Some bytes of an object, as [`Bucket::read`], with these credentials.
    async fn range(
        &self,
        key: &ObjectKey,
        from: u64,
        most: u64,
        credentials: config::Builder,
    ) -> Result<Option<Vec<u8>>, BucketError> {
        let part = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key.as_str())
            .range(format!("bytes={from}-{}", from + most.max(1) - 1))
            .customize()
            .config_override(credentials)
            .send()
            .await;
        match part {
            Ok(part) => {
                let bytes = part.body.collect().await.map_err(|error| fault("GetObject", &error))?;
                Ok(Some(bytes.to_vec()))
            }
            Err(error) if error.code() == Some("InvalidRange") => Ok(Some(Vec::new())),
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => Ok(None),
            Err(error) => Err(sort("GetObject", &error)),
        }
    }

    /// One page of an account's objects in the order of their keys, behind one of them, and the key that the next
    /// page is behind, if there is one. What is there under another key than a file's is left out.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn objects(
        &self,
        account: &AccountId,
        after: Option<String>,
    ) -> Result<(Vec<Found>, Option<String>), BucketError> {
        self.list(objects_of(account), after, ArrivedObject::parse).await
    }

    /// One page of what has keys that begin so, each of a file that `of` reads from its key.
    async fn list(
        &self,
        prefix: String,
        after: Option<String>,
        of: fn(&str) -> Option<ArrivedObject>,
    ) -> Result<(Vec<Found>, Option<String>), BucketError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.name)
            .prefix(prefix)
            .set_start_after(after)
            .customize()
            .config_override(self.as_function())
            .send()
            .await
            .map_err(|error| sort("ListObjectsV2", &error))?;
        let found = page.contents().iter().filter_map(|object| {
            let file = of(object.key()?)?.file;
            Some(Found { file, since: Timestamp::from_millis(object.last_modified()?.to_millis().ok()?) })
        });
        let last = page.contents().last().and_then(|object| object.key()).map(str::to_owned);
        Ok((found.collect(), last.filter(|_| page.is_truncated() == Some(true))))
    }

    /// Hides an object: it is gone for all who ask for it, and stays as an old version for as long as the bucket
    /// keeps those.
    ///
    /// # Errors
    /// When the bucket does not answer.
    pub async fn put_away(&self, object: &ArrivedObject) -> Result<(), BucketError> {
        self.hide(object.key()).await
    }

    async fn hide(&self, key: &ObjectKey) -> Result<(), BucketError> {
        let request = self.client.delete_object().bucket(&self.name).key(key.as_str());
        let done = request.customize().config_override(self.as_function()).send().await;
        done.map(drop).map_err(|error| sort("DeleteObject", &error))
    }

    /// Erases an object and its thumbnail with all their versions. Nothing happens where there is none.
    ///
    /// # Errors
    /// When the bucket does not answer: some versions may be left.
    pub async fn erase(&self, object: &ArrivedObject) -> Result<(), BucketError> {
        self.erase_all(object.key().as_str()).await?;
        self.erase_all(object.thumbnail().as_str()).await
    }

    async fn erase_all(&self, key: &str) -> Result<(), BucketError> {
        loop {
            let page = self
                .client
                .list_object_versions()
                .bucket(&self.name)
                .prefix(key)
                .customize()
                .config_override(self.as_function())
                .send()
                .await
                .map_err(|error| sort("ListObjectVersions", &error))?;
            let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
            let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            // The key is only what is listed begins with; ids have one length, so nothing else does.
            let of_it = versions.chain(markers).filter(|(known, _)| *known == Some(key));
            let ids: Vec<&str> = of_it.filter_map(|(_, id)| id).collect();
            for id in &ids {
                let request = self.client.delete_object().bucket(&self.name).key(key).version_id(*id);
                let done = request.customize().config_override(self.as_function()).send().await;
                done.map_err(|error| sort("DeleteObject", &error))?;
            }
            if ids.is_empty() || page.is_truncated() != Some(true) {
                return Ok(());
            }
        }
    }

    /// From now for so many seconds, and when that is.
    fn window(&self, seconds: u32) -> Result<(PresigningConfig, Timestamp), BucketError> {
        let now = self.clock.now_seconds();
        let window = PresigningConfig::builder()
            .start_time(moment(&self.clock))
            .expires_in(Duration::from_secs(seconds.into()))
            .build()
            .map_err(|error| fault("presign", &error))?;
        Ok((window, Timestamp::from_millis((now + i64::from(seconds)) * 1000)))
    }

    fn as_function(&self) -> config::Builder {
        Config::builder().credentials_provider(self.own_role.clone())
    }
}

/// The time that requests are signed for.
pub fn time_source(clock: &Clock) -> SharedTimeSource {
    #[derive(Debug)]
    struct Time(Clock);
    impl TimeSource for Time {
        fn now(&self) -> SystemTime {
            moment(&self.0)
        }
    }
    SharedTimeSource::new(Time(clock.clone()))
}

fn moment(clock: &Clock) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(clock.now_seconds().unsigned_abs())
}

fn as_tenant(credentials: &Credentials) -> config::Builder {
    Config::builder().credentials_provider(of_tenant(credentials))
}

/// As for the table: well within the function's own deadline.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(12))
        .build()
}

fn signed(request: &PresignedRequest, expires_at: Timestamp) -> Signed {
    let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Signed { url: request.uri().to_owned(), headers: headers.collect(), expires_at }
}

fn fault(operation: &'static str, error: &dyn std::error::Error) -> BucketError {
    BucketError { operation, reason: error.to_string() }
}

fn sort<E, R>(operation: &'static str, error: &SdkError<E, R>) -> BucketError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let reason = match error.code() {
        Some(code) => format!("{code}: {}", error.message().unwrap_or_default()),
        None => DisplayErrorContext(error).to_string(),
    };
    BucketError { operation, reason }
}
