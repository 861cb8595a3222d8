//! How files end: deleted, purged, expired; and the daily round that compares the bucket with the table.

use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::table::ulid;
use nexo_tests::{Answer, Company, Nexo};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PDF, announced, announcement, bucket_client, counted, download, key, path, status};

const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// A file that is there.
async fn arrived(company: &Company<'_>, name: &str) -> Value {
    let file = announced(company, name).await;
    company.upload(&file, PDF).await;
    file
}

async fn purge(company: &Company<'_>, file: &Value) -> Answer {
    company.post(&format!("{}/purge", path(file)), &json!({})).await
}

/// An hour after it has arrived no address to upload a file to is good any more, and it can be purged.
async fn an_hour_later(nexo: &Nexo, company: &mut Company<'_>) {
    nexo.settled().await;
    nexo.clock.advance(HOUR);
    company.log_in().await;
}

/// How many versions of a file's object there are, delete markers included.
async fn versions(nexo: &Nexo, company: &Company<'_>, file: &Value) -> usize {
    let (client, bucket) = bucket_client(nexo, "SweepFunction").await;
    let listed =
        client.list_object_versions().bucket(bucket).prefix(key(company, file)).send().await.unwrap();
    listed.versions().len() + listed.delete_markers().len()
}

async fn erase_object(nexo: &Nexo, company: &Company<'_>, file: &Value) {
    let (client, bucket) = bucket_client(nexo, "SweepFunction").await;
    client.delete_object().bucket(bucket).key(key(company, file)).send().await.unwrap();
}

