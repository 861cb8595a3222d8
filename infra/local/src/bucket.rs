//! The bucket of files: the operations of S3 that the product uses, on this machine's disk.
//!
//! A request is checked as S3 checks it: its signature with the caller's own secret, its time, the policy of the
//! caller's role in the template for this very key, then length, digest and `if-none-match`. What is deleted
//! stays as an old version until that is erased. What S3 has besides (copies, overwriting, reading old versions, lists
//! of parts) answers `NotImplemented`.
//!
//! A new object's event is written down before the object is in its place, and delivered at least once.

mod connector;
mod listing;
mod objects;
mod parts;
mod pump;
mod refusal;
mod signature;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, ORIGIN, RANGE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use nexo_api::LogSink;
use nexo_domain::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::clock::{Clock, request_id};
use crate::door::{BucketFault, Faults};
use crate::gateway::cors::{CorsRules, is_preflight};
use crate::issuer::{CallerIdentity, LocalIssuer, TokenError};
use crate::policy::{self, Decision, Statement};
use crate::template::{Bucket, REGION, Template};

pub(crate) use connector::BucketConnector;
use objects::{About, Draft, Expected, Objects, blocking};
pub(crate) use pump::Consumer;
use pump::Outbox;
use refusal::Refusal;
use signature::{Claim, parameters};

const CHECKSUM: &str = "x-amz-checksum-sha256";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// The most bytes that one request brings.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 1024;

/// What keys keep in events; a blank becomes `+`.
const IN_EVENTS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ');

/// The door to the bucket. Clones share it.
#[derive(Clone)]
pub struct BucketDoor {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for BucketDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketDoor")
    }
}

struct Inner {
    bucket: Bucket,
    issuer: LocalIssuer,
    /// The statements of each role, by logical id.
    roles: BTreeMap<String, Vec<Statement>>,
    clock: Clock,
    cors: Option<CorsRules>,
    objects: Objects,
    outbox: std::sync::OnceLock<Outbox>,
    faults: Faults<BucketFault>,
}

