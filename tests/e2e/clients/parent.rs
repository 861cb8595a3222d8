//! Clients make trees: a parent exists, and nobody is their own ancestor.

use std::collections::HashMap;

use nexo_tests::{Answer, Company, Nexo};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{errors, id, path};

async fn child(company: &Company<'_>, parent: &Value) -> Value {
    let answer = company.post("/api/clients", &json!({"name": "Child", "parentId": parent["id"]})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

async fn move_below(company: &Company<'_>, client: &Value, parent: &Value) -> Answer {
    company.patch(&path(client), &json!({"parentId": parent["id"]})).await
}

#[track_caller]
fn assert_refused(answer: &Answer, code: &str) {
    answer.assert_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), errors(&[("/parentId", code)]));
}

/// Fails when any client is its own ancestor.
async fn assert_tree(company: &Company<'_>) {
    let clients = company.get("/api/clients?limit=100").await.body["data"].clone();
    let parents: HashMap<&str, &str> = clients
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|client| Some((id(client), client["parentId"].as_str()?)))
        .collect();
    for start in parents.keys() {
        let (mut at, mut steps) = (*start, 0);
        while let Some(parent) = parents.get(at) {
            at = parent;
            steps += 1;
            assert!(steps <= parents.len(), "a cycle: {parents:?}");
        }
    }
}

#[tokio::test]
async fn a_parent_is_a_live_client_of_the_account() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let client = company.client("Acme").await;
    let foreign = other.client("Foreign").await;
    let deleted = company.client("Deleted").await;
    company.delete(&path(&deleted)).await;
    let unknown = json!({"id": "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    for parent in [&foreign, &deleted, &unknown] {
        let create = json!({"name": "Child", "parentId": parent["id"]});
        assert_refused(&company.post("/api/clients", &create).await, "no_such_record");
        assert_refused(&move_below(&company, &client, parent).await, "no_such_record");
        assert_refused(&company.put(&path(&client), &create).await, "no_such_record");
    }
    assert_eq!(company.get(&path(&client)).await.body, client);
    let user = json!({"name": "Child", "parentId": company.user()});
    assert_refused(&company.post("/api/clients", &user).await, "invalid_id");
}

#[tokio::test]
async fn nobody_is_their_own_ancestor() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let root = company.client("Root").await;
    let middle = child(&company, &root).await;
    let leaf = child(&company, &middle).await;
    for (client, parent) in [(&root, &root), (&root, &middle), (&root, &leaf), (&middle, &leaf)] {
        assert_refused(&move_below(&company, client, parent).await, "cycle");
        let put = json!({"name": "Root", "parentId": parent["id"]});
        assert_refused(&company.put(&path(client), &put).await, "cycle");
    }
    let moved = move_below(&company, &leaf, &root).await;
    assert_eq!((moved.status.as_u16(), &moved.body["parentId"]), (200, &root["id"]));
    assert_eq!(move_below(&company, &middle, &leaf).await.status, 200);
    let freed = company.patch(&path(&leaf), &json!({"parentId": null})).await;
    assert_eq!(freed.body["parentId"], Value::Null);
    assert_eq!(move_below(&company, &root, &middle).await.status, 200, "another tree by now");
    assert_tree(&company).await;
}

#[tokio::test]
async fn a_child_stays_when_its_parent_is_deleted() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let root = company.client("Root").await;
    let leaf = child(&company, &root).await;
    company.delete(&path(&root)).await;
    assert_eq!(company.get(&path(&leaf)).await.body, leaf);
    // What is not about the parent can be changed, also in one piece.
    assert_eq!(company.patch(&path(&leaf), &json!({"name": "Leaf"})).await.status, 200);
    assert_eq!(company.patch(&path(&leaf), &json!({"taxId": "1"})).await.status, 200);
    let put = json!({"name": "Leaf", "parentId": root["id"]});
    assert_eq!(company.put(&path(&leaf), &put).await.status, 200);
    assert_eq!(company.post(&format!("{}/restore", path(&root)), &json!({})).await.status, 200);
    assert_refused(&move_below(&company, &root, &leaf).await, "cycle");
}

