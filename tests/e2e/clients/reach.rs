//! What a caller whose role reaches its own records only can see and do. Who reaches how far is the
//! matrix's matter.

use nexo_tests::{Company, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::path;

/// Two clients of the company: the member's and the owner's.
async fn two(owner: &Company<'_>, member: &Company<'_>) -> (Value, Value) {
    (member.client("Mine").await, owner.client("Theirs").await)
}

#[tokio::test]
async fn what_is_out_of_reach_is_not_there() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let (mine, theirs) = two(&owner, &member).await;
    let etag = |version: u64| format!("\"{version}\"");
    for (path, wanted) in [
        ("/api/clients".to_owned(), vec![&mine]),
        ("/api/clients?q=Th".to_owned(), vec![]),
        (format!("/api/clients?ownerId={}", member.user()), vec![&mine]),
        (format!("/api/clients?ownerId={}", owner.user()), vec![]),
        ("/api/clients?sort=-updatedAt&status=lead".to_owned(), vec![&mine]),
    ] {
        let page = member.get(&path).await;
        assert_eq!(page.body["data"], json!(wanted), "{path}");
        assert_eq!(page.body["nextCursor"], Value::Null, "{path}");
    }
    // Neither the right version nor a wrong one tells that it is there.
    for version in [1, 7] {
        for (method, body) in [
            (Method::PATCH, json!({"status": "active"})),
            (Method::PATCH, json!({"billingAddress": {"city": "Oslo"}})),
            (Method::PUT, json!({"name": "Taken", "ownerId": member.user()})),
            (Method::PUT, json!({"name": "Taken", "ownerId": member.user(), "taxId": "DE 1"})),
            (Method::DELETE, json!({})),
        ] {
            let request = member.request(method.clone(), &path(&theirs)).header("if-match", etag(version));
            let answer = nexo_tests::Answer::of(request.json(&body)).await;
            answer.assert_problem(404, "not_found");
            assert!(!answer.body.to_string().contains("Theirs"), "{answer:?}");
        }
    }
    assert_eq!(owner.get(&path(&theirs)).await.body, theirs);
    // Nor is what was deleted brought back.
    assert_eq!(owner.delete(&path(&theirs)).await.status, 204);
    let restore = format!("{}/restore", path(&theirs));
    member.post(&restore, &json!({})).await.assert_problem(404, "not_found");
    owner.get(&path(&theirs)).await.assert_problem(404, "not_found");
    // A record of its own that was given to another is out of reach from then on.
    let given = json!({"ownerId": owner.user()});
    assert_eq!(owner.patch(&path(&mine), &given).await.status, 200);
    member.get(&path(&mine)).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn nobody_gives_away_what_is_within_reach() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let (mine, _) = two(&owner, &member).await;
    // A PUT that names nobody leaves it to nobody.
    let answer = member.put(&path(&mine), &json!({"name": "Nobody's"})).await;
    answer.assert_problem(403, "permission_denied");
    assert_eq!(answer.body["permission"], "client:write:all", "{answer:?}");
    for other in [json!(owner.user()), Value::Null] {
        let new = json!({"name": "For another", "ownerId": other});
        let answers = [
            member.post("/api/clients", &new).await,
            member.put(&path(&mine), &new).await,
            member.patch(&path(&mine), &json!({"ownerId": other})).await,
        ];
        for answer in answers {
            answer.assert_problem(403, "permission_denied");
            assert_eq!(answer.body["permission"], "client:write:all", "{answer:?}");
        }
    }
    assert_eq!(member.get("/api/clients").await.body["data"], json!([mine]));
    // With all of its own in it, a change goes through.
    let changed = member.patch(&path(&mine), &json!({"ownerId": member.user(), "status": "active"})).await;
    assert_eq!((changed.status.as_u16(), &changed.body["status"]), (200, &json!("active")));
}

#[tokio::test]
async fn what_is_out_of_reach_is_nobodys_parent() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let (mine, theirs) = two(&owner, &member).await;
    let below = |parent: &Value| json!({"name": "Below", "parentId": parent["id"]});
    let refused = member.post("/api/clients", &below(&theirs)).await;
    assert_eq!(refused.field_errors(), [("/parentId".to_owned(), "no_such_record".to_owned())]);
    // In the same words as for one that never was.
    let never = json!({"id": "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    let unknown = member.post("/api/clients", &below(&never)).await;
    assert_eq!(refused.body["errors"], unknown.body["errors"]);
    let child = member.post("/api/clients", &below(&mine)).await;
    assert_eq!(child.status, 201, "{child:?}");
    // Its own place in a tree that others made is no obstacle to a change.
    let moved = json!({"parentId": theirs["id"]});
    assert_eq!(owner.patch(&path(&child.body), &moved).await.status, 200);
    let kept =
        json!({"name": "Below", "parentId": theirs["id"], "ownerId": member.user(), "status": "active"});
    assert_eq!(member.put(&path(&child.body), &kept).await.status, 200);
}

#[tokio::test]
async fn sessions_are_each_users_own() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let session = &owner.get("/api/auth/sessions").await.body["data"][0]["id"];
    let path = format!("/api/auth/sessions/{}", session.as_str().unwrap());
    admin.delete(&path).await.assert_problem(404, "not_found");
    assert!(!admin.get("/api/auth/sessions").await.body.to_string().contains(session.as_str().unwrap()));
    assert_eq!(owner.get("/api/auth/profile").await.status, 200);
}

#[tokio::test]
async fn a_page_of_ones_own_records_goes_on_past_those_of_others() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let member = owner.colleague("member").await;
    let mut mine = Vec::new();
    for number in 0..12 {
        owner.client(&format!("Theirs {number:02}")).await;
        mine.push(member.client(&format!("Mine {number:02}")).await);
    }
    let (mut shown, mut path) = (Vec::new(), "/api/clients?limit=5&sort=createdAt".to_owned());
    loop {
        let page = member.get(&path).await;
        shown.extend(page.body["data"].as_array().unwrap().clone());
        let Some(cursor) = page.body["nextCursor"].as_str() else { break };
        path = format!("/api/clients?limit=5&sort=createdAt&cursor={cursor}");
    }
    assert_eq!(shown, mine);
}

#[tokio::test]
async fn a_role_is_in_force_at_once_in_auth_and_within_a_minute_elsewhere() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let manager = owner.colleague("manager").await;
    let client = owner.client("Acme").await;
    let change = async || manager.patch(&path(&client), &json!({"status": "active"})).await;
    assert_eq!(change().await.status, 200);

    manager.set_role("viewer").await;
    assert_eq!(manager.get("/api/auth/profile").await.body["roleIds"], json!(["viewer"]));
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    let refused = change().await;
    refused.assert_problem(403, "permission_denied");
    assert_eq!(refused.body["permission"], "client:write");
    assert_eq!(manager.get(&path(&client)).await.status, 200);
    // What is refreshed has the new role too, and no trace of the old one.
    let refresh = json!({"refreshToken": manager.refresh_token()});
    let refreshed = nexo.post("/api/auth/refresh", &refresh).await;
    let claims = nexo_tests::table::claims(refreshed.body["accessToken"].as_str().unwrap());
    assert_eq!(claims["roles"], json!(["viewer"]));
}
