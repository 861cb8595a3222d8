//! The security matrix: every operation of the API's description, met with every token that is none
//! and with every id of another account. A new resource is covered once it is described.

mod api;
mod forged;
mod proofs;
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use nexo_local::CallerIdentity;
use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Map, Value, json};

use api::{Operation, operations};

/// What anybody may call. A new entry is a decision, so it is written here and not derived.
const PUBLIC: [&str; 17] = [
    "GET /.well-known/jwks.json",
    "GET /api/auth/link",
    "GET /api/openapi.json",
    "GET /health",
    "GET /health/auth",
    "GET /health/crm",
    "POST /api/auth/email/cancel",
    "POST /api/auth/email/confirm",
    "POST /api/auth/invitations/accept",
    "POST /api/auth/login",
    "POST /api/auth/login/passkey",
    "POST /api/auth/login/passkey/options",
    "POST /api/auth/password-reset",
    "POST /api/auth/password-reset/confirm",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/auth/register/confirm",
];

/// Members of examples that name another record, and where such records are made.
const NAMED: [(&str, &str); 2] = [("departmentId", "/api/departments"), ("positionId", "/api/positions")];

/// Members of examples that no two records share.
const UNIQUE: [&str; 3] = ["name", "code", "employeeNumber"];

/// Actions that a new record does not take, and what comes before them.
const BEFORE: [(&str, Method, &str); 4] = [
    ("/return", Method::POST, "/leave"),
    ("/rehire", Method::POST, "/terminate"),
    ("/purge", Method::DELETE, ""),
    ("/undo", Method::POST, "/start"),
];

