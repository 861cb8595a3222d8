//! The security matrix: every operation of the API's description, met with every token that is none
//! and with every id of another account. A new resource is covered once it is described.

mod api;
mod forged;
mod proofs;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

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
        for id in records.keys() {
            assert_eq!(other.delete(&format!("{collection}/{id}")).await.status, 204);
            for operation in on_records() {
                send(operation, &own, id).await.assert_problem(404, "not_found");
            }
            let restored = send(restore, &other, id).await;
            assert_eq!(restored.status, 200, "{restored:?}");
            // Created, deleted, restored: nothing else was counted.
            assert_eq!(restored.body["version"], 3, "{restored:?}");
        }
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
        let id = operation.collection().map(|collection| mine[collection].keys().next().unwrap().clone());
        let path = operation.at(&id.unwrap_or_default());
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
        for (collection, records) in &theirs {
            for field in references(body) {
                let of_theirs = records.keys().cloned().chain([other.user().to_owned()]);
                for foreign in of_theirs {
                    let mut members = body.example.clone();
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
    // Security events are listed in one order, and their cursors are no secret: see `auth/activity.rs`.
    for list in all.iter().filter(|operation| operation.query.iter().any(|(name, _)| name == "sort")) {
        let (mut mine, mut theirs) = (BTreeSet::new(), BTreeSet::new());
        for (company, ids) in [(&own, &mut mine), (&other, &mut theirs)] {
            ids.extend(records(&all, company).await[&list.path].keys().cloned());
            for number in 0..3 {
                ids.insert(created(&all, &list.path, company, number).await);
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

/// Creates a record from the description's example, told apart by a number in its name.
async fn created(all: &[Operation], collection: &str, company: &Company<'_>, number: usize) -> String {
    // Users make themselves.
    if collection == "/api/users" {
        return company.colleague("viewer").await.user().to_owned();
    }
    // No example is signed by an authenticator.
    if collection == "/api/auth/passkeys" {
        return crate::auth::passkeys::created(company, &format!("phone {number}")).await;
    }
    let create =
        all.iter().find(|operation| operation.method == Method::POST && operation.path == collection);
    let create = create.unwrap_or_else(|| panic!("nothing can be created in {collection}"));
    let mut members = create.body.as_ref().expect("a body").example.clone();
    if let Some(name) = members.get_mut("name") {
        *name = json!(format!("{} {number}", name.as_str().unwrap()));
    }
    if members.contains_key("email") {
        members.insert("email".into(), json!(format!("user{number}@acme.example")));
    }
    let answer = Answer::of(create.with_body(company.request(Method::POST, &create.path), &members)).await;
    assert_eq!(answer.status, 201, "{}: {answer:?}", create.path);
    answer.body["id"].as_str().expect("an id").to_owned()
}

/// Every record of the company, by collection and id, as its owner sees it: one of each kind that
/// can be created is, unless there is one.
async fn records(all: &[Operation], company: &Company<'_>) -> BTreeMap<String, BTreeMap<String, Value>> {
    let collections: BTreeSet<&str> = all.iter().filter_map(Operation::collection).collect();
    let mut records = BTreeMap::new();
    for collection in collections {
        let list = async || {
            let listed = company.get(collection).await.body["data"].as_array().expect("a list").clone();
            // What every account has is nobody's own.
            listed.into_iter().filter(|record| record["isSystem"] != true).collect::<Vec<_>>()
        };
        let mut listed = list().await;
        let is_created =
            all.iter().any(|operation| operation.method == Method::POST && operation.path == collection);
        if listed.is_empty() && is_created {
            created(all, collection, company, 1).await;
            listed = list().await;
        }
        let by_id =
            listed.into_iter().map(|record| (record["id"].as_str().expect("an id").to_owned(), record));
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
