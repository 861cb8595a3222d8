//! What a user may do is changed by those who may do it themselves.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::json;

use super::{held_up, path, place_of_write};

#[tokio::test]
async fn users_are_listed_with_filters_sorts_and_pages() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let mut users = vec![owner.user().to_owned()];
    for role in ["viewer", "member", "member", "manager"] {
        users.push(owner.colleague(role).await.user().to_owned());
    }
    let list = async |query: &str| {
        let answer = owner.get(&format!("/api/users{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = list("?limit=100").await;
    let (mut shown, mut wanted) = (ids(&all), users.clone());
    shown.sort();
    wanted.sort();
    assert_eq!(shown, wanted);
    assert_eq!(ids(&list("?roleId=member").await).len(), 2);
    assert_eq!(ids(&list(&format!("?email={}", owner.email)).await), [owner.user()]);
    assert_eq!(ids(&list("?status=disabled").await), Vec::<String>::new());
    assert_eq!(ids(&list("?q=ada%20love").await).len(), 5);
    assert_eq!(ids(&list("?q=grace").await).len(), 0);
    let (mut paged, mut next) = (Vec::new(), "?limit=2&sort=name".to_owned());
    loop {
        let page = list(&next).await;
        paged.extend(ids(&page));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        next = format!("?limit=2&sort=name&cursor={cursor}");
    }
    paged.sort();
    assert_eq!(paged, wanted);
    owner.get("/api/users?status=asleep").await.assert_problem(400, "invalid_parameter");

    let one = owner.get(&path(&owner)).await;
    assert_eq!(one.header("etag"), "\"1\"");
    assert_eq!(one.body["email"], owner.email.as_str());
    assert_eq!(one.body["roleIds"], json!(["owner"]));
    assert_eq!(one.body["status"], "active");
    assert!(one.body["lastLoginAt"].is_string(), "{one:?}");
    for hidden in ["passwordHash", "networks", "sessionsFrom"] {
        assert!(one.body.get(hidden).is_none(), "{hidden}");
    }
}

#[tokio::test]
async fn a_renamed_user_is_found_under_the_new_name() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let answer = owner.patch("/api/auth/profile", &json!({"firstName": "Grace"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let listed = |query: &'static str| {
        let owner = &owner;
        async move { owner.get(query).await.body["data"].as_array().unwrap().len() }
    };
    assert_eq!(listed("/api/users?sort=name&q=grace%20lovelace").await, 1);
    assert_eq!(listed("/api/users?sort=name&q=ada").await, 0);
    let stale = owner.request(Method::PATCH, "/api/auth/profile").header("if-match", "\"1\"");
    Answer::of(stale.json(&json!({"lastName": "Hopper"}))).await.assert_problem(412, "stale_version");
}

#[tokio::test]
async fn a_new_role_is_in_force_at_once_here_and_within_a_minute_elsewhere() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let colleague = owner.colleague("viewer").await;
    assert_eq!(colleague.post("/api/clients", &json!({"name": "Acme"})).await.status, 403);
    let changed = owner.patch(&path(&colleague), &json!({"roleIds": ["manager", "viewer"]})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.body["roleIds"], json!(["viewer", "manager"]));
    assert_eq!(changed.body["version"], 2);
    assert_eq!(changed.body["updatedBy"], owner.user());
    assert_eq!(owner.get(&path(&colleague)).await.body, changed.body);
    assert_eq!(colleague.get("/api/auth/profile").await.body["roleIds"], json!(["viewer", "manager"]));
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    assert_eq!(colleague.post("/api/clients", &json!({"name": "Acme"})).await.status, 201);

    let demoted = owner.patch(&path(&colleague), &json!({"roleIds": ["viewer"]})).await;
    assert_eq!(demoted.status, 200, "{demoted:?}");
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    colleague.post("/api/clients", &json!({"name": "Two"})).await.assert_problem(403, "permission_denied");
}

#[tokio::test]
async fn nobody_gives_or_takes_what_they_lack() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (admin, member) = (owner.colleague("admin").await, owner.colleague("member").await);
    for (target, roles) in
        [(&member, json!(["owner"])), (&admin, json!(["owner"])), (&owner, json!(["viewer"]))]
    {
        let refused = admin.patch(&path(target), &json!({"roleIds": roles})).await;
        refused.assert_problem(403, "permission_denied");
        assert_eq!(refused.body["permission"], "account:manage");
        assert_eq!(refused.body["lacking"], json!(["account:manage"]));
    }
    let refused = admin.patch(&path(&owner), &json!({"status": "disabled"})).await;
    assert_eq!(refused.body["permission"], "account:manage", "{refused:?}");
    assert_eq!(admin.delete(&path(&owner)).await.status, 403);
    assert_eq!(admin.patch(&path(&member), &json!({"roleIds": ["admin"]})).await.status, 200);
    // What was refused was not written.
    assert_eq!(owner.get(&path(&owner)).await.body["roleIds"], json!(["owner"]));
    let denied =
        owner.colleague("manager").await.patch(&path(&member), &json!({"roleIds": ["viewer"]})).await;
    assert_eq!(denied.body["permission"], "user:manage", "{denied:?}");
}

#[tokio::test]
async fn a_disabled_user_is_out_and_stays_out_until_it_logs_in_again() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let mut colleague = owner.colleague("member").await;
    let refresh = json!({"refreshToken": colleague.refresh_token()});
    nexo.clock.advance(1000);
    let disabled = owner.patch(&path(&colleague), &json!({"status": "disabled"})).await;
    assert_eq!((disabled.status.as_u16(), &disabled.body["status"]), (200, &json!("disabled")));
    colleague.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
    colleague.get("/api/users").await.assert_problem(401, "unauthenticated");
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    colleague.get("/api/clients").await.assert_problem(401, "unauthenticated");
    nexo.post("/api/auth/refresh", &refresh).await.assert_problem(401, "unauthenticated");
    // With the right password it is told no more than with a wrong one.
    let log_in = async |password: &str| {
        nexo.post("/api/auth/login", &json!({"email": colleague.email, "password": password})).await
    };
    let (right, wrong) = (log_in(nexo_tests::PASSWORD).await, log_in("another long sentence").await);
    right.assert_problem(401, "invalid_credentials");
    assert_eq!(right.body["detail"], wrong.body["detail"]);

    assert_eq!(owner.patch(&path(&colleague), &json!({"status": "active"})).await.status, 200);
    // What was logged out is not logged in again by that.
    colleague.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
    nexo.post("/api/auth/refresh", &refresh).await.assert_problem(401, "unauthenticated");
    colleague.log_in().await;
    assert_eq!(colleague.get("/api/clients").await.status, 200);
}

