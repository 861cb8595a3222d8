//! Departments make a tree of at most eight levels.

use std::collections::HashMap;

use futures::future::join_all;
use nexo_tests::{Company, Nexo};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{assert_invalid, at, department, made, now, position};

async fn move_below(company: &Company<'_>, one: &Value, parent: &Value) -> nexo_tests::Answer {
    company.patch(&at("departments", one), &json!({"parentId": parent["id"]})).await
}

/// A chain of departments, the root first.
async fn chain(company: &Company<'_>, name: &str, levels: usize) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    for level in 0..levels {
        let parent = made.last().map_or(Value::Null, |parent| parent["id"].clone());
        made.push(department(company, &format!("{name}{level}"), &parent).await);
    }
    made
}

fn outline(nodes: &Value) -> String {
    let nodes = nodes.as_array().unwrap().iter();
    let text =
        |node: &Value| format!("{}({})", node["code"].as_str().unwrap(), outline(&node["departments"]));
    nodes.map(text).collect()
}

#[tokio::test]
async fn a_code_that_a_department_has_let_go_is_free_for_one_below_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let top = department(&company, "HQ", &Value::Null).await;
    let renamed = company.patch(&at("departments", &top), &json!({"code": "HQ2"})).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    // The parent's item is counted up, and must not have the code any more: both in one place.
    let below = department(&company, "HQ", &top["id"]).await;
    assert_eq!(now(&company, "departments", &top).await["subDepartments"], 1);
    let taken = json!({"name": "Taken", "code": "HQ2", "parentId": top["id"]});
    company.post("/api/departments", &taken).await.assert_problem(409, "already_exists");
    assert_eq!(now(&company, "departments", &below).await["code"], "HQ");
}

#[tokio::test]
async fn departments_are_a_tree_that_one_call_shows() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let sales = department(&company, "Sales", &Value::Null).await;
    let north = department(&company, "North", &sales["id"]).await;
    department(&company, "East", &sales["id"]).await;
    department(&company, "Coast", &north["id"]).await;
    department(&company, "IT", &Value::Null).await;
    let tree = company.get("/api/departments/tree").await;
    assert_eq!(tree.status, 200, "{tree:?}");
    assert_eq!(outline(&tree.body["data"]), "IT()Sales(East()North(Coast()))");
    let page = company.get(&format!("/api/departments?parentId={}", sales["id"].as_str().unwrap())).await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(now(&company, "departments", &sales).await["subDepartments"], 2);
    company.get("/api/departments/tree?x=1").await.assert_problem(400, "invalid_parameter");
    let move_to_top = company.patch(&at("departments", &north), &json!({"parentId": null})).await;
    assert_eq!(move_to_top.status, 200, "{move_to_top:?}");
    let tree = company.get("/api/departments/tree").await;
    assert_eq!(outline(&tree.body["data"]), "IT()North(Coast())Sales(East())");
    assert_eq!(now(&company, "departments", &sales).await["subDepartments"], 1);
}

#[tokio::test]
async fn a_code_is_one_departments() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    department(&company, "Sales", &Value::Null).await;
    department(&other, "Sales", &Value::Null).await;
    let twin = company.post("/api/departments", &json!({"name": "x", "code": "SALES"})).await;
    twin.assert_problem(409, "already_exists");
    let other = department(&company, "Other", &Value::Null).await;
    let taken = company.patch(&at("departments", &other), &json!({"code": "sales"})).await;
    taken.assert_problem(409, "already_exists");
}

#[tokio::test]
async fn an_account_has_at_most_four_hundred_departments() {
    let nexo = Nexo::start().await;
    let company = &nexo.register().await;
    let make = |from: usize| async move {
        for number in from..from + 50 {
            department(company, &format!("D{number}"), &Value::Null).await;
        }
    };
    join_all((0..8).map(|writer| make(50 * writer))).await;
    let one_more = company.post("/api/departments", &json!({"name": "x", "code": "x"})).await;
    assert_invalid(&one_more, &[("/parentId", "too_many")]);
    let tree = company.get("/api/departments/tree").await.body;
    assert_eq!((tree["data"].as_array().unwrap().len(), &tree["isComplete"]), (400, &json!(true)));
    let first = company.get("/api/departments?limit=1").await.body["data"][0].clone();
    assert_eq!(company.delete(&at("departments", &first)).await.status, 204);
    department(company, "x", &Value::Null).await;
}

