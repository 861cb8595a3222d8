//! The bucket's objects, as files. An object is a folder with its bytes and what is known of them, put in its
//! place by one rename, so that it is there as a whole or not at all, and is never written twice. What is deleted
//! stays as an old version, in a folder beside.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
pub(super) const ABOUT: &str = "about.json";

/// Bytes that are read at once.
const CHUNK: u64 = 256 * 1024;

/// What is known of an object, or of what hides one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) content_type: String,
    /// In base64.
    pub(super) sha256: String,
    pub(super) modified: Timestamp,
    /// The version's id; S3's word for that of an object from before there were any.
    #[serde(default = "no_version")]
    pub(super) version: String,
    /// Whether it has no bytes, and hides those before.
    #[serde(default)]
    pub(super) is_marker: bool,
}

/// The file with an object's bytes; what came in parts has further ones, from 1 on.
pub(super) fn data(number: usize) -> String {
    if number == 0 { DATA.to_owned() } else { format!("{DATA}-{number}") }
}

fn no_version() -> String {
    "null".to_owned()
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
    /// Held while an object changes its place.
    moving: Arc<Mutex<()>>,
    /// Removed with the last clone, where nothing is to be kept.
    temporary: Option<Arc<TempDir>>,
}

/// An object whose bytes are all there, and that is in no place yet.
pub(super) struct Draft {
    pub(super) folder: TempDir,
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
        // What was on its way when the server was killed is of no use. Nobody else uses the folder now: the table's
        // lock is held.
        let arriving = root.with_file_name("arriving");
        match fs::remove_dir_all(&arriving) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", arriving.display()));
            }
            _ => {}
        }
        for folder in ["objects", "versions", "uploads", "arriving", "announced"] {
            let path = root.with_file_name(folder);
            private_folder(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(Self { root: Arc::new(root), moving: Arc::default(), temporary })
    }

    /// Another folder than that of the objects.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.root.with_file_name(name)
    }

    /// Held while something changes its place.
    pub(super) fn moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where events wait until they were delivered.
    pub(super) fn announced(&self) -> PathBuf {
        self.beside("announced")
    }

    /// Whether what is there outlives this server.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// Keys are never names of files here: a file's name has a length, and a key could be a path.
    fn place(&self, key: &str) -> PathBuf {
        self.root.join(hex(&Sha256::digest(key)))
    }

    /// Where the old versions of an object are.
    fn versions_of(&self, key: &str) -> PathBuf {
        self.beside("versions").join(hex(&Sha256::digest(key)))
    }

    /// What is known of an object.
    pub(super) fn about(&self, key: &str) -> Result<Option<About>, Refusal> {
        read_about(&self.place(key))
    }

    /// All objects whose keys begin so, in the order of their keys.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<About>, Refusal> {
        let mut found = abouts(&self.root)?;
        found.retain(|about| about.key.starts_with(prefix));
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    /// All old versions, and what hides them, of objects whose keys begin so, newest first for each key.
    pub(super) fn old_versions(&self, prefix: &str) -> Result<Vec<About>, Refusal> {
        let mut found = Vec::new();
        for folder in entries(&self.beside("versions"))? {
            found.extend(abouts(&folder)?);
        }
        found.retain(|about| about.key.starts_with(prefix));
        found.sort_by(|one, other| (&one.key, other.modified).cmp(&(&other.key, one.modified)));
        Ok(found)
    }

    /// Hides an object, which becomes an old version.
    pub(super) fn hide(&self, marker: &About) -> Result<(), Refusal> {
        let _moving = self.moving();
        let (versions, place) = (self.versions_of(&marker.key), self.place(&marker.key));
        let work = || -> Result<(), Refusal> {
            fs::create_dir_all(versions.join(&marker.version))?;
            let text = serde_json::to_vec(marker).map_err(|error| Refusal::internal(&error))?;
            self.write(&versions.join(&marker.version).join(ABOUT), &text)?;
            if let Some(about) = read_about(&place)? {
                fs::rename(&place, versions.join(&about.version))?;
            }
            self.sync(&versions)?;
            Ok(self.sync(&self.root)?)
        };
        work()
    }

    /// Erases one version of an object, or what hides it. Nothing happens where there is none.
    pub(super) fn erase(&self, key: &str, version: &str) -> Result<(), Refusal> {
        let _moving = self.moving();
        let versions = self.versions_of(key);
        for folder in entries(&versions)?.into_iter().chain([self.place(key)]) {
            if read_about(&folder)?.is_some_and(|about| about.version == version) {
                // Out of its place at once, whatever happens to the rest.
                let away = TempDir::new_in(self.beside("arriving"))?;
                fs::rename(&folder, away.path().join("erased"))?;
            }
        }
        if entries(&versions)?.is_empty() {
            // It stays if a version has come meanwhile, or never was.
            let _ = fs::remove_dir(&versions);
        }
        Ok(())
    }

    /// Takes a body in. What is not as expected leaves nothing behind.
    pub(super) async fn draft(
        &self,
        mut body: Body,
        expected: Expected,
        about: impl FnOnce(String) -> About,
    ) -> Result<Draft, Refusal> {
        let folder = TempDir::new_in(self.beside("arriving"))?;
        let mut file = fs::File::create(folder.path().join(DATA))?;
        let (mut hash, mut size) = (Sha256::new(), 0_u64);
        while let Some(frame) = body.frame().await {
            let incomplete = |_| Refusal::new(400, "IncompleteBody", "The body ended early");
            let Ok(data) = frame.map_err(incomplete)?.into_data() else { continue };
            size += data.len() as u64;
            hash.update(&data);
            file = blocking(move || Ok(file.write_all(&data).map(|()| file)?)).await?;
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
        let objects = self.clone();
        blocking(move || {
            if objects.is_kept() {
                file.sync_all()?;
            }
            objects.write(&folder.path().join(ABOUT), &text)?;
            objects.sync(folder.path())?;
            Ok(Draft { folder, about })
        })
        .await
    }

    /// Puts an object in its place, if there is none.
    pub(super) async fn commit(&self, draft: Draft) -> Result<About, Refusal> {
        let objects = self.clone();
        blocking(move || {
            let Draft { folder, about } = draft;
            let _moving = objects.moving();
            // A folder is not renamed over one that is not empty: of many at once, one succeeds.
            match fs::rename(folder.path(), objects.place(&about.key)) {
                Ok(()) => {
                    objects.sync(&objects.root)?;
                    Ok(about)
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                    ) =>
                {
                    Err(unmet())
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// The bytes `first..=last` of an object.
    pub(super) fn read(&self, key: &str, first: u64, last: u64) -> Result<Body, Refusal> {
        let (mut files, mut start) = (VecDeque::new(), 0);
        for number in 0.. {
            let mut file = match fs::File::open(self.place(key).join(data(number))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => break,
                file => file?,
            };
            let end = start + file.metadata()?.len();
            let (from, to) = (first.max(start), end.min(last + 1));
            if from < to {
                file.seek(SeekFrom::Start(from - start))?;
                files.push_back((file, to - from));
            }
            start = end;
        }
        let chunks = stream::try_unfold(files, |mut files| async move {
            let Some((mut file, left)) = files.pop_front() else { return Ok(None) };
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = Vec::new();
                (&mut file).take(left.min(CHUNK)).read_to_end(&mut chunk).map(|_| (chunk, file))
            });
            let (chunk, file) = read.await.map_err(io::Error::other)??;
            let left = if chunk.is_empty() { 0 } else { left - chunk.len() as u64 };
            if left > 0 {
                files.push_front((file, left));
            }
            Ok::<_, io::Error>(Some((Bytes::from(chunk), files)))
        });
        Ok(Body::from_stream(chunks))
    }

    /// Writes a small file, so that it is there after whatever happens next.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        if self.is_kept() { file.sync_all() } else { Ok(()) }
    }

    /// Makes the names in a folder last.
    pub(super) fn sync(&self, folder: &Path) -> io::Result<()> {
        if self.is_kept() { fs::File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// What S3 says to a second upload under `if-none-match: *`, and to another `if-match` than that of the object.
pub(super) fn unmet() -> Refusal {
    Refusal::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}

/// Works off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::internal(&error)))
}

/// What is in a folder; nothing where there is none.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn abouts(folder: &Path) -> Result<Vec<About>, Refusal> {
    entries(folder)?.iter().filter_map(|entry| read_about(entry).transpose()).collect()
}

pub(super) fn read_about(folder: &Path) -> Result<Option<About>, Refusal> {
    match fs::read(folder.join(ABOUT)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Refusal::internal(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
