//! The bucket's objects, as files. An object is a folder with its bytes and what is known of them, put in its
//! place by one rename, so that it is there as a whole or not at all, and is never written twice.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use nexo_domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::refusal::Refusal;
use super::signature::hex;
use crate::secrets::private_folder;

const DATA: &str = "data";
const ABOUT: &str = "about.json";

/// Bytes that are read at once.
const CHUNK: u64 = 256 * 1024;

/// What is known of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) content_type: String,
    /// In base64.
    pub(super) sha256: String,
    pub(super) modified: Timestamp,
}

impl About {
    /// As for objects that are encrypted with a customer's key, it is no digest in MD5.
    pub(super) fn etag(&self) -> String {
        let digest = hex(&Sha256::digest(format!("{} {}", self.sha256, self.modified)));
        format!("\"{}\"", &digest[..32])
    }
}

/// What a body must turn out to be.
pub(super) struct Expected {
    pub(super) size: u64,
    /// In base64.
    pub(super) sha256: Option<String>,
    /// In hexadecimal, as it was signed.
    pub(super) payload: Option<String>,
}

/// The folder of objects. Clones share it.
#[derive(Clone)]
pub(super) struct Objects {
    root: Arc<PathBuf>,
    /// Removed with the last clone, where nothing is to be kept.
    _temporary: Option<Arc<TempDir>>,
}

/// An object whose bytes are all there, and that is in no place yet.
pub(super) struct Draft {
    folder: TempDir,
    pub(super) about: About,
}

impl Objects {
    /// The objects of a data folder; without one, they are kept while the server runs.
    pub(super) fn open(data: Option<&Path>) -> Result<Self, String> {
        let (root, temporary) = if let Some(data) = data {
            (data.join("objects"), None)
        } else {
            let made = TempDir::with_prefix("nexo-").map_err(|error| error.to_string())?;
            (made.path().join("objects"), Some(Arc::new(made)))
        };
        for folder in ["objects", "arriving", "announced"] {
            let path = root.with_file_name(folder);
            private_folder(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(Self { root: Arc::new(root), _temporary: temporary })
    }

    /// Where events wait until they were delivered.
    pub(super) fn announced(&self) -> PathBuf {
        self.root.with_file_name("announced")
    }

    /// Keys are never names of files here: a file's name has a length, and a key could be a path.
    fn place(&self, key: &str) -> PathBuf {
        self.root.join(hex(&Sha256::digest(key)))
    }

    /// What is known of an object.
    pub(super) fn about(&self, key: &str) -> Result<Option<About>, Refusal> {
        match fs::read(self.place(key).join(ABOUT)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Refusal::internal(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Refusal::internal(&error)),
        }
    }

    /// Takes a body in. What is not as expected leaves nothing behind.
    pub(super) async fn draft(
        &self,
        mut body: Body,
        expected: Expected,
        about: impl FnOnce(String) -> About,
    ) -> Result<Draft, Refusal> {
        let folder = TempDir::new_in(self.root.with_file_name("arriving"));
        let folder = folder.map_err(|error| Refusal::internal(&error))?;
        let mut file =
            fs::File::create(folder.path().join(DATA)).map_err(|error| Refusal::internal(&error))?;
        let (mut hash, mut size) = (Sha256::new(), 0_u64);
        while let Some(frame) = body.frame().await {
            let incomplete = |_| Refusal::new(400, "IncompleteBody", "The body ended early");
            let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
            size += data.len() as u64;
            hash.update(&data);
            file = blocking(move || file.write_all(&data).map(|()| file)).await?;
        }
        if size != expected.size {
            return Err(Refusal::new(
                400,
                "IncompleteBody",
                "The body has not the length that was announced",
            ));
        }
        let digest = hash.finalize();
        let sha256 = BASE64_STANDARD.encode(digest);
        if expected.sha256.is_some_and(|expected| expected != sha256) {
            let message = "The SHA256 you specified did not match the calculated checksum.";
            return Err(Refusal::new(400, "BadDigest", message));
        }
        if expected.payload.is_some_and(|payload| payload != hex(&digest)) {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(Refusal::new(400, "XAmzContentSHA256Mismatch", message));
        }
        let about = about(sha256);
        let text = serde_json::to_vec(&about).map_err(|error| Refusal::internal(&error))?;
        blocking(move || file.sync_all()).await?;
        fs::write(folder.path().join(ABOUT), text).map_err(|error| Refusal::internal(&error))?;
        Ok(Draft { folder, about })
    }

    /// Puts an object in its place, if there is none.
    pub(super) fn commit(&self, draft: Draft) -> Result<About, Refusal> {
        let Draft { folder, about } = draft;
        // A folder is not renamed over one that is not empty: of many at once, one succeeds.
        match fs::rename(folder.path(), self.place(&about.key)) {
            Ok(()) => Ok(about),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                Err(exists())
            }
            Err(error) => Err(Refusal::internal(&error)),
        }
    }

    /// The bytes `first..=last` of an object.
    pub(super) fn read(&self, key: &str, first: u64, last: u64) -> Result<Body, Refusal> {
        let mut file =
            fs::File::open(self.place(key).join(DATA)).map_err(|error| Refusal::internal(&error))?;
        file.seek(SeekFrom::Start(first)).map_err(|error| Refusal::internal(&error))?;
        let left = (last + 1).saturating_sub(first);
        let chunks = stream::try_unfold((file, left), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = Vec::new();
                (&mut file).take(left.min(CHUNK)).read_to_end(&mut chunk).map(|_| (chunk, file))
            });
            let (chunk, file) = read.await.map_err(io::Error::other)??;
            let left = if chunk.is_empty() { 0 } else { left - chunk.len() as u64 };
            Ok::<_, io::Error>(Some((Bytes::from(chunk), (file, left))))
        });
        Ok(Body::from_stream(chunks))
    }
}

/// What S3 says to a second upload under `if-none-match: *`.
pub(super) fn exists() -> Refusal {
    Refusal::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Refusal::internal(&error)),
        Err(error) => Err(Refusal::internal(&error)),
    }
}