#[tokio::test]
async fn no_department_is_its_own_ancestor_and_none_is_deeper_than_eight() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let deep = chain(&company, "a", 8).await;
    let ninth = json!({"name": "x", "code": "x", "parentId": deep[7]["id"]});
    assert_invalid(&company.post("/api/departments", &ninth).await, &[("/parentId", "too_deep")]);
    for (one, parent) in [(0, 0), (0, 7), (3, 5)] {
        assert_invalid(&move_below(&company, &deep[one], &deep[parent]).await, &[("/parentId", "cycle")]);
    }
    // What is below a department counts when it moves.
    let pair = chain(&company, "b", 2).await;
    assert_invalid(&move_below(&company, &pair[0], &deep[6]).await, &[("/parentId", "too_deep")]);
    assert_eq!(move_below(&company, &pair[0], &deep[5]).await.status, 200);
    let gone = json!({"id": "dep_01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    assert_invalid(&move_below(&company, &pair[1], &gone).await, &[("/parentId", "no_such_record")]);
    let put = json!({"name": "x", "code": "a0", "parentId": deep[3]["id"]});
    assert_invalid(&company.put(&at("departments", &deep[0]), &put).await, &[("/parentId", "cycle")]);
}

#[tokio::test]
async fn a_department_is_deleted_when_nothing_needs_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let root = department(&company, "Root", &Value::Null).await;
    let leaf = department(&company, "Leaf", &root["id"]).await;
    let of_leaf = json!({"title": "x", "departmentId": leaf["id"]});
    let of_leaf = made(&company, "positions", &of_leaf).await;
    for one in [&root, &leaf] {
        company.delete(&at("departments", one)).await.assert_problem(409, "in_use");
    }
    assert_eq!(company.delete(&at("positions", &of_leaf)).await.status, 204);
    assert_eq!(company.delete(&at("departments", &leaf)).await.status, 204);
    assert_eq!(company.delete(&at("departments", &root)).await.status, 204);
    // Back in the order that makes sense.
    let restore = |collection: &str, one: &Value| format!("{}/restore", at(collection, one));
    company.post(&restore("departments", &leaf), &json!({})).await.assert_problem(409, "conflict");
    company.post(&restore("positions", &of_leaf), &json!({})).await.assert_problem(409, "conflict");
    for one in [&root, &leaf] {
        assert_eq!(company.post(&restore("departments", one), &json!({})).await.status, 200);
    }
    assert_eq!(company.post(&restore("positions", &of_leaf), &json!({})).await.status, 200);
    let root = now(&company, "departments", &root).await;
    assert_eq!((&root["subDepartments"], &root["positions"]), (&json!(1), &json!(0)));
    assert_eq!(now(&company, "departments", &leaf).await["positions"], 1);
}

#[tokio::test]
async fn what_is_counted_is_nobodys_to_set() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let root = department(&company, "Root", &Value::Null).await;
    department(&company, "Leaf", &root["id"]).await;
    for field in ["staff", "positions", "subDepartments"] {
        let pointer = format!("/{field}");
        let wanted = [(pointer.as_str(), "unknown_field")];
        for value in [json!(0), Value::Null] {
            let patch = company.patch(&at("departments", &root), &json!({field: value})).await;
            assert_invalid(&patch, &wanted);
        }
        let body = json!({"name": "x", "code": "x", field: 7});
        assert_invalid(&company.post("/api/departments", &body).await, &wanted);
        assert_invalid(&company.put(&at("departments", &root), &body).await, &wanted);
    }
    // A PUT, and a PATCH of either sort, leave it as it is.
    let put = company.put(&at("departments", &root), &json!({"name": "Root", "code": "R"})).await;
    assert_eq!((put.status.as_u16(), &put.body["subDepartments"]), (200, &json!(1)));
    for patch in [json!({"code": "ROOT"}), json!({"name": "Root"})] {
        let answer = company.patch(&at("departments", &root), &patch).await;
        assert_eq!((answer.status.as_u16(), &answer.body["subDepartments"]), (200, &json!(1)));
    }
    let position = position(&company, "Engineer", 1).await;
    let filled = company.patch(&at("positions", &position), &json!({"filled": 1})).await;
    assert_invalid(&filled, &[("/filled", "unknown_field")]);
}

