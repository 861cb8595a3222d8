//! What is known of files: rules, room, links, lists.

use futures::future::join_all;
use nexo_local::{FailNth, Fault};
use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use crate::employees::{department, employee, position};

use super::{PDF, announced, announcement, path};

const GB: u64 = 1024 * 1024 * 1024;

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let answer = company
        .post(
            "/api/uploads",
            &json!({"name": "a/b", "contentType": "text/html", "size": "1", "sha256": "x", "category": "secret"}),
        )
        .await;
    answer.assert_problem(422, "validation_failed");
    let pointers: Vec<_> = answer.field_errors().into_iter().map(|(pointer, _)| pointer).collect();
    for pointer in ["/name", "/contentType", "/size", "/sha256", "/category"] {
        assert!(pointers.contains(&pointer.to_owned()), "{pointer}: {answer:?}");
    }
    let mut body = announcement("a.zip");
    body["contentType"] = json!("application/zip");
    body["category"] = json!("resume");
    body["size"] = json!(5 * GB + 1);
    let answer = company.post("/api/uploads", &body).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        [("/contentType".into(), "unsupported_type".into()), ("/size".into(), "out_of_range".into())]
    );
    body["size"] = json!(0);
    body["category"] = json!("other");
    let answer = company.post("/api/uploads", &body).await;
    assert_eq!(answer.field_errors(), [("/size".into(), "out_of_range".into())]);
}

async fn of_five_gb(company: &Company<'_>, name: &str) -> Answer {
    let mut body = announcement(name);
    body["size"] = json!(5 * GB);
    company.post("/api/uploads", &body).await
}

#[tokio::test]
async fn an_account_has_room_for_a_hundred_gb_however_many_ask_at_once() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let mut files = Vec::new();
    for number in 0..18 {
        files.push(of_five_gb(&company, &format!("{number}.pdf")).await.body);
    }
    let answers = join_all((0..6).map(|_| of_five_gb(&company, "late.pdf"))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(taken.len(), 2);
    for answer in &refused {
        answer.assert_problem(409, "quota_exceeded");
    }
    // Another account's is its own.
    assert_eq!(of_five_gb(&other, "a.pdf").await.status, 201);

    // What is deleted can be restored, so it takes its room still. What is purged does not.
    let first = path(&files[0]);
    assert_eq!(company.delete(&first).await.status, 204);
    company.delete(&first).await.assert_problem(404, "not_found");
    of_five_gb(&company, "next.pdf").await.assert_problem(409, "quota_exceeded");
    assert_eq!(company.post(&format!("{first}/restore"), &json!({})).await.status, 200);
    company.post(&format!("{first}/restore"), &json!({})).await.assert_problem(404, "not_found");
    of_five_gb(&company, "over.pdf").await.assert_problem(409, "quota_exceeded");
}

/// Each of them counts in one item. On AWS some would meet there and be told to come again.
#[tokio::test]
async fn announcements_that_collide_are_made_again() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(company.get("/api/uploads").await.status, 200);
    let conflicts = |count: u64| (1..=count).map(|n| FailNth { n, how: Fault::TransactionConflict });
    let faults = nexo.door().faults();
    for (number, collisions) in [1, 3, 6].into_iter().enumerate() {
        faults.arm(conflicts(collisions));
        let answer = company.post("/api/uploads", &announcement("a.pdf")).await;
        let calls = faults.calls();
        faults.disarm();
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(calls > collisions);
        nexo.settled().await;
        let counted = nexo.item(&company, "STO", "STO").await["bytes"].clone();
        assert_eq!(counted, json!({"N": (PDF.len() * (number + 1)).to_string()}));
    }
    faults.arm(conflicts(50));
    let answer = company.post("/api/uploads", &announcement("a.pdf")).await;
    faults.disarm();
    answer.assert_problem(409, "conflict");
    assert_eq!(answer.header("retry-after"), "1");
    let counted = nexo.item(&company, "STO", "STO").await["bytes"].clone();
    assert_eq!(counted, json!({"N": (PDF.len() * 3).to_string()}));
}

