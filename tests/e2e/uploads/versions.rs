//! New versions of a file.

use std::time::Duration;

use futures::future::join_all;
use nexo_local::{FailNth, Fault};
use nexo_tests::table::ulid;
use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PDF, announced, announcement, bucket_client, download, path, sha256, status};

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

/// The sum of bytes of a company's files.
async fn counted(nexo: &Nexo, company: &Company<'_>) -> usize {
    nexo.item(company, "STO", "STO").await["bytes"]["N"].as_str().unwrap().parse().unwrap()
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
    let key = format!("a/{}/{}", company.account(), ulid(wrong["id"].as_str().unwrap()));
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
    assert_eq!(company.post(&format!("{}/restore", path(&file)), &json!({})).await.status, 200);
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
    let send = async || {
        let request = company.request(Method::POST, &format!("{}/versions", path(&file)));
        Answer::of(request.header("idempotency-key", "one").json(&new_version(2))).await
    };
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status, again.status), (again.status, reqwest::StatusCode::CREATED));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(versions(&company, &file).await.len(), 2);
    assert_eq!(counted(&nexo, &company).await, PDF.len() + bytes(2).len());
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
    let waiting = announce(&company, &file, 4).await.body;
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    let purge = format!("{}/purge", path(&file));
    // What was announced a moment ago may still come.
    company.post(&purge, &json!({})).await.assert_problem(409, "wrong_state");
    nexo.clock.advance(HOUR);
    company.log_in().await;
    assert_eq!(company.post(&purge, &json!({})).await.status, 204);
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
    assert_eq!(objects(&nexo, &company).await, 2);
    nexo.clock.advance(DAY);
    nexo.sweep().await;
    nexo.settled().await;
    assert_eq!((objects(&nexo, &company).await, counted(&nexo, &company).await), (0, 0));
    company.log_in().await;
    company.post(&format!("{}/restore", path(&file)), &json!({})).await.assert_problem(404, "not_found");
}

/// Whatever call of the purge fails, each version counts down once.
#[tokio::test]
async fn a_purge_of_versions_that_fails_half_way_is_finished_and_counts_once() {
    for how in [Fault::AfterExecution, Fault::TransactionConflict, Fault::Death { executed: true }] {
        for first in [2, 4, 6, 8] {
            let nexo = Nexo::start().await;
            let mut company = nexo.register().await;
            let (file, kept) = (announced(&company, "a.pdf").await, announced(&company, "b.pdf").await);
            company.upload(&file, PDF).await;
            company.upload(&kept, PDF).await;
            arrived(&company, &file, 2).await;
            announce(&company, &file, 3).await;
            assert_eq!(company.delete(&path(&file)).await.status, 204);
            nexo.clock.advance(HOUR);
            company.log_in().await;
            assert_eq!(company.get("/api/uploads").await.status, 200);
            // The first call is the request's own.
            nexo.door().faults().arm((first..=first + 1).map(|n| FailNth { n, how }));
            let answer = company.post(&format!("{}/purge", path(&file)), &json!({})).await;
            assert_eq!(answer.status, 204, "{how:?} from call {first}: {answer:?}");
            nexo.settled().await;
            nexo.door().faults().disarm();
            assert_eq!(counted(&nexo, &company).await, PDF.len(), "{how:?} from call {first}");
            assert_eq!(objects(&nexo, &company).await, 1, "{how:?} from call {first}");
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
    // Its owner stays, and so does that of the version.
    let colleague = company.colleague("manager").await;
    for one in [&file, &second.body] {
        let given = company.patch(&path(one), &json!({"ownerId": colleague.user()})).await;
        given.assert_problem(409, "wrong_state");
        assert_eq!(company.patch(&path(one), &json!({"links": []})).await.status, 200);
    }
    assert_eq!(company.delete(&path(&file)).await.status, 204);
    download(&company, &second.body).await.assert_problem(404, "not_found");
    company.post(&format!("{}/parts", path(&second.body)), &json!({})).await.assert_problem(404, "not_found");
    let refused = company.post("/api/imports", &import).await;
    assert_eq!(refused.field_errors(), [("/fileId".into(), "not_available".into())]);
    let start = format!("/api/imports/{}/start", begun.body["id"].as_str().unwrap());
    assert_eq!(company.post(&start, &json!({"dryRun": false})).await.status, 202);
    nexo.settled().await;
    let failed = company.get(start.trim_end_matches("/start")).await.body;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("file_gone")));
}
