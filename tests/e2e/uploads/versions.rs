//! New versions of a file.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use futures::future::join_all;
use nexo_local::{BucketFault, FailNth, Fault};
use nexo_tests::table::ulid;
use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PDF, announced, announcement, bucket_client, counted, download, key, path, sha256, status};

const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// The bytes of a version.
fn bytes(number: u8) -> Vec<u8> {
    [PDF, &[b'0' + number]].concat()
}

/// What is announced of a version.
fn new_version(number: u8) -> Value {
    let bytes = bytes(number);
    json!({
        "name": format!("v{number}.pdf"), "contentType": "application/pdf", "size": bytes.len(),
        "sha256": sha256(&bytes),
    })
}

async fn announce(company: &Company<'_>, file: &Value, number: u8) -> Answer {
    company.post(&format!("{}/versions", path(file)), &new_version(number)).await
}

/// A version that is there.
async fn arrived(company: &Company<'_>, file: &Value, number: u8) -> Value {
    let answer = announce(company, file, number).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    company.upload(&answer.body, &bytes(number)).await;
    answer.body
}

/// The ids of all versions, as they are listed.
async fn versions(company: &Company<'_>, file: &Value) -> Vec<Value> {
    let answer = company.get(&format!("{}/versions", path(file))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["data"].as_array().unwrap().iter().map(|version| version["id"].clone()).collect()
}

async fn latest(company: &Company<'_>, file: &Value) -> Answer {
    company.get(&format!("{}/latest", path(file))).await
}

/// What is at a download's address.
async fn got(download: &Value) -> Vec<u8> {
    reqwest::get(download["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
}

/// How many objects there are of a company.
async fn objects(nexo: &Nexo, company: &Company<'_>) -> usize {
    let (client, bucket) = bucket_client(nexo, "SweepFunction").await;
    let prefix = format!("a/{}/", company.account());
    client.list_object_versions().bucket(bucket).prefix(prefix).send().await.unwrap().versions().len()
}

#[tokio::test]
async fn the_version_before_is_the_latest_until_the_next_is_available() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await["id"].clone();
    let mut body = announcement("contract.pdf");
    body["links"] = json!([{"type": "client", "id": client}]);
    let file = company.post("/api/uploads", &body).await.body;
    latest(&company, &file).await.assert_problem(409, "conflict");
    company.upload(&file, PDF).await;
    let first = latest(&company, &file).await;
    assert_eq!((&first.body["file"]["id"], got(&first.body["download"]).await), (&file["id"], PDF.to_vec()));

    let second = announce(&company, &file, 2).await;
    assert_eq!(second.status, 201, "{second:?}");
    let second = second.body;
    assert_eq!((&second["versionOf"], &second["status"]), (&file["id"], &json!("pending")));
    // It is what the file is, but for its bytes and its name.
    assert_eq!(
        (&second["category"], &second["links"], &second["ownerId"], &second["name"]),
        (&json!("client_document"), &body["links"], &file["ownerId"], &json!("v2.pdf"))
    );
    assert_eq!(counted(&nexo, &company).await, PDF.len() + bytes(2).len());
    assert_eq!(latest(&company, &file).await.body["file"]["id"], file["id"]);
    company.upload(&second, &bytes(2)).await;
    let newest = latest(&company, &file).await;
    assert_eq!(newest.body["file"]["id"], second["id"]);
    assert_eq!(got(&newest.body["download"]).await, bytes(2));
    let third = arrived(&company, &file, 3).await;

    // Each by its own id, for good.
    for (version, expected) in [(&file, PDF.to_vec()), (&second, bytes(2)), (&third, bytes(3))] {
        assert_eq!(got(&download(&company, version).await.body).await, expected);
        assert_eq!(latest(&company, version).await.body["file"]["id"], third["id"]);
        assert_eq!(
            versions(&company, version).await,
            [third["id"].clone(), second["id"].clone(), file["id"].clone()]
        );
    }
    // One that is something else than announced is passed over.
    let wrong = announce(&company, &file, 4).await.body;
    let (s3, bucket) =
        (super::bucket::client(&nexo, &company).await, nexo.server().template().bucket.as_ref().unwrap());
    let key = key(&company, &wrong);
    let put = s3.put_object().bucket(&bucket.name).key(key).content_type("application/pdf");
    put.if_none_match("*").body(PDF.to_vec().into()).send().await.unwrap();
    assert_eq!(status(&nexo, &company, &wrong).await, ("quarantined".to_owned(), json!("size_differs")));
    assert_eq!(latest(&company, &file).await.body["file"]["id"], third["id"]);

    // Lists show the file, once.
    for query in ["", "?sort=name", "?sort=-updatedAt", &format!("?linkedTo={}", client.as_str().unwrap())] {
        let listed = company.get(&format!("/api/uploads{query}")).await.body;
        let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|file| &file["id"]).collect();
        assert_eq!(ids, [&file["id"]], "{query}");
        assert_eq!(listed["nextCursor"], Value::Null);
    }
}

#[tokio::test]
async fn a_version_keeps_to_the_rules_of_its_file() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let file = announced(&company, "a.pdf").await;
    let at = format!("{}/versions", path(&file));
    let mut wrong = new_version(2);
    wrong["size"] = json!(0);
    wrong["name"] = json!("a.exe");
    let answer = company.post(&at, &wrong).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        [("/name".into(), "wrong_extension".into()), ("/size".into(), "out_of_range".into())]
    );
    let mut zip = new_version(2);
    zip["name"] = json!("a.zip");
    zip["contentType"] = json!("application/zip");
    let answer = company.post(&at, &zip).await;
    assert_eq!(answer.field_errors(), [("/contentType".into(), "unsupported_type".into())]);
    let second = announce(&company, &file, 2).await.body;
    announce(&company, &second, 3).await.assert_problem(409, "wrong_state");

    // Of nobody else, and of no file that is deleted.
    for (method, end) in [(Method::POST, "versions"), (Method::GET, "versions"), (Method::GET, "latest")] {
        let request = other.request(method, &format!("{}/{end}", path(&file)));
        Answer::of(request.json(&new_version(2))).await.assert_problem(404, "not_found");
    }
    let member = company.colleague("member").await;
    member.post(&at, &new_version(3)).await.assert_problem(404, "not_found");
    let viewer = company.colleague("viewer").await;
    viewer.post(&at, &new_version(3)).await.assert_problem(403, "permission_denied");
    company.upload(&second, &bytes(2)).await;
    assert_eq!(latest(&viewer, &file).await.status, 200);
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    announce(&company, &file, 3).await.assert_problem(404, "not_found");
    latest(&company, &second).await.assert_problem(404, "not_found");
    download(&company, &second).await.assert_problem(404, "not_found");
    company.get(&at).await.assert_problem(404, "not_found");
    // A version is deleted whatever its file is, and restored with it only.
    assert_eq!(company.delete(&path(&second)).await.status, 204);
    let restore = async |file: &Value| company.post(&format!("{}/restore", path(file)), &json!({})).await;
    restore(&second).await.assert_problem(404, "not_found");
    assert_eq!(restore(&file).await.status, 200);
    assert_eq!(restore(&second).await.status, 200);
    assert_eq!(download(&company, &second).await.status, 200);
    // A version can be deleted by itself.
    assert_eq!(company.delete(&path(&second)).await.status, 204);
    assert_eq!(versions(&company, &file).await, [file["id"].clone()]);
}