#[tokio::test]
async fn every_operation_says_who_may_call_it() {
    let nexo = Nexo::start().await;
    let mut public = Vec::new();
    for operation in operations(&nexo).await {
        let name = operation.name();
        let security = operation.security.as_ref().unwrap_or_else(|| panic!("{name} states no security"));
        if operation.is_public() {
            assert_eq!(operation.permission, None, "{name} is public and asks for a permission");
            public.push(name);
            continue;
        }
        assert_eq!(*security, [json!({"bearer": []})], "{name}");
        match &operation.permission {
            Some(permission) => assert!(permission.contains(':'), "{name}: {permission}"),
            // Only what belongs to the user who asks needs no permission.
            None => assert!(
                operation.path.starts_with("/api/auth/") || name == "POST /api/account/leave",
                "{name} states no permission"
            ),
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
}

#[tokio::test]
async fn no_operation_takes_a_token_that_is_not_valid() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let client = own.client("Unharmed").await;
    let tokens = forged::authorizations(&nexo, &own, &other).await;
    let before = nexo.door().log().last_seq();
    for operation in guarded(&nexo).await {
        let path = operation.at(client["id"].as_str().unwrap());
        let nothing = nexo.request(operation.method.clone(), &path);
        refused(&operation, "no header", &Answer::of(operation.with_example(nothing)).await);
        for (what, authorization) in &tokens {
            let request =
                nexo.request(operation.method.clone(), &path).header("authorization", authorization);
            refused(&operation, what, &Answer::of(operation.with_example(request)).await);
            // Nor does it matter how wrong the rest of the request is.
            let request =
                nexo.request(operation.method.clone(), &path).header("authorization", authorization);
            refused(&operation, what, &Answer::of(request.body("no JSON")).await);
        }
    }
    // Nobody got as far as an account's data.
    for call in nexo.door().log().calls_since(before) {
        assert!(matches!(call.caller, Some(CallerIdentity::Function { .. })), "{call:?}");
        assert!(call.partitions_written.is_empty(), "{call:?}");
    }
    assert_eq!(own.get(&format!("/api/clients/{}", client["id"].as_str().unwrap())).await.body, client);
}

#[tokio::test]
async fn no_operation_takes_an_expired_token() {
    let nexo = Nexo::start().await;
    let own = nexo.register().await;
    let client = own.client("Unharmed").await;
    // The session goes on, for 30 days; the token lives for 15 minutes.
    nexo.clock.advance((nexo_identity::ACCESS_TOKEN_SECONDS + 1) * 1000);
    for operation in guarded(&nexo).await {
        let path = operation.at(client["id"].as_str().unwrap());
        let request = own.request(operation.method.clone(), &path);
        refused(&operation, "expired", &Answer::of(operation.with_example(request)).await);
    }
}

#[tokio::test]
async fn no_operation_takes_a_token_whose_session_was_revoked() {
    let nexo = Nexo::start().await;
    let own = nexo.register().await;
    let client = own.client("Unharmed").await;
    assert_eq!(own.post("/api/auth/logout", &json!({})).await.status, 204);
    for within_a_minute in [true, false] {
        if !within_a_minute {
            nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
        }
        for operation in guarded(&nexo).await {
            // `auth` looks at the session each time, the others once a minute.
            if within_a_minute && !operation.path.starts_with("/api/auth/") {
                continue;
            }
            let path = operation.at(client["id"].as_str().unwrap());
            let request = own.request(operation.method.clone(), &path);
            refused(&operation, "revoked", &Answer::of(operation.with_example(request)).await);
        }
    }
}

#[tokio::test]
async fn a_record_of_another_account_is_not_found() {
    let nexo = Nexo::start().await;
    let (own, first, second) = (nexo.register().await, nexo.register().await, nexo.register().await);
    let all = operations(&nexo).await;
    for other in [&first, &second] {
        let records = records(&all, other).await;
        let secrets = secrets(&records, other);
        for operation in &all {
            let Some(collection) = operation.collection() else { continue };
            let theirs = &records[collection];
            assert!(!theirs.is_empty(), "{} has no record to try at", operation.name());
            for id in theirs.keys() {
                let (answer, calls) = nexo.calls_of(send(operation, &own, id)).await;
                answer.assert_problem(404, "not_found");
                let text = answer.body.to_string() + &format!("{:?}", answer.headers);
                for secret in &secrets {
                    assert!(!text.contains(secret.as_str()), "{} shows {secret}: {text}", operation.name());
                }
                // Nothing tells it from a record that never was: not the words, not the work.
                let (unknown, calls_of_unknown) = nexo.calls_of(send(operation, &own, &never_was(id))).await;
                assert_eq!(words(&answer), words(&unknown), "{}", operation.name());
                let work = |calls: &[std::sync::Arc<nexo_local::StoreCall>]| -> Vec<_> {
                    calls.iter().map(|call| (call.operation.clone(), call.status, call.capacity)).collect()
                };
                assert_eq!(work(&calls), work(&calls_of_unknown), "{}", operation.name());
                for call in calls {
                    assert!(
                        call.allowed && !call.keys.iter().any(|key| key.contains(&other.account())),
                        "{call:?}"
                    );
                }
            }
        }
        assert_eq!(self::records(&all, other).await, records, "a record of another account was changed");
    }
    assert_eq!(nexo.door().log().totals().refused, 0);
}

#[tokio::test]
async fn a_deleted_record_of_another_account_is_not_found_either() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let all = operations(&nexo).await;
    for (collection, records) in records(&all, &other).await {
        let on_records = || all.iter().filter(|operation| operation.collection() == Some(&collection));
        let Some(restore) = on_records().find(|operation| operation.path.ends_with("/restore")) else {
            continue;
        };
        let mut tried = 0;
        for (id, record) in &records {
            let deleted = other.delete(&format!("{collection}/{id}")).await;
            if deleted.body["code"] == "in_use" {
                continue;
            }
            tried += 1;
            assert_eq!(deleted.status, 204, "{deleted:?}");
            for operation in on_records() {
                send(operation, &own, id).await.assert_problem(404, "not_found");
            }
            let restored = send(restore, &other, id).await;
            assert_eq!(restored.status, 200, "{restored:?}");
            // Deleted, restored: nothing else was counted.
            let version = record["version"].as_u64().unwrap();
            assert_eq!(restored.body["version"], version + 2, "{restored:?}");
        }
        assert!(tried > 0, "{collection} has no record that can be deleted");
    }
}

