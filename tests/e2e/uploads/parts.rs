//! Files over 100 MB, which come in parts.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures::future::join_all;
use nexo_local::{BucketFault, FailNth};
use nexo_tests::{Answer, Company, Nexo};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PDF, announced, announcement, bucket_client, download, key, path, refusal, sha256, status};

const MB: usize = 1024 * 1024;
const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// Two parts: one of 64 MB, and the rest.
const SIZE: usize = 100 * MB + 1;

/// A PDF of this size, as far as its first bytes tell.
pub(super) fn bytes() -> Vec<u8> {
    let mut bytes = vec![b'.'; SIZE];
    bytes[..PDF.len()].copy_from_slice(PDF);
    bytes[SIZE - 1] = b'!';
    bytes
}

/// What is announced of [`bytes`], with this digest.
fn of(digest: &str) -> Value {
    let mut body = announcement("large.pdf");
    body["size"] = json!(SIZE);
    body["sha256"] = json!(digest);
    body
}

async fn announced_in_parts(company: &Company<'_>, digest: &str) -> Value {
    let answer = company.post("/api/uploads", &of(digest)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

/// Sends one part.
async fn put(part: &Value, bytes: Vec<u8>) -> reqwest::Response {
    let request = reqwest::Client::new().put(part["url"].as_str().unwrap());
    request.header("content-length", bytes.len()).body(bytes).send().await.unwrap()
}

/// Sends all parts, and answers their `ETag`s.
pub(super) async fn sent(upload: &Value, bytes: &[u8]) -> Vec<String> {
    let mut etags = Vec::new();
    for (part, bytes) in upload["parts"].as_array().unwrap().iter().zip(bytes.chunks(64 * MB)) {
        let answer = put(part, bytes.to_vec()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
        etags.push(answer.headers()["etag"].to_str().unwrap().to_owned());
    }
    etags
}

async fn complete(company: &Company<'_>, file: &Value, etags: &[String]) -> Answer {
    company.post(&format!("{}/complete", path(file)), &json!({"etags": etags})).await
}

/// The id of an upload, as its addresses have it.
pub(super) fn id_of(upload: &Value) -> String {
    let url = upload["parts"][0]["url"].as_str().unwrap();
    url.split_once("uploadId=").unwrap().1.split('&').next().unwrap().to_owned()
}

/// Calls of the bucket that fail, from one to another.
fn failing(
    calls: std::ops::RangeInclusive<u64>,
    how: BucketFault,
) -> impl Iterator<Item = FailNth<BucketFault>> {
    calls.map(move |n| FailNth { n, how })
}

async fn addresses(company: &Company<'_>, file: &Value) -> Value {
    let answer = company.post(&format!("{}/parts", path(file)), &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["upload"].clone()
}

#[tokio::test]
async fn a_file_is_put_together_of_its_parts_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let bytes = bytes();
    let file = announced_in_parts(&company, &sha256(&bytes)).await;
    let upload = &file["upload"];
    assert_eq!(
        (&upload["method"], &upload["url"], &upload["headers"]),
        (&json!("PUT"), &Value::Null, &json!({}))
    );
    let lengths: Vec<_> = upload["parts"].as_array().unwrap().iter().map(|part| &part["headers"]).collect();
    assert_eq!(
        lengths,
        [
            &json!({"content-length": (64 * MB).to_string()}),
            &json!({"content-length": (36 * MB + 1).to_string()})
        ]
    );
    let etags = sent(upload, &bytes).await;
    assert_eq!(status(&nexo, &company, &file).await.0, "pending", "nothing is there before it is complete");

    // A part that is sent again is another one.
    let again = put(&upload["parts"][0], bytes[..64 * MB].to_vec()).await;
    let mut newer = etags.clone();
    again.headers()["etag"].to_str().unwrap().clone_into(&mut newer[0]);
    nexo.clock.advance(1000);
    let last = put(&upload["parts"][1], bytes[64 * MB..].to_vec()).await;
    last.headers()["etag"].to_str().unwrap().clone_into(&mut newer[1]);
    for (wrong, code) in [
        (vec![newer[1].clone(), newer[0].clone()], "not_uploaded"),
        (vec![newer[0].clone(), etags[1].clone()], "not_uploaded"),
        (vec![newer[0].clone()], "out_of_range"),
        (Vec::new(), "out_of_range"),
        (vec!["\u{e9}".to_owned(); 2], "invalid_etag"),
    ] {
        let answer = complete(&company, &file, &wrong).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors()[0].1, code, "{wrong:?}");
    }

    // Many at once: it is put together once, and nobody is told that anything is wrong with it.
    let answers = join_all((0..6).map(|_| complete(&company, &file, &newer))).await;
    assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_problem(409, "conflict");
    }
    assert_eq!(status(&nexo, &company, &file).await, ("available".to_owned(), Value::Null));
    let retried = complete(&company, &file, &newer).await;
    assert_eq!((retried.status.as_u16(), &retried.body["status"]), (200, &json!("available")));
    assert_eq!(addresses(&company, &file).await, Value::Null);
    let (client, bucket) = bucket_client(&nexo, "SweepFunction").await;
    let prefix = key(&company, &file);
    let versions = client.list_object_versions().bucket(bucket).prefix(prefix).send().await.unwrap();
    assert_eq!(versions.versions().len(), 1);

    let url = download(&company, &file).await.body["url"].as_str().unwrap().to_owned();
    assert_eq!(sha256(&reqwest::get(&url).await.unwrap().bytes().await.unwrap()), sha256(&bytes));
    // Its parts are gone with it.
    let (status, code) = refusal(put(&upload["parts"][0], bytes[..64 * MB].to_vec()).await).await;
    assert_eq!((status, code.as_str()), (404, "NoSuchUpload"));
}

/// S3 has no digest of a file in parts that could be compared: it is read.
#[tokio::test]
async fn parts_that_make_another_file_are_kept_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let bytes = bytes();
    let file = announced_in_parts(&company, &sha256(PDF)).await;
    let etags = sent(&file["upload"], &bytes).await;
    assert_eq!(complete(&company, &file, &etags).await.status, 200);
    assert_eq!(status(&nexo, &company, &file).await, ("quarantined".to_owned(), json!("checksum_differs")));
    download(&company, &file).await.assert_problem(409, "conflict");
}