impl BucketDoor {
    /// A door to the objects of a data folder, which judges by the roles of `template`.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(crate) fn open(
        data: Option<&Path>,
        bucket: &Bucket,
        issuer: LocalIssuer,
        template: &Template,
        clock: Clock,
    ) -> Result<Self, String> {
        let roles = template.roles.iter().map(|(id, role)| (id.clone(), role.statements.clone()));
        Ok(Self {
            inner: Arc::new(Inner {
                bucket: bucket.clone(),
                issuer,
                roles: roles.collect(),
                clock,
                cors: bucket.cors.as_ref().map(CorsRules::new),
                objects: Objects::open(data)?,
                outbox: std::sync::OnceLock::new(),
                faults: Faults::default(),
            }),
        })
    }

    /// Makes calls fail.
    pub fn faults(&self) -> &Faults<BucketFault> {
        &self.inner.faults
    }

    /// Delivers the events of new objects from now on, and those left from before.
    pub(crate) fn announce_to(&self, consumer: Consumer, log: LogSink) -> JoinHandle<()> {
        let inner = &self.inner;
        let (outbox, task) = Outbox::new(inner.objects.announced(), consumer, inner.clock.clone(), log);
        let _ = inner.outbox.set(outbox);
        task
    }

    /// Waits until the events of all objects so far were delivered.
    pub async fn catch_up(&self) {
        if let Some(outbox) = self.inner.outbox.get() {
            outbox.catch_up().await;
        }
    }

    /// Its routes on the gateway's port: the bucket's name begins the path.
    pub(crate) fn routes(&self) -> Router {
        let door = self.clone();
        let answer = any(move |request: Request<Body>| {
            let door = door.clone();
            async move { door.handle(request).await }
        });
        let name = &self.inner.bucket.name;
        Router::new()
            .route(&format!("/{name}"), answer.clone())
            .route(&format!("/{name}/"), answer.clone())
            .route(&format!("/{name}/{{*key}}"), answer)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let inner = &self.inner;
        let (parts, body) = request.into_parts();
        let id = request_id((inner.clock)());
        let origin = inner.cors.as_ref().and_then(|cors| cors.allowed_origin(&parts.headers));
        let mut response = if parts.method == Method::OPTIONS && is_preflight(&parts.headers) {
            let allows = |cors: &CorsRules| cors.allows_method(&parts.headers);
            if origin.is_some() && inner.cors.as_ref().is_some_and(allows) {
                Response::new(Body::empty())
            } else {
                let message = "CORSResponse: This CORS request is not allowed.";
                Refusal::new(403, "AccessForbidden", message).into_response(&id)
            }
        } else {
            match inner.answer_or_fail(&parts, body, &id).await {
                Ok(response) => response,
                Err(refusal) => refusal.into_response(&id),
            }
        };
        if parts.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        if let Some(cors) = inner.cors.as_ref().filter(|_| parts.headers.contains_key(ORIGIN)) {
            cors.decorate(origin.as_ref(), response.headers_mut());
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// A request that may be carried out.
struct Permit {
    key: String,
    claim: Claim,
    statements: Vec<Statement>,
    tags: BTreeMap<String, String>,
}

impl Inner {
    /// Answers, unless the call is to fail.
    async fn answer_or_fail(&self, parts: &Parts, body: Body, id: &str) -> Result<Response<Body>, Refusal> {
        match self.faults.next() {
            None => self.answer(parts, body, id).await,
            Some(BucketFault::SlowDown) => {
                Err(Refusal::new(503, "SlowDown", "Please reduce your request rate."))
            }
            Some(BucketFault::Hang(how_long)) => {
                tokio::time::sleep(how_long).await;
                Err(Refusal::internal(&"no answer for a long time"))
            }
            Some(BucketFault::Cut) => {
                let (answer, body) = self.answer(parts, body, id).await?.into_parts();
                let body = body.collect().await.map_err(|error| Refusal::internal(&error))?.to_bytes();
                // By its length, whoever reads it knows that there should have been more.
                let half =
                    stream::once(std::future::ready(Ok::<_, Infallible>(body.slice(..body.len() / 2))));
                Ok(Response::from_parts(answer, Body::from_stream(half)))
            }
        }
    }

    async fn answer(&self, parts: &Parts, body: Body, id: &str) -> Result<Response<Body>, Refusal> {
        let begins =
            parts.method == Method::POST && parameters(parts).iter().any(|(name, _)| name == "uploads");
        if begins || upload_of(parts).is_some() {
            self.end_unfinished().await?;
        }
        match parts.method {
            Method::PUT if upload_of(parts).is_some() => self.put_part(parts, body, id).await,
            Method::PUT => self.put(parts, body, id).await,
            Method::POST if upload_of(parts).is_some() => self.complete(parts, body, id).await,
            Method::POST if begins => self.begin(parts, id).await,
            Method::DELETE if upload_of(parts).is_some() => self.abort(parts).await,
            Method::GET if self.key(parts)?.is_empty() => self.list(parts).await,
            Method::GET | Method::HEAD => self.get(parts),
            Method::DELETE => self.delete(parts, id).await,
            _ => Err(not_implemented("this operation")),
        }
    }

    /// The key that a request names; empty when it is about the bucket itself.
    fn key(&self, parts: &Parts) -> Result<String, Refusal> {
        let path = parts.uri.path();
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(self.bucket.name.as_str()));
        let key = rest.and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix('/') });
        let key = key.and_then(|key| percent_decode_str(key).decode_utf8().ok());
        let key =
            key.ok_or_else(|| Refusal::new(404, "NoSuchBucket", "There is no such bucket"))?.into_owned();
        if key.len() > LONGEST_KEY {
            return Err(Refusal::new(400, "KeyTooLongError", "Your key is too long"));
        }
        Ok(key)
    }

    /// Who asks for what, and whether the policy of their role allows it.
    fn admit(&self, parts: &Parts, action: &str, known: &[&str]) -> Result<Permit, Refusal> {
        let key = self.key(parts)?;
        let strange = |name: &str| !name.starts_with("X-Amz-") && name != "x-id" && !known.contains(&name);
        if let Some((name, _)) = parameters(parts).into_iter().find(|(name, _)| strange(name)) {
            return Err(not_implemented(&name));
        }
        let claim = Claim::read(parts)?;
        let now_ms = (self.clock)();
        let caller = self.issuer.open(&claim.token, now_ms).map_err(|error| match error {
            TokenError::Invalid => Refusal::new(403, "InvalidToken", error.to_string()),
            TokenError::Expired => Refusal::new(400, "ExpiredToken", error.to_string()),
        })?;
        claim.check(parts, &self.issuer.secret(&claim.token), i64::try_from(now_ms).unwrap_or(i64::MAX))?;
        let (role, tags) = match caller {
            CallerIdentity::Function { role } => (role, BTreeMap::new()),
            CallerIdentity::Tenant { role, account, .. } => {
                (role, BTreeMap::from([("account".to_owned(), account)]))
            }
        };
        let permit =
            Permit { key, claim, statements: self.roles.get(&role).cloned().unwrap_or_default(), tags };
        let given = parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let mut context = BTreeMap::from([("s3:if-none-match", given.into_iter().collect())]);
        if action == "s3:PutObject" {
            // A part makes no object, and neither does the beginning of an upload in parts; its end does.
            let creates = upload_of(parts).is_some() == (parts.method == Method::POST);
            context.insert("s3:ObjectCreationOperation", vec![if creates { "true" } else { "false" }]);
        }
        self.judge(&permit, action, &permit.key, &context)?;
        Ok(permit)
    }

    fn judge(
        &self,
        permit: &Permit,
        action: &str,
        key: &str,
        context: &BTreeMap<&str, Vec<&str>>,
    ) -> Result<(), Refusal> {
        let arn = &self.bucket.arn;
        let resource = if key.is_empty() { arn.clone() } else { format!("{arn}/{key}") };
        let request = policy::Request {
            action,
            resources: std::slice::from_ref(&resource),
            context,
            tags: &permit.tags,
        };
        match policy::evaluate(&permit.statements, &request) {
            Decision::Allowed => Ok(()),
            Decision::Denied(why) => {
                let message =
                    format!("not authorized to perform: {action} on resource: {resource} because {why}");
                Err(Refusal::new(403, "AccessDenied", message))
            }
        }
    }

    async fn put(&self, parts: &Parts, body: Body, id: &str) -> Result<Response<Body>, Refusal> {
        let permit = self.admit(parts, "s3:PutObject", &[])?;
        if permit.key.is_empty() {
            return Err(not_implemented("making a bucket"));
        }
        no_unknown_header(parts)?;
        self.nothing_is_there(parts, &permit.key)?;
        let size = length_of(parts)?;
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let sha256 = header(CHECKSUM).map(str::to_owned);
        let is_digest = |text: &String| BASE64_STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        if !sha256.as_ref().is_none_or(is_digest) {
            return Err(Refusal::new(
                400,
                "InvalidRequest",
                "Value for x-amz-checksum-sha256 header is invalid.",
            ));
        }
        let content_type = header(CONTENT_TYPE.as_str()).unwrap_or("binary/octet-stream").to_owned();
        let payload = permit.claim.payload().map(str::to_owned);
        let modified = self.now();
        let (key, version) = (permit.key.clone(), id.to_owned());
        let about = |sha256| About { key, size, content_type, sha256, modified, version, is_marker: false };
        let draft = self.objects.draft(body, Expected { size, sha256, payload }, about).await?;
        let about = self.arrive(draft, id, "ObjectCreated:Put").await?;
        let mut response = Response::new(Body::empty());
        set(&mut response, ETAG, &about.etag());
        set(&mut response, HeaderName::from_static(CHECKSUM), &about.sha256);
        Ok(response)
    }

    /// Puts an object in its place, and has its event delivered.
    async fn arrive(&self, draft: Draft, id: &str, event_name: &str) -> Result<About, Refusal> {
        let outbox = self.outbox.get().ok_or_else(|| Refusal::internal(&"no function takes events"))?;
        if !outbox.takes(&draft.about.key) {
            return self.objects.commit(draft).await;
        }
        let event = self.event(&draft.about, id, event_name);
        let written = outbox.path(id);
        let (objects, path) = (self.objects.clone(), written.clone());
        blocking(move || {
            objects.write(&path, &event)?;
            Ok(objects.sync(&objects.announced())?)
        })
        .await?;
        let about = self.objects.commit(draft).await.inspect_err(|_| {
            // What stays tells of an object that another request brought: that changes nothing.
            let _ = std::fs::remove_file(&written);
        })?;
        outbox.hand_in(written);
        Ok(about)
    }

    /// Refuses what would be written over an object.
    fn nothing_is_there(&self, parts: &Parts, key: &str) -> Result<(), Refusal> {
        match parts.headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes) {
            Some(b"*") if self.objects.about(key)?.is_none() => Ok(()),
            Some(b"*") => Err(objects::unmet()),
            _ => Err(not_implemented("making an object without if-none-match: *")),
        }
    }

    fn get(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        const OVERRIDES: [&str; 3] =
            ["response-cache-control", "response-content-type", "response-content-disposition"];
        let permit = self.admit(parts, "s3:GetObject", &OVERRIDES)?;
        let Some(about) = self.objects.about(&permit.key)? else {
            // Who may not list is not told what is there.
            self.judge(&permit, "s3:ListBucket", "", &BTreeMap::new())
                .map_err(|_| Refusal::new(403, "AccessDenied", "Access Denied"))?;
            return Err(Refusal::new(404, "NoSuchKey", "The specified key does not exist."));
        };
        if parts.headers.get(IF_MATCH).is_some_and(|etag| etag.as_bytes() != about.etag().as_bytes()) {
            return Err(objects::unmet());
        }
        let range = parts.headers.get(RANGE).and_then(|range| range.to_str().ok());
        let (first, last) = range.map_or(Ok((0, about.size.saturating_sub(1))), |range| {
            part_of(range, about.size)
                .ok_or_else(|| Refusal::new(416, "InvalidRange", "The requested range is not satisfiable"))
        })?;
        let length = if about.size == 0 { 0 } else { last + 1 - first };
        let body = match parts.method {
            Method::HEAD => Body::empty(),
            _ if length == 0 => Body::empty(),
            _ => self.objects.read(&permit.key, first, last)?,
        };
        let mut response = Response::new(body);
        if range.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, CONTENT_RANGE, &format!("bytes {first}-{last}/{}", about.size));
        } else if parts.headers.get("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED")
            && !about.sha256.is_empty()
        {
            set(&mut response, HeaderName::from_static(CHECKSUM), &about.sha256);
        }
        set(&mut response, CONTENT_LENGTH, &length.to_string());
        set(&mut response, CONTENT_TYPE, &about.content_type);
        set(&mut response, ETAG, &about.etag());
        set(&mut response, ACCEPT_RANGES, "bytes");
        set(&mut response, LAST_MODIFIED, &http_date(about.modified));
        for (name, value) in parameters(parts) {
            match name.as_str() {
                "response-cache-control" => set(&mut response, CACHE_CONTROL, &value),
                "response-content-type" => set(&mut response, CONTENT_TYPE, &value),
                "response-content-disposition" => set(&mut response, CONTENT_DISPOSITION, &value),
                _ => {}
            }
        }
        Ok(response)
    }

    /// Lists objects, or versions.
    async fn list(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let asked = parameters(parts);
        let value =
            |name: &str| asked.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (objects, bucket) = (self.objects.clone(), self.bucket.name.clone());
        let prefix = value("prefix").unwrap_or_default();
        if value("versions").is_some() {
            self.admit(parts, "s3:ListBucketVersions", &["versions", "prefix"])?;
            return blocking(move || {
                let (now, old) = (objects.list(&prefix)?, objects.old_versions(&prefix)?);
                Ok(listing::versions(&bucket, &prefix, &now, &old))
            })
            .await;
        }
        if value("list-type").as_deref() != Some("2") {
            return Err(not_implemented("a list of another kind"));
        }
        let known = ["list-type", "prefix", "start-after", "continuation-token", "max-keys"];
        self.admit(parts, "s3:ListBucket", &known)?;
        let after = value("continuation-token").or_else(|| value("start-after")).unwrap_or_default();
        let most = value("max-keys").map_or(Ok(1000), |most| most.parse());
        let most = most.map_err(|_| Refusal::new(400, "InvalidArgument", "max-keys is no number"))?;
        blocking(move || Ok(listing::objects(&bucket, &prefix, &after, most, &objects.list(&prefix)?))).await
    }

    /// Hides an object, or erases one version of it.
    async fn delete(&self, parts: &Parts, id: &str) -> Result<Response<Body>, Refusal> {
        let version = parameters(parts).into_iter().find(|(name, _)| name == "versionId");
        let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let permit = self.admit(parts, action, &["versionId"])?;
        if permit.key.is_empty() {
            return Err(not_implemented("deleting a bucket"));
        }
        let (objects, id, modified) = (self.objects.clone(), id.to_owned(), self.now());
        blocking(move || {
            let key = permit.key;
            match version {
                Some((_, version)) => objects.erase(&key, &version),
                None => objects.hide(&About {
                    key,
                    size: 0,
                    content_type: String::new(),
                    sha256: String::new(),
                    modified,
                    version: id,
                    is_marker: true,
                }),
            }
        })
        .await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from((self.clock)()).unwrap_or(i64::MAX))
    }

    /// The event of a new object.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
    fn event(&self, about: &About, request_id: &str, name: &str) -> Vec<u8> {
        let at = about.modified;
        let key = utf8_percent_encode(&about.key, IN_EVENTS).to_string().replace(' ', "+");
        let record = json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": at,
            "eventName": name,
            "userIdentity": {"principalId": "local"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": request_id},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "local",
                "bucket": {
                    "name": self.bucket.name, "arn": self.bucket.arn,
                    "ownerIdentity": {"principalId": "local"},
                },
                "object": {
                    "key": key, "size": about.size, "eTag": about.etag().trim_matches('"'),
                    "sequencer": format!("{:016X}", at.as_millis()),
                },
            },
        });
        json!({"Records": [record]}).to_string().into_bytes()
    }
}

