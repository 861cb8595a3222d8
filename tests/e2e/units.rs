//! What each operation costs: round trips to the table, and capacity units (TARGETS P3 and P4).
//!
//! A record here is an item of just under 1 KB, so that every number is the least an operation can
//! cost. DynamoDB bills a write per started KB of the item, once for the table and once for each
//! index entry that is written; a changed index key is two entries, one removed and one put. In a
//! transaction the table's part counts twice.

mod employees;

use std::sync::Arc;

use nexo_local::{CallerIdentity, StoreCall};
use nexo_tests::table::item_size;
use nexo_tests::{Answer, Company, Nexo, registration};
use reqwest::Method;
use serde_json::{Value, json};

/// What an operation asked of the table: its calls, read units and write units.
#[derive(Debug, PartialEq)]
struct Cost {
    calls: Vec<String>,
    read: f64,
    write: f64,
}

fn cost(calls: &[&str], read: f64, write: f64) -> Cost {
    Cost { calls: calls.iter().map(|&call| call.to_owned()).collect(), read, write }
}

fn cost_of(calls: &[Arc<StoreCall>]) -> Cost {
    Cost {
        calls: calls.iter().map(|call| call.operation.clone()).collect(),
        read: calls.iter().map(|call| call.capacity.read).sum(),
        write: calls.iter().map(|call| call.capacity.write).sum(),
    }
}

/// Runs one request, asserts its status, and answers what it cost.
async fn measured(nexo: &Nexo, status: u16, request: reqwest::RequestBuilder) -> (Answer, Cost) {
    let (answer, calls) = nexo.calls_of(Answer::of(request)).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(calls.iter().all(|call| call.allowed), "{calls:?}");
    // What the request's log line says is what the table billed. Mails have lines too, whenever they are sent.
    let of_request = |line: &Value| line["requestId"] == answer.header("x-request-id");
    let lines = nexo.log();
    let mut lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let line = lines.find(of_request).expect("the request's line");
    let cost = cost_of(&calls);
    assert_eq!(line["storeCalls"], calls.len(), "{line} {calls:?}");
    assert_eq!(
        (line["readUnits"].as_f64(), line["writeUnits"].as_f64()),
        (Some(cost.read), Some(cost.write))
    );
    (answer, cost)
}

/// A server whose functions have been used, and a company with a fresh token.
async fn warm(nexo: &Nexo) -> Company<'_> {
    let company = nexo.register().await;
    assert_eq!(company.get("/api/clients").await.status, 200);
    company
}

/// A client's fields, with a description that makes the stored item as long as `size`.
async fn fields(nexo: &Nexo, company: &Company<'_>, size: usize, more: Value) -> Value {
    let mut body = json!({"name": "A client of usual size", "description": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let trial = company.post("/api/clients", &body).await;
    assert_eq!(trial.status, 201, "{trial:?}");
    let id = trial.body["id"].as_str().unwrap();
    let item = nexo.client_item(company, id).await;
    body["description"] = json!("x".repeat(size - item_size(&item) + 1));
    assert_eq!(company.delete(&format!("/api/clients/{id}")).await.status, 204);
    body
}

/// An item's room is left for the version's second digit and for an attribute that a delete adds.
const SIZE: usize = 960;

fn path(record: &Value) -> String {
    format!("/api/clients/{}", record["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_warm_request_for_a_record_is_one_call() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let body = fields(&nexo, &company, SIZE, json!({})).await;
    let request = |method: Method, path: &str| company.request(method, path);

    // One unit for the table and one for each of the two indexes.
    let (created, spent) = measured(&nexo, 201, request(Method::POST, "/api/clients").json(&body)).await;
    assert_eq!(spent, cost(&["PutItem"], 0.0, 3.0));
    let size = item_size(&nexo.client_item(&company, created.body["id"].as_str().unwrap()).await);
    assert_eq!(size, SIZE);
    let path = path(&created.body);

    // An eventually consistent read of up to 4 KB.
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &path)).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    let (_, spent) = measured(&nexo, 304, request(Method::GET, &path).header("if-none-match", "\"1\"")).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    let (_, spent) =
        measured(&nexo, 404, request(Method::GET, "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV")).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));

    // The table, the entry in the order by name rewritten, and the one in the order by last change
    // moved, which is two.
    let patch = |body: Value| {
        let request =
            company.request(Method::PATCH, &path).header("content-type", "application/merge-patch+json");
        request.body(body.to_string())
    };
    let (_, spent) = measured(&nexo, 200, patch(json!({"status": "active"}))).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 4.0));
    // A new name moves the other entry as well.
    let (_, spent) = measured(&nexo, 200, patch(json!({"name": "A client of usual girth"}))).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 5.0));
    let (_, spent) = measured(&nexo, 200, request(Method::PUT, &path).json(&body)).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 5.0));
    let (_, spent) =
        measured(&nexo, 200, request(Method::PUT, &path).json(&body).header("if-match", "\"4\"")).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 4.0));

    // The table, and both entries removed.
    let (_, spent) = measured(&nexo, 204, request(Method::DELETE, &path)).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 3.0));
    // What is restored is read first: its places in the indexes follow from it.
    let (_, spent) = measured(&nexo, 200, request(Method::POST, &format!("{path}/restore"))).await;
    assert_eq!(spent, cost(&["GetItem", "UpdateItem"], 1.0, 3.0));
}