#[tokio::test]
async fn a_removed_user_is_gone_and_its_records_stay() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let colleague = owner.colleague("member").await;
    let client = colleague.client("Acme").await;
    assert_eq!(owner.delete(&path(&colleague)).await.status, 204);
    owner.get(&path(&colleague)).await.assert_problem(404, "not_found");
    owner.delete(&path(&colleague)).await.assert_problem(404, "not_found");
    colleague.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
    let credentials = json!({"email": colleague.email, "password": nexo_tests::PASSWORD});
    nexo.post("/api/auth/login", &credentials).await.assert_problem(401, "invalid_credentials");
    let kept = owner.get(&format!("/api/clients/{}", client["id"].as_str().unwrap())).await;
    assert_eq!(kept.body["ownerId"], colleague.user());
    // The address is free.
    let again = nexo.sign_up(&nexo_tests::registration(&colleague.email)).await;
    assert_eq!(again.status, 201, "{again:?}");
    assert_ne!(again.body["user"]["id"], colleague.user());
    // Nobody can be made responsible who is gone.
    let other = owner.client("Other").await;
    let assigned = owner
        .patch(
            &format!("/api/clients/{}", other["id"].as_str().unwrap()),
            &json!({"ownerId": colleague.user()}),
        )
        .await;
    assert_eq!(assigned.field_errors()[0].0, "/ownerId", "{assigned:?}");
}

