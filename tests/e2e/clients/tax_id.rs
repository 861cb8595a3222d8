//! A tax id is unique in an account and a country.

use nexo_tests::{Answer, Company, Nexo};
use serde_json::{Value, json};

use super::{errors, path};

async fn with_tax_id(company: &Company<'_>, tax_id: &str, country: Option<&str>) -> Answer {
    let address = country.map(|country| json!({"country": country}));
    company.post("/api/clients", &json!({"name": "Acme", "taxId": tax_id, "billingAddress": address})).await
}

#[track_caller]
fn assert_taken(answer: &Answer) {
    answer.assert_problem(409, "already_exists");
    assert_eq!(answer.field_errors(), errors(&[("/taxId", "taken")]));
}

#[tokio::test]
async fn two_clients_do_not_share_a_tax_id() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(with_tax_id(&company, "DE 123-456", Some("DE")).await.status, 201);
    // However it is written.
    for tax_id in ["DE 123-456", "de123456", "D.E.1/2/3 4 5 6", " De-123456 "] {
        assert_taken(&with_tax_id(&company, tax_id, Some("de")).await);
    }
    let other = company.client("Other").await;
    let path = path(&other);
    let both = json!({"taxId": "DE123456", "billingAddress": {"country": "DE"}});
    assert_taken(&company.patch(&path, &both).await);
    let mut all = both;
    all["name"] = json!("Other");
    assert_taken(&company.put(&path, &all).await);
    assert_eq!(company.get(&path).await.body, other);
    assert_eq!(company.get("/api/clients").await.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn other_countries_and_other_accounts_do_not_count() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    for country in [Some("DE"), Some("FR"), None] {
        assert_eq!(with_tax_id(&company, "1", country).await.status, 201);
        assert_eq!(with_tax_id(&other, "1", country).await.status, 201);
        assert_taken(&with_tax_id(&company, "1", country).await);
    }
    // Moving to the other country is moving to its numbers.
    let unaddressed = company.get("/api/clients?sort=-createdAt&limit=1").await.body["data"][0].clone();
    let moved = company.patch(&path(&unaddressed), &json!({"billingAddress": {"country": "FR"}})).await;
    assert_taken(&moved);
    let moved = company.patch(&path(&unaddressed), &json!({"billingAddress": {"country": "IT"}})).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    assert_eq!(with_tax_id(&company, "1", None).await.status, 201, "free again");
    assert_taken(&with_tax_id(&company, "1", Some("IT")).await);
}

#[tokio::test]
async fn a_tax_id_is_free_again_once_it_is_let_go() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut holder = with_tax_id(&company, "9", None).await.body;
    for release in 0..4 {
        let path = path(&holder);
        let released = match release {
            0 => company.delete(&path).await,
            1 => company.patch(&path, &json!({"taxId": "10"})).await,
            2 => company.patch(&path, &json!({"taxId": null, "name": "None"})).await,
            _ => company.put(&path, &json!({"name": "None"})).await,
        };
        assert!(released.status.is_success(), "{released:?}");
        let next = with_tax_id(&company, "9", None).await;
        assert_eq!(next.status, 201, "{release}: {next:?}");
        assert_taken(&with_tax_id(&company, "9", None).await);
        // The first holder may not take it back, and its other number is its own.
        if release > 0 {
            assert_taken(&company.patch(&path, &json!({"taxId": "9"})).await);
        }
        if release == 1 {
            assert_taken(&with_tax_id(&company, "10", None).await);
        }
        holder = next.body;
    }
}

#[tokio::test]
async fn a_holder_keeps_its_tax_id_through_other_changes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let holder = with_tax_id(&company, "5-5", Some("DE")).await.body;
    let path = path(&holder);
    for change in [
        json!({"name": "New"}),
        json!({"taxId": "55"}),
        json!({"billingAddress": {"city": "Ulm"}}),
        json!({"taxId": "5 5", "parentId": null}),
    ] {
        assert_eq!(company.patch(&path, &change).await.status, 200, "{change}");
        assert_taken(&with_tax_id(&company, "55", Some("DE")).await);
    }
    // Away and back.
    assert_eq!(company.patch(&path, &json!({"taxId": "66"})).await.status, 200);
    assert_eq!(company.patch(&path, &json!({"taxId": "55"})).await.status, 200);
    assert_taken(&with_tax_id(&company, "55", Some("DE")).await);
    assert_eq!(with_tax_id(&company, "66", Some("DE")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creates_at_once_one_gets_the_tax_id() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for round in 0..8 {
        let tax_id = format!("round {round}");
        if round % 2 == 1 {
            // A marker that a deleted client left behind.
            let gone = with_tax_id(&company, &tax_id, None).await.body;
            company.delete(&path(&gone)).await;
        }
        let answers = futures::future::join_all((0..6).map(|_| with_tax_id(&company, &tax_id, None))).await;
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(created, 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.assert_problem(409, answer.body["code"].as_str().unwrap());
            assert!(["already_exists", "conflict"].contains(&answer.body["code"].as_str().unwrap()));
        }
        assert_taken(&with_tax_id(&company, &tax_id, None).await);
    }
    let list = company.get("/api/clients?limit=100").await;
    let mut tax_ids: Vec<&Value> =
        list.body["data"].as_array().unwrap().iter().map(|client| &client["taxId"]).collect();
    tax_ids.sort_by_key(ToString::to_string);
    tax_ids.dedup();
    assert_eq!(tax_ids.len(), 8);
    assert_eq!(list.body["data"].as_array().unwrap().len(), 8);
}