#[tokio::test]
async fn a_list_is_one_call_and_reads_what_it_shows() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    // The shortest client there can be; its keys, envelope and index entries are nearly all of it.
    let shortest = company.client("x").await;
    let size = item_size(&nexo.client_item(&company, shortest["id"].as_str().unwrap()).await);
    let mut units = Vec::new();
    for number in 1..60 {
        company.client(&(number % 10).to_string()).await;
    }
    for sort in ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"] {
        let list = company.request(Method::GET, &format!("/api/clients?limit=50&sort={sort}"));
        let (page, spent) = measured(&nexo, 200, list).await;
        assert_eq!(page.body["data"].as_array().unwrap().len(), 50);
        assert_eq!((spent.calls.as_slice(), spent.write), (["Query".to_owned()].as_slice(), 0.0));
        units.push(spent.read);
    }
    // Half a unit for each started 4 KB of what is read: 50 records, and one to know of a next page.
    assert_eq!((51 * size).div_ceil(4096), 5, "{size} bytes each");
    assert_eq!(units, [2.5; 6]);
}

#[tokio::test]
async fn deleted_records_cost_a_list_a_few_calls_and_not_one_each() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    for number in 0..60 {
        let id = company.client(&format!("gone {number}")).await["id"].as_str().unwrap().to_owned();
        assert_eq!(company.delete(&format!("/api/clients/{id}")).await.status, 204);
    }
    company.client("here").await;
    // In the order of creation they lie before it: 2, 2, 4, 8, 16 and the rest.
    let list = company.request(Method::GET, "/api/clients?limit=1&sort=createdAt");
    let (page, spent) = measured(&nexo, 200, list).await;
    assert_eq!(page.body["data"][0]["name"], "here");
    assert_eq!(spent.calls, vec!["Query"; 6]);
    // The indexes do not have them.
    for sort in ["name", "-updatedAt"] {
        let list = company.request(Method::GET, &format!("/api/clients?limit=1&sort={sort}"));
        assert_eq!(measured(&nexo, 200, list).await.1, cost(&["Query"], 0.5, 0.0), "{sort}");
    }
}