#[tokio::test]
async fn no_request_can_name_another_account() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let all = operations(&nexo).await;
    let (mine, theirs) = (records(&all, &own).await, records(&all, &other).await);
    let account = other.account();
    let partition = format!("A#{account}#CLI");
    let names =
        ["accountId", "account", "account_id", "tenantId", "acc", "pk", "sk", "gsi1sk", "gsi2sk", "id"];
    for operation in all.iter().filter(|operation| !operation.is_public()) {
        let id = match operation.collection() {
            Some(collection) if before(operation).is_some() => {
                let id = created(&all, collection, &own).await;
                prepare(&all, operation, &own, &id).await;
                id
            }
            Some(collection) => mine[collection].keys().next().unwrap().clone(),
            None => String::new(),
        };
        let path = operation.at(&id);
        let request = |path: &str| own.request(operation.method.clone(), path);
        for name in names {
            for value in [&account, &format!("acc_{account}"), &partition] {
                if let Some(body) = &operation.body {
                    let mut members = body.example.clone();
                    members.insert(name.into(), json!(value));
                    let answer = Answer::of(operation.with_body(request(&path), &members)).await;
                    answer.assert_problem(422, "validation_failed");
                    assert_eq!(
                        answer.field_errors(),
                        [(format!("/{name}"), "unknown_field".into())],
                        "{}",
                        operation.name()
                    );
                }
                if !operation.query.is_empty() {
                    let value = value.replace('#', "%23");
                    let answer = Answer::of(request(&format!("{path}?{name}={value}"))).await;
                    answer.assert_problem(400, "invalid_parameter");
                }
            }
        }
        // Where a record names another one, it names one of its own account.
        let Some(body) = &operation.body else { continue };
        let fields = references(body);
        let example = if fields.is_empty() { Map::new() } else { example(&all, operation, &own).await };
        for (collection, records) in &theirs {
            for field in &fields {
                let of_theirs = records.keys().cloned().chain([other.user().to_owned()]);
                for foreign in of_theirs {
                    let mut members = example.clone();
                    members.insert(field.clone(), json!(foreign));
                    let answer = Answer::of(operation.with_body(request(&path), &members)).await;
                    answer.assert_problem(422, "validation_failed");
                    assert_eq!(answer.field_errors()[0].0, format!("/{field}"), "{collection}: {answer:?}");
                }
            }
        }
    }
    assert_eq!(records(&all, &other).await, theirs);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

#[tokio::test]
async fn a_list_shows_its_own_account_and_takes_its_own_cursors() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let all = operations(&nexo).await;
    // Security events are listed in one order, and their cursors are no secret: see `auth/activity.rs`. An export
    // has pages of a size of its own: see `export.rs`.
    let has = |operation: &Operation, wanted: &str| operation.query.iter().any(|(name, _)| name == wanted);
    for list in all.iter().filter(|operation| has(operation, "sort") && has(operation, "limit")) {
        let (mut mine, mut theirs) = (BTreeSet::new(), BTreeSet::new());
        for (company, ids) in [(&own, &mut mine), (&other, &mut theirs)] {
            ids.extend(records(&all, company).await[&list.path].keys().cloned());
            for _ in 0..3 {
                ids.insert(created(&all, &list.path, company).await);
            }
        }
        let sorts = list.query.iter().find(|(name, _)| name == "sort").map(|(_, sorts)| sorts.clone());
        for sort in sorts.expect("every list has sorts") {
            let first = format!("{}?limit=1&sort={sort}", list.path);
            let (mut shown, mut path) = (BTreeSet::new(), first.clone());
            loop {
                let page = own.get(&path).await;
                shown.extend(
                    page.body["data"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one["id"].as_str().unwrap().to_owned()),
                );
                let Some(cursor) = page.body["nextCursor"].as_str() else { break };
                other.get(&format!("{first}&cursor={cursor}")).await.assert_problem(400, "invalid_cursor");
                path = format!("{first}&cursor={cursor}");
            }
            assert_eq!(shown, mine, "{sort}");
            let cursor = other.get(&first).await.body["nextCursor"].as_str().unwrap().to_owned();
            own.get(&format!("{first}&cursor={cursor}")).await.assert_problem(400, "invalid_cursor");
        }
    }
}

