//! `/api/api-keys`, and what comes with such a key.

use futures::future::join_all;
use nexo_domain::{AccountId, ApiKeyId};
use nexo_identity::{API_KEY_LENGTH, ApiKey, REVOCATION_SECONDS};
use nexo_local::{FailNth, Fault};
use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::path;

const HOUR_MS: i64 = 3600 * 1000;

fn names(page: &Answer) -> Vec<&str> {
    let records = page.body["data"].as_array().unwrap_or_else(|| panic!("{page:?}"));
    records.iter().map(|record| record["name"].as_str().unwrap()).collect()
}

/// A request with this bearer token.
async fn with_token(nexo: &Nexo, token: &str, path: &str) -> Answer {
    Answer::of(nexo.request(Method::GET, path).bearer_auth(token)).await
}

#[tokio::test]
async fn a_key_works_from_its_making_until_it_is_revoked() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let body = json!({"name": "Export", "permissions": ["user:read", "client:write:own", "client:read"]});
    let made = owner.post("/api/api-keys", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, key) = (made.body["id"].as_str().unwrap(), made.body["key"].as_str().unwrap());
    let mail = nexo.mails(&owner.email).await.pop().unwrap();
    assert_eq!(mail["subject"], "An API key was made");
    assert!(!mail.to_string().contains(key), "{mail}");
    let at = format!("/api/api-keys/{id}");
    assert_eq!((made.header("location"), made.header("etag")), (at.as_str(), "\"1\""));
    assert_eq!(made.header("cache-control"), "no-store");
    assert!(key.starts_with("nexo_live_") && key.len() == API_KEY_LENGTH, "{made:?}");
    let created_at = made.body["createdAt"].as_str().unwrap();
    let created: nexo_domain::Timestamp = created_at.parse().unwrap();
    let ends = (created.as_seconds() + 90 * 24 * 3600) * 1000;
    let mut shown = json!({
        "id": id, "name": "Export", "hint": format!("nexo_live_…{}", &key[key.len() - 4..]),
        "permissions": ["client:read:all", "client:write:own", "user:read"],
        "expiresAt": nexo_domain::Timestamp::from_millis(ends), "lastUsedAt": null, "createdAt": created_at,
        "createdBy": owner.user(), "version": 1,
    });
    let mut answered = made.body.clone();
    answered.as_object_mut().unwrap().remove("key");
    assert_eq!(answered, shown);
    assert_eq!(owner.get("/api/api-keys").await.body, json!({"data": [shown], "nextCursor": null}));

    let used = with_token(&nexo, key, "/api/clients").await;
    assert_eq!((used.status.as_u16(), names(&used).len()), (200, 0));
    let client = nexo.request(Method::POST, "/api/clients").bearer_auth(key);
    let client = Answer::of(client.json(&json!({"name": "By a program"}))).await;
    assert_eq!(
        (&client.body["createdBy"], &client.body["ownerId"]),
        (&json!(owner.user()), &json!(owner.user()))
    );
    assert_eq!(with_token(&nexo, key, "/api/users").await.status, 200);
    let line: Value = serde_json::from_str(nexo.log().last().unwrap()).unwrap();
    assert_eq!((&line["apiKey"], &line["principal"]), (&json!(id), &json!(owner.user())));

    let one = owner.get(&at).await;
    let last_used: nexo_domain::Timestamp = one.body["lastUsedAt"].as_str().unwrap().parse().unwrap();
    assert!(last_used >= created && last_used <= nexo.clock.now(), "{one:?}");
    shown["lastUsedAt"] = one.body["lastUsedAt"].clone();
    assert_eq!((&one.body, one.header("etag")), (&shown, "\"1\""));
    assert_eq!(owner.get("/api/api-keys").await.body["data"], json!([shown]));

    assert_eq!(owner.delete(&at).await.status, 204);
    owner.get(&at).await.assert_problem(404, "not_found");
    owner.delete(&at).await.assert_problem(404, "not_found");
    assert_eq!(owner.get("/api/api-keys").await.body["data"], json!([]));
    with_token(&nexo, key, "/api/users").await.assert_problem(401, "unauthenticated");
    nexo.clock.advance(REVOCATION_SECONDS * 1000);
    let refused = with_token(&nexo, key, "/api/clients").await;
    refused.assert_problem(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let log = nexo.log().join("\n");
    assert!(!log.contains("nexo_live_") && !log.contains(&key[62..]), "a key is in the log");
}