#[tokio::test]
async fn an_address_of_a_part_takes_its_length_for_its_time_and_no_other_part() {
    let nexo = Nexo::start().await;
    let (mut company, mut other) = (nexo.register().await, nexo.register().await);
    let file = announced_in_parts(&company, &sha256(PDF)).await;
    let theirs = announced_in_parts(&other, &sha256(PDF)).await;
    let part = |file: &Value, number: usize| file["upload"]["parts"][number].clone();
    let with = |from: &str, to: &str| {
        let url = part(&file, 1)["url"].as_str().unwrap().to_owned();
        assert!(url.contains(from), "{from} is not in {url}");
        json!({"url": url.replace(from, to)})
    };
    let upload = |file: &Value| {
        let url = part(file, 1)["url"].as_str().unwrap().to_owned();
        url.split_once("uploadId=").unwrap().1.split('&').next().unwrap().to_owned()
    };
    let whole = vec![b'.'; 36 * MB + 1];
    for (what, part, bytes, code) in [
        ("another length", part(&file, 1), b"x".to_vec(), "SignatureDoesNotMatch"),
        ("another part", with("partNumber=2", "partNumber=1"), whole.clone(), "SignatureDoesNotMatch"),
        ("another upload", with(&upload(&file), &upload(&theirs)), whole.clone(), "SignatureDoesNotMatch"),
        (
            "another account",
            with(&company.account(), &other.account()),
            whole.clone(),
            "SignatureDoesNotMatch",
        ),
    ] {
        let (status, refused) = refusal(put(&part, bytes).await).await;
        assert_eq!((status, refused.as_str()), (403, code), "{what}");
    }
    nexo.clock.advance(15 * 60 * 1000 + 1000);
    let (status, code) = refusal(put(&part(&file, 1), whole.clone()).await).await;
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    // New addresses are of the same upload.
    company.log_in().await;
    other.log_in().await;
    let renewed = addresses(&company, &file).await;
    assert_eq!(upload(&json!({"upload": renewed})), upload(&file));
    assert_eq!(put(&renewed["parts"][1], whole).await.status(), StatusCode::OK);
    other.post(&format!("{}/parts", path(&file)), &json!({})).await.assert_problem(404, "not_found");
}