#[tokio::test]
async fn a_purged_file_is_gone_for_good_and_counts_no_more() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, other) = (arrived(&company, "a.pdf").await, arrived(&company, "b.pdf").await);
    purge(&company, &file).await.assert_problem(409, "wrong_state");
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    // Deleted, it takes its room still, and its bytes are there to be restored.
    assert_eq!(counted(&nexo, &company).await, 2 * PDF.len());
    assert_eq!(versions(&nexo, &company, &file).await, 1);

    // While its address is good it could come again, and would count nowhere.
    purge(&company, &file).await.assert_problem(409, "wrong_state");
    an_hour_later(&nexo, &mut company).await;
    assert_eq!(purge(&company, &file).await.status, 204);
    let again = nexo.put_object(&file["upload"], PDF.to_vec()).await;
    assert!(again.status().is_client_error(), "{again:?}");
    company.post(&format!("{}/restore", path(&file)), &json!({})).await.assert_problem(404, "not_found");
    purge(&company, &file).await.assert_problem(404, "not_found");
    nexo.settled().await;
    assert_eq!(counted(&nexo, &company).await, PDF.len());
    assert_eq!(versions(&nexo, &company, &file).await, 0);
    assert_eq!(nexo.item(&company, "FIL", ulid(file["id"].as_str().unwrap())).await, Value::Null);
    assert_eq!(download(&company, &other).await.status, 200);

    // An event that comes again finds nothing, and counts nothing.
    let event = |file: &Value| {
        let pk = format!("A#{}#FIL", company.account());
        let keys = json!({"pk": {"S": pk}, "sk": {"S": ulid(file["id"].as_str().unwrap())}});
        let record = json!({"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "1", "Keys": keys}});
        json!({"Records": [record]}).to_string().into_bytes()
    };
    for file in [&file, &other] {
        let answer = nexo.server().invoke("SweepFunction", event(file)).await.unwrap();
        assert_eq!(answer, br#"{"batchItemFailures":[]}"#);
    }
    assert_eq!(counted(&nexo, &company).await, PDF.len());
    assert_eq!(download(&company, &other).await.status, 200);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

/// Whatever call of a purge fails, it is done in the end, and counts once.
#[tokio::test]
async fn a_purge_that_fails_half_way_is_finished_and_counts_once() {
    for how in [
        Fault::BeforeExecution(ServiceError::InternalServerError),
        Fault::AfterExecution,
        Fault::TransactionConflict,
        Fault::Death { executed: true },
        Fault::Death { executed: false },
    ] {
        for first in 1..=3 {
            let nexo = Nexo::start().await;
            let mut company = nexo.register().await;
            let (file, _kept) = (arrived(&company, "a.pdf").await, arrived(&company, "b.pdf").await);
            assert_eq!(company.delete(&path(&file)).await.status, 204);
            an_hour_later(&nexo, &mut company).await;
            assert_eq!(company.get("/api/uploads").await.status, 200);
            // The first call is the request's own.
            nexo.door().faults().arm((first + 1..=first + 2).map(|n| FailNth { n, how }));
            let answer = purge(&company, &file).await;
            assert_eq!(answer.status, 204, "{how:?} from call {first}: {answer:?}");
            nexo.settled().await;
            nexo.door().faults().disarm();
            assert_eq!(counted(&nexo, &company).await, PDF.len(), "{how:?} from call {first}");
            assert_eq!(versions(&nexo, &company, &file).await, 0, "{how:?} from call {first}");
        }
    }
}

#[tokio::test]
async fn a_restore_and_a_purge_at_once_leave_all_or_nothing() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    for _ in 0..12 {
        let file = arrived(&company, "a.pdf").await;
        assert_eq!(company.delete(&path(&file)).await.status, 204);
        an_hour_later(&nexo, &mut company).await;
        let before = counted(&nexo, &company).await;
        let restore = format!("{}/restore", path(&file));
        let (restored, purged) =
            tokio::join!(async { company.post(&restore, &json!({})).await }, purge(&company, &file));
        nexo.settled().await;
        let is_there = company.get(&path(&file)).await.status == 200;
        assert_eq!(restored.status == 200, is_there, "{restored:?} {purged:?}");
        assert_eq!(purged.status == 204, !is_there, "{restored:?} {purged:?}");
        assert_eq!(versions(&nexo, &company, &file).await, usize::from(is_there));
        assert_eq!(counted(&nexo, &company).await, before - if is_there { 0 } else { PDF.len() });
        if is_there {
            assert_eq!(download(&company, &file).await.status, 200);
        }
    }
}

/// Whoever shut the way back may have a clock that is ahead.
#[tokio::test]
async fn nothing_brings_back_what_is_being_purged() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = arrived(&company, "a.pdf").await;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    let token = nexo.tenant_token(&company.account()).await;
    let pk = format!("A#{}#FIL", company.account());
    let mark = json!({
        "TableName": nexo.table_name(),
        "Key": {"pk": {"S": pk}, "sk": {"S": ulid(file["id"].as_str().unwrap())}},
        "UpdateExpression": "SET #purge = :asked",
        "ExpressionAttributeNames": {"#purge": "purge"},
        "ExpressionAttributeValues": {":asked": {"S": "asked"}},
    });
    let (status, answer) = nexo.table_call(Some(&token), "UpdateItem", &mark).await;
    assert_eq!(status, 200, "{answer}");
    company.post(&format!("{}/restore", path(&file)), &json!({})).await.assert_problem(404, "not_found");
    nexo.settled().await;
    assert_eq!(versions(&nexo, &company, &file).await, 0);
    assert_eq!(counted(&nexo, &company).await, 0);
}

#[tokio::test]
async fn deleted_files_are_purged_after_thirty_days() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, kept) = (arrived(&company, "a.pdf").await, arrived(&company, "b.pdf").await);
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.clock.advance(30 * DAY - HOUR);
    assert_eq!(nexo.sweep().await["purged"], 0);
    company.log_in().await;
    assert_eq!(company.post(&format!("{}/restore", path(&file)), &json!({})).await.status, 200);
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.clock.advance(30 * DAY);
    company.log_in().await;
    // Its time is over before the round comes.
    company.post(&format!("{}/restore", path(&file)), &json!({})).await.assert_problem(404, "not_found");
    assert_eq!(versions(&nexo, &company, &file).await, 1);
    assert_eq!(nexo.sweep().await["purged"], 1);
    nexo.settled().await;
    assert_eq!(versions(&nexo, &company, &file).await, 0);
    assert_eq!(counted(&nexo, &company).await, PDF.len());
    assert_eq!(download(&company, &kept).await.status, 200);
}

#[tokio::test]
async fn what_never_comes_expires_and_counts_no_more() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, gone) = (announced(&company, "a.pdf").await, announced(&company, "b.pdf").await);
    assert_eq!(company.delete(&path(&gone)).await.status, 204);
    // What could still arrive would belong to nothing.
    purge(&company, &gone).await.assert_problem(409, "wrong_state");
    nexo.settled().await;
    nexo.clock.advance(2 * DAY - HOUR);
    assert_eq!(nexo.sweep().await["expired"], 0);
    nexo.clock.advance(HOUR);
    assert_eq!(nexo.sweep().await["expired"], 2);
    assert_eq!(counted(&nexo, &company).await, 0);
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &file).await, ("expired".to_owned(), Value::Null));
    let listed = company.get("/api/uploads?status=expired").await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    download(&company, &file).await.assert_problem(409, "conflict");
    assert_eq!(nexo.sweep().await["expired"], 0);
    assert_eq!(counted(&nexo, &company).await, 0);
    // It can be deleted and purged like any other, and counts nothing then.
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    for file in [&file, &gone] {
        assert_eq!(purge(&company, file).await.status, 204);
    }
    nexo.settled().await;
    assert_eq!(counted(&nexo, &company).await, 0);
}