#[tokio::test]
async fn a_file_has_twenty_further_versions_however_many_are_announced_at_once() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let mut made = Vec::new();
    for _ in 0..17 {
        made.push(announce(&company, &file, 2).await.body);
    }
    let at_once = join_all((0..6).map(|_| announce(&company, &file, 2))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = at_once.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(taken.len(), 3);
    for answer in &refused {
        answer.assert_problem(409, "wrong_state");
    }
    assert_eq!(versions(&company, &file).await.len(), 21);
    assert_eq!(counted(&nexo, &company).await, PDF.len() + 20 * bytes(2).len());
    // What is purged makes room.
    company.upload(&made[0], &bytes(2)).await;
    assert_eq!(company.delete(&path(&made[0])).await.status, 204);
    nexo.clock.advance(HOUR);
    company.log_in().await;
    let purged = company.post(&format!("{}/purge", path(&made[0])), &json!({})).await;
    assert_eq!(purged.status, 204, "{purged:?}");
    nexo.settled().await;
    assert_eq!(announce(&company, &file, 2).await.status, 201);
    assert_eq!(counted(&nexo, &company).await, PDF.len() + 20 * bytes(2).len());
}

#[tokio::test]
async fn a_retry_makes_no_other_version() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let client = company.client("Acme").await["id"].clone();
    let links = json!([{"type": "client", "id": client}]);
    let send = async || {
        let request = company.request(Method::POST, &format!("{}/versions", path(&file)));
        Answer::of(request.header("idempotency-key", "one").json(&new_version(2))).await
    };
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status, again.status), (again.status, reqwest::StatusCode::CREATED));
    assert_eq!(first.body["id"], again.body["id"]);
    // What it is, and not what another one would be by now.
    assert_eq!(company.patch(&path(&file), &json!({"links": links})).await.status, 200);
    company.upload(&first.body, &bytes(2)).await;
    nexo.settled().await;
    let later = send().await.body;
    assert_eq!(
        (&later["links"], &later["status"], &later["upload"]),
        (&json!([]), &json!("available"), &Value::Null)
    );
    assert_eq!(versions(&company, &file).await.len(), 2);
    assert_eq!(counted(&nexo, &company).await, PDF.len() + bytes(2).len());
    assert_eq!(company.delete(&path(&first.body)).await.status, 204);
    send().await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn all_versions_are_erased_with_their_file() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, kept) = (announced(&company, "a.pdf").await, announced(&company, "b.pdf").await);
    company.upload(&file, PDF).await;
    company.upload(&kept, PDF).await;
    let second = arrived(&company, &file, 2).await;
    let deleted = arrived(&company, &file, 3).await;
    assert_eq!(company.delete(&path(&deleted)).await.status, 204);
    nexo.clock.advance(HOUR);
    company.log_in().await;
    let announce = async |company: &Company<'_>| {
        let request = company.request(Method::POST, &format!("{}/versions", path(&file)));
        Answer::of(request.header("idempotency-key", "four").json(&new_version(4))).await
    };
    let waiting = announce(&company).await.body;
    nexo.clock.advance(HOUR);
    company.log_in().await;
    // Whoever asks again has an address that is good for a while.
    let again = announce(&company).await.body;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    announce(&company).await.assert_problem(404, "not_found");
    let purge = format!("{}/purge", path(&file));
    company.post(&purge, &json!({})).await.assert_problem(409, "wrong_state");
    nexo.clock.advance(10 * 60 * 1000);
    company.post(&purge, &json!({})).await.assert_problem(409, "wrong_state");
    assert_eq!(nexo.put_object(&again["upload"], bytes(4)).await.status(), 200);
    nexo.clock.advance(HOUR);
    company.log_in().await;
    let purges = [company.post(&purge, &json!({})).await, company.post(&purge, &json!({})).await];
    assert_eq!(purges[0].status, 204);
    purges[1].assert_problem(404, "not_found");
    nexo.settled().await;
    for version in [&file, &second, &deleted, &waiting] {
        let id = ulid(version["id"].as_str().unwrap());
        assert_eq!(nexo.item(&company, "FIL", id).await, Value::Null);
    }
    assert_eq!((objects(&nexo, &company).await, counted(&nexo, &company).await), (1, PDF.len()));
    assert_eq!(download(&company, &kept).await.status, 200);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