#[tokio::test]
async fn what_must_hold_together_is_one_transaction() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let tax_id = |number: u32| json!({"taxId": format!("DE {number:09}")});
    let transaction = ["TransactWriteItems"];
    let create = |body: &Value| company.request(Method::POST, "/api/clients").json(body);
    let plain = fields(&nexo, &company, SIZE, json!({})).await;
    let unique = fields(&nexo, &company, SIZE, tax_id(1)).await;
    let with = |number: u32| {
        let mut body = unique.clone();
        body["taxId"] = tax_id(number)["taxId"].clone();
        body
    };

    // Twice the record and twice the key's marker; the two index entries once.
    let (_, spent) = measured(&nexo, 201, create(&plain).header("idempotency-key", "a")).await;
    assert_eq!(spent, cost(&transaction, 0.0, IDEMPOTENT));
    let (replayed, spent) = measured(&nexo, 201, create(&plain).header("idempotency-key", "a")).await;
    assert_eq!(replayed.header("idempotency-replayed"), "true");
    assert_eq!(spent, cost(&transaction, 0.0, 0.0));
    // The same with the value's marker.
    let (created, spent) = measured(&nexo, 201, create(&with(2))).await;
    assert_eq!(spent, cost(&transaction, 0.0, UNIQUE));
    let (_, spent) = measured(&nexo, 201, create(&with(3)).header("idempotency-key", "b")).await;
    assert_eq!(spent, cost(&transaction, 0.0, UNIQUE_AND_IDEMPOTENT));
    let path = path(&created.body);

    // A PUT that changes nothing of that is one plain update.
    let put = |body: &Value| company.request(Method::PUT, &path).json(body);
    let (_, spent) = measured(&nexo, 200, put(&with(2))).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 4.0));
    // One that does finds out by being refused, and goes on with what it found.
    let (_, spent) = measured(&nexo, 200, put(&with(4))).await;
    assert_eq!(spent, cost(&["UpdateItem", "TransactWriteItems"], 0.0, CHANGED_VALUE));
    // A deleted record's value stays marked; the marker says nothing without the record.
    let (_, spent) = measured(&nexo, 204, company.request(Method::DELETE, &path)).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 3.0));
    let (_, spent) = measured(&nexo, 200, company.request(Method::POST, &format!("{path}/restore"))).await;
    assert_eq!(spent, cost(&["GetItem", "TransactWriteItems"], 1.0, UNIQUE));
}

const IDEMPOTENT: f64 = 6.0;
const UNIQUE: f64 = 6.0;
const UNIQUE_AND_IDEMPOTENT: f64 = 8.0;
const CHANGED_VALUE: f64 = 7.0;

#[tokio::test]
async fn logging_in_and_staying_so_costs_little() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let post = |path: &str, body: &Value| nexo.request(Method::POST, path).json(body);

    let (_, spent) =
        measured(&nexo, 202, post("/api/auth/register", &registration("units@company.example"))).await;
    // Read, consistently: the login that there is not, three counts of mails, of which two are then counted, and
    // whether the login's user is still there. What waits for the link and the mail are one transaction.
    let counted = ["BatchGetItem", "UpdateItem", "UpdateItem", "GetItem", "TransactWriteItems"];
    assert_eq!(spent, cost(&counted, 5.0, 6.0));
    let token = json!({"token": nexo.link("units@company.example", "register").await});
    let (registered, spent) = measured(&nexo, 201, post("/api/auth/register/confirm", &token)).await;
    // What waited, and whether the address is free; then, without what waited, the login, the account, the user with its places in two indexes, its access, the
    // session and the event: seven items in one transaction; and a count put back.
    assert_eq!(spent, cost(&["GetItem", "BatchGetItem", "TransactWriteItems", "UpdateItem"], 2.0, 17.0));

    let credentials = json!({"email": company.email, "password": nexo_tests::PASSWORD});
    let (answer, spent) = measured(&nexo, 200, post("/api/auth/login", &credentials)).await;
    // Read, consistently: the login and three counts, and then the profile, the access, the
    // second factors and the account. Written: an
    // attempt in each of two counts; session, login, the user's last login (with two index entries), the event
    // and the cleared count in one transaction; and a count put back.
    let calls =
        ["BatchGetItem", "UpdateItem", "UpdateItem", "BatchGetItem", "TransactWriteItems", "UpdateItem"];
    assert_eq!(spent, cost(&calls, 8.0, 15.0));
    // One that fails is noted in one write, for nobody where nobody has the address.
    for email in [company.email.as_str(), "nobody@company.example"] {
        let wrong = json!({"email": email, "password": "not the right password"});
        let (_, spent) = measured(&nexo, 401, post("/api/auth/login", &wrong)).await;
        assert_eq!(
            spent,
            cost(&["BatchGetItem", "UpdateItem", "UpdateItem", "BatchGetItem", "PutItem"], 8.0, 3.0),
            "{email}"
        );
    }
    let refresh = json!({"refreshToken": answer.body["refreshToken"]});
    let (_, spent) = measured(&nexo, 200, post("/api/auth/refresh", &refresh)).await;
    assert_eq!(spent, cost(&["UpdateItem", "GetItem"], 1.0, 1.0));

    // `auth` looks at the session of each request; the other functions once a minute. The first of
    // all requests also read the public keys.
    let token = registered.body["accessToken"].as_str().unwrap();
    let signed_in = |path: &str| nexo.request(Method::GET, path).bearer_auth(token);
    assert_eq!(Answer::of(signed_in("/api/auth/profile")).await.status, 200);
    let (_, calls) = nexo.calls_of(Answer::of(signed_in("/api/auth/profile"))).await;
    assert_eq!(cost_of(&calls), cost(&["BatchGetItem", "GetItem"], 3.0, 0.0));
    assert_eq!(Answer::of(signed_in("/api/clients")).await.status, 200);
    nexo.clock.advance(60_000);
    for calls_then in [2, 1] {
        let (answer, calls) = nexo.calls_of(Answer::of(signed_in("/api/clients"))).await;
        assert_eq!((answer.status.as_u16(), calls.len()), (200, calls_then), "{calls:?}");
        let of_function =
            calls.iter().filter(|call| matches!(call.caller, Some(CallerIdentity::Function { .. })));
        assert_eq!(of_function.count(), calls_then - 1);
    }
}

