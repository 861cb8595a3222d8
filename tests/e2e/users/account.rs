//! `/api/account` and `/api/authz/check`.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::path;

#[tokio::test]
async fn an_owner_changes_the_account() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let account = owner.get("/api/account").await;
    assert_eq!(account.body["id"], format!("acc_{}", owner.account()));
    assert_eq!((&account.body["plan"], &account.body["mfaRequired"]), (&json!("standard"), &json!(false)));
    let changed = owner.patch("/api/account", &json!({"name": "Acme AG"})).await;
    assert_eq!((&changed.body["name"], &changed.body["version"]), (&json!("Acme AG"), &json!(2)));
    assert_eq!(changed.header("etag"), "\"2\"");
    let stale = owner.request(Method::PATCH, "/api/account").header("if-match", "\"1\"");
    let stale = Answer::of(stale.json(&json!({"name": "Acme SE"}))).await;
    stale.assert_problem(412, "stale_version");
    assert_eq!(stale.body["current"], changed.body);
    for body in [json!({"plan": "free"}), json!({"owners": 0}), json!({"name": null})] {
        owner.patch("/api/account", &body).await.assert_problem(422, "validation_failed");
    }
    let admin = owner.colleague("admin").await;
    admin.patch("/api/account", &json!({"name": "Mine"})).await.assert_problem(403, "permission_denied");
}

#[tokio::test]
async fn a_check_says_whether_and_why() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let check = async |body: Value| {
        let answer = owner.post("/api/authz/check", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let of_member = |permission: &str, owner_id: Option<&str>| {
        let mut body = json!({"permission": permission, "userId": member.user()});
        if let Some(owner_id) = owner_id {
            body["ownerId"] = json!(owner_id);
        }
        body
    };
    let own = check(of_member("client:write", Some(member.user()))).await;
    assert_eq!((&own["allowed"], &own["reach"]), (&json!(true), &json!("own")));
    assert_eq!(own["because"], json!([{"roleIds": ["member"], "grant": "client:write:own"}]));
    let others = check(of_member("client:write", Some(owner.user()))).await;
    assert_eq!(others["allowed"], false);
    assert!(others["reason"].as_str().unwrap().contains("another's"), "{others}");
    let lacking = check(of_member("user:manage", None)).await;
    assert_eq!((&lacking["allowed"], &lacking["reach"]), (&json!(false), &Value::Null));
    let mine = check(json!({"permission": "account:manage"})).await;
    assert_eq!((&mine["allowed"], &mine["userId"]), (&json!(true), &json!(owner.user())));
    owner.patch(&path(&member), &json!({"status": "disabled"})).await;
    let disabled = check(of_member("client:read", Some(member.user()))).await;
    assert_eq!((&disabled["allowed"], &disabled["reason"]), (&json!(false), &json!("The user is disabled.")));
    let unknown = json!({"permission": "client:read", "userId": "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    let refused = owner.post("/api/authz/check", &unknown).await;
    assert_eq!(refused.field_errors(), [("/userId".to_owned(), "unknown_user".to_owned())]);
}