#[tokio::test]
async fn what_is_stored_opens_nothing() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let program = owner.program(&["client:read"]).await;
    let key = program.token();
    let sort = nexo_tests::table::ulid(program.tokens["keyId"].as_str().unwrap()).to_owned();
    let token = nexo.directory_token(&owner.account()).await;
    let item = json!({"pk": {"S": format!("A#{}#KEY", owner.account())}, "sk": {"S": sort}});
    let get = json!({"TableName": nexo.table_name(), "Key": item});
    let (status, answer) = nexo.table_call(Some(&token), "GetItem", &get).await;
    assert_eq!(status, 200, "{answer}");
    let stored = answer["Item"].to_string();
    // The account and the id are its address, the last four characters its hint.
    let secret = &key[62..];
    assert!(answer["Item"]["keyHash"]["S"].is_string() && !stored.contains(&secret[..8]), "{stored}");
    let hash = answer["Item"]["keyHash"]["S"].as_str().unwrap();
    with_token(&nexo, hash, "/api/clients").await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_reaches_what_it_was_given_of_what_its_user_does() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (mate, stranger) = (owner.colleague("manager").await, owner.colleague("manager").await);
    let team = owner.post("/api/teams", &json!({"name": "North"})).await.body["id"].clone();
    for user in [&owner, &mate] {
        assert_eq!(owner.patch(&path(user), &json!({"teamId": team})).await.status, 200);
    }
    owner.client("Own").await;
    let of_mate = mate.client("Team's").await;
    let of_stranger = stranger.client("Stranger's").await;
    let at = |client: &Value| format!("/api/clients/{}", client["id"].as_str().unwrap());
    for (grant, wanted) in [
        ("client:read:own", vec!["Own"]),
        ("client:read:team", vec!["Own", "Team's"]),
        ("client:read:all", vec!["Own", "Stranger's", "Team's"]),
    ] {
        let program = owner.program(&[grant]).await;
        assert_eq!(names(&program.get("/api/clients?sort=name").await), wanted, "{grant}");
        for client in [&of_mate, &of_stranger] {
            let is_shown = wanted.contains(&client["name"].as_str().unwrap());
            assert_eq!(program.get(&at(client)).await.status, if is_shown { 200 } else { 404 }, "{grant}");
        }
        let refused = program.post("/api/clients", &json!({"name": "More"})).await;
        refused.assert_problem(403, "permission_denied");
        assert_eq!(refused.body["permission"], "client:write");
        program.get("/api/users").await.assert_problem(403, "permission_denied");
    }
}

#[tokio::test]
async fn what_a_key_is_denied_names_the_key() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    owner.program(&["client:read"]).await;
    let program = owner.program(&["client:read"]).await;
    program.get("/api/users").await.assert_problem(403, "permission_denied");
    let told = owner.get("/api/auth/activity?type=permission_denied").await.body;
    let [event] = &told["data"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(event["actor"], json!({"type": "user", "id": owner.user()}));
    let details = json!({
        "permission": "user:read", "operation": "GET /api/users", "apiKeyId": program.tokens["keyId"],
    });
    assert_eq!(event["details"], details);
}