#[tokio::test]
async fn all_versions_are_erased_by_the_round_thirty_days_after() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    arrived(&company, &file, 2).await;
    announce(&company, &file, 3).await;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.clock.advance(29 * DAY);
    assert_eq!(nexo.sweep().await["expired"], 1);
    assert_eq!(counted(&nexo, &company).await, PDF.len() + bytes(2).len());
    assert_eq!(objects(&nexo, &company).await, 2);
    nexo.clock.advance(DAY);
    nexo.sweep().await;
    nexo.settled().await;
    assert_eq!((objects(&nexo, &company).await, counted(&nexo, &company).await), (0, 0));
    company.log_in().await;
    company.post(&format!("{}/restore", path(&file)), &json!({})).await.assert_problem(404, "not_found");
}

/// A deleted file with a version that is there and one that waits, an hour later; a file that stays; and the ids of the
/// first three.
async fn deleted_with_versions(nexo: &Nexo, company: &mut Company<'_>) -> (Value, Vec<String>) {
    let (file, kept) = (announced(company, "a.pdf").await, announced(company, "b.pdf").await);
    company.upload(&file, PDF).await;
    company.upload(&kept, PDF).await;
    let (second, third) = (arrived(company, &file, 2).await, announce(company, &file, 3).await.body);
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.settled().await;
    nexo.clock.advance(HOUR);
    company.log_in().await;
    assert_eq!(company.get("/api/uploads").await.status, 200);
    let ids = [&file, &second, &third].map(|file| ulid(file["id"].as_str().unwrap()).to_owned());
    (file, ids.into())
}