#[tokio::test]
async fn managing_users_is_a_read_and_a_transaction() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let colleague = company.colleague("viewer").await;
    let user = format!("/api/users/{}", colleague.user());
    let request = |method: Method, path: &str, body: Option<Value>| {
        let request = company.request(method, path);
        body.map_or(request.try_clone().unwrap(), |body| request.json(&body))
    };
    // The first request to a function reads the public keys and gets credentials. Each one looks at the
    // session and the access: two units, of the function's own.
    assert_eq!(company.get("/api/users").await.status, 200);
    let look = |calls: &[&'static str], read: f64, write: f64| {
        cost(&[&["BatchGetItem"], calls].concat(), read + 2.0, write)
    };
    let (_, spent) = measured(&nexo, 200, request(Method::GET, "/api/users?limit=1", None)).await;
    assert_eq!(spent, look(&["Query"], 0.5, 0.0));
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &user, None)).await;
    assert_eq!(spent, look(&["GetItem"], 0.5, 0.0));
    // Read: the user, its access, and the account's own roles (none). Written: the user, with its place in
    // the order by change (the order by name stays) and a projection in both; its access; and a check of
    // the caller's.
    let body = json!({"roleIds": ["member"]});
    let (_, spent) = measured(&nexo, 200, request(Method::PATCH, &user, Some(body))).await;
    assert_eq!(spent, look(&["BatchGetItem", "TransactWriteItems", "GetItem"], 4.0, 11.0));
    let body = json!({"name": "Sales", "permissions": ["client:read"]});
    let (role, spent) = measured(&nexo, 201, request(Method::POST, "/api/roles", Some(body))).await;
    assert_eq!(spent, look(&["GetItem", "TransactWriteItems"], 1.0, 6.0));
    let role = format!("/api/roles/{}/effective", role.body["id"].as_str().unwrap());
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &role, None)).await;
    assert_eq!(spent, look(&["GetItem"], 1.0, 0.0));
}

#[tokio::test]
async fn security_events_cost_one_write_each() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let viewer = company.colleague("viewer").await;
    let get = |path: &str| company.request(Method::GET, path);
    for path in ["/api/auth/activity", "/api/users"] {
        assert_eq!(Answer::of(get(path)).await.status, 200);
    }
    // The look at the session, which `auth` and `users` take at each request, and one query.
    let (_, spent) = measured(&nexo, 200, get("/api/auth/activity")).await;
    assert_eq!(spent, cost(&["BatchGetItem", "Query"], 2.0 + 0.5, 0.0));
    let (_, spent) = measured(&nexo, 200, get(&format!("/api/users/{}/activity", viewer.user()))).await;
    assert_eq!(spent, cost(&["BatchGetItem", "Query"], 2.0 + 0.5, 0.0));
    // Denied, for the first time in this minute, and again.
    assert_eq!(Answer::of(viewer.request(Method::GET, "/api/clients")).await.status, 200);
    nexo.clock.advance(60_000 - nexo.clock.now_ms() % 60_000);
    assert_eq!(Answer::of(viewer.request(Method::GET, "/api/clients")).await.status, 200);
    let create = || viewer.request(Method::POST, "/api/clients").json(&json!({"name": "No"}));
    assert_eq!(measured(&nexo, 403, create()).await.1, cost(&["PutItem"], 0.0, 1.0));
    assert_eq!(measured(&nexo, 403, create()).await.1, cost(&[], 0.0, 0.0));
    // The end of a session: it, and the event.
    let out = viewer.request(Method::POST, "/api/auth/logout");
    assert_eq!(measured(&nexo, 204, out).await.1, cost(&["BatchGetItem", "DeleteItem", "PutItem"], 2.0, 2.0));
}

