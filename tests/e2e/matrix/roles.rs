//! Every role at every operation, as docs/PERMISSIONS.md says, an API key, and whoever was disabled.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _};
use nexo_domain::{Permission, Role};
use nexo_tests::{Answer, Company, Nexo, project, rows};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Operation, operations};
use super::{created, example, guarded, prepare, refused};

/// The column of a key that an owner gave all that a key can have.
const API_KEY: &str = "API key";

/// The policy: an operation's permission, and what each role reaches with it.
struct Row {
    permission: Option<String>,
    reach: BTreeMap<&'static str, String>,
}

/// The table of docs/PERMISSIONS.md, by operation.
fn policy() -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(project().join("docs/PERMISSIONS.md")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_matches('|').split('|');
        inner.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let head = lines.next().unwrap();
    let roles: Vec<&'static str> = Role::ALL.iter().map(|role| role.as_str()).chain([API_KEY]).collect();
    assert_eq!(head[2..], roles, "a column for each role, and one for a key");
    let rows = lines.skip(1).map(|cells| {
        let reach = roles.iter().copied().zip(cells[2..].iter().cloned()).collect();
        let permission = (!cells[1].is_empty()).then(|| cells[1].clone());
        (cells[0].clone(), Row { permission, reach })
    });
    rows.collect()
}

#[tokio::test]
async fn the_policy_has_a_row_for_each_operation() {
    let nexo = Nexo::start().await;
    let guarded = operations(&nexo).await.into_iter().filter(|operation| !operation.is_public());
    let described: BTreeMap<_, _> =
        guarded.map(|operation| (operation.name(), operation.permission)).collect();
    let written: BTreeMap<_, _> =
        policy().into_iter().map(|(operation, row)| (operation, row.permission)).collect();
    assert_eq!(written, described);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_reaches_what_the_policy_says() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let all = operations(&nexo).await;
    let policy = policy();
    let suits = |permission: &&Permission| permission.suits_api_keys();
    let given: Vec<_> = Permission::ALL.iter().filter(suits).map(|permission| permission.as_str()).collect();
    let program = owner.program(&given).await;
    // What is done to records changes nothing of who does it.
    let mut colleagues = BTreeMap::new();
    for role in Role::ALL {
        colleagues.insert(role.as_str(), owner.colleague(role.as_str()).await);
    }
    let mut trials = Vec::new();
    for operation in all.iter().filter(|operation| !operation.is_public()) {
        let row = &policy[&operation.name()];
        trials.extend(row.reach.iter().map(|(role, reach)| (operation, *role, reach.as_str())));
    }
    let count = trials.len();
    let wrong: Vec<String> = stream::iter(trials)
        .map(|(operation, role, reach)| {
            let (owner, all, program, colleagues) = (&owner, &all, &program, &colleagues);
            async move {
                if role == API_KEY {
                    return attempt(owner, all, operation, (role, program), reach).await;
                }
                if operation.permission.as_deref().is_some_and(is_about_records) {
                    return attempt(owner, all, operation, (role, &colleagues[role]), reach).await;
                }
                attempt(owner, all, operation, (role, &owner.colleague(role).await), reach).await
            }
        })
        .buffer_unordered(2)
        .filter_map(|outcome| async { outcome.err() })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(nexo.door().log().totals().refused, 0);
}

/// Whoever was disabled is refused at once where the user is looked at each time, and everywhere within a
/// minute: by token, and by key.
#[tokio::test]
async fn a_disabled_user_is_refused_at_every_operation() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let program = admin.program(&["client:read", "client:write", "client:delete", "user:read"]).await;
    let client = owner.client("Unharmed").await;
    for caller in [&admin, &program] {
        assert_eq!(caller.get("/api/clients").await.status, 200);
    }
    let path = format!("/api/users/{}", admin.user());
    assert_eq!(owner.patch(&path, &json!({"status": "disabled"})).await.status, 200);
    for within_a_minute in [true, false] {
        if !within_a_minute {
            nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
        }
        for operation in guarded(&nexo).await {
            let is_of_people = [
                "/api/auth",
                "/api/users",
                "/api/roles",
                "/api/teams",
                "/api/account",
                "/api/api-keys",
                "/api/authz",
            ];
            if within_a_minute && !is_of_people.iter().any(|path| operation.path.starts_with(path)) {
                continue;
            }
            let path = operation.at(client["id"].as_str().unwrap());
            let request = |caller: &Company<'_>| {
                operation.with_example(caller.request(operation.method.clone(), &path))
            };
            refused(&operation, "a disabled user's token", &Answer::of(request(&admin)).await);
            let answer = Answer::of(request(&program)).await;
            if operation.permission.is_some() && !operation.is_recent {
                refused(&operation, "a disabled user's key", &answer);
            } else {
                answer.assert_problem(403, "api_key_not_allowed");
            }
        }
    }
    assert_eq!(owner.get(&format!("/api/clients/{}", client["id"].as_str().unwrap())).await.body, client);
}

fn is_about_records(permission: &str) -> bool {
    Permission::parse(permission).unwrap().is_about_records()
}