/// That nothing is left of those files but the one that stays, and that each counted once.
async fn assert_purged(nexo: &Nexo, company: &Company<'_>, ids: &[String], what: &str) {
    assert_eq!(counted(nexo, company).await, PDF.len(), "{what}");
    assert_eq!(objects(nexo, company).await, 1, "{what}");
    for id in ids {
        assert_eq!(nexo.item(company, "FIL", id).await, Value::Null, "{what}");
    }
}

/// Whatever call of the purge fails, each version counts down once.
#[tokio::test]
async fn a_purge_of_versions_that_fails_half_way_is_finished_and_counts_once() {
    // The request's own call, a look at the file, and for each of three a claim and an end; a retry or two.
    for how in [Fault::AfterExecution, Fault::TransactionConflict, Fault::Death { executed: true }] {
        for first in [2, 4, 6, 8] {
            let what = format!("{how:?} from call {first}");
            let nexo = Nexo::start().await;
            let mut company = nexo.register().await;
            let (file, ids) = deleted_with_versions(&nexo, &mut company).await;
            let faults = nexo.door().faults();
            faults.arm((first..=first + 1).map(|n| FailNth { n, how }));
            let answer = company.post(&format!("{}/purge", path(&file)), &json!({})).await;
            assert_eq!(answer.status, 204, "{what}: {answer:?}");
            nexo.settled().await;
            assert!(faults.calls() > first, "{what}: there were {} calls", faults.calls());
            faults.disarm();
            assert_purged(&nexo, &company, &ids, &what).await;
        }
    }
}

/// Whatever call of the bucket fails, and however often, the purge is done in the end.
#[tokio::test]
async fn a_purge_of_versions_whose_bucket_fails_is_finished() {
    for failing in [1..=1, 1..=3, 3..=8, 1..=40] {
        let what = format!("calls {failing:?} of the bucket");
        let nexo = Nexo::start().await;
        let mut company = nexo.register().await;
        let (file, ids) = deleted_with_versions(&nexo, &mut company).await;
        let faults = nexo.server().files().unwrap().faults();
        faults.arm(failing.clone().map(|n| FailNth { n, how: BucketFault::SlowDown }));
        let purge = format!("{}/purge", path(&file));
        assert_eq!(company.post(&purge, &json!({})).await.status, 204, "{what}");
        nexo.settled().await;
        assert!(faults.calls() >= *failing.start(), "{what}");
        faults.disarm();
        // What the stream has given up the round takes up.
        if *failing.end() == 40 {
            nexo.sweep().await;
            nexo.settled().await;
        }
        assert_purged(&nexo, &company, &ids, &what).await;
    }
}

/// The request's event, a round and another round.
#[tokio::test]
async fn purges_of_the_same_versions_at_once_count_once() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (file, ids) = deleted_with_versions(&nexo, &mut company).await;
    nexo.clock.advance(30 * DAY);
    company.log_in().await;
    let purge = format!("{}/purge", path(&file));
    let empty = json!({});
    let (asked, first, second) = tokio::join!(company.post(&purge, &empty), nexo.sweep(), nexo.sweep());
    assert_eq!((&first["accounts"], &second["accounts"]), (&json!(1), &json!(1)));
    assert!(asked.status == 204 || asked.status == 404, "{asked:?}");
    assert!(first["purged"].as_u64().unwrap() + second["purged"].as_u64().unwrap() > 0);
    nexo.settled().await;
    nexo.sweep().await;
    assert_purged(&nexo, &company, &ids, "three at once").await;
}