/// From an hour after it was deleted nothing of a file is under way any more, whether it ever came or not.
#[tokio::test]
async fn what_is_deleted_can_be_purged_an_hour_later_even_if_it_never_came() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let key = "idempotency-key";
    let send = async |company: &Company<'_>| {
        let request = company.request(Method::POST, "/api/uploads").header(key, "one");
        Answer::of(request.json(&announcement("a.pdf"))).await
    };
    let file = send(&company).await.body;
    an_hour_later(&nexo, &mut company).await;
    // A new address, good for a while.
    let again = send(&company).await.body;
    assert_eq!((&again["id"], again["upload"].is_null()), (&file["id"], false));
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    purge(&company, &file).await.assert_problem(409, "wrong_state");
    assert_eq!(send(&company).await.body["upload"], Value::Null);
    nexo.clock.advance(10 * 60 * 1000);
    assert_eq!(nexo.put_object(&again["upload"], PDF.to_vec()).await.status(), StatusCode::OK);
    let never_came = announced(&company, "b.pdf").await;
    assert_eq!(company.delete(&path(&never_came)).await.status, 204);
    an_hour_later(&nexo, &mut company).await;
    for file in [&file, &never_came] {
        assert_eq!(purge(&company, file).await.status, 204);
    }
    nexo.settled().await;
    for file in [&file, &never_came] {
        assert_eq!(versions(&nexo, &company, file).await, 0);
        assert_eq!(nexo.item(&company, "FIL", ulid(file["id"].as_str().unwrap())).await, Value::Null);
    }
    assert_eq!(counted(&nexo, &company).await, 0);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

/// A purge and the round that gives the same file up: its bytes are taken from the sum once.
#[tokio::test]
async fn a_purge_and_a_round_at_once_count_a_file_once() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let kept = arrived(&company, "kept.pdf").await;
    for _ in 0..8 {
        let files = [announced(&company, "a.pdf").await, announced(&company, "b.pdf").await];
        for file in &files {
            assert_eq!(company.delete(&path(file)).await.status, 204);
        }
        nexo.settled().await;
        nexo.clock.advance(2 * DAY);
        company.log_in().await;
        let (purged, swept) = tokio::join!(purge(&company, &files[0]), nexo.sweep());
        assert_eq!((purged.status, &swept["accounts"]), (StatusCode::NO_CONTENT, &json!(1)));
        assert_eq!(purge(&company, &files[1]).await.status, 204);
        nexo.settled().await;
        assert_eq!(counted(&nexo, &company).await, PDF.len());
    }
    assert_eq!(download(&company, &kept).await.status, 200);
}

/// An upload that began in time can end after its file was given up.
#[tokio::test]
async fn what_comes_after_its_file_expired_changes_nothing_and_is_put_away() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    nexo.settled().await;
    nexo.clock.advance(2 * DAY);
    assert_eq!(nexo.sweep().await["expired"], 1);
    // As an upload that S3 has let in two days ago.
    let (client, bucket) = account_client(&nexo, &company).await;
    let put = client.put_object().bucket(bucket).key(key(&company, &file)).if_none_match("*");
    put.content_type("application/pdf").body(PDF.to_vec().into()).send().await.unwrap();
    company.log_in().await;
    assert_eq!(status(&nexo, &company, &file).await.0, "expired");
    assert_eq!(counted(&nexo, &company).await, 0);
    assert_eq!(nexo.sweep().await["putAway"], 0, "it may be looked at still");
    nexo.clock.advance(DAY);
    assert_eq!(nexo.sweep().await["putAway"], 1);
    assert_eq!(nexo.sweep().await["putAway"], 0);
}

/// A client with an account's credentials.
async fn account_client(nexo: &Nexo, company: &Company<'_>) -> (aws_sdk_s3::Client, String) {
    (
        super::bucket::client(nexo, company).await,
        nexo.server().template().bucket.as_ref().unwrap().name.clone(),
    )
}

#[tokio::test]
async fn a_round_puts_away_what_belongs_to_no_file() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let kept = arrived(&company, "a.pdf").await;
    let (client, bucket) = account_client(&nexo, &company).await;
    let orphan = format!("a/{}/01ARZ3NDEKTSV4RRFFQ69G5FAV", company.account());
    let put = client.put_object().bucket(&bucket).key(&orphan).if_none_match("*").body(PDF.to_vec().into());
    put.send().await.unwrap();
    nexo.settled().await;
    assert!(nexo.log().iter().any(|line| line.contains("object without a file")));
    assert_eq!(nexo.sweep().await["putAway"], 0, "its record could be on its way");
    nexo.clock.advance(DAY);
    assert_eq!(nexo.sweep().await["putAway"], 1);
    company.log_in().await;
    let (client, _) = account_client(&nexo, &company).await;
    assert!(client.get_object().bucket(&bucket).key(&orphan).send().await.is_err());
    assert_eq!(download(&company, &kept).await.status, 200);
    // Hidden, not erased: it can be brought back for as long as the bucket keeps old versions.
    let (client, _) = bucket_client(&nexo, "SweepFunction").await;
    let listed = client.list_object_versions().bucket(&bucket).prefix(&orphan).send().await.unwrap();
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (1, 1));
}