#[tokio::test]
async fn an_export_costs_what_it_reads_and_one_write() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let body = fields(&nexo, &company, 990, json!({"industry": "Clocks"})).await;
    for _ in 0..40 {
        assert_eq!(company.post("/api/clients", &body).await.status, 201);
    }
    let export = |query: &str| company.request(Method::GET, &format!("/api/clients/export.csv{query}"));
    // 40 items of 1 KB, at half a unit for 4 KB. What a filter drops is read, too, and nothing is read twice.
    for query in ["", "?industry=Clocks", "?industry=None", "?sort=name"] {
        let (_, spent) = measured(&nexo, 200, export(query)).await;
        assert_eq!(spent, cost(&["PutItem", "Query"], 5.0, 1.0), "{query}");
    }
}

#[tokio::test]
async fn a_key_costs_two_reads_a_minute_and_a_write_an_hour() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    assert_eq!(company.get("/api/users").await.status, 200);
    let body = json!({"name": "Program", "permissions": ["client:read"]});
    // Read, consistently: the session and the access, the user with the roles of the account, and all keys there
    // are. Written in one transaction: the key, how often one was added, the mail and the event.
    let mut paths = Vec::new();
    let mut texts = Vec::new();
    for _ in 0..2 {
        let request = company.request(Method::POST, "/api/api-keys").json(&body);
        let (made, spent) = measured(&nexo, 201, request).await;
        assert_eq!(spent, cost(&["BatchGetItem", "BatchGetItem", "Query", "TransactWriteItems"], 6.0, 8.0));
        paths.push(format!("/api/api-keys/{}", made.body["id"].as_str().unwrap()));
        texts.push(made.body["key"].as_str().unwrap().to_owned());
    }

    // The key and its user, consistently, and the use.
    let list = || nexo.request(Method::GET, "/api/clients").bearer_auth(&texts[0]);
    let noted = cost(&["GetItem", "GetItem", "UpdateItem", "Query"], 2.5, 1.0);
    let (_, spent) = measured(&nexo, 200, list()).await;
    assert_eq!(spent, noted);
    let (_, spent) = measured(&nexo, 200, list()).await;
    assert_eq!(spent, cost(&["Query"], 0.5, 0.0));

    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, &paths[0])).await;
    assert_eq!(spent, cost(&["BatchGetItem", "BatchGetItem"], 4.0, 0.0));
    let (_, spent) = measured(&nexo, 200, company.request(Method::GET, "/api/api-keys")).await;
    assert_eq!(spent, cost(&["BatchGetItem", "Query", "BatchGetItem"], 5.0, 0.0));
    let (_, spent) = measured(&nexo, 204, company.request(Method::DELETE, &paths[1])).await;
    assert_eq!(spent, cost(&["BatchGetItem", "TransactWriteItems"], 2.0, 6.0));

    nexo.clock.advance(60_000);
    let (_, spent) = measured(&nexo, 200, list()).await;
    assert_eq!(spent, cost(&["GetItem", "GetItem", "Query"], 2.5, 0.0));
    // An hour after the note; within it a look each minute.
    nexo.clock.advance(3_540_000);
    let (_, spent) = measured(&nexo, 200, list()).await;
    // The public keys are an hour old, and a key does not need them.
    assert_eq!(spent, noted);
}

