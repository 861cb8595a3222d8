//! Pages, cursors and what a list's address may say.

use std::collections::HashMap;

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{id, path};

#[tokio::test]
async fn paging_loses_and_repeats_nothing_while_others_write() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for sort in ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"] {
        let tag = format!("run{}", sort.replace('-', "d"));
        let mut clients = Vec::new();
        for n in 0..24 {
            // Some names are equal: only the id tells them apart.
            let body = json!({"name": format!("Client {}", n % 7), "tags": [tag]});
            clients.push(company.post("/api/clients", &body).await.body);
        }
        let (moving, quiet) = clients.split_at(8);
        let mut seen: HashMap<String, usize> = HashMap::new();
        let (mut cursor, mut page) = (String::new(), 0);
        loop {
            let list = company.get(&format!("/api/clients?limit=5&sort={sort}&tag={tag}{cursor}")).await.body;
            for client in list["data"].as_array().unwrap() {
                *seen.entry(id(client).to_owned()).or_default() += 1;
            }
            let Some(next) = list["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // Others create, rename, delete and restore, before and behind the reader.
            company.post("/api/clients", &json!({"name": format!("Client {page}"), "tags": [tag]})).await;
            if page < 4 {
                let two = &moving[2 * page..2 * page + 2];
                company.patch(&path(&two[0]), &json!({"name": if page % 2 == 0 { "A" } else { "Z" }})).await;
                company.delete(&path(&two[1])).await;
                if page == 2 {
                    company.post(&format!("{}/restore", path(&two[1])), &json!({})).await;
                }
            }
            page += 1;
            assert!(page < 30, "no end: {sort}");
        }
        for client in quiet {
            assert_eq!(seen.get(id(client)), Some(&1), "{sort}: {client}");
        }
        if !sort.ends_with("updatedAt") && !sort.ends_with("name") {
            assert!(seen.values().all(|times| *times == 1), "{sort}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_continues_the_list_it_came_from_and_no_other() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    for name in ["A", "B", "C"] {
        company.client(name).await;
        other.client(name).await;
    }
    let list = async |query: &str| company.get(&format!("/api/clients?{query}")).await;
    let first = list("limit=1&sort=name&status=lead").await;
    let cursor = first.body["nextCursor"].as_str().unwrap();
    assert!(!cursor.contains("cli") && cursor.len() < 300, "{cursor}");
    let next = list(&format!("cursor={cursor}&status=lead&sort=name&limit=2")).await;
    let names: Vec<_> = next.body["data"].as_array().unwrap().iter().map(|client| &client["name"]).collect();
    assert_eq!(names, ["B", "C"], "another limit, another order of parameters");

    for query in [
        "sort=name",
        "sort=-name&status=lead",
        "status=lead",
        "sort=name&status=active",
        "sort=name&status=lead&tag=a",
        "sort=createdAt&status=lead",
        "sort=name&q=lead",
    ] {
        list(&format!("{query}&cursor={cursor}")).await.assert_problem(400, "invalid_cursor");
    }
    let theirs = other.get(&format!("/api/clients?sort=name&status=lead&cursor={cursor}")).await;
    theirs.assert_problem(400, "invalid_cursor");
}

#[tokio::test]
async fn a_cursor_that_was_tampered_with_is_refused() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    company.client("A").await;
    company.client("B").await;
    let first = company.get("/api/clients?limit=1").await;
    let cursor = first.body["nextCursor"].as_str().unwrap();
    let mut forged = vec![
        String::new(),
        "x".into(),
        "%00".into(),
        format!("{cursor}A"),
        format!("{cursor}="),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
        "A".repeat(5000),
    ];
    for place in 0..cursor.len() {
        let other = if &cursor[place..=place] == "A" { "B" } else { "A" };
        forged.push(format!("{}{other}{}", &cursor[..place], &cursor[place + 1..]));
    }
    for cursor in forged {
        let answer = company.get(&format!("/api/clients?limit=1&cursor={cursor}")).await;
        answer.assert_problem(400, "invalid_cursor");
    }
    assert_eq!(company.get(&format!("/api/clients?limit=1&cursor={cursor}")).await.status, 200);
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_100() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    company.client("A").await;
    for limit in ["0", "101", "-1", "1.5", "abc", "", "1e1", "99999999999999999999", "%2B5", "0x10"] {
        let answer = company.get(&format!("/api/clients?limit={limit}")).await;
        answer.assert_problem(400, "invalid_parameter");
        assert_eq!(answer.body["parameter"], "limit", "{limit}");
    }
    for limit in ["1", "100"] {
        assert_eq!(company.get(&format!("/api/clients?limit={limit}")).await.status, 200);
    }
}

#[tokio::test]
async fn a_parameter_that_is_unknown_repeated_or_wrong_is_named() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (query, parameter) in [
        ("colour=red", "colour"),
        ("Limit=1", "Limit"),
        ("status%5B%5D=lead", "status[]"),
        ("status=lead&status=active", "status"),
        ("limit=1&limit=1", "limit"),
        ("sort=name&sort=name", "sort"),
        ("status=gone", "status"),
        ("status=", "status"),
        ("status=LEAD", "status"),
        ("ownerId=me", "ownerId"),
        ("ownerId=cli_01ARZ3NDEKTSV4RRFFQ69G5FAV", "ownerId"),
        ("tag=", "tag"),
        ("q=", "q"),
        ("q=%0A", "q"),
        ("sort=", "sort"),
        ("sort=taxId", "sort"),
        ("sort=name,createdAt", "sort"),
        ("sort=--name", "sort"),
        ("&&x", "x"),
    ] {
        let answer = company.get(&format!("/api/clients?{query}")).await;
        answer.assert_problem(400, "invalid_parameter");
        assert_eq!(answer.body["parameter"], parameter, "{query}");
    }
    assert_eq!(company.get("/api/clients?").await.body, json!({"data": [], "nextCursor": Value::Null}));
}