#[tokio::test]
async fn a_restored_client_closes_no_cycle() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let top = company.client("Top").await;
    let middle = child(&company, &top).await;
    let leaf = child(&company, &middle).await;
    company.delete(&path(&middle)).await;
    let moved = move_below(&company, &top, &leaf).await;
    let restored = company.post(&format!("{}/restore", path(&middle)), &json!({})).await;
    assert!(!(moved.status.is_success() && restored.status.is_success()), "{moved:?} {restored:?}");
    assert_tree(&company).await;
}

#[tokio::test]
async fn a_client_is_restored_without_its_deleted_parent() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let root = company.client("Root").await;
    let leaf = child(&company, &root).await;
    company.delete(&path(&root)).await;
    company.delete(&path(&leaf)).await;
    let restored = company.post(&format!("{}/restore", path(&leaf)), &json!({})).await;
    assert_eq!((restored.status.as_u16(), &restored.body["parentId"]), (200, &root["id"]), "{restored:?}");
    assert_eq!(company.post(&format!("{}/restore", path(&root)), &json!({})).await.status, 200);
    assert_tree(&company).await;
}

#[tokio::test]
async fn a_tree_has_a_bounded_depth() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut last = company.client("Root").await;
    for _ in 1..=20 {
        last = child(&company, &last).await;
    }
    let too_deep = company.post("/api/clients", &json!({"name": "Deep", "parentId": last["id"]})).await;
    assert_refused(&too_deep, "too_deep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_moves_that_make_a_cycle_together_at_most_one_succeeds() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for round in 0..40 {
        let (one, other) = (company.client("One").await, company.client("Other").await);
        // With something between them, the check and the change are of different records.
        let (below_one, below_other) = if round % 2 == 0 {
            (one.clone(), other.clone())
        } else {
            (child(&company, &one).await, child(&company, &other).await)
        };
        let (there, back) =
            tokio::join!(move_below(&company, &one, &below_other), move_below(&company, &other, &below_one));
        let moved = [&there, &back].iter().filter(|answer| answer.status == 200).count();
        assert!(moved <= 1, "{there:?} {back:?}");
        for refused in [&there, &back].into_iter().filter(|answer| answer.status != 200) {
            match refused.status.as_u16() {
                422 => assert_refused(refused, "cycle"),
                _ => refused.assert_problem(409, "conflict"),
            }
        }
        for client in [&one, &other, &below_one, &below_other] {
            company.delete(&path(client)).await;
        }
    }
}

#[test]
fn no_interleaving_of_moves_makes_a_cycle() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let nexo = runtime.block_on(Nexo::start());
    let company = runtime.block_on(nexo.register());
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for n in 0..5 {
            clients.push(company.client(&format!("Client {n}")).await);
        }
        clients
    });
    let moves = prop::collection::vec((0_usize..5, 0_usize..5, prop::bool::weighted(0.1)), 4..10);
    proptest!(ProptestConfig::with_cases(25), |(moves in moves)| {
        runtime.block_on(async {
            let moving = moves.iter().map(async |(client, parent, deletes)| {
                if *deletes {
                    let path = path(&clients[*client]);
                    company.delete(&path).await;
                    return company.post(&format!("{path}/restore"), &json!({})).await;
                }
                move_below(&company, &clients[*client], &clients[*parent]).await
            });
            for answer in futures::future::join_all(moving).await {
                assert!([200, 404, 409, 422].contains(&answer.status.as_u16()), "{answer:?}");
            }
            for client in &clients {
                // Brings back what a delete that lost against a restore has left deleted.
                company.post(&format!("{}/restore", path(client)), &json!({})).await;
            }
            assert_tree(&company).await;
            for client in &clients {
                let freed = company.patch(&path(client), &json!({"parentId": null})).await;
                assert_eq!(freed.status, 200, "{freed:?}");
            }
        });
    });
}
