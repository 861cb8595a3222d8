//! A gigabyte, there and back, through a server and a client that each hold a little of it at a time.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::StreamBody;
use nexo_tests::Nexo;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{PDF, announced, announcement, download, path, status};

const GB: u64 = 1024 * 1024 * 1024;

const PART: u64 = 64 * 1024 * 1024;

/// Bytes that are made at once.
const BLOCK: u64 = 64 * 1024;

/// What server and client together may take at their peak more than before, in KB.
const GROWTH_KB: u64 = 48 * 1024;

/// A block of a file that is never there as a whole. Each is another one, and the first begins as a PDF does.
fn block(number: u64) -> Bytes {
    let mut block = vec![b'.'; usize::try_from(BLOCK).unwrap()];
    block[..PDF.len()].copy_from_slice(PDF);
    block[PDF.len()..PDF.len() + 8].copy_from_slice(&number.to_le_bytes());
    Bytes::from(block)
}

fn blocks() -> impl Iterator<Item = Bytes> + Send + Sync {
    (0..GB / BLOCK).map(block)
}

/// The bytes of one part.
fn frames(part: u64) -> impl Stream<Item = Result<http_body::Frame<Bytes>, Infallible>> {
    let blocks = PART / BLOCK;
    stream::iter((part * blocks..(part + 1) * blocks).map(|number| Ok(http_body::Frame::data(block(number)))))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A line of what the kernel knows of this process, in KB: `VmRSS` is the memory that it has, `VmHWM` the most that it
/// had since [`forget_peak`].
fn memory_kb(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What was needed before, to start and to hash a password, is not to hide what is needed from now on (proc(5)).
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Uploads a part and answers its `ETag`.
async fn put(part: &Value, body: reqwest::Body) -> String {
    let length = part["headers"]["content-length"].as_str().unwrap();
    let request = reqwest::Client::new().put(part["url"].as_str().unwrap()).header("content-length", length);
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.headers()["etag"].to_str().unwrap().to_owned()
}

/// Other tests of this process take memory too: so it goes on in one of its own.
#[test]
fn a_gigabyte_goes_there_and_back_in_bounded_memory() {
    let own = std::env::current_exe().unwrap();
    let name = "uploads::large::a_gigabyte_alone";
    let ended = Command::new(own).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}\n{ended:?}");
}

#[tokio::test]
#[ignore = "another test runs it, in a process of its own"]
async fn a_gigabyte_alone() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    // Whatever an upload and a download take once and keep.
    let small = announced(&company, "small.pdf").await;
    company.upload(&small, PDF).await;
    let answer = download(&company, &small).await;
    assert_eq!(reqwest::get(answer.body["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap(), PDF);
    forget_peak();
    let before = memory_kb("VmRSS");

    let sha256 = hex(&blocks().fold(Sha256::new(), Sha256::chain_update).finalize());
    let mut body = announcement("large.pdf");
    body["size"] = json!(GB);
    body["sha256"] = json!(sha256);
    let file = company.post("/api/uploads", &body).await.body;
    let mut etags = Vec::new();
    for (number, part) in (0..).zip(file["upload"]["parts"].as_array().unwrap()) {
        etags.push(put(part, reqwest::Body::wrap(StreamBody::new(frames(number)))).await);
    }
    let completed = company.post(&format!("{}/complete", path(&file)), &json!({"etags": etags})).await;
    assert_eq!(completed.status, StatusCode::OK, "{completed:?}");
    assert_eq!(status(&nexo, &company, &file).await, ("available".to_owned(), Value::Null));

    let answer = download(&company, &file).await;
    let mut got = reqwest::get(answer.body["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(got.status(), StatusCode::OK);
    assert_eq!(got.content_length(), Some(GB));
    let mut hash = Sha256::new();
    while let Some(chunk) = got.chunk().await.unwrap() {
        hash.update(&chunk);
    }
    assert_eq!(hex(&hash.finalize()), sha256);
    let grown = memory_kb("VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_KB, "{grown} KB more than {before} KB");
}