#[tokio::test]
async fn a_key_shrinks_and_stops_with_its_user() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let program = admin.program(&["client:read", "client:write", "user:read"]).await;
    let theirs = owner.client("Theirs").await;
    let write = async || program.post("/api/clients", &json!({"name": "New"})).await;
    let a_minute_later = || nexo.clock.advance(REVOCATION_SECONDS * 1000);
    let change = async |to: Value| {
        let changed = owner.patch(&path(&admin), &to).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    };
    let mine = write().await;
    assert_eq!(mine.status, 201, "{mine:?}");

    change(json!({"roleIds": ["viewer"]})).await;
    a_minute_later();
    write().await.assert_problem(403, "permission_denied");
    assert_eq!(names(&program.get("/api/clients").await).len(), 2);

    change(json!({"roleIds": ["member"]})).await;
    a_minute_later();
    assert_eq!(names(&program.get("/api/clients").await), ["New"]);
    let path = format!("/api/clients/{}", theirs["id"].as_str().unwrap());
    program.patch(&path, &json!({"status": "active"})).await.assert_problem(404, "not_found");

    change(json!({"status": "disabled"})).await;
    program.get("/api/users").await.assert_problem(401, "unauthenticated");
    a_minute_later();
    write().await.assert_problem(401, "unauthenticated");
    // What a program needs need not be made anew: the key was never given away.
    change(json!({"status": "active", "roleIds": ["manager"]})).await;
    a_minute_later();
    assert_eq!(write().await.status, 201);
    assert_eq!(owner.delete(&self::path(&admin)).await.status, 204);
    a_minute_later();
    write().await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_ends_when_it_says() {
    let nexo = Nexo::start().await;
    let mut owner = nexo.register().await;
    let ends = nexo_domain::Timestamp::from_millis((nexo.clock.now_seconds() + 2 * 3600) * 1000);
    let body = json!({"name": "Short", "permissions": ["client:read"], "expiresAt": ends});
    let made = owner.post("/api/api-keys", &body).await;
    assert_eq!(made.body["expiresAt"], json!(ends), "{made:?}");
    let key = made.body["key"].as_str().unwrap();
    nexo.clock.advance(2 * HOUR_MS - 30_000);
    assert_eq!(with_token(&nexo, key, "/api/clients").await.status, 200);
    // Although it was looked at less than a minute ago.
    nexo.clock.advance(30_000);
    with_token(&nexo, key, "/api/clients").await.assert_problem(401, "unauthenticated");
    owner.log_in().await;
    let at = format!("/api/api-keys/{}", made.body["id"].as_str().unwrap());
    owner.get(&at).await.assert_problem(404, "not_found");
    owner.delete(&at).await.assert_problem(404, "not_found");
    assert_eq!(owner.get("/api/api-keys").await.body["data"], json!([]));

    let in_seconds = |seconds: i64| nexo_domain::Timestamp::from_millis(nexo.clock.now_ms() + seconds * 1000);
    for (seconds, status) in
        [(-1, 422), (0, 422), (60, 201), (365 * 24 * 3600 - 60, 201), (365 * 24 * 3600 + 60, 422)]
    {
        let body = json!({"name": "Ends", "permissions": ["client:read"], "expiresAt": in_seconds(seconds)});
        let answer = owner.post("/api/api-keys", &body).await;
        assert_eq!(answer.status, status, "{seconds}: {answer:?}");
        if status == 422 {
            assert_eq!(answer.field_errors(), [("/expiresAt".to_owned(), "out_of_range".to_owned())]);
        }
    }
}