#[tokio::test]
async fn what_a_change_says_must_make_sense() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let colleague = owner.colleague("member").await;
    let of = path(&colleague);
    let custom = "rol_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let team = "tea_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (body, errors) in [
        (json!({"roleIds": []}), vec![("/roleIds", "wrong_count")]),
        (json!({"roleIds": ["boss"]}), vec![("/roleIds/0", "unknown_role")]),
        (
            json!({"roleIds": ["member", custom], "teamId": team}),
            vec![("/roleIds/1", "unknown_role"), ("/teamId", "unknown_team")],
        ),
        (json!({"roleIds": null}), vec![("/roleIds", "required")]),
        (json!({"roleIds": {}}), vec![("/roleIds", "invalid_type")]),
        (json!({"status": {}}), vec![("/status", "invalid_type")]),
        (json!({"status": "asleep"}), vec![("/status", "unknown_status")]),
        (json!({"email": "x@y.example"}), vec![("/email", "unknown_field")]),
    ] {
        let refused = owner.patch(&of, &body).await;
        refused.assert_problem(422, "validation_failed");
        let wanted: Vec<_> =
            errors.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
        assert_eq!(refused.field_errors(), wanted, "{body}");
    }
    owner.patch(&path(&owner), &json!({"status": "disabled"})).await.assert_problem(409, "conflict");
    owner.delete(&path(&owner)).await.assert_problem(409, "conflict");

    let stale = owner.request(Method::PATCH, &of).header("if-match", "\"7\"");
    let stale = Answer::of(stale.json(&json!({"roleIds": ["viewer"]}))).await;
    stale.assert_problem(412, "stale_version");
    assert_eq!(stale.body["current"], owner.get(&of).await.body);
    let fresh = owner.request(Method::PATCH, &of).header("if-match", "\"1\"");
    assert_eq!(Answer::of(fresh.json(&json!({"roleIds": ["viewer"]}))).await.status, 200);
}

#[tokio::test]
async fn changes_at_once_lose_nothing() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let colleague = owner.colleague("viewer").await;
    let of = path(&colleague);
    let team = owner.post("/api/teams", &json!({"name": "North"})).await.body["id"].clone();
    let (roles, team_change) = (json!({"roleIds": ["member"]}), json!({"teamId": team}));
    let (first, second) = tokio::join!(owner.patch(&of, &roles), owner.patch(&of, &team_change));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    let now = owner.get(&of).await.body;
    assert_eq!((&now["roleIds"], &now["teamId"], &now["version"]), (&json!(["member"]), &team, &json!(3)));
}

#[tokio::test]
async fn nobody_changes_users_by_a_right_that_is_lost_meanwhile() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (admin, member) = (owner.colleague("admin").await, owner.colleague("member").await);
    let of = path(&member);
    // What is asked first reads more than what follows.
    assert_eq!(admin.patch(&of, &json!({"roleIds": ["admin"]})).await.status, 200);
    let (changed, calls) = nexo.calls_of(admin.patch(&of, &json!({"roleIds": ["viewer"]}))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let demote = async { owner.patch(&path(&admin), &json!({"roleIds": ["member"]})).await };
    let change = async { admin.patch(&of, &json!({"roleIds": ["manager"]})).await };
    let refused = held_up(&nexo, place_of_write(&calls), change, demote).await;
    refused.assert_problem(409, "conflict");
    assert_eq!(refused.body["detail"], "What you may do was changed meanwhile. Try again.");
    assert_eq!(owner.get(&of).await.body, changed.body);
    admin.patch(&of, &json!({"roleIds": ["manager"]})).await.assert_problem(403, "permission_denied");
}