#[tokio::test]
async fn versions_that_never_came_make_room_for_others() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(announce(&company, &file, 2).await.body);
    }
    announce(&company, &file, 2).await.assert_problem(409, "wrong_state");
    nexo.settled().await;
    nexo.clock.advance(2 * DAY);
    assert_eq!(nexo.sweep().await["expired"], 20);
    company.log_in().await;
    assert_eq!(versions(&company, &file).await, [file["id"].clone()]);
    assert_eq!(counted(&nexo, &company).await, PDF.len());
    company.get(&path(&waiting[0])).await.assert_problem(404, "not_found");
    let next = arrived(&company, &file, 3).await;
    assert_eq!(latest(&company, &file).await.body["file"]["id"], next["id"]);
    // What was sent in time and came too late is put away, as what belongs to no file.
    let (s3, bucket) =
        (super::bucket::client(&nexo, &company).await, nexo.server().template().bucket.as_ref().unwrap());
    let key = key(&company, &waiting[0]);
    let put = s3.put_object().bucket(&bucket.name).key(key).if_none_match("*");
    put.content_type("application/pdf").body(bytes(2).into()).send().await.unwrap();
    nexo.settled().await;
    nexo.clock.advance(DAY);
    assert_eq!(nexo.sweep().await["putAway"], 1);
}

#[tokio::test]
async fn a_version_comes_in_parts_and_is_put_together_while_its_file_is_there() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let large = super::parts::bytes();
    let mut version = new_version(2);
    version["size"] = json!(large.len());
    version["sha256"] = json!(sha256(&large));
    let announced = company.post(&format!("{}/versions", path(&file)), &version).await.body;
    let etags = super::parts::sent(&announced["upload"], &large).await;
    let complete = format!("{}/complete", path(&announced));
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    company.post(&complete, &json!({"etags": etags})).await.assert_problem(404, "not_found");
    assert_eq!(company.post(&format!("{}/restore", path(&file)), &json!({})).await.status, 200);
    assert_eq!(company.post(&complete, &json!({"etags": etags})).await.status, 200);
    assert_eq!(status(&nexo, &company, &announced).await.0, "available");
    assert_eq!(latest(&company, &file).await.body["file"]["id"], announced["id"]);
    // One that never comes is ended with the file.
    let waiting = company.post(&format!("{}/versions", path(&file)), &version).await.body;
    super::parts::sent(&waiting["upload"], &large).await;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    nexo.settled().await;
    nexo.clock.advance(HOUR);
    company.log_in().await;
    assert_eq!(company.post(&format!("{}/purge", path(&file)), &json!({})).await.status, 204);
    nexo.settled().await;
    let (client, bucket) = bucket_client(&nexo, "SweepFunction").await;
    let end =
        client.abort_multipart_upload().bucket(bucket).upload_id(super::parts::id_of(&waiting["upload"]));
    let key = key(&company, &waiting);
    let gone = end.key(key).send().await.unwrap_err();
    assert_eq!(gone.code(), Some("NoSuchUpload"));
    assert_eq!((objects(&nexo, &company).await, counted(&nexo, &company).await), (0, 0));
}

#[tokio::test]
async fn whoever_gets_a_file_gets_its_versions() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (one, other) = (company.colleague("member").await, company.colleague("member").await);
    let file = announced(&one, "a.pdf").await;
    one.upload(&file, PDF).await;
    let (second, deleted) = (arrived(&one, &file, 2).await, arrived(&one, &file, 3).await);
    assert_eq!(one.delete(&path(&deleted)).await.status, 204);
    one.patch(&path(&second), &json!({"ownerId": one.user()})).await.assert_problem(409, "wrong_state");
    // A member gives nothing away, and a manager does.
    let to_other = json!({"ownerId": other.user()});
    one.patch(&path(&file), &to_other).await.assert_problem(403, "permission_denied");
    let etag = company.get(&path(&file)).await.headers["etag"].clone();
    let request = company.request(Method::PATCH, &path(&file)).header("if-match", etag);
    let given = Answer::of(request.json(&to_other)).await;
    assert_eq!((given.status.as_u16(), &given.body["ownerId"]), (200, &to_other["ownerId"]));
    assert_eq!(company.get(&path(&second)).await.body["ownerId"], to_other["ownerId"]);
    for (member, status) in [(&one, 404), (&other, 204)] {
        assert_eq!(
            member.post(&format!("{}/restore", path(&deleted)), &json!({})).await.status,
            if status == 204 { 200 } else { 404 }
        );
        assert_eq!(member.delete(&path(&deleted)).await.status, status);
        assert_eq!(announce(member, &file, 4).await.status, if status == 204 { 201 } else { 404 });
    }
    // Nobody has it, and none of its versions, the next one included.
    assert_eq!(company.patch(&path(&file), &json!({"ownerId": null})).await.status, 200);
    let next = announce(&company, &file, 5).await;
    assert_eq!(next.status, 201, "{next:?}");
    for version in [&file, &second, &next.body] {
        let shown = company.get(&path(version)).await.body;
        assert_eq!((&shown["id"], shown.get("ownerId")), (&version["id"], Some(&Value::Null)));
    }
}