#[tokio::test]
async fn a_round_reports_files_whose_bytes_are_gone_and_takes_them_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (file, kept) = (arrived(&company, "a.pdf").await, arrived(&company, "b.pdf").await);
    erase_object(&nexo, &company, &file).await;
    assert_eq!(nexo.sweep().await["missing"], 1);
    assert!(nexo.log().iter().any(|line| line.contains("file without its object") && line.contains("ERROR")));
    assert_eq!(status(&nexo, &company, &file).await, ("quarantined".to_owned(), json!("missing")));
    download(&company, &file).await.assert_problem(409, "conflict");
    assert_eq!(nexo.sweep().await["missing"], 0);
    assert_eq!(status(&nexo, &company, &kept).await.0, "available");
    // Somebody brings it back, and it is what it was.
    let answer = nexo.put_object(&file["upload"], PDF.to_vec()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(status(&nexo, &company, &file).await, ("available".to_owned(), Value::Null));
}

/// An event that nobody could process: the round does what it was for.
#[tokio::test]
async fn a_round_looks_at_what_no_event_told_of() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    nexo.settled().await;
    // The table is away for as long as the event is tried.
    let away = Fault::BeforeExecution(ServiceError::InternalServerError);
    nexo.door().faults().arm((1..=50).map(|n| FailNth { n, how: away }));
    assert_eq!(nexo.put_object(&file["upload"], PDF.to_vec()).await.status(), StatusCode::OK);
    nexo.settled().await;
    nexo.door().faults().disarm();
    assert!(nexo.log().iter().any(|line| line.contains("gave up on an object's event")));
    assert_eq!(company.get(&path(&file)).await.body["status"], "pending");
    nexo.clock.advance(5 * HOUR);
    assert_eq!(nexo.sweep().await["lookedAt"], 0, "its event may still be tried");
    nexo.clock.advance(HOUR);
    assert_eq!(nexo.sweep().await["lookedAt"], 1);
    company.log_in().await;
    assert_eq!(company.get(&path(&file)).await.body["status"], "available");
}

#[tokio::test]
async fn a_round_goes_through_every_account_and_every_page() {
    let nexo = Nexo::start().await;
    let (one, two) = (nexo.register().await, nexo.register().await);
    for company in [&one, &two] {
        arrived(company, "a.pdf").await;
    }
    for number in 0..12 {
        announced(&one, &format!("{number}.pdf")).await;
    }
    nexo.settled().await;
    let swept = nexo.sweep().await;
    assert_eq!((&swept["accounts"], &swept["files"]), (&json!(2), &json!(14)), "{swept}");
    nexo.clock.advance(2 * DAY);
    assert_eq!(nexo.sweep().await["expired"], 12);
    assert_eq!((counted(&nexo, &one).await, counted(&nexo, &two).await), (PDF.len(), PDF.len()));
}

/// Of several objects that one event tells of, those that can be looked at are.
#[tokio::test]
async fn an_object_that_fails_holds_up_no_other() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (first, second) = (announced(&company, "a.pdf").await, announced(&company, "b.pdf").await);
    let away = Fault::BeforeExecution(ServiceError::InternalServerError);
    nexo.settled().await;
    // Both arrive, and none is looked at.
    nexo.door().faults().arm((1..=100).map(|n| FailNth { n, how: away }));
    for file in [&first, &second] {
        assert_eq!(nexo.put_object(&file["upload"], PDF.to_vec()).await.status(), StatusCode::OK);
    }
    nexo.settled().await;
    nexo.door().faults().disarm();
    let bucket = json!({"name": nexo.server().template().bucket.as_ref().unwrap().name});
    let records: Vec<_> = [&first, &second]
        .map(|file| json!({"s3": {"bucket": bucket, "object": {"key": key(&company, file)}}}))
        .into();
    let event = json!({"Records": records}).to_string().into_bytes();
    // The first three calls are the tries of the first object.
    nexo.door().faults().arm((1..=3).map(|n| FailNth { n, how: away }));
    let called = nexo.server().invoke("FilesFunction", event.clone()).await;
    nexo.door().faults().disarm();
    assert!(called.is_err(), "it is to come again");
    assert_eq!(company.get(&path(&first)).await.body["status"], "pending");
    assert_eq!(company.get(&path(&second)).await.body["status"], "available");
    assert!(nexo.server().invoke("FilesFunction", event).await.is_ok());
    assert_eq!(company.get(&path(&first)).await.body["status"], "available");
    assert_eq!(announcement("a.pdf")["size"], PDF.len());
}