/// The operations that are not public.
async fn guarded(nexo: &Nexo) -> Vec<Operation> {
    let mut all = operations(nexo).await;
    all.retain(|operation| !operation.is_public());
    all
}

#[track_caller]
fn refused(operation: &Operation, what: &str, answer: &Answer) {
    assert_eq!(answer.status, 401, "{} with {what}: {answer:?}", operation.name());
    answer.assert_problem(401, "unauthenticated");
    assert_eq!(answer.header("www-authenticate"), "Bearer", "{}", operation.name());
}

async fn send(operation: &Operation, company: &Company<'_>, id: &str) -> Answer {
    Answer::of(operation.with_example(company.request(operation.method.clone(), &operation.at(id)))).await
}

/// Creates a record from the description's example.
async fn created(all: &[Operation], collection: &str, company: &Company<'_>) -> String {
    // Users make themselves.
    if collection == "/api/users" {
        return company.colleague("viewer").await.user().to_owned();
    }
    // No example is signed by an authenticator.
    if collection == "/api/auth/passkeys" {
        return crate::auth::passkeys::created(company, &format!("phone {}", fresh())).await;
    }
    let create =
        all.iter().find(|operation| operation.method == Method::POST && operation.path == collection);
    let create = create.unwrap_or_else(|| panic!("nothing can be created in {collection}"));
    let mut members = example(all, create, company).await;
    // A picture: of the example's PDF there is no thumbnail.
    let picture = crate::uploads::thumbnails::png();
    if collection == "/api/uploads" {
        let announced = crate::uploads::thumbnails::announcement("a.png", "image/png", &picture);
        members.extend(announced.as_object().expect("an object").clone());
    }
    let answer = Answer::of(create.with_body(company.request(Method::POST, &create.path), &members)).await;
    assert_eq!(answer.status, 201, "{}: {answer:?}", create.path);
    // What can be downloaded has arrived.
    if collection == "/api/uploads" {
        company.upload(&answer.body, &picture).await;
        company.outlast(&answer.body).await;
    }
    // What can be started was looked at.
    if collection == "/api/imports" {
        company.settled().await;
    }
    answer.body["id"].as_str().expect("an id").to_owned()
}

/// The example of an operation, told apart by a number, with records of the company where it names any.
async fn example(all: &[Operation], operation: &Operation, company: &Company<'_>) -> Map<String, Value> {
    let number = fresh();
    let mut members = operation.body.as_ref().map(|body| body.example.clone()).unwrap_or_default();
    for (name, value) in &mut members {
        let collection = NAMED.iter().find(|(field, _)| field == name).map(|(_, collection)| collection);
        if name == "fileId" {
            // The first file is the one of the description's example.
            if company.get("/api/uploads").await.body["data"] == json!([]) {
                Box::pin(created(all, "/api/uploads", company)).await;
            }
            *value = json!(crate::imports::uploaded(company, "a.csv", "text/csv", b"name\nImported\n").await);
        } else if let Some(collection) = collection {
            *value = json!(Box::pin(created(all, collection, company)).await);
        } else if operation.path == "/api/uploads/{id}" && name == "name" {
            *value = json!(format!("{number}.png"));
        } else if UNIQUE.contains(&name.as_str()) {
            *value = json!(format!("{number} {}", value.as_str().unwrap()));
        } else if name == "email" || name == "workEmail" {
            *value = json!(format!("user{number}@acme.example"));
        }
    }
    members
}

