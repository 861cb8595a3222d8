//! GuardDuty's verdict on files, where it looks for malware in them.

use std::time::Duration;

use nexo_local::{FailNth, Fault, Options, ServiceError};
use nexo_tests::{Company, Nexo, options, options_with_template, project};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PDF, announced, announcement, download, key, path, sha256, status};

const HOUR: i64 = 3600 * 1000;

/// The options of a server where files are scanned. Nobody does: verdicts are the test's.
fn scanned() -> (Options, TempDir) {
    options_with_template(&[(
        "Default: none\n    AllowedValues: [none, guardduty]",
        "Default: guardduty\n    AllowedValues: [none, guardduty]",
    )])
}

pub(super) async fn scanning() -> Nexo {
    let (options, _folder) = scanned();
    Nexo::with(options).await
}

/// The event of a verdict, as EventBridge sends it.
fn verdict(key: &str, result: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(project().join("events/files-scanned.json")).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["detail"]["s3ObjectDetails"]["objectKey"] = json!(key);
    event["detail"]["scanResultDetails"]["scanResultStatus"] = json!(result);
    event.to_string().into_bytes()
}

/// Sends a verdict, and answers what the function said of it.
pub(super) async fn told(nexo: &Nexo, key: &str, result: &str) -> String {
    assert_eq!(nexo.server().invoke("FilesFunction", verdict(key, result)).await, Ok(b"null".to_vec()));
    let line: Value = serde_json::from_str(nexo.log().last().unwrap()).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

/// Uploads a file whose own event finds no table for as long as it is tried, and answers that event.
async fn uploaded_unseen(nexo: &Nexo, company: &Company<'_>, file: &Value, bytes: &[u8]) -> Vec<u8> {
    let away = Fault::BeforeExecution(ServiceError::InternalServerError);
    nexo.settled().await;
    nexo.door().faults().arm((1..=50).map(|n| FailNth { n, how: away }));
    assert_eq!(nexo.put_object(&file["upload"], bytes.to_vec()).await.status(), StatusCode::OK);
    nexo.settled().await;
    nexo.door().faults().disarm();
    assert_eq!(status(nexo, company, file).await.0, "pending");
    let bucket = json!({"name": nexo.server().template().bucket.as_ref().unwrap().name});
    let record = json!({"s3": {"bucket": bucket, "object": {"key": key(company, file)}}});
    json!({"Records": [record]}).to_string().into_bytes()
}

fn quarantined(reason: &str) -> (String, Value) {
    ("quarantined".to_owned(), json!(reason))
}

fn available() -> (String, Value) {
    ("available".to_owned(), Value::Null)
}

#[tokio::test]
async fn a_file_is_available_once_it_was_compared_and_scanned() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    assert_eq!(status(&nexo, &company, &file).await, ("scanning".to_owned(), Value::Null));
    let listed = company.get("/api/uploads?status=scanning").await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    download(&company, &file).await.assert_problem(409, "conflict");
    assert_eq!(told(&nexo, &key(&company, &file), "NO_THREATS_FOUND").await, "file available");
    assert_eq!(status(&nexo, &company, &file).await, available());
    assert_eq!(download(&company, &file).await.status, 200);
    // Twice, and a scan of what was scanned before that fails.
    let seen = company.get(&path(&file)).await.body;
    for again in ["NO_THREATS_FOUND", "FAILED", "UNSUPPORTED"] {
        assert_eq!(told(&nexo, &key(&company, &file), again).await, "file finished before");
    }
    assert_eq!(company.get(&path(&file)).await.body, seen);
}

#[tokio::test]
async fn a_file_with_malware_is_kept_back_whenever_the_verdict_comes() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let bytes = PDF.len();
    for before in ["pending", "scanning", "available", "quarantined"] {
        let file = announced(&company, "a.pdf").await;
        match before {
            "pending" => drop(uploaded_unseen(&nexo, &company, &file, PDF).await),
            _ => company.upload(&file, PDF).await,
        }
        let key = key(&company, &file);
        match before {
            "available" => drop(told(&nexo, &key, "NO_THREATS_FOUND").await),
            "quarantined" => drop(told(&nexo, &key, "FAILED").await),
            _ => {}
        }
        assert_eq!(status(&nexo, &company, &file).await.0, before);
        assert_eq!(told(&nexo, &key, "THREATS_FOUND").await, "file quarantined");
        assert_eq!(status(&nexo, &company, &file).await, quarantined("malware"));
        download(&company, &file).await.assert_problem(409, "conflict");
        // For good: neither a second verdict nor its own event brings it back.
        for late in ["THREATS_FOUND", "NO_THREATS_FOUND", "FAILED"] {
            assert_eq!(told(&nexo, &key, late).await, "file finished before", "{before}");
        }
        assert_eq!(status(&nexo, &company, &file).await, quarantined("malware"));
    }
    // It counts until it is purged, as any other.
    let counted = nexo.item(&company, "STO", "STO").await["bytes"].clone();
    assert_eq!(counted, json!({"N": (bytes * 4).to_string()}));
}