#[tokio::test]
async fn only_a_key_that_was_made_is_taken() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let (program, theirs) = (own.program(&["client:read"]).await, other.program(&["client:read"]).await);
    for company in [&own, &other, &program, &theirs] {
        assert_eq!(company.get("/api/clients").await.status, 200);
    }
    let key = program.token();
    let typo = |at: usize| {
        let other = if &key[at..=at] == "7" { "8" } else { "7" };
        format!("{}{other}{}", &key[..at], &key[at + 1..])
    };
    let tried = async |text: &str| {
        let (answer, calls) = nexo.calls_of(with_token(&nexo, text, "/api/clients")).await;
        answer.assert_problem(401, "unauthenticated");
        calls
    };
    for text in [
        typo(12),
        typo(40),
        typo(70),
        typo(120),
        key[..120].to_owned(),
        format!("{key}0"),
        key.to_lowercase(),
    ] {
        assert!(tried(&text).await.is_empty(), "{text}");
    }
    let account = |of: &Company<'_>| AccountId::from_ulid(&of.account()).unwrap();
    let id: ApiKeyId = program.tokens["keyId"].as_str().unwrap().parse().unwrap();
    let never: ApiKeyId = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    for (account, id) in [(account(&own), id), (account(&own), never), (account(&other), id)] {
        let forged = ApiKey::make(&account, &id).unwrap();
        let calls = tried(&forged).await;
        let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
        assert_eq!(operations, ["GetItem"], "one look at the key, and none at its user");
        assert!(tried(&forged).await.is_empty(), "and no second in the same minute");
    }
    assert_eq!(program.get("/api/clients").await.status, 200);
    assert_eq!(nexo.door().log().totals().refused, 0);
}

#[tokio::test]
async fn a_key_is_of_one_account() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let program = own.program(&["client:read", "client:write", "client:delete", "user:read"]).await;
    let theirs = other.client("Theirs").await;
    let at = format!("/api/clients/{}", theirs["id"].as_str().unwrap());
    let ((), calls) = nexo
        .calls_of(async {
            program.get(&at).await.assert_problem(404, "not_found");
            program.patch(&at, &json!({"name": "Mine"})).await.assert_problem(404, "not_found");
            program.delete(&at).await.assert_problem(404, "not_found");
            program.get(&path(&other)).await.assert_problem(404, "not_found");
            assert_eq!(names(&program.get("/api/clients").await), Vec::<&str>::new());
        })
        .await;
    for call in calls {
        assert!(call.allowed && !call.keys.iter().any(|key| key.contains(&other.account())), "{call:?}");
    }
    // Nor is a key seen or revoked from another account.
    let key = program.key_path();
    other.get(&key).await.assert_problem(404, "not_found");
    other.delete(&key).await.assert_problem(404, "not_found");
    assert_eq!(other.get("/api/api-keys").await.body["data"], json!([]));
    assert_eq!(program.get("/api/clients").await.status, 200);
    assert_eq!(other.get(&at).await.body, theirs);
}

#[tokio::test]
async fn what_is_about_ones_own_login_takes_no_key_and_looks_none_up() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let program = owner.program(&["client:read", "user:read"]).await;
    for (method, path) in [
        (Method::GET, "/api/auth/profile"),
        (Method::GET, "/api/auth/sessions"),
        (Method::POST, "/api/auth/logout-all"),
        (Method::POST, "/api/account/leave"),
    ] {
        let (answer, calls) = nexo.calls_of(Answer::of(program.request(method, path))).await;
        answer.assert_problem(403, "api_key_not_allowed");
        assert!(calls.is_empty(), "{path}: {calls:?}");
    }
    let refused =
        program.post("/api/api-keys", &json!({"name": "Child", "permissions": ["client:read"]})).await;
    refused.assert_problem(403, "api_key_not_allowed");
    let refused = program.get("/api/api-keys").await;
    refused.assert_problem(403, "permission_denied");
    assert_eq!(refused.body["permission"], "api-key:manage");
    assert_eq!(owner.get("/api/auth/profile").await.status, 200);
}