#[tokio::test]
async fn a_retry_announces_nothing_new() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let send = async |body: &Value| {
        let request = company.request(Method::POST, "/api/uploads").header("idempotency-key", "one");
        Answer::of(request.json(body)).await
    };
    let (first, again) = (send(&announcement("a.pdf")).await, send(&announcement("a.pdf")).await);
    assert_eq!((first.status, again.status), (again.status, reqwest::StatusCode::CREATED));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(again.header("idempotency-replayed"), "true");
    send(&announcement("b.pdf")).await.assert_problem(422, "idempotency_key_reused");
    // The address of the retry is as good as the first.
    company.upload(&again.body, PDF).await;
    assert_eq!(company.get("/api/uploads").await.body["data"].as_array().unwrap().len(), 1);
    // There is nothing left to upload once it is there, or deleted.
    let arrived = send(&announcement("a.pdf")).await;
    assert_eq!((arrived.status, &arrived.body["upload"]), (first.status, &Value::Null), "{arrived:?}");
    assert_eq!((&arrived.body["id"], &arrived.body["status"]), (&first.body["id"], &json!("available")));
    let pending = announced(&company, "b.pdf").await;
    let keyed = async || {
        let request = company.request(Method::POST, "/api/uploads").header("idempotency-key", "two");
        Answer::of(request.json(&announcement("c.pdf"))).await
    };
    let third = keyed().await.body;
    assert!(third["upload"].is_object() && pending["upload"].is_object());
    assert_eq!(company.delete(&path(&third)).await.status, 204);
    assert_eq!(keyed().await.body["upload"], Value::Null);
}

#[tokio::test]
async fn a_name_ends_as_its_type_says() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for name in ["report.exe", "report", "report.pdf.html", ".pdf"] {
        let answer = company.post("/api/uploads", &announcement(name)).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/name".into(), "wrong_extension".into())], "{name}");
    }
    let file = announced(&company, "Report.PDF").await;
    let answer = company.patch(&path(&file), &json!({"name": "report.html"})).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), [("/name".into(), "wrong_extension".into())]);
    assert_eq!(company.patch(&path(&file), &json!({"name": "final.pdf"})).await.status, 200);
}

/// Whoever reaches its own records only must not learn by a link which other records there are.
#[tokio::test]
async fn a_record_beyond_the_callers_reach_is_none_to_link_to() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let theirs = owner.client("Theirs").await["id"].clone();
    let with_link = |id: &Value| {
        let mut body = announcement("a.pdf");
        body["links"] = json!([{"type": "client", "id": id}]);
        body
    };
    let mine = member.client("Mine").await["id"].clone();
    assert_eq!(member.post("/api/uploads", &with_link(&mine)).await.status, 201);
    let unknown = member.post("/api/uploads", &with_link(&json!("cli_01ARZ3NDEKTSV4RRFFQ69G5FAV"))).await;
    let beyond = member.post("/api/uploads", &with_link(&theirs)).await;
    for answer in [&unknown, &beyond] {
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/links".into(), "no_such_record".into())]);
    }
    let file = announced(&member, "b.pdf").await;
    let links = with_link(&theirs)["links"].clone();
    let answer = member.patch(&path(&file), &json!({"links": links})).await;
    assert_eq!(answer.field_errors(), [("/links".into(), "no_such_record".into())]);
    // A key that was given files and no clients links to none.
    let program = owner.program(&["file:write"]).await;
    let answer = program.post("/api/uploads", &with_link(&theirs)).await;
    assert_eq!(answer.field_errors(), [("/links".into(), "no_such_record".into())]);
    assert_eq!(owner.post("/api/uploads", &with_link(&theirs)).await.status, 201);
}