#[tokio::test]
async fn a_file_that_could_not_be_scanned_is_kept_back_until_it_was() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    for result in ["UNSUPPORTED", "ACCESS_DENIED", "FAILED", "A_NEW_WORD"] {
        let file = announced(&company, "a.pdf").await;
        company.upload(&file, PDF).await;
        assert_eq!(told(&nexo, &key(&company, &file), result).await, "file quarantined", "{result}");
        assert_eq!(status(&nexo, &company, &file).await, quarantined("not_scanned"));
        download(&company, &file).await.assert_problem(409, "conflict");
        assert_eq!(told(&nexo, &key(&company, &file), "NO_THREATS_FOUND").await, "file available");
        assert_eq!(status(&nexo, &company, &file).await, available());
    }
}

#[tokio::test]
async fn a_verdict_that_comes_first_makes_the_comparison_itself() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let event = uploaded_unseen(&nexo, &company, &file, PDF).await;
    assert_eq!(told(&nexo, &key(&company, &file), "NO_THREATS_FOUND").await, "file available");
    nexo.server().invoke("FilesFunction", event).await.unwrap();
    assert_eq!(status(&nexo, &company, &file).await, available());

    // That there is no malware in it does not make it what was announced.
    let other = b"MZ\x90\0 not a document";
    let mut body = announcement("a.pdf");
    body["size"] = json!(other.len());
    body["sha256"] = json!(sha256(other));
    let wrong = company.post("/api/uploads", &body).await.body;
    uploaded_unseen(&nexo, &company, &wrong, other).await;
    assert_eq!(told(&nexo, &key(&company, &wrong), "NO_THREATS_FOUND").await, "file quarantined");
    assert_eq!(status(&nexo, &company, &wrong).await, quarantined("content_differs"));

    // Before its bytes are there, as of an object that is gone again.
    let waiting = announced(&company, "b.pdf").await;
    assert_eq!(told(&nexo, &key(&company, &waiting), "NO_THREATS_FOUND").await, "object gone");
    assert_eq!(status(&nexo, &company, &waiting).await.0, "pending");
}

/// Each of the two events can come between what the other reads and what it writes.
#[tokio::test]
async fn a_verdict_and_an_arrival_at_once_make_a_file_available() {
    for first_is_verdict in [true, false] {
        let nexo = scanning().await;
        let company = nexo.register().await;
        let file = announced(&company, "a.pdf").await;
        let arrival = uploaded_unseen(&nexo, &company, &file, PDF).await;
        let clean = verdict(&key(&company, &file), "NO_THREATS_FOUND");
        let (first, second) = if first_is_verdict { (clean, arrival) } else { (arrival, clean) };
        let faults = nexo.door().faults();
        // It reads the file with its first call, and writes with its second.
        faults.arm([FailNth { n: 2, how: Fault::Hang(Duration::from_hours(1)) }]);
        let meanwhile = async {
            while faults.calls() < 2 {
                tokio::task::yield_now().await;
            }
            nexo.server().invoke("FilesFunction", second).await
        };
        let (first, second) = tokio::join!(nexo.server().invoke("FilesFunction", first), meanwhile);
        faults.disarm();
        assert_eq!((first, second), (Ok(b"null".to_vec()), Ok(b"null".to_vec())));
        assert_eq!(status(&nexo, &company, &file).await, available(), "verdict first: {first_is_verdict}");
    }
}

/// A scan that somebody asks for again does not undo what another one finds meanwhile.
#[tokio::test]
async fn an_all_clear_does_not_overtake_malware() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let key = key(&company, &file);
    assert_eq!(told(&nexo, &key, "FAILED").await, "file quarantined");
    let faults = nexo.door().faults();
    faults.arm([FailNth { n: 2, how: Fault::Hang(Duration::from_hours(1)) }]);
    let meanwhile = async {
        while faults.calls() < 2 {
            tokio::task::yield_now().await;
        }
        nexo.server().invoke("FilesFunction", verdict(&key, "THREATS_FOUND")).await
    };
    let clean = nexo.server().invoke("FilesFunction", verdict(&key, "NO_THREATS_FOUND"));
    let (clean, malware) = tokio::join!(clean, meanwhile);
    faults.disarm();
    assert_eq!((clean, malware), (Ok(b"null".to_vec()), Ok(b"null".to_vec())));
    assert_eq!(status(&nexo, &company, &file).await, quarantined("malware"));
}

