//! `/api/teams`, and what a role reaches by them.

use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

use super::path;

async fn team(owner: &Company<'_>, name: &str) -> Value {
    let answer = owner.post("/api/teams", &json!({"name": name})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["id"].clone()
}

#[tokio::test]
async fn a_role_reaches_the_records_of_the_users_team() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let grants = json!(["client:read:team", "client:write:team", "client:delete:own"]);
    let role = owner.post("/api/roles", &json!({"name": "Seller", "permissions": grants})).await.body;
    let (north, south) = (team(&owner, "North").await, team(&owner, "South").await);
    let (ann, ben, cid) =
        (owner.colleague("member").await, owner.colleague("member").await, owner.colleague("member").await);
    let clients = [ann.client("Ann's").await, ben.client("Ben's").await, cid.client("Cid's").await];
    for (user, team) in [(&ann, &north), (&ben, &north), (&cid, &south)] {
        let changed = owner.patch(&path(user), &json!({"roleIds": [role["id"]], "teamId": team})).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    let at = |number: usize| format!("/api/clients/{}", clients[number]["id"].as_str().unwrap());
    let listed = async |user: &Company<'_>| -> Vec<String> {
        let page = user.get("/api/clients?sort=name").await;
        assert_eq!(page.status, 200, "{page:?}");
        let names = page.body["data"].as_array().unwrap().iter();
        names.map(|client| client["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&ann).await, ["Ann's", "Ben's"]);
    assert_eq!(listed(&cid).await, ["Cid's"]);
    assert_eq!(ann.patch(&at(1), &json!({"status": "active"})).await.status, 200);
    ann.get(&at(2)).await.assert_problem(404, "not_found");
    ann.patch(&at(2), &json!({"status": "active"})).await.assert_problem(404, "not_found");
    ann.delete(&at(1)).await.assert_problem(404, "not_found");
    // Within the team a record may change hands, and no further.
    assert_eq!(ann.patch(&at(1), &json!({"ownerId": ann.user()})).await.status, 200);
    let beyond = ann.patch(&at(1), &json!({"ownerId": cid.user()})).await;
    assert_eq!(beyond.body["permission"], "client:write:all", "{beyond:?}");

    let check = |user: &Company<'_>, of: &Company<'_>| json!({"permission": "client:read", "userId": user.user(), "ownerId": of.user()});
    assert_eq!(owner.post("/api/authz/check", &check(&ann, &ben)).await.body["allowed"], true);
    assert_eq!(owner.post("/api/authz/check", &check(&ann, &cid)).await.body["allowed"], false);

    // Whoever leaves the team is out of reach, and reaches no more of it.
    assert_eq!(owner.patch(&path(&ben), &json!({"teamId": null})).await.status, 200);
    nexo.clock.advance(nexo_identity::REVOCATION_SECONDS * 1000);
    assert_eq!(listed(&ben).await, Vec::<String>::new());
    assert_eq!(owner.patch(&at(1), &json!({"ownerId": ben.user()})).await.status, 200);
    assert_eq!(listed(&ben).await, ["Ben's"]);
    assert_eq!(listed(&ann).await, ["Ann's"]);
}

#[tokio::test]
async fn a_team_is_named_once_and_kept_while_somebody_is_in_it() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let north = team(&owner, "North").await;
    let at = format!("/api/teams/{}", north.as_str().unwrap());
    let twin = owner.post("/api/teams", &json!({"name": "NORTH"})).await;
    twin.assert_problem(409, "already_exists");
    assert_eq!(twin.field_errors(), [("/name".to_owned(), "taken".to_owned())]);
    let renamed = owner.patch(&at, &json!({"name": "Far north"})).await;
    assert_eq!((renamed.status.as_u16(), &renamed.body["version"]), (200, &json!(2)));
    let colleague = owner.colleague("member").await;
    owner.patch(&path(&colleague), &json!({"teamId": north})).await;
    assert_eq!(
        owner.get(&format!("/api/users?teamId={}", north.as_str().unwrap())).await.body["data"][0]["id"],
        colleague.user()
    );
    owner.delete(&at).await.assert_problem(409, "conflict");
    assert_eq!(owner.delete(&path(&colleague)).await.status, 204);
    assert_eq!(owner.delete(&at).await.status, 204);
    owner.get(&at).await.assert_problem(404, "not_found");
    let refused = owner.patch(&path(&owner), &json!({"teamId": north})).await;
    assert_eq!(refused.field_errors(), [("/teamId".to_owned(), "unknown_team".to_owned())]);
}

#[tokio::test]
async fn a_team_takes_fifty_users() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let north = team(&owner, "North").await;
    let members: Vec<_> = (0..50).map(|number| format!("usr_01ARZ3NDEKTSV4RRFFQ69G5F{number:02}")).collect();
    let partition = format!("A#{}#SES#{}", owner.account(), nexo_tests::table::ulid(north.as_str().unwrap()));
    owner
        .put_identity_item(&json!({"pk": {"S": partition}, "sk": {"S": "TEAM"}, "members": {"SS": members}}))
        .await;
    let refused = owner.patch(&path(&owner), &json!({"teamId": north})).await;
    assert_eq!(refused.field_errors(), [("/teamId".to_owned(), "full".to_owned())]);
}

#[tokio::test]
async fn a_team_is_no_way_to_reach_further() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let grants = json!(["user:read", "user:manage", "client:read:team"]);
    let role = owner.post("/api/roles", &json!({"name": "Lead", "permissions": grants})).await.body;
    let (north, south) = (team(&owner, "North").await, team(&owner, "South").await);
    let (lead, friend) = (owner.colleague("member").await, owner.colleague("member").await);
    for (user, body) in [
        (&lead, json!({"roleIds": [role["id"]], "teamId": north})),
        (&friend, json!({"roleIds": ["member"], "teamId": south})),
    ] {
        assert_eq!(owner.patch(&path(user), &body).await.status, 200);
    }
    // Neither by going to another team, nor by taking others in, nor by giving to one of another team what
    // reaches that.
    let nobody = owner.colleague("viewer").await;
    owner
        .patch(
            &path(&nobody),
            &json!({"roleIds": [owner.post("/api/roles", &json!({"name": "None"})).await.body["id"]]}),
        )
        .await;
    for (user, body) in [
        (&lead, json!({"teamId": south})),
        (&nobody, json!({"teamId": north})),
        (&nobody, json!({"roleIds": [role["id"]]})),
    ] {
        let refused = lead.patch(&path(user), &body).await;
        refused.assert_problem(403, "permission_denied");
        assert_eq!(refused.body["permission"], "client:read:all", "{body}");
    }
}