/// A number that no other record of this run has.
fn fresh() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What comes before an action on a new record.
fn before(action: &Operation) -> Option<(Method, String)> {
    let path = &action.path;
    let (action, method, first) = BEFORE.iter().find(|(action, ..)| path.ends_with(action))?;
    Some((method.clone(), format!("{}{first}", path.strip_suffix(action).unwrap_or(path))))
}

/// Brings a new record to where it takes an action.
async fn prepare(all: &[Operation], action: &Operation, company: &Company<'_>, id: &str) {
    let Some((method, path)) = before(action) else { return };
    let is_first = |operation: &&Operation| operation.method == method && operation.path == path;
    let first = all.iter().find(is_first).expect("what comes before");
    let members = example(all, first, company).await;
    let request = company.request(method.clone(), &first.at(id));
    let answer = Answer::of(first.with_body(request, &members)).await;
    assert!(answer.status.is_success(), "{}: {answer:?}", first.name());
    company.settled().await;
}

/// Every record of the company, by collection and id, as its owner sees it: one of each kind that
/// can be created is, unless there is one.
async fn records(all: &[Operation], company: &Company<'_>) -> BTreeMap<String, BTreeMap<String, Value>> {
    let collections: BTreeSet<&str> = all.iter().filter_map(Operation::collection).collect();
    let list = async |collection: &str| {
        let listed = company.get(collection).await.body["data"].as_array().expect("a list").clone();
        // What every account has is nobody's own.
        listed.into_iter().filter(|record| record["isSystem"] != true).collect::<Vec<_>>()
    };
    let mut empty = Vec::new();
    for collection in &collections {
        let is_created =
            all.iter().any(|operation| operation.method == Method::POST && operation.path == *collection);
        if is_created && list(collection).await.is_empty() {
            empty.push(*collection);
        }
    }
    for collection in empty {
        created(all, collection, company).await;
    }
    let mut records = BTreeMap::new();
    for collection in collections {
        let by_id = list(collection)
            .await
            .into_iter()
            .map(|record| (record["id"].as_str().expect("an id").to_owned(), record));
        records.insert(collection.to_owned(), by_id.collect());
    }
    records
}

/// What of another account's data would betray it, if it stood in an answer.
fn secrets(records: &BTreeMap<String, BTreeMap<String, Value>>, company: &Company<'_>) -> BTreeSet<String> {
    fn texts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() > 4 => drop(found.insert(text.clone())),
            Value::Array(elements) => elements.iter().for_each(|element| texts(element, found)),
            Value::Object(members) => members.values().for_each(|member| texts(member, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::from([company.account(), company.email.clone(), company.user().to_owned()]);
    records.values().flat_map(BTreeMap::values).for_each(|record| texts(record, &mut found));
    found
}

/// An id of the same kind that no record has.
fn never_was(id: &str) -> String {
    let (prefix, _) = id.split_once('_').expect("a prefix");
    format!("{prefix}_01ARZ3NDEKTSV4RRFFQ69G5FAV")
}

/// A problem's members that do not differ from one request to the next.
fn words(answer: &Answer) -> Map<String, Value> {
    let mut members = answer.body.as_object().expect("an object").clone();
    members.retain(|name, _| name != "requestId" && name != "timestamp");
    members
}

/// The fields of a body that take an id.
fn references(body: &api::Body) -> Vec<String> {
    let properties = body.schema["properties"].as_object().expect("properties");
    let is_id = |schema: &Value| {
        let alternatives = schema["anyOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        alternatives.iter().any(|one| one["$ref"].as_str().is_some_and(|name| name.ends_with("Id")))
    };
    properties.iter().filter(|(_, schema)| is_id(schema)).map(|(name, _)| name.clone()).collect()
}