#[tokio::test]
async fn a_verdict_on_nothing_of_ours_changes_nothing() {
    let nexo = scanning().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let orphan = format!("a/{}/01ARZ3NDEKTSV4RRFFQ69G5FAV", company.account());
    assert_eq!(told(&nexo, &orphan, "THREATS_FOUND").await, "object without a file");
    for key in ["malware-protection-resource-validation-object", "a/x/y", ""] {
        assert_eq!(told(&nexo, key, "THREATS_FOUND").await, "object of no account");
    }
    let elsewhere = String::from_utf8(verdict(&key(&company, &file), "NO_THREATS_FOUND")).unwrap();
    let elsewhere = elsewhere.replace("nexo-files-00000000", "another-00000000").into_bytes();
    assert_eq!(nexo.server().invoke("FilesFunction", elsewhere).await, Ok(b"null".to_vec()));
    assert!(nexo.log().last().unwrap().contains("object of no account"));
    assert_eq!(status(&nexo, &company, &file).await.0, "scanning");
    // Nor does an event of another kind.
    let other = String::from_utf8(verdict(&key(&company, &file), "NO_THREATS_FOUND")).unwrap();
    let other = other.replace("Object Scan Result", "Post Scan Action Failed").into_bytes();
    assert!(nexo.server().invoke("FilesFunction", other).await.is_err());
    // What has expired stays so.
    let mut company = company;
    let late = announced(&company, "b.pdf").await;
    nexo.clock.advance(48 * HOUR);
    assert_eq!(nexo.sweep().await["expired"], 1);
    assert_eq!(told(&nexo, &key(&company, &late), "THREATS_FOUND").await, "file finished before");
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &late).await.0, "expired");
    assert_eq!(nexo.door().log().totals().refused, 0);
}

#[tokio::test]
async fn a_verdict_that_never_comes_is_reported_and_takes_effect_late() {
    let nexo = scanning().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    nexo.clock.advance(23 * HOUR);
    assert_eq!(nexo.sweep().await["unscanned"], 0);
    nexo.clock.advance(HOUR);
    assert_eq!(nexo.sweep().await["unscanned"], 1);
    assert!(nexo.log().iter().any(|line| line.contains("file without a scan") && line.contains("ERROR")));
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &file).await, quarantined("not_scanned"));
    assert_eq!(nexo.sweep().await["unscanned"], 0);
    assert_eq!(told(&nexo, &key(&company, &file), "NO_THREATS_FOUND").await, "file available");
}

/// What the round looks at in place of an event waits for a verdict too.
#[tokio::test]
async fn a_round_makes_no_file_available_that_was_not_scanned() {
    let nexo = scanning().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    uploaded_unseen(&nexo, &company, &file, PDF).await;
    nexo.clock.advance(7 * HOUR);
    assert_eq!(nexo.sweep().await["lookedAt"], 1);
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &file).await.0, "scanning");
}

#[tokio::test]
async fn malware_is_kept_back_also_where_nobody_waits_for_a_verdict() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    assert_eq!(status(&nexo, &company, &file).await, available());
    assert_eq!(told(&nexo, &key(&company, &file), "THREATS_FOUND").await, "file quarantined");
    download(&company, &file).await.assert_problem(409, "conflict");
}

#[tokio::test]
async fn what_waits_for_a_scan_waits_a_day_from_when_it_came_and_no_longer_than_there_are_scans() {
    let data = tempfile::tempdir().unwrap();
    let folder = Some(data.path().to_owned());
    let (with_scans, _template) = scanned();
    let nexo = Nexo::with(Options { data: folder.clone(), ..with_scans }).await;
    let mut company = nexo.register().await;
    let mut files = Vec::new();
    for name in ["kept.pdf", "lost.pdf"] {
        let file = announced(&company, name).await;
        company.upload(&file, PDF).await;
        files.push(file);
    }
    // Bytes that are gone say nothing of malware.
    let (client, bucket) = super::bucket_client(&nexo, "SweepFunction").await;
    let gone = client.delete_object().bucket(bucket).key(key(&company, &files[1])).send().await;
    gone.unwrap();
    nexo.clock.advance(23 * HOUR);
    company.log_in().await;
    nexo.sweep().await;
    assert_eq!(status(&nexo, &company, &files[0]).await, ("scanning".to_owned(), Value::Null));
    assert_eq!(status(&nexo, &company, &files[1]).await, quarantined("missing"));
    let (email, file, clock) = (company.email.clone(), files[0].clone(), nexo.clock.clone());
    nexo.stop().await;

    let nexo = Nexo::with(Options { data: folder, clock, ..options() }).await;
    let mut company = nexo.user(&email, Value::Null);
    company.log_in().await;
    assert_eq!(nexo.sweep().await["unscanned"], 0);
    assert_eq!(status(&nexo, &company, &file).await, available());
}