#[tokio::test]
async fn a_key_is_given_nothing_that_is_for_people_nor_what_its_maker_lacks() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let make = async |company: &Company<'_>, permissions: Value| {
        company.post("/api/api-keys", &json!({"name": "Program", "permissions": permissions})).await
    };
    let managing = json!(["user:manage", "client:read", "role:manage", "api-key:manage", "account:manage"]);
    let refused = make(&owner, managing).await;
    refused.assert_problem(422, "validation_failed");
    let wrong = |at: usize| (format!("/permissions/{at}"), "not_for_api_keys".to_owned());
    assert_eq!(refused.field_errors(), [0, 2, 3, 4].map(wrong));
    for (permissions, code) in [(json!([]), "empty"), (json!(vec!["client:read"; 201]), "too_many")] {
        let refused = make(&owner, permissions).await;
        assert_eq!(refused.field_errors(), [("/permissions".to_owned(), code.to_owned())]);
    }
    assert_eq!(make(&owner, json!(["client:fly"])).await.field_errors()[0].1, "unknown_permission");

    let grants = json!(["api-key:manage", "client:read:own"]);
    let role = owner.post("/api/roles", &json!({"name": "Operator", "permissions": grants})).await.body;
    let operator = owner.colleague("member").await;
    assert_eq!(owner.patch(&path(&operator), &json!({"roleIds": [role["id"]]})).await.status, 200);
    let refused = make(&operator, json!(["client:read:all", "client:write:own"])).await;
    refused.assert_problem(403, "permission_denied");
    assert_eq!(refused.body["lacking"], json!(["client:read:all", "client:write:own"]));
    let program = operator.program(&["client:read:own"]).await;
    owner.client("Owner's").await;
    assert_eq!(names(&program.get("/api/clients").await), Vec::<&str>::new());
    // Whoever manages keys revokes all of them.
    let of_owner = owner.program(&["client:read"]).await;
    assert_eq!(operator.delete(&of_owner.key_path()).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_fifty_keys_at_most_however_many_are_made_at_once() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    for _ in 0..47 {
        owner.program(&["client:read"]).await;
    }
    let body = json!({"name": "Program", "permissions": ["client:read"]});
    let answers = join_all((0..12).map(|_| owner.post("/api/api-keys", &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.assert_problem(409, "conflict");
    }
    assert!((1..=3).contains(&made), "{made} of 3");
    for _ in made..3 {
        owner.program(&["client:read"]).await;
    }
    let keys = owner.get("/api/api-keys").await.body["data"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 50);
    owner.post("/api/api-keys", &body).await.assert_problem(409, "conflict");
    assert_eq!(
        owner.delete(&format!("/api/api-keys/{}", keys[49]["id"].as_str().unwrap())).await.status,
        204
    );
    owner.program(&["client:read"]).await;
}

#[tokio::test]
async fn a_use_is_noted_once_an_hour_and_fails_no_request() {
    let nexo = Nexo::start().await;
    let mut owner = nexo.register().await;
    assert_eq!(owner.get("/api/clients").await.status, 200);
    let program = owner.program(&["client:read", "user:read"]).await;
    let writes = async |path: &str| {
        let (answer, calls) = nexo.calls_of(program.get(path)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        calls.iter().filter(|call| !call.partitions_written.is_empty()).count()
    };
    assert_eq!([writes("/api/clients").await, writes("/api/clients").await], [1, 0]);
    let noted = owner.get(&program.key_path()).await.body["lastUsedAt"].clone();
    assert!(noted.is_string());
    // Another function notes it too, and the table keeps the first.
    nexo.clock.advance(60_000);
    assert_eq!(program.get("/api/users").await.status, 200);
    assert_eq!(owner.get(&program.key_path()).await.body["lastUsedAt"], noted);

    nexo.clock.advance(HOUR_MS);
    // The key, its user, and then the use, which meets another transaction each time.
    nexo.door().faults().arm([3, 4, 5].map(|n| FailNth { n, how: Fault::TransactionConflict }));
    assert_eq!(program.get("/api/clients").await.status, 200);
    nexo.door().faults().disarm();
    let line: Value = serde_json::from_str(nexo.log().last().unwrap()).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(line["warning"].as_str().unwrap().starts_with("the use of an API key was not noted"), "{line}");
    owner.log_in().await;
    assert_eq!(owner.get(&program.key_path()).await.body["lastUsedAt"], noted);
    nexo.clock.advance(HOUR_MS);
    assert_eq!(writes("/api/clients").await, 1);
    owner.log_in().await;
    assert_ne!(owner.get(&program.key_path()).await.body["lastUsedAt"], noted);
}