/// Wrong code with an account's own credentials reaches neither another's upload nor what is there.
#[tokio::test]
async fn credentials_of_an_account_begin_and_end_uploads_of_its_own_only() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let client = super::bucket::client(&nexo, &own).await;
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    let begin = |key: String| client.create_multipart_upload().bucket(&bucket).key(key).send();
    assert!(begin(format!("a/{}/x", other.account())).await.is_err());
    let key = format!("a/{}/x", own.account());
    let begun = begin(key.clone()).await.unwrap();
    let upload = begun.upload_id().unwrap();
    let put = client.upload_part().bucket(&bucket).key(&key).upload_id(upload).part_number(1);
    let etag = put.body(PDF.to_vec().into()).send().await.unwrap().e_tag().unwrap().to_owned();
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = || {
        let complete = client.complete_multipart_upload().bucket(&bucket).key(&key).upload_id(upload);
        complete.multipart_upload(parts.clone())
    };
    assert!(complete().send().await.is_err(), "without a condition it could be written over");
    // Nor does an account end what was begun, or send a part under another key.
    let abort = client.abort_multipart_upload().bucket(&bucket).key(&key).upload_id(upload).send();
    let refused = abort.await.unwrap_err();
    // S3 lets whoever has begun an upload end it: that no statement allows it is not enough.
    assert!(refused.message().unwrap().contains("explicit deny"), "{refused:?}");
    let stray = client.upload_part().bucket(&bucket).key(format!("{key}y")).upload_id(upload).part_number(1);
    assert!(stray.body(PDF.to_vec().into()).send().await.is_err());
    complete().if_none_match("*").send().await.unwrap();
    assert!(complete().if_none_match("*").send().await.is_err(), "twice");
    assert!(begin("x".to_owned()).await.is_err());
}

#[tokio::test]
async fn a_retry_goes_on_with_the_same_upload() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let announce = async || {
        let request = company.request(Method::POST, "/api/uploads").header("idempotency-key", "one");
        Answer::of(request.json(&of(&sha256(PDF)))).await
    };
    let first = announce().await.body;
    assert_eq!(id_of(&announce().await.body["upload"]), id_of(&first["upload"]));
    assert_eq!(id_of(&addresses(&company, &first).await), id_of(&first["upload"]));
    // What is deleted waits for nothing.
    assert_eq!(company.delete(&path(&first)).await.status, 204);
    assert_eq!(announce().await.body["upload"], Value::Null);
    complete(&company, &first, &["\"x\"".to_owned(), "\"y\"".to_owned()])
        .await
        .assert_problem(404, "not_found");
    // A file that is sent as a whole has no parts.
    let whole = announced(&company, "a.pdf").await;
    assert_eq!(whole["upload"]["parts"], json!([]));
    assert_eq!(addresses(&company, &whole).await, Value::Null);
    complete(&company, &whole, &["\"x\"".to_owned()]).await.assert_problem(409, "conflict");
}

#[tokio::test]
async fn parts_of_a_file_that_expires_are_erased() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced_in_parts(&company, &sha256(PDF)).await;
    let first = put(&file["upload"]["parts"][0], vec![b'.'; 64 * MB]).await;
    assert_eq!(first.status(), StatusCode::OK);
    nexo.settled().await;
    nexo.clock.advance(2 * DAY);
    assert_eq!(nexo.sweep().await["expired"], 1);
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &file).await.0, "expired");
    company.post(&format!("{}/parts", path(&file)), &json!({})).await.assert_problem(409, "wrong_state");
    complete(&company, &file, &["\"x\"".to_owned(), "\"y\"".to_owned()])
        .await
        .assert_problem(409, "wrong_state");
    // As a part that the bucket let in before.
    assert_eq!(late_part(&nexo, &company, &file).await, 404);
}

