//! The parts of events that are read here.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html> and
//! <https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-eventbridge-s3-malware-protection.html>.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// What the function is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Event {
    /// Objects that were created.
    Arrived(Arrivals),
    /// What GuardDuty has found in an object.
    Scanned(Scan),
}

/// Objects that were created.
#[derive(Debug, Deserialize)]
pub struct Arrivals {
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
    /// The key, which S3's events spell as forms do: encoded, a blank as `+`.
    pub(crate) fn key(&self) -> String {
        percent_decode_str(&self.key.replace('+', " ")).decode_utf8_lossy().into_owned()
    }
}

/// What GuardDuty has found in an object.
#[derive(Debug, Deserialize)]
pub struct Scan {
    #[serde(rename = "detail-type")]
    _kind: Kind,
    pub(crate) detail: Detail,
}

#[derive(Debug, Deserialize)]
enum Kind {
    #[serde(rename = "GuardDuty Malware Protection Object Scan Result")]
    ScanResult,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    #[serde(rename = "s3ObjectDetails")]
    pub(crate) object: Scanned,
    scan_result_details: Details,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scanned {
    pub(crate) bucket_name: String,
    /// As it is, not as in S3's own events.
    pub(crate) object_key: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    scan_result_status: String,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing that harms was found.
    Clean,
    /// Something was.
    Malware,
    /// There was no scan: the object is too large, or encrypted, or the scan failed.
    None,
}

impl Detail {
    /// What the scan came to. A word that is not known yet is no all-clear.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.scan_result_details.scan_result_status.as_str() {
            "NO_THREATS_FOUND" => Verdict::Clean,
            "THREATS_FOUND" => Verdict::Malware,
            // UNSUPPORTED, ACCESS_DENIED, FAILED.
            _ => Verdict::None,
        }
    }
}