#[tokio::test]
async fn a_file_costs_its_record_and_the_sum_of_bytes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(company.get("/api/uploads").await.status, 200);
    let announcement = crate::uploads::announcement("a.pdf");
    // Once in its life it is noted that an account has files.
    let (first, calls) = nexo
        .calls_of(async {
            let first = company.post("/api/uploads", &announcement).await;
            nexo.settled().await;
            first
        })
        .await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(cost_of(&calls), cost(&["TransactWriteItems", "UpdateItem"], 0.0, 7.0));
    let request = |method: Method, path: &str| company.request(method, path);

    // The table's part of the record twice, its entries in both indexes, and the sum twice.
    let (file, spent) = measured(&nexo, 201, request(Method::POST, "/api/uploads").json(&announcement)).await;
    assert_eq!(spent, cost(&["TransactWriteItems"], 0.0, 6.0));
    let path = format!("/api/uploads/{}", file.body["id"].as_str().unwrap());

    // A larger one has the id of its upload in parts from the first, and reads it to sign again.
    let mut large = announcement.clone();
    large["size"] = json!(101 * 1024 * 1024);
    let (in_parts, spent) = measured(&nexo, 201, request(Method::POST, "/api/uploads").json(&large)).await;
    assert_eq!(spent, cost(&["TransactWriteItems"], 0.0, 6.0));
    nexo.settled().await;
    let its_parts = format!("/api/uploads/{}/parts", in_parts.body["id"].as_str().unwrap());
    let (_, spent) = measured(&nexo, 200, request(Method::POST, &its_parts)).await;
    assert_eq!(spent, cost(&["GetItem"], 1.0, 0.0));

    // What was announced, consistently; then a change of the record, which moves an entry.
    let ((), calls) = nexo.calls_of(company.upload(&file.body, crate::uploads::PDF)).await;
    assert_eq!(cost_of(&calls), cost(&["GetItem", "UpdateItem"], 1.0, 4.0));
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &path)).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &format!("{path}/download"))).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    // A picture is changed once more, by the note of its thumbnail.
    let png = crate::uploads::thumbnails::png();
    let picture = crate::uploads::thumbnails::announcement("a.png", "image/png", &png);
    let picture = company.post("/api/uploads", &picture).await;
    let ((), calls) = nexo.calls_of(company.upload(&picture.body, &png)).await;
    assert_eq!(cost_of(&calls), cost(&["GetItem", "UpdateItem", "GetItem", "UpdateItem"], 2.0, 7.0));
    let thumbnail = format!("/api/uploads/{}/thumbnail", picture.body["id"].as_str().unwrap());
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &thumbnail)).await;
    assert_eq!(spent, cost(&["GetItem"], 0.5, 0.0));
    let renamed = request(Method::PATCH, &path).json(&json!({"name": "b.pdf"}));
    let (_, spent) = measured(&nexo, 200, renamed).await;
    assert_eq!(spent, cost(&["GetItem", "UpdateItem"], 1.0, 5.0));
    let (_, spent) = measured(&nexo, 204, request(Method::DELETE, &path)).await;
    assert_eq!(spent, cost(&["UpdateItem"], 0.0, 3.0));
    let (_, spent) = measured(&nexo, 200, request(Method::POST, &format!("{path}/restore"))).await;
    assert_eq!(spent, cost(&["GetItem", "UpdateItem"], 1.0, 3.0));
    // A version is a file, and is noted by the one it is a version of; then all are read in one call.
    company.upload(&first.body, crate::uploads::PDF).await;
    let first = format!("/api/uploads/{}", first.body["id"].as_str().unwrap());
    let mut version = announcement.clone();
    version.as_object_mut().unwrap().remove("category");
    let (second, spent) =
        measured(&nexo, 201, request(Method::POST, &format!("{first}/versions")).json(&version)).await;
    assert_eq!(spent, cost(&["GetItem", "TransactWriteItems"], 1.0, 10.0));
    nexo.settled().await;
    let (_, spent) = measured(&nexo, 200, request(Method::GET, &format!("{first}/latest"))).await;
    assert_eq!(spent, cost(&["GetItem", "BatchGetItem"], 2.0, 0.0));
    // By a version's id its file is read too: it is there only while that one is.
    company.upload(&second.body, crate::uploads::PDF).await;
    let second = format!("/api/uploads/{}", second.body["id"].as_str().unwrap());
    for (end, wanted) in [
        ("", cost(&["GetItem", "GetItem"], 1.0, 0.0)),
        ("/download", cost(&["GetItem", "GetItem"], 1.0, 0.0)),
        ("/latest", cost(&["GetItem", "GetItem", "BatchGetItem"], 3.0, 0.0)),
    ] {
        let (_, spent) = measured(&nexo, 200, request(Method::GET, &format!("{second}{end}"))).await;
        assert_eq!(spent, wanted, "{end}");
    }
    // Both go to somebody else, who is looked at.
    let colleague = company.colleague("manager").await;
    let given = request(Method::PATCH, &first).json(&json!({"ownerId": colleague.user()}));
    let (_, spent) = measured(&nexo, 200, given).await;
    assert_eq!(spent, cost(&["GetItem", "TransactWriteItems"], 1.0, 11.0));
    assert_eq!(company.delete(&path).await.status, 204);
    company.outlast(&file.body).await;
    // The way back is shut by the request; what follows from it looks at the record, and then it and the sum go
    // together.
    let ((), calls) = nexo
        .calls_of(async {
            assert_eq!(company.post(&format!("{path}/purge"), &json!({})).await.status, 204);
            nexo.settled().await;
        })
        .await;
    assert_eq!(cost_of(&calls), cost(&["UpdateItem", "GetItem", "TransactWriteItems"], 1.0, 5.0));
}