/// Versions that are announced while their file is handed over have the owner that it has then.
#[tokio::test]
async fn versions_have_the_owner_of_their_file_however_many_are_announced_meanwhile() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let colleague = company.colleague("manager").await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    for round in 0..4 {
        let owner = if round % 2 == 0 { colleague.user() } else { company.user() };
        let (at, change) = (path(&file), json!({"ownerId": owner}));
        let (given, made) =
            tokio::join!(company.patch(&at, &change), join_all((0..4).map(|_| announce(&company, &file, 2))));
        assert_eq!(given.status, 200, "{given:?}");
        assert!(made.iter().any(|answer| answer.status == 201) || round > 0, "{made:?}");
        assert!(
            made.iter().all(|answer| answer.status == 201 || answer.body["code"] == "conflict"),
            "{made:?}"
        );
        for version in
            company.get(&format!("{}/versions", path(&file))).await.body["data"].as_array().unwrap()
        {
            assert_eq!(version["ownerId"], change["ownerId"]);
        }
    }
}

/// A version that is announced while its file is deleted is none of it, or goes with it.
#[tokio::test]
async fn no_version_is_left_of_a_file_that_is_deleted_meanwhile() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    company.upload(&file, PDF).await;
    let faults = nexo.door().faults();
    // It reads the file with its first call, and writes with its second.
    faults.arm([FailNth { n: 2, how: Fault::Hang(Duration::from_hours(1)) }]);
    let meanwhile = async {
        while faults.calls() < 2 {
            tokio::task::yield_now().await;
        }
        company.delete(&path(&file)).await
    };
    let (version, deleted) = tokio::join!(announce(&company, &file, 2), meanwhile);
    faults.disarm();
    assert_eq!(deleted.status, 204);
    version.assert_problem(404, "not_found");
    assert_eq!(counted(&nexo, &company).await, PDF.len());
}

#[tokio::test]
async fn what_is_no_more_to_be_had_of_a_file_is_none_of_its_versions_either() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let mut body = announcement("a.csv");
    body["contentType"] = json!("text/csv");
    body["links"] = json!([{"type": "client", "id": client["id"]}]);
    let file = company.post("/api/uploads", &body).await.body;
    // The client is gone, and the file a version anew all the same.
    let path_of_client = format!("/api/clients/{}", client["id"].as_str().unwrap());
    assert_eq!(company.delete(&path_of_client).await.status, 204);
    let csv = b"name\nA\n";
    let version = json!({
        "name": "b.csv", "contentType": "text/csv", "size": csv.len(), "sha256": sha256(csv),
    });
    let second = company.post(&format!("{}/versions", path(&file)), &version).await;
    assert_eq!(second.status, 201, "{second:?}");
    company.upload(&second.body, csv).await;
    let import = json!({"fileId": second.body["id"], "resource": "clients"});
    let begun = company.post("/api/imports", &import).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    nexo.settled().await;
    for one in [&file, &second.body] {
        assert_eq!(company.patch(&path(one), &json!({"links": []})).await.status, 200);
    }
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    company.get(&path(&second.body)).await.assert_problem(404, "not_found");
    company.patch(&path(&second.body), &json!({"links": []})).await.assert_problem(404, "not_found");
    download(&company, &second.body).await.assert_problem(404, "not_found");
    company.post(&format!("{}/parts", path(&second.body)), &json!({})).await.assert_problem(404, "not_found");
    let refused = company.post("/api/imports", &import).await;
    assert_eq!(refused.field_errors(), [("/fileId".into(), "no_such_record".into())]);
    let start = format!("/api/imports/{}/start", begun.body["id"].as_str().unwrap());
    assert_eq!(company.post(&start, &json!({"dryRun": false})).await.status, 202);
    nexo.settled().await;
    let failed = company.get(start.trim_end_matches("/start")).await.body;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("file_gone")));
}
