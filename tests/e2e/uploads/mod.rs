//! Files: announced, uploaded, looked at and downloaded, by a client that knows nothing of AWS.

mod arrival;
mod bucket;
mod end;
#[cfg(target_os = "linux")]
mod large;
mod parts;
mod records;
mod scan;
pub(crate) mod thumbnails;
mod versions;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Region, RequestChecksumCalculation};
use nexo_store::StoreConfig;
use nexo_tests::table::ulid;
use nexo_tests::{Answer, Company, Nexo};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The least of a PDF.
pub(crate) const PDF: &[u8] = b"%PDF-1.4\n";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What is announced of [`PDF`].
pub(crate) fn announcement(name: &str) -> Value {
    json!({
        "name": name, "contentType": "application/pdf", "size": PDF.len(), "sha256": sha256(PDF),
        "category": "client_document",
    })
}

/// Announces [`PDF`].
async fn announced(company: &Company<'_>, name: &str) -> Value {
    let answer = company.post("/api/uploads", &announcement(name)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

fn path(file: &Value) -> String {
    format!("/api/uploads/{}", file["id"].as_str().unwrap())
}

/// The key of a file's object.
fn key(company: &Company<'_>, file: &Value) -> String {
    format!("a/{}/{}", company.account(), ulid(file["id"].as_str().unwrap()))
}

/// The sum of bytes of a company's files.
async fn counted(nexo: &Nexo, company: &Company<'_>) -> usize {
    nexo.item(company, "STO", "STO").await["bytes"]["N"].as_str().unwrap().parse().unwrap()
}

/// The file's status and what is wrong with it, once whatever has arrived was looked at.
async fn status(nexo: &Nexo, company: &Company<'_>, file: &Value) -> (String, Value) {
    nexo.settled().await;
    let answer = company.get(&path(file)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.body["status"].as_str().unwrap().to_owned(), answer.body["quarantineReason"].clone())
}

/// S3's word for what went wrong.
async fn refusal(answer: reqwest::Response) -> (u16, String) {
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    (status, code.unwrap_or_else(|| panic!("{status}: {text}")).0.to_owned())
}

async fn download(company: &Company<'_>, file: &Value) -> Answer {
    company.get(&format!("{}/download", path(file))).await
}

/// An S3 client that signs by the server's clock.
fn s3(nexo: &Nexo, secret: String, token: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(nexo.url())
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .http_client(StoreConfig::https())
        .time_source(nexo_files::time_source(&nexo.clock))
        .credentials_provider(Credentials::new("local", secret, Some(token), None, "test"));
    Client::from_conf(config.build())
}

/// An S3 client with a function's own credentials, and the bucket's name.
async fn bucket_client(nexo: &Nexo, function: &str) -> (Client, String) {
    let environment = nexo.server().environment(function, "http://door.invalid").unwrap();
    let (secret, token) = (&environment["AWS_SECRET_ACCESS_KEY"], &environment["AWS_SESSION_TOKEN"]);
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    (s3(nexo, secret.clone(), token.clone()), bucket)
}