/// One role at one operation: on a record of its own and on the owner's, where it is of records.
async fn attempt(
    owner: &Company<'_>,
    all: &[Operation],
    operation: &Operation,
    (role, caller): (&str, &Company<'_>),
    reach: &str,
) -> Result<(), String> {
    let expect = |what: &str, answer: &Answer, wanted: bool| {
        if wanted {
            return Ok(());
        }
        Err(format!("{role} at {}, {reach}, {what}: {answer:?}", operation.name()))
    };
    let Some(permission) = &operation.permission else {
        let answer = send(owner, all, caller, operation, "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV").await;
        let wanted = match reach {
            "self" => answer.status.is_success() || [404, 409, 422].contains(&answer.status.as_u16()),
            "no" => answer.status == 403 && answer.body["code"] == "api_key_not_allowed",
            _ => false,
        };
        return expect("on its own data", &answer, wanted);
    };
    if !is_about_records(permission) {
        let target = match operation.collection() {
            Some(collection) => created(all, collection, owner).await,
            None => String::new(),
        };
        prepare(all, operation, owner, &target).await;
        let answer = send(owner, all, caller, operation, &target).await;
        let has_not_failed = operation.path.ends_with("/resume") && answer.body["code"] == "wrong_state";
        let wanted = match reach {
            "all" => answer.status.is_success() || has_not_failed,
            "no" => denies(&answer, operation),
            _ => false,
        };
        return expect("the account's", &answer, wanted);
    }
    // What is computed of all records stands beside them.
    let is_made = |path: &str| all.iter().any(|known| known.method == Method::POST && known.path == path);
    let beside = |path: &'_ str| if is_made(path) { path.len() } else { path.rfind('/').unwrap_or_default() };
    let collection = operation.collection().unwrap_or(&operation.path[..beside(&operation.path)]);
    let mine = owned(owner, all, collection, caller.user()).await;
    let theirs = owned(owner, all, collection, owner.user()).await;
    if operation.collection().is_none() {
        let answer = send(owner, all, caller, operation, "").await;
        if reach == "no" {
            return expect("a collection", &answer, denies(&answer, operation));
        }
        expect("a collection", &answer, answer.status.is_success())?;
        if operation.method == Method::POST {
            return expect("a new record", &answer, answer.body["ownerId"] == caller.user());
        }
        let shown = listed(caller, operation).await;
        let wanted = shown.contains(&mine) && shown.contains(&theirs) == (reach == "all");
        return expect(&format!("shows {}", shown.len()), &answer, wanted);
    }
    for (id, is_mine) in [(&mine, true), (&theirs, false)] {
        if operation.path.ends_with("/restore") {
            let path = operation.at(id).replace("/restore", "");
            assert_eq!(owner.delete(&path).await.status, 204);
        }
        prepare(all, operation, owner, id).await;
        let answer = send(owner, all, caller, operation, id).await;
        let wanted = match (reach, is_mine) {
            ("no", _) => denies(&answer, operation),
            ("own", false) => answer.status == 404 && answer.body["code"] == "not_found",
            ("own" | "all", _) => answer.status.is_success(),
            _ => false,
        };
        expect(if is_mine { "its own" } else { "another's" }, &answer, wanted)?;
    }
    Ok(())
}

/// Whether it is a 403 that names the operation's permission.
fn denies(answer: &Answer, operation: &Operation) -> bool {
    let named = answer.body["permission"].as_str();
    let is_for_people = operation.is_recent && answer.body["code"] == "api_key_not_allowed";
    answer.status == 403 && (is_for_people || named == operation.permission.as_deref())
}

/// The operation with its example, in which the caller stays responsible for a record.
async fn send(
    owner: &Company<'_>,
    all: &[Operation],
    caller: &Company<'_>,
    operation: &Operation,
    id: &str,
) -> Answer {
    let mut members = example(all, operation, owner).await;
    if operation.method == Method::PUT {
        members.insert("ownerId".into(), json!(caller.user()));
    }
    if members.contains_key("userId") {
        members.insert("userId".into(), json!(caller.colleague("viewer").await.user()));
    }
    let request = caller.request(operation.method.clone(), &operation.at(id));
    Answer::of(operation.with_body(request, &members)).await
}

/// A new record that `user` is responsible for.
async fn owned(owner: &Company<'_>, all: &[Operation], collection: &str, user: &str) -> String {
    let id = created(all, collection, owner).await;
    let path = format!("{collection}/{id}");
    let answer = owner.patch(&path, &json!({"ownerId": user})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    id
}

/// The ids of all pages.
async fn listed(caller: &Company<'_>, list: &Operation) -> BTreeSet<String> {
    if list.path.ends_with("/export.csv") {
        let rows = rows(&caller.export(&list.path).await);
        return rows.iter().map(|row| row["id"].clone()).collect();
    }
    let has_pages = list.query.iter().any(|(name, _)| name == "limit");
    let first = if has_pages { format!("{}?limit=100", list.path) } else { list.path.clone() };
    let (mut shown, mut path) = (BTreeSet::new(), first.clone());
    loop {
        let page = caller.get(&path).await;
        let ids = page.body["data"].as_array().unwrap().iter().filter_map(|one| one["id"].as_str());
        shown.extend(ids.map(str::to_owned));
        match &page.body["nextCursor"] {
            Value::String(cursor) => path = format!("{first}&cursor={cursor}"),
            _ => return shown,
        }
    }
}