/// What the bucket answers to a part of an upload that it may have ended.
async fn late_part(nexo: &Nexo, company: &Company<'_>, file: &Value) -> u16 {
    let client = super::bucket::client(nexo, company).await;
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    let late = client.upload_part().bucket(bucket).key(key(company, file));
    let late = late.upload_id(id_of(&file["upload"])).part_number(2).body(PDF.to_vec().into());
    late.send().await.map_or_else(|refused| refused.raw_response().unwrap().status().as_u16(), |_| 200)
}

/// Between what can be put together and what a round gives up there are hours.
#[tokio::test]
async fn a_file_is_put_together_within_forty_hours() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let bytes = bytes();
    let file = announced_in_parts(&company, &sha256(&bytes)).await;
    let late = announced_in_parts(&company, &sha256(&bytes)).await;
    let (etags, late_etags) = (sent(&file["upload"], &bytes).await, sent(&late["upload"], &bytes).await);
    nexo.clock.advance(36 * HOUR - 60_000);
    company.log_in().await;
    assert!(addresses(&company, &late).await["parts"].is_array());
    assert_eq!(complete(&company, &file, &etags).await.status, 200);
    assert_eq!(status(&nexo, &company, &file).await.0, "available");
    // Addresses end earlier: those that were given last can still be used.
    nexo.clock.advance(60_000);
    company.post(&format!("{}/parts", path(&late)), &json!({})).await.assert_problem(409, "wrong_state");
    nexo.clock.advance(4 * HOUR);
    company.log_in().await;
    complete(&company, &late, &late_etags).await.assert_problem(409, "wrong_state");
    // What was complete in time is answered so for ever.
    assert_eq!(complete(&company, &file, &etags).await.status, 200);
}

/// Whatever the bucket was told between two calls of a round: what it has put together is not given up.
#[tokio::test]
async fn a_file_that_is_complete_while_it_is_given_up_is_kept() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let bytes = bytes();
    // The first calls are the lists of objects and of thumbnails.
    for nth in 3..=4 {
        let file = announced_in_parts(&company, &sha256(&bytes)).await;
        let etags = sent(&file["upload"], &bytes).await;
        nexo.settled().await;
        nexo.clock.advance(2 * DAY);
        company.log_in().await;
        let client = super::bucket::client(&nexo, &company).await;
        let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
        let parts =
            (1..).zip(&etags).map(|(n, etag)| CompletedPart::builder().part_number(n).e_tag(etag).build());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let complete = client.complete_multipart_upload().bucket(bucket).key(key(&company, &file));
        let complete = complete.upload_id(id_of(&file["upload"])).if_none_match("*").multipart_upload(parts);

        let faults = nexo.server().files().unwrap().faults();
        faults.arm(failing(nth..=nth, BucketFault::Hang(Duration::from_hours(1))));
        // The event of the object finds no table, as if it were late: only the round looks at it.
        let meanwhile = async {
            while faults.calls() < nth {
                tokio::task::yield_now().await;
            }
            let away = nexo_local::Fault::BeforeExecution(nexo_local::ServiceError::InternalServerError);
            nexo.door().faults().arm((1..=50).map(|n| FailNth { n, how: away }));
            let completed = complete.send().await.is_ok();
            nexo.settled().await;
            nexo.door().faults().disarm();
            completed
        };
        let tick = json!({"detail-type": "Scheduled Event"}).to_string().into_bytes();
        // On a busy machine it may meet the table that is away for the event: then the next round goes on.
        let (_, is_complete) = tokio::join!(nexo.server().invoke("SweepFunction", tick), meanwhile);
        faults.disarm();
        nexo.clock.advance(7 * HOUR);
        nexo.sweep().await;
        company.log_in().await;
        let expected = if is_complete { "available" } else { "expired" };
        assert_eq!(status(&nexo, &company, &file).await.0, expected, "call {nth}");
        assert_eq!(is_complete, nth == 3, "its upload is ended before it is looked for");
    }
}

