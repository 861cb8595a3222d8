//! `/api/roles`: what an account defines itself.

use nexo_tests::{Answer, Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::path;

async fn made(company: &Company<'_>, body: Value) -> Value {
    let answer = company.post("/api/roles", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

fn role_path(role: &Value) -> String {
    format!("/api/roles/{}", role["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_role_of_the_accounts_own_grants_what_it_says() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let reader = made(&owner, json!({"name": "Reader", "permissions": ["client:read"]})).await;
    assert_eq!(reader["permissions"], json!(["client:read:all"]));
    assert_eq!((&reader["isSystem"], &reader["version"]), (&json!(false), &json!(1)));
    let editor = json!({
        "name": "Editor", "description": "Edits its own", "parentIds": [reader["id"]],
        "permissions": ["client:write:own"],
    });
    let editor = made(&owner, editor).await;
    let colleague = owner.colleague("viewer").await;
    let changed = owner.patch(&path(&colleague), &json!({"roleIds": [editor["id"]]})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    let (mine, theirs) = (colleague.client("Mine").await, owner.client("Theirs").await);
    let at = |client: &Value| format!("/api/clients/{}", client["id"].as_str().unwrap());
    assert_eq!(colleague.get(&at(&theirs)).await.status, 200, "its parent reads all");
    assert_eq!(colleague.patch(&at(&mine), &json!({"status": "active"})).await.status, 200);
    colleague.patch(&at(&theirs), &json!({"status": "active"})).await.assert_problem(404, "not_found");
    let denied = colleague.delete(&at(&mine)).await;
    assert_eq!(denied.body["permission"], "client:delete");
    // Nothing of a system role was left.
    assert_eq!(colleague.get("/api/users").await.body["permission"], "user:read");
    // A fresh login has it at once, before any look at the session would be due.
    let mut again = colleague;
    again.log_in().await;
    assert_eq!(again.get(&at(&theirs)).await.status, 200);

    let effective = owner.get(&format!("{}/effective", role_path(&editor))).await.body;
    assert_eq!(effective["permissions"], json!(["client:read:all", "client:write:own"]));
    assert_eq!(
        effective["sources"],
        json!([
            {"roleIds": [editor["id"]], "permissions": ["client:write:own"]},
            {"roleIds": [editor["id"], reader["id"]], "permissions": ["client:read:all"]},
        ])
    );
    let check = json!({"permission": "client:read", "userId": again.user()});
    let why = owner.post("/api/authz/check", &check).await.body;
    assert_eq!(
        why["because"],
        json!([{"roleIds": [editor["id"], reader["id"]], "grant": "client:read:all"}])
    );
}

#[tokio::test]
async fn a_changed_role_is_in_force_within_a_minute_for_all_who_have_it() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let base = made(&owner, json!({"name": "Base", "permissions": ["client:read"]})).await;
    let role = made(&owner, json!({"name": "Role", "parentIds": [base["id"]]})).await;
    let colleague = owner.colleague("viewer").await;
    owner.patch(&path(&colleague), &json!({"roleIds": [role["id"]]})).await;
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    assert_eq!(colleague.get("/api/clients").await.status, 200);
    // The parent of the role that the user has.
    let changed = owner.patch(&role_path(&base), &json!({"permissions": ["user:read"]})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(colleague.get("/api/users").await.status, 200, "at once where sessions are always looked at");
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    colleague.get("/api/clients").await.assert_problem(403, "permission_denied");
}

#[tokio::test]
async fn nobody_defines_what_they_lack() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let role = made(&owner, json!({"name": "Boss", "permissions": ["account:manage"]})).await;
    for (method, path, body) in [
        (Method::POST, "/api/roles".to_owned(), json!({"name": "Mine", "permissions": ["account:manage"]})),
        (Method::POST, "/api/roles".to_owned(), json!({"name": "Mine", "parentIds": [role["id"]]})),
        (Method::PATCH, role_path(&role), json!({"permissions": []})),
        (Method::DELETE, role_path(&role), json!({})),
    ] {
        let refused = Answer::of(admin.request(method, &path).json(&body)).await;
        refused.assert_problem(403, "permission_denied");
        assert_eq!(refused.body["permission"], "account:manage", "{path} {body}");
    }
    // Nor by way of a role that it may define, and another's change of it.
    let member = owner.colleague("member").await;
    let refused = admin.patch(&path(&member), &json!({"roleIds": [role["id"]]})).await;
    assert_eq!(refused.body["permission"], "account:manage", "{refused:?}");
    let roles = owner.get("/api/roles").await.body;
    let names: Vec<_> = roles["data"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
    assert_eq!(names, ["Viewer", "Member", "Manager", "Admin", "Owner", "Boss"]);
}

#[tokio::test]
async fn roles_make_no_cycle_and_no_long_chain() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let mut chain = vec![made(&owner, json!({"name": "1"})).await];
    for number in 2..=5 {
        let parent = &chain.last().unwrap()["id"];
        chain.push(made(&owner, json!({"name": number.to_string(), "parentIds": [parent]})).await);
    }
    let refused = async |method: Method, path: &str, body: Value| {
        Answer::of(owner.request(method, path).json(&body)).await.field_errors()
    };
    let error = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    let last = &chain[4]["id"];
    assert_eq!(
        refused(Method::POST, "/api/roles", json!({"name": "6", "parentIds": [last]})).await,
        error("/parentIds", "too_deep")
    );
    let first = role_path(&chain[0]);
    assert_eq!(
        refused(Method::PATCH, &first, json!({"parentIds": [last]})).await,
        error("/parentIds", "cycle")
    );
    assert_eq!(
        refused(Method::PATCH, &first, json!({"parentIds": ["owner"]})).await,
        error("/parentIds", "not_a_parent")
    );
    let taken = owner.patch(&first, &json!({"name": "2"})).await;
    taken.assert_problem(409, "already_exists");
    assert_eq!(taken.field_errors(), error("/name", "taken"));
    assert_eq!(
        refused(Method::POST, "/api/roles", json!({"name": "7", "permissions": ["user:manage:own"]})).await,
        error("/permissions/0", "unknown_reach")
    );
}

#[tokio::test]
async fn a_role_in_use_is_kept_and_system_roles_always() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let base = made(&owner, json!({"name": "Base"})).await;
    let role = made(&owner, json!({"name": "Role", "parentIds": [base["id"]]})).await;
    owner.delete(&role_path(&base)).await.assert_problem(409, "conflict");
    let colleague = owner.colleague("viewer").await;
    owner.patch(&path(&colleague), &json!({"roleIds": [role["id"]]})).await;
    owner.delete(&role_path(&role)).await.assert_problem(409, "conflict");
    owner.patch(&path(&colleague), &json!({"roleIds": ["viewer"]})).await;
    let stale = owner.request(Method::DELETE, &role_path(&role)).header("if-match", "\"9\"");
    Answer::of(stale).await.assert_problem(412, "stale_version");
    assert_eq!(owner.delete(&role_path(&role)).await.status, 204);
    assert_eq!(owner.delete(&role_path(&base)).await.status, 204);
    owner.get(&role_path(&base)).await.assert_problem(404, "not_found");
    for system in ["owner", "viewer"] {
        let path = format!("/api/roles/{system}");
        owner.delete(&path).await.assert_problem(409, "conflict");
        owner.patch(&path, &json!({"permissions": []})).await.assert_problem(409, "conflict");
        assert_eq!(owner.get(&path).await.body["isSystem"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_given_and_deleted_at_once_is_given_or_deleted() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let colleague = owner.colleague("viewer").await;
    for round in 0..4 {
        let role = made(&owner, json!({"name": format!("Role {round}")})).await;
        let role_path = role_path(&role);
        let user_path = path(&colleague);
        let body = json!({"roleIds": ["viewer", role["id"]]});
        let (given, deleted) = tokio::join!(owner.patch(&user_path, &body), owner.delete(&role_path));
        assert!(given.status == 200 || deleted.status == 204, "{given:?} {deleted:?}");
        assert!(given.status != 200 || deleted.status != 204, "{given:?} {deleted:?}");
        assert_eq!(owner.patch(&user_path, &json!({"roleIds": ["viewer"]})).await.status, 200);
    }
}