#[tokio::test]
async fn a_row_of_an_import_costs_one_transaction() {
    let nexo = Nexo::start().await;
    let company = warm(&nexo).await;
    let import = async |from: u32, to: u32, industry: &str| {
        let rows = (from..=to).map(|row| format!("x{row},Client {row:03},{industry}\n"));
        let text: String = std::iter::once("externalId,name,industry\n".to_owned()).chain(rows).collect();
        let import = crate::imports::proposed(&nexo, &company, "clients", text.as_bytes()).await;
        format!("/api/imports/{}", import["id"].as_str().unwrap())
    };
    let act = async |path: &str, body: &Value| {
        let work = async {
            let answer = company.post(path, body).await;
            assert_eq!(answer.status, 202, "{answer:?}");
            nexo.settled().await;
        };
        let ((), calls) = nexo.calls_of(work).await;
        cost_of(&calls)
    };
    // What comes with the request and the step is the same for one row and for twenty more. Calls of all twenty, and
    // units of one.
    let twenty_rows = |one: &Cost, more: &Cost| {
        (more.calls.len() - one.calls.len(), (more.read - one.read) / 20.0, (more.write - one.write) / 20.0)
    };
    let matched = json!({"dryRun": false, "matchBy": "externalId"});
    let (one, more) = (import(1, 1, "old").await, import(2, 22, "old").await);
    let mut costs = Vec::new();
    for (action, body) in [("start", json!({"dryRun": true})), ("start", json!({"dryRun": false}))] {
        let (one, more) = (format!("{one}/{action}"), format!("{more}/{action}"));
        costs.push(twenty_rows(&act(&one, &body).await, &act(&more, &body).await));
    }
    let (one, more) = (import(1, 1, "new").await, import(2, 22, "new").await);
    for (action, body) in [("start", matched), ("undo", Value::Null)] {
        let (one, more) = (format!("{one}/{action}"), format!("{more}/{action}"));
        costs.push(twenty_rows(&act(&one, &body).await, &act(&more, &body).await));
    }
    let [tried, created, changed, undone] = costs[..] else { panic!("{costs:?}") };
    // Of a transaction that is refused the table bills nothing here; DynamoDB bills what it looked at.
    assert_eq!(tried, (20, 0.0, 0.0));
    // The record and what it did, twice each, and the record's entries in both indexes.
    assert_eq!(created, (20, 0.0, 6.0));
    // It is read first; that no other row has it is one item more, and its entry by the last change moves.
    assert_eq!(changed, (40, 1.0, 9.0));
    // What it did is read in pages. That no other row has the record stays.
    assert_eq!((undone.0, undone.1.round(), undone.2), (40, 1.0, 7.0), "{undone:?}");
}