/// Of a file that is not announced in the end, no byte counts.
#[tokio::test]
async fn a_file_whose_upload_cannot_be_begun_takes_no_room() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let announce = async |key: Option<&str>| {
        let mut request = company.request(Method::POST, "/api/uploads");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::of(request.json(&of(&sha256(PDF)))).await
    };
    let counted = async || nexo.item(&company, "STO", "STO").await["bytes"]["N"].clone();
    let faults = nexo.server().files().unwrap().faults();
    for (number, key) in [(1, None), (2, Some("one"))] {
        let before = counted().await;
        for _ in 0..2 {
            faults.arm(failing(1..=3, BucketFault::SlowDown));
            announce(key).await.assert_problem(503, "unavailable");
            faults.disarm();
            assert_eq!(counted().await, before);
        }
        let answer = announce(key).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(counted().await, json!((SIZE * number).to_string()));
        let first = put(&answer.body["upload"]["parts"][1], vec![b'.'; 36 * MB + 1]).await;
        assert_eq!(first.status(), StatusCode::OK);
    }
    assert_eq!(company.get("/api/uploads").await.body["data"].as_array().unwrap().len(), 2);
}

/// That the bucket does not answer is no reason to announce a file anew.
#[tokio::test]
async fn an_upload_is_over_only_where_the_bucket_says_so() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced_in_parts(&company, &sha256(PDF)).await;
    let etags = ["\"x\"".to_owned(), "\"y\"".to_owned()];
    let (client, bucket) = bucket_client(&nexo, "SweepFunction").await;
    let end = client.abort_multipart_upload().bucket(bucket).key(key(&company, &file));
    end.upload_id(id_of(&file["upload"])).send().await.unwrap();
    let faults = nexo.server().files().unwrap().faults();
    // The first call finds no upload, the second looks for the object.
    faults.arm(failing(2..=4, BucketFault::SlowDown));
    complete(&company, &file, &etags).await.assert_problem(503, "unavailable");
    faults.disarm();
    complete(&company, &file, &etags).await.assert_problem(409, "conflict");
}

/// Of a gigabyte not all is to be read again because a connection broke off.
#[tokio::test]
async fn bytes_that_break_off_are_read_again_and_a_wrong_type_is_seen_before() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let bytes = bytes();
    let faults = nexo.server().files().unwrap().faults();
    let looked = async |file: &Value, bytes: &[u8]| {
        let etags = sent(&file["upload"], bytes).await;
        // The call that completes it, one for what is there, one for its first bytes, and for all of them 8 MB at
        // once: of three times these, half is left to the next call.
        faults.arm([5, 6, 9].map(|n| FailNth { n, how: BucketFault::Cut }));
        assert_eq!(complete(&company, file, &etags).await.status, 200);
        let status = status(&nexo, &company, file).await;
        let calls = faults.calls();
        faults.disarm();
        (status, calls)
    };
    let right = announced_in_parts(&company, &sha256(&bytes)).await;
    assert_eq!(looked(&right, &bytes).await, (("available".to_owned(), Value::Null), 3 + 3 + 12));
    let wrong = announced_in_parts(&company, &sha256(&bytes)).await;
    let other = vec![b'.'; SIZE];
    let kept_back = ("quarantined".to_owned(), json!("content_differs"));
    assert_eq!(looked(&wrong, &other).await, (kept_back, 3));
}

/// As the lifecycle of the template says, should no round come.
#[tokio::test]
async fn the_bucket_ends_what_nobody_puts_together() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced_in_parts(&company, &sha256(PDF)).await;
    nexo.clock.advance(3 * DAY - HOUR);
    company.log_in().await;
    assert_eq!(late_part(&nexo, &company, &file).await, 200);
    nexo.clock.advance(DAY + HOUR);
    company.log_in().await;
    assert_eq!(late_part(&nexo, &company, &file).await, 404);
}