#[tokio::test]
async fn files_belong_to_employees_for_whoever_may_read_those() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 1).await);
    let ada = employee(&company, "1", &it, &dev).await["id"].clone();
    let client = company.client("Acme").await["id"].clone();
    let links = |of: &str, id: &Value| {
        let mut body = announcement("resume.pdf");
        body["links"] = json!([{"type": of, "id": id}]);
        body
    };
    let file = company.post("/api/uploads", &links("employee", &ada)).await;
    assert_eq!((file.status.as_u16(), &file.body["links"]), (201, &links("employee", &ada)["links"]));
    let found = company.get(&format!("/api/uploads?linkedTo={}", ada.as_str().unwrap())).await.body;
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found}");
    let found = company.get(&format!("/api/uploads?linkedTo={}", client.as_str().unwrap())).await.body;
    assert_eq!(found["data"], json!([]));
    company.get("/api/uploads?linkedTo=dep_1").await.assert_problem(400, "invalid_parameter");
    // What one thing is called is no other, and there are no further kinds.
    for (of, id) in [("employee", &client), ("client", &ada), ("position", &dev["id"])] {
        company.post("/api/uploads", &links(of, id)).await.assert_problem(422, "validation_failed");
    }
    let program = company.program(&["file:read", "file:write", "client:read"]).await;
    let refused = program.post("/api/uploads", &links("employee", &ada)).await;
    assert_eq!(refused.field_errors(), [("/links".into(), "no_such_record".into())]);
    assert_eq!(program.post("/api/uploads", &links("client", &client)).await.status, 201);
}

#[tokio::test]
async fn files_are_found_by_what_they_belong_to() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let (one, two) = (company.client("One").await["id"].clone(), company.client("Two").await["id"].clone());
    let theirs = other.client("Theirs").await["id"].clone();
    let link = |id: &Value| json!({"type": "client", "id": id});
    let with_links = |links: Value| {
        let mut body = announcement("a.pdf");
        body["links"] = links;
        body
    };
    for wrong in [json!([link(&theirs)]), json!([link(&json!("cli_01ARZ3NDEKTSV4RRFFQ69G5FAV"))])] {
        let answer = company.post("/api/uploads", &with_links(wrong)).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/links".into(), "no_such_record".into())]);
    }
    let answer = company.post("/api/uploads", &with_links(json!([link(&one), link(&one)]))).await;
    assert_eq!(answer.field_errors(), [("/links/1".into(), "duplicate".into())]);

    let file = company.post("/api/uploads", &with_links(json!([link(&one)]))).await.body;
    announced(&company, "unlinked.pdf").await;
    let found = async |query: &str| -> Vec<String> {
        let answer = company.get(&format!("/api/uploads?{query}")).await;
        let names = answer.body["data"].as_array().unwrap().iter();
        names.map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    let by = |id: &Value| format!("linkedTo={}", id.as_str().unwrap());
    assert_eq!(found(&by(&one)).await, ["a.pdf"]);
    assert_eq!(found(&by(&two)).await, Vec::<String>::new());
    assert_eq!(found("category=client_document&sort=name").await, ["a.pdf", "unlinked.pdf"]);
    assert_eq!(found("category=invoice").await, Vec::<String>::new());

    let change = json!({"name": "b.pdf", "links": [link(&one), link(&two)]});
    let changed = company.patch(&path(&file), &change).await;
    assert_eq!((changed.status.as_u16(), &changed.body["version"]), (200, &json!(2)), "{changed:?}");
    assert_eq!(changed.body["links"], change["links"]);
    assert_eq!(found(&by(&two)).await, ["b.pdf"]);
    assert_eq!(found("sort=name").await, ["b.pdf", "unlinked.pdf"]);
    company
        .patch(&path(&file), &json!({"links": [link(&theirs)]}))
        .await
        .assert_problem(422, "validation_failed");
    assert_eq!(company.patch(&path(&file), &json!({"links": []})).await.status, 200);
    assert_eq!(found(&by(&one)).await, Vec::<String>::new());
    company.patch(&path(&file), &json!({"size": 3})).await.assert_problem(422, "validation_failed");
    company
        .patch(&path(&file), &json!({"status": "available"}))
        .await
        .assert_problem(422, "validation_failed");
    let stale = company.request(Method::PATCH, &path(&file)).header("if-match", "\"1\"");
    Answer::of(stale.json(&json!({"name": "c.pdf"}))).await.assert_problem(412, "stale_version");
}
