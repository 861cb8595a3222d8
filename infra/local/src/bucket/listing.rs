//! Lists of objects and of versions, as S3 writes them.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.

use std::fmt::Write as _;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::objects::About;

/// The most that one answer lists.
const MOST: usize = 1000;

/// Objects behind a key.
pub(super) fn objects(bucket: &str, prefix: &str, after: &str, most: usize, all: &[About]) -> Response<Body> {
    let mut rest = all.iter().filter(|about| about.key.as_str() > after);
    let page: Vec<&About> = rest.by_ref().take(most.min(MOST)).collect();
    let is_truncated = rest.next().is_some();
    let mut text = format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name>\
         <Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{most}</MaxKeys>\
         <IsTruncated>{is_truncated}</IsTruncated>",
        escape(prefix),
        page.len()
    );
    if let Some(last) = page.last().filter(|_| is_truncated) {
        // Writing to a string does not fail.
        let _ = write!(text, "<NextContinuationToken>{}</NextContinuationToken>", escape(&last.key));
    }
    for about in page {
        let About { key, size, modified, .. } = about;
        let _ = write!(
            text,
            "<Contents><Key>{}</Key><LastModified>{modified}</LastModified><ETag>{}</ETag><Size>{size}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            escape(key),
            escape(&about.etag())
        );
    }
    text.push_str("</ListBucketResult>");
    xml(&text)
}

/// Objects and their old versions: all of them, where S3 would begin another page after [`MOST`].
pub(super) fn versions(bucket: &str, prefix: &str, now: &[About], old: &[About]) -> Response<Body> {
    let mut text = format!(
        "<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name>\
         <Prefix>{}</Prefix><MaxKeys>{MOST}</MaxKeys><IsTruncated>false</IsTruncated>",
        escape(prefix)
    );
    for about in now.iter().chain(old) {
        let About { key, size, modified, version, is_marker, .. } = about;
        let is_latest = now.iter().chain(old).find(|first| first.key == *key).map(|first| &first.version)
            == Some(version);
        let of_both = format!(
            "<Key>{}</Key><VersionId>{version}</VersionId><IsLatest>{is_latest}</IsLatest>\
             <LastModified>{modified}</LastModified>",
            escape(key)
        );
        // Writing to a string does not fail.
        let _ = if *is_marker {
            write!(text, "<DeleteMarker>{of_both}</DeleteMarker>")
        } else {
            write!(
                text,
                "<Version>{of_both}<ETag>{}</ETag><Size>{size}</Size></Version>",
                escape(&about.etag())
            )
        };
    }
    text.push_str("</ListVersionsResult>");
    xml(&text)
}

pub(super) fn xml(text: &str) -> Response<Body> {
    let mut response =
        Response::new(Body::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
