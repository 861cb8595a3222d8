//! `Idempotency-Key`.

use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::path;

async fn create(company: &Company<'_>, key: &str, body: &Value) -> Answer {
    let request = company.request(Method::POST, "/api/clients").header("idempotency-key", key);
    Answer::of(request.json(body)).await
}

#[track_caller]
fn assert_same(retry: &Answer, first: &Answer) {
    assert_eq!(retry.status, first.status, "{retry:?}");
    assert_eq!(retry.body, first.body);
    for name in ["etag", "location", "content-type"] {
        assert_eq!(retry.header(name), first.header(name), "{name}");
    }
    assert_eq!(retry.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
}

async fn count(company: &Company<'_>) -> usize {
    company.get("/api/clients?limit=100").await.body["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_whatever_happened_since() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let parent = company.client("Parent").await;
    let body = json!({"name": "Acme", "taxId": "1", "tags": ["vip"], "parentId": parent["id"]});
    let first = create(&company, "key", &body).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_same(&create(&company, "key", &body).await, &first);
    // The same members in another order, with other spaces, are the same body.
    let request = company.request(Method::POST, "/api/clients").header("idempotency-key", "key");
    let text = format!(
        "{{ \"tags\": [\"vip\"],\n \"parentId\": {}, \"taxId\": \"1\", \"name\": \"Acme\" }}",
        parent["id"]
    );
    let reordered = Answer::of(request.header("content-type", "application/json").body(text)).await;
    assert_same(&reordered, &first);

    nexo.clock.advance(60_000);
    company.patch(&path(&first.body), &json!({"name": "Changed", "taxId": "2"})).await;
    assert_same(&create(&company, "key", &body).await, &first);
    company.post("/api/clients", &json!({"name": "Other", "taxId": "1"})).await;
    assert_same(&create(&company, "key", &body).await, &first);
    company.delete(&path(&first.body)).await;
    assert_same(&create(&company, "key", &body).await, &first);
    company.delete(&path(&parent)).await;
    assert_same(&create(&company, "key", &body).await, &first);
    assert_eq!(count(&company).await, 1);
}

#[tokio::test]
async fn a_key_is_good_for_one_body() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(create(&company, "key", &json!({"name": "Acme"})).await.status, 201);
    for body in [json!({"name": "Other"}), json!({"name": "Acme", "tags": []}), json!({"name": "acme"})] {
        create(&company, "key", &body).await.assert_problem(422, "idempotency_key_reused");
    }
    assert_eq!(create(&company, "KEY", &json!({"name": "Other"})).await.status, 201);
    assert_eq!(count(&company).await, 2);
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_key_up() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    create(&company, "key", &json!({"name": ""})).await.assert_problem(422, "validation_failed");
    let holder = company.post("/api/clients", &json!({"name": "Holder", "taxId": "1"})).await.body;
    let body = json!({"name": "Acme", "taxId": "1"});
    create(&company, "key", &body).await.assert_problem(409, "already_exists");
    company.delete(&path(&holder)).await;
    assert_eq!(create(&company, "key", &body).await.status, 201);
}

#[tokio::test]
async fn a_key_is_its_users_own() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let body = json!({"name": "Acme"});
    let first = create(&company, "key", &body).await;
    let second = create(&other, "key", &body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_ne!(first.body["id"], second.body["id"]);
    assert_eq!(second.body["createdBy"], other.user());
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let body = json!({"name": "Acme"});
    let first = create(&company, "key", &body).await;
    nexo.clock.advance(24 * 3600 * 1000 - 60_000);
    company.log_in().await;
    assert_same(&create(&company, "key", &body).await, &first);
    nexo.clock.advance(62_000);
    let again = create(&company, "key", &json!({"name": "Next"})).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, ""));
    assert_ne!(again.body["id"], first.body["id"]);
    assert_eq!(count(&company).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_at_once_makes_one_client() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for round in 0..8 {
        let key = format!("key {round}");
        // With and without something else to claim.
        let tax_id = (round % 2 == 0).then(|| format!("{round}"));
        let body = json!({"name": "Acme", "taxId": tax_id});
        let answers = futures::future::join_all((0..6).map(|_| create(&company, &key, &body))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert!(!made.is_empty(), "{answers:?}");
        for answer in &answers {
            if answer.status == 201 {
                assert_eq!(answer.body, made[0].body);
            } else {
                answer.assert_problem(409, "idempotency_in_progress");
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
        let first = made.iter().filter(|answer| answer.header("idempotency-replayed").is_empty());
        assert!(first.count() <= 1, "{answers:?}");
        assert_eq!(create(&company, &key, &body).await.body, made[0].body);
    }
    assert_eq!(count(&company).await, 8);
}

#[tokio::test]
async fn a_key_has_one_to_255_visible_characters() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let body = json!({"name": "Acme"});
    for key in ["", " ", &"k".repeat(256)] {
        create(&company, key, &body).await.assert_problem(400, "malformed_request");
    }
    for key in ["k", "00000000-0000-0000-0000-000000000000", &"k".repeat(255)] {
        assert_eq!(create(&company, key, &body).await.status, 201, "{key}");
    }
}