/// Fails unless the departments are a tree of at most eight levels, and count their parts.
async fn assert_tree(company: &Company<'_>) {
    let page = company.get("/api/departments?limit=100").await.body;
    let all: HashMap<&str, &Value> =
        page["data"].as_array().unwrap().iter().map(|one| (one["id"].as_str().unwrap(), one)).collect();
    for one in all.values() {
        let (mut at, mut levels) = (*one, 1);
        while let Some(parent) = at["parentId"].as_str() {
            at = all[parent];
            levels += 1;
            assert!(levels <= 8, "too deep, or a cycle: {page}");
        }
        let parts = all.values().filter(|part| part["parentId"] == one["id"]).count();
        assert_eq!(one["subDepartments"], parts, "{one}");
    }
}

#[test]
fn no_interleaving_of_moves_breaks_the_tree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let nexo = runtime.block_on(Nexo::start());
    let company = runtime.block_on(nexo.register());
    // Two chains of four levels: each move of a part of one below the other may be one too deep.
    let mut all = runtime.block_on(chain(&company, "a", 4));
    all.extend(runtime.block_on(chain(&company, "b", 4)));
    let changes = prop::collection::vec((0_usize..8, 0_usize..9, 0_u8..8), 4..9);
    proptest!(ProptestConfig::with_cases(25), |(changes in changes)| {
        runtime.block_on(async {
            let changing = changes.iter().map(async |(one, parent, kind)| {
                let one = &all[*one];
                let parent = all.get(*parent).map_or(Value::Null, |parent| parent["id"].clone());
                match kind {
                    0 => {
                        let deleted = company.delete(&at("departments", one)).await;
                        company.post(&format!("{}/restore", at("departments", one)), &json!({})).await;
                        deleted
                    }
                    1 => {
                        let body = json!({"name": "x", "code": format!("x{:?}", std::time::Instant::now()), "parentId": parent});
                        let made = company.post("/api/departments", &body).await;
                        if made.status == 201 {
                            company.delete(&at("departments", &made.body)).await;
                        }
                        made
                    }
                    _ => company.patch(&at("departments", one), &json!({"parentId": parent})).await,
                }
            });
            for answer in join_all(changing).await {
                assert!([200, 201, 204, 404, 409, 422].contains(&answer.status.as_u16()), "{answer:?}");
            }
            for one in &all {
                company.post(&format!("{}/restore", at("departments", one)), &json!({})).await;
            }
            assert_tree(&company).await;
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_that_break_the_tree_together_at_most_one_succeeds() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (one, other) = (chain(&company, "a", 4).await, chain(&company, "b", 4).await);
    let free = async |department: &Value| {
        let freed = company.patch(&at("departments", department), &json!({"parentId": null})).await;
        assert_eq!(freed.status, 200, "{freed:?}");
    };
    let assert_one = |first: &nexo_tests::Answer, second: &nexo_tests::Answer, code: &str| {
        let answers = [first, second];
        let refused: Vec<_> = answers.iter().filter(|answer| !answer.status.is_success()).collect();
        assert!(!refused.is_empty(), "{answers:?}");
        for answer in refused {
            match answer.status.as_u16() {
                422 => assert_invalid(answer, &[("/parentId", code)]),
                _ => answer.assert_problem(409, "conflict"),
            }
        }
    };
    for _ in 0..30 {
        // Neither move touches what the other does: each is below a part of the other.
        let (there, back) =
            tokio::join!(move_below(&company, &one[0], &other[1]), move_below(&company, &other[0], &one[1]));
        assert_one(&there, &back, "cycle");
        assert_tree(&company).await;
        free(&one[0]).await;
        free(&other[0]).await;
        // Eight levels, or five and one of nine.
        let ninth = json!({"name": "x", "code": "x", "parentId": one[3]["id"]});
        let (moved, made) =
            tokio::join!(move_below(&company, &one[0], &other[3]), company.post("/api/departments", &ninth));
        assert_one(&moved, &made, "too_deep");
        assert_tree(&company).await;
        if made.status == 201 {
            assert_eq!(company.delete(&at("departments", &made.body)).await.status, 204);
        }
        free(&one[0]).await;
    }
}