/// The upload in parts that a request is about.
fn upload_of(parts: &Parts) -> Option<String> {
    parameters(parts).into_iter().find(|(name, _)| name == "uploadId").map(|(_, upload)| upload)
}

/// Refuses what S3 would act on, and this does not.
fn no_unknown_header(parts: &Parts) -> Result<(), Refusal> {
    const KNOWN: [&str; 5] =
        ["x-amz-security-token", "x-amz-date", "x-amz-content-sha256", "x-amz-user-agent", CHECKSUM];
    let mut names = parts.headers.keys().map(HeaderName::as_str);
    match names.find(|name| name.starts_with("x-amz-") && !KNOWN.contains(name)) {
        Some(name) => Err(not_implemented(name)),
        None => Ok(()),
    }
}

/// How many bytes a request says it brings.
fn length_of(parts: &Parts) -> Result<u64, Refusal> {
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.ok_or_else(|| {
        Refusal::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    })?;
    if length > LARGEST {
        return Err(Refusal::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum size"));
    }
    Ok(length)
}

fn not_implemented(what: &str) -> Refusal {
    Refusal::new(501, "NotImplemented", format!("Not implemented on this machine: {what}"))
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `bytes=first-last` of so many bytes (RFC 9110, section 14.1.2), the one form that is used here.
fn part_of(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok().filter(|first| *first < size)?;
    let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    (first <= last).then(|| (first, last.min(size - 1)))
}

/// As RFC 9110 writes dates, section 5.6.7.
fn http_date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
