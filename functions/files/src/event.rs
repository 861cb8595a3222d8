//! The part of S3's event that is read here.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Objects that were created.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) s3: S3,
}

#[derive(Debug, Deserialize)]
pub(crate) struct S3 {
    pub(crate) bucket: Bucket,
    pub(crate) object: Object,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    key: String,
}

impl Object {
    /// The key, which events spell as forms do: encoded, a blank as `+`.
    pub(crate) fn key(&self) -> String {
        percent_decode_str(&self.key.replace('+', " ")).decode_utf8_lossy().into_owned()
    }
}
