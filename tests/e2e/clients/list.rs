//! `GET /api/clients`: sorts and filters, against what a simple program says.

use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

use super::id;

const SORTS: [&str; 6] = ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"];

/// All records of a list, page by page.
async fn all(company: &Company<'_>, query: &str, limit: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = company.get(&format!("/api/clients?limit={limit}&{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let page = answer.body["data"].as_array().unwrap();
        assert!(page.len() <= limit);
        found.extend(page.iter().cloned());
        match answer.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// A client's place in a sort. Equal names are in the order of their ids.
fn place(client: &Value, sort: &str) -> (String, String) {
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    let value = match sort {
        "createdAt" => String::new(),
        "name" => text("name").to_lowercase(),
        _ => text("updatedAt"),
    };
    (value, text("id"))
}

fn sorted(clients: &[Value], sort: &str) -> Vec<Value> {
    let (field, descending) = sort.strip_prefix('-').map_or((sort, false), |field| (field, true));
    let mut clients = clients.to_vec();
    clients.sort_by_key(|client| place(client, field));
    if descending {
        clients.reverse();
    }
    clients
}

async fn some_clients(company: &Company<'_>, nexo: &Nexo) -> Vec<Value> {
    let names =
        ["Alpha", "beta", "ALPHA", "Älpha", "alphabet", "Gamma", "al", "Beta 2", "zeta", "Élan", "beta", "Z"];
    for (n, name) in names.iter().enumerate() {
        let body = json!({
            "name": name,
            "status": (["lead", "active", "archived"][n % 3]),
            "industry": if n % 2 == 0 { json!("Retail") } else { Value::Null },
            "tags": if n % 4 < 2 { json!(["vip", "north"]) } else { json!(["south"]) },
            "ownerId": if n % 5 == 0 { Value::Null } else { json!(company.user()) },
        });
        assert_eq!(company.post("/api/clients", &body).await.status, 201);
        nexo.clock.advance(10);
    }
    let created = company.get("/api/clients?limit=100&sort=createdAt").await.body["data"].clone();
    // Some are changed later, so that the orders differ.
    for n in [3, 0, 7] {
        nexo.clock.advance(10);
        company.patch(&super::path(&created[n]), &json!({"source": "Fair"})).await;
    }
    company.get("/api/clients?limit=100&sort=createdAt").await.body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_list_is_newest_first_and_has_25_of_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let empty = company.get("/api/clients").await;
    assert_eq!((empty.status.as_u16(), &empty.body), (200, &json!({"data": [], "nextCursor": null})));
    let mut clients = Vec::new();
    for n in 0..26 {
        clients.push(company.client(&format!("Client {n}")).await);
        nexo.clock.advance(1);
    }
    clients.reverse();
    let list = company.get("/api/clients").await;
    assert_eq!(list.header("content-type"), "application/json");
    assert_eq!(list.body["data"].as_array().unwrap(), &clients[..25]);
    let cursor = list.body["nextCursor"].as_str().unwrap();
    let rest = company.get(&format!("/api/clients?cursor={cursor}")).await;
    assert_eq!(rest.body, json!({"data": [clients[25]], "nextCursor": null}));
    // A page that ends with the list has no next one.
    let exact = company.get("/api/clients?limit=26").await;
    assert_eq!((exact.body["data"].as_array().unwrap().len(), &exact.body["nextCursor"]), (26, &Value::Null));
}

#[tokio::test]
async fn every_sort_orders_every_client_whatever_the_page() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let clients = some_clients(&company, &nexo).await;
    for sort in SORTS {
        for limit in [1, 5, 12, 100] {
            let found = all(&company, &format!("sort={sort}"), limit).await;
            assert_eq!(found, sorted(&clients, sort), "{sort}, {limit}");
        }
    }
}

/// What a filter says, as a program.
type Test = fn(&Value) -> bool;

#[tokio::test]
async fn filters_alone_and_together_select_what_they_say_in_every_sort() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let clients = some_clients(&company, &nexo).await;
    let owner = format!("ownerId={}", company.user());
    let filters: [(&str, Test); 5] = [
        ("status=active", |client| client["status"] == "active"),
        ("industry=Retail", |client| client["industry"] == "Retail"),
        ("tag=vip", |client| client["tags"].as_array().unwrap().contains(&json!("vip"))),
        ("q=aL", |client| client["name"].as_str().unwrap().to_lowercase().starts_with("al")),
        (&owner, |client| !client["ownerId"].is_null()),
    ];
    for chosen in 0_u32..32 {
        let chosen: Vec<_> = filters
            .iter()
            .enumerate()
            .filter(|(n, _)| chosen & (1 << n) != 0)
            .map(|(_, filter)| filter)
            .collect();
        let query: Vec<_> = chosen.iter().map(|(text, _)| *text).collect();
        let wanted: Vec<_> =
            clients.iter().filter(|client| chosen.iter().all(|(_, test)| test(client))).cloned().collect();
        for sort in SORTS {
            let query = format!("sort={sort}&{}", query.join("&"));
            let query = query.trim_end_matches('&');
            assert_eq!(all(&company, query, 2).await, sorted(&wanted, sort), "{query}");
        }
    }
}

#[tokio::test]
async fn a_name_is_found_by_how_it_begins() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    some_clients(&company, &nexo).await;
    for (q, wanted) in [
        ("al", vec!["ALPHA", "Alpha", "al", "alphabet"]),
        ("ALPHA", vec!["ALPHA", "Alpha", "alphabet"]),
        ("%C3%A4", vec!["Älpha"]),
        // Decomposed, as some keyboards send it.
        ("a%CC%88", vec!["Älpha"]),
        ("beta+2", vec!["Beta 2"]),
        ("pha", vec![]),
        ("alphabetical", vec![]),
    ] {
        for sort in ["name", "-createdAt"] {
            let found = all(&company, &format!("q={q}&sort={sort}"), 100).await;
            let mut names: Vec<_> = found.iter().map(|client| client["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, wanted, "{q}, {sort}");
        }
    }
}

#[tokio::test]
async fn a_filter_finds_the_one_among_many() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let rare = company.post("/api/clients", &json!({"name": "Rare", "industry": "Clocks"})).await.body;
    for batch in 0..25 {
        let names: Vec<_> = (0..50).map(|n| format!("Client {batch} {n}")).collect();
        let clients = futures::future::join_all(names.iter().map(|name| company.client(name))).await;
        assert_eq!(clients.len(), 50);
    }
    for sort in SORTS {
        let found = all(&company, &format!("industry=Clocks&sort={sort}"), 10).await;
        assert_eq!(found.iter().map(id).collect::<Vec<_>>(), [id(&rare)], "{sort}");
    }
}
