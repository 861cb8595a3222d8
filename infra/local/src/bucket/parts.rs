//! Uploads in parts: begun, sent part by part in any order, and put together, or given up.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::listing::xml;
use super::objects::{ABOUT, About, Draft, Expected, Objects, blocking, data, entries, read_about};
use super::refusal::Refusal;
use super::signature::{hex, parameters};
use super::{Inner, length_of, no_unknown_header, not_implemented, set, upload_of};

/// The least that a part has, in bytes, but for the last.
const SMALLEST: u64 = 5 * 1024 * 1024;

/// The most parts.
const MOST: u32 = 10_000;

/// The longest list of parts, in bytes.
const LONGEST_LIST: usize = 2 * 1024 * 1024;

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Inner {
    /// Ends uploads that nobody has put together in the time that the template's lifecycle gives them: so many days,
    /// and until midnight.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>.
    pub(super) async fn end_unfinished(&self) -> Result<(), Refusal> {
        let Some(days) = self.bucket.unfinished_days else { return Ok(()) };
        let (objects, now) = (self.objects.clone(), self.now().as_millis());
        blocking(move || {
            let _moving = objects.moving();
            for folder in entries(&objects.beside("uploads"))? {
                let day = |about: About| about.modified.as_millis().div_euclid(DAY_MS);
                if read_about(&folder)?.map(day).is_some_and(|day| (day + days + 1) * DAY_MS <= now) {
                    objects.take(&folder)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// `CreateMultipartUpload`.
    pub(super) async fn begin(&self, parts: &Parts, id: &str) -> Result<Response<Body>, Refusal> {
        let permit = self.admit(parts, "s3:PutObject", &["uploads"])?;
        if permit.key.is_empty() {
            return Err(not_implemented("an upload without a key"));
        }
        no_unknown_header(parts)?;
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let about = About {
            key: permit.key,
            size: 0,
            content_type: content_type.unwrap_or("binary/octet-stream").to_owned(),
            sha256: String::new(),
            modified: self.now(),
            version: id.to_owned(),
            is_marker: false,
        };
        let objects = self.objects.clone();
        blocking(move || objects.begin(&about)).await?;
        Ok(xml(&format!(
            "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        )))
    }

    /// `UploadPart`.
    pub(super) async fn put_part(
        &self,
        parts: &Parts,
        body: Body,
        id: &str,
    ) -> Result<Response<Body>, Refusal> {
        let permit = self.admit(parts, "s3:PutObject", &["uploadId", "partNumber"])?;
        no_unknown_header(parts)?;
        let number = parameters(parts).into_iter().find(|(name, _)| name == "partNumber");
        let number =
            number.and_then(|(_, number)| number.parse().ok()).filter(|number| (1..=MOST).contains(number));
        let number = number.ok_or_else(|| {
            Refusal::new(
                400,
                "InvalidArgument",
                "Part number must be an integer between 1 and 10000, inclusive",
            )
        })?;
        let size = length_of(parts)?;
        let upload = upload_of(parts).unwrap_or_default();
        self.objects.begun(&permit.key, &upload)?;
        let payload = permit.claim.payload().map(str::to_owned);
        let (key, version, modified) = (permit.key.clone(), id.to_owned(), self.now());
        let about = |sha256| About {
            key,
            size,
            content_type: String::new(),
            sha256,
            modified,
            version,
            is_marker: false,
        };
        let draft = self.objects.draft(body, Expected { size, sha256: None, payload }, about).await?;
        let etag = draft.about.etag();
        let (objects, key) = (self.objects.clone(), permit.key);
        blocking(move || objects.keep_part(&key, &upload, number, &draft)).await?;
        let mut response = Response::new(Body::empty());
        set(&mut response, ETAG, &etag);
        Ok(response)
    }

    /// `CompleteMultipartUpload`.
    pub(super) async fn complete(
        &self,
        parts: &Parts,
        body: Body,
        id: &str,
    ) -> Result<Response<Body>, Refusal> {
        let permit = self.admit(parts, "s3:PutObject", &["uploadId"])?;
        no_unknown_header(parts)?;
        let list = Limited::new(body, LONGEST_LIST).collect().await;
        let list = list.map_err(|_| malformed())?.to_bytes();
        if permit.claim.payload().is_some_and(|payload| payload != hex(&Sha256::digest(&list))) {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(Refusal::new(400, "XAmzContentSHA256Mismatch", message));
        }
        let listed = listed(&list).ok_or_else(malformed)?;
        self.nothing_is_there(parts, &permit.key)?;
        let upload = upload_of(parts).unwrap_or_default();
        let (objects, key, version) = (self.objects.clone(), permit.key, id.to_owned());
        let draft = blocking(move || {
            // An object that came in parts is of the moment at which they were begun (S3 User Guide, "Working with
            // object metadata").
            let begun = objects.begun(&key, &upload)?.1;
            objects.assemble(&key, &upload, &listed, About { version, ..begun })
        })
        .await?;
        let about = self.arrive(draft, id, "ObjectCreated:CompleteMultipartUpload").await?;
        Ok(xml(&format!(
            "<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <ETag>{}</ETag></CompleteMultipartUploadResult>",
            about.etag().replace('"', "&quot;")
        )))
    }

    /// `AbortMultipartUpload`.
    pub(super) async fn abort(&self, parts: &Parts) -> Result<Response<Body>, Refusal> {
        let permit = self.admit(parts, "s3:AbortMultipartUpload", &["uploadId"])?;
        let (objects, upload) = (self.objects.clone(), upload_of(parts).unwrap_or_default());
        blocking(move || objects.end(&permit.key, &upload)).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl Objects {
    /// Where an upload's parts are.
    fn upload(&self, upload: &str) -> PathBuf {
        self.beside("uploads").join(upload)
    }

    fn begin(&self, about: &About) -> Result<(), Refusal> {
        let folder = self.upload(&about.version);
        fs::create_dir(&folder)?;
        let text = serde_json::to_vec(about).map_err(|error| Refusal::internal(&error))?;
        self.write(&folder.join(ABOUT), &text)?;
        Ok(self.sync(&folder)?)
    }

    /// An upload of this key, and where its parts are.
    fn begun(&self, key: &str, upload: &str) -> Result<(PathBuf, About), Refusal> {
        // Its name comes from the request, and must not be a path.
        let is_name = !upload.is_empty() && upload.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let folder = self.upload(upload);
        let about = if is_name { read_about(&folder)? } else { None };
        let about = about.filter(|about| about.key == key).ok_or_else(no_such_upload)?;
        Ok((folder, about))
    }

    /// Puts a part in its place, and away what was sent for it before.
    fn keep_part(&self, key: &str, upload: &str, number: u32, draft: &Draft) -> Result<(), Refusal> {
        let _moving = self.moving();
        let place = self.begun(key, upload)?.0.join(number.to_string());
        let away = TempDir::new_in(self.beside("arriving"))?;
        match fs::rename(&place, away.path().join("before")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        fs::rename(draft.folder.path(), &place)?;
        place.parent().map_or(Ok(()), |folder| Ok(self.sync(folder)?))
    }

    /// Ends an upload: its parts are gone.
    fn end(&self, key: &str, upload: &str) -> Result<(), Refusal> {
        let _moving = self.moving();
        let folder = self.begun(key, upload)?.0;
        self.take(&folder).map(drop)
    }

    /// Takes an upload with its parts away, so that nobody else has it.
    fn take(&self, folder: &Path) -> Result<TempDir, Refusal> {
        let away = TempDir::new_in(self.beside("arriving"))?;
        fs::rename(folder, away.path().join("parts"))?;
        Ok(away)
    }

    /// Puts an object together of parts, each of which must have this `ETag`.
    fn assemble(
        &self,
        key: &str,
        upload: &str,
        listed: &[(u32, String)],
        mut about: About,
    ) -> Result<Draft, Refusal> {
        if !listed.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(Refusal::new(
                400,
                "InvalidPartOrder",
                "The list of parts was not in ascending order.",
            ));
        }
        let moving = self.moving();
        let folder = self.begun(key, upload)?.0;
        for (place, (number, etag)) in (1..).zip(listed) {
            let part = read_about(&folder.join(number.to_string()))?.filter(|part| part.etag() == *etag);
            let part = part.ok_or_else(|| {
                Refusal::new(400, "InvalidPart", "One or more of the specified parts could not be found.")
            })?;
            if part.size < SMALLEST && place < listed.len() {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                return Err(Refusal::new(400, "EntityTooSmall", message));
            }
            about.size += part.size;
        }
        // From here on nobody else has the parts, and whatever fails, the upload has ended.
        let taken = self.take(&folder)?;
        drop(moving);
        let draft = TempDir::new_in(self.beside("arriving"))?;
        for (place, (number, _)) in listed.iter().enumerate() {
            let part = taken.path().join("parts").join(number.to_string()).join(data(0));
            fs::rename(part, draft.path().join(data(place)))?;
        }
        let text = serde_json::to_vec(&about).map_err(|error| Refusal::internal(&error))?;
        self.write(&draft.path().join(ABOUT), &text)?;
        self.sync(draft.path())?;
        Ok(Draft { folder: draft, about })
    }
}

fn no_such_upload() -> Refusal {
    Refusal::new(404, "NoSuchUpload", "The specified multipart upload does not exist.")
}

fn malformed() -> Refusal {
    Refusal::new(400, "MalformedXML", "The XML you provided was not well-formed")
}

/// The parts of a `CompleteMultipartUpload`, as SDKs write it: numbers and `ETag`s.
fn listed(list: &[u8]) -> Option<Vec<(u32, String)>> {
    let text = std::str::from_utf8(list).ok()?;
    let member = |part: &str, name: &str| -> Option<String> {
        let rest = part.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once(&format!("</{name}>"))?.0.replace("&quot;", "\""))
    };
    let parts = text
        .split("<Part>")
        .skip(1)
        .map(|part| Some((member(part, "PartNumber")?.parse().ok()?, member(part, "ETag")?)));
    parts.collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty())
}
