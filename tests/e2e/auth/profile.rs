//! `GET` and `PATCH /api/auth/profile`.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

const PROFILE: &str = "/api/auth/profile";

#[tokio::test]
async fn a_user_reads_and_changes_the_own_profile() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let first = company.get(PROFILE).await;
    assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"1\""));
    let mut wanted = json!({
        "id": company.user(), "version": 1, "createdAt": first.body["createdAt"], "email": company.email,
        "firstName": "Ada", "lastName": "Lovelace", "locale": null, "timeZone": null, "avatarUrl": null,
        "roleIds": ["owner"],
    });
    assert_eq!(first.body, wanted);
    assert!(first.body["createdAt"].is_string());

    let patch = json!({
        "firstName": " Augusta ", "locale": "en-gb", "timeZone": "Europe/London",
        "avatarUrl": "https://acme.example/ada.png",
    });
    let changed = company.patch(PROFILE, &patch).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""), "{changed:?}");
    wanted["version"] = json!(2);
    wanted["firstName"] = json!("Augusta");
    wanted["locale"] = json!("en-GB");
    wanted["timeZone"] = json!("Europe/London");
    wanted["avatarUrl"] = json!("https://acme.example/ada.png");
    assert_eq!(changed.body, wanted);
    let removed = company.patch(PROFILE, &json!({"avatarUrl": null, "locale": null})).await;
    wanted["version"] = json!(3);
    wanted["avatarUrl"] = Value::Null;
    wanted["locale"] = Value::Null;
    assert_eq!(removed.body, wanted);
    assert_eq!(company.get(PROFILE).await.body, wanted);
    assert_eq!(other.get(PROFILE).await.body["version"], 1);
}

#[tokio::test]
async fn a_profile_takes_only_what_is_its_users_to_set() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let before = company.get(PROFILE).await.body;
    let patch = json!({
        "firstName": null, "lastName": "", "locale": "not a language", "timeZone": "Mars/Olympus",
        "avatarUrl": "javascript:alert(1)", "email": "new@acme.example", "roles": ["admin"],
        "version": 1, "passwordHash": "x",
    });
    let answer = company.patch(PROFILE, &patch).await;
    answer.assert_problem(422, "validation_failed");
    let pointers: Vec<_> = answer.field_errors().into_iter().map(|(pointer, _)| pointer).collect();
    let wanted = [
        "avatarUrl",
        "email",
        "firstName",
        "lastName",
        "locale",
        "passwordHash",
        "roles",
        "timeZone",
        "version",
    ];
    assert_eq!(pointers, wanted.map(|name| format!("/{name}")));
    assert_eq!(company.get(PROFILE).await.body, before);
}

#[tokio::test]
async fn a_stale_profile_is_not_overwritten() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    company.patch(PROFILE, &json!({"firstName": "Augusta"})).await;
    let patch = async |version: &str| {
        let request = company.request(Method::PATCH, PROFILE).header("if-match", version);
        Answer::of(request.json(&json!({"firstName": "Ada"}))).await
    };
    let stale = patch("\"1\"").await;
    stale.assert_problem(412, "stale_version");
    assert_eq!(stale.body["current"], company.get(PROFILE).await.body);
    assert_eq!(patch("\"2\"").await.body["firstName"], "Ada");
}
