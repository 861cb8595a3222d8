//! An account always has an active owner.

use nexo_tests::Nexo;
use serde_json::json;

use super::{held_up, path, place_of_write};

#[tokio::test]
async fn the_last_owner_stays() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let demoted = owner.patch(&path(&owner), &json!({"roleIds": ["admin"]})).await;
    demoted.assert_problem(409, "last_owner");
    owner.post("/api/account/leave", &json!({})).await.assert_problem(409, "last_owner");
    assert_eq!(owner.get("/api/account").await.body["owners"], 1);

    // A disabled owner does not count.
    let second = owner.colleague("owner").await;
    assert_eq!(owner.get("/api/account").await.body["owners"], 2);
    assert_eq!(owner.patch(&path(&second), &json!({"status": "disabled"})).await.status, 200);
    assert_eq!(owner.get("/api/account").await.body["owners"], 1);
    owner.post("/api/account/leave", &json!({})).await.assert_problem(409, "last_owner");
    assert_eq!(owner.patch(&path(&second), &json!({"status": "active"})).await.status, 200);
    assert_eq!(owner.post("/api/account/leave", &json!({})).await.status, 204);
    owner.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_who_remove_each_other_at_once_leave_one() {
    let nexo = Nexo::start().await;
    for round in 0..6 {
        let first = nexo.register().await;
        let second = first.colleague("owner").await;
        let (a, b) = match round % 3 {
            0 => tokio::join!(
                async { first.patch(&path(&second), &json!({"roleIds": ["viewer"]})).await },
                async { second.patch(&path(&first), &json!({"roleIds": ["viewer"]})).await },
            ),
            1 => tokio::join!(
                async { first.patch(&path(&second), &json!({"status": "disabled"})).await },
                async { second.delete(&path(&first)).await },
            ),
            _ => {
                let nothing = json!({});
                tokio::join!(
                    first.post("/api/account/leave", &nothing),
                    second.post("/api/account/leave", &nothing),
                )
            }
        };
        let done = [&a, &b].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "round {round}: {a:?} {b:?}");
        let left = if first.get("/api/account").await.status == 200 { &first } else { &second };
        let account = left.get("/api/account").await;
        assert_eq!(account.body["owners"], 1, "{account:?}");
        let owners = left.get("/api/users?roleId=owner&status=active").await;
        assert_eq!(owners.body["data"].as_array().unwrap().len(), 1, "{owners:?}");
    }
}

#[tokio::test]
async fn whoever_lost_a_right_cannot_give_it_away() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (admin, friend) = (owner.colleague("admin").await, owner.colleague("viewer").await);
    let (demote, promote) = (json!({"roleIds": ["viewer"]}), json!({"roleIds": ["admin"]}));
    let (demoted, promoted) = tokio::join!(async { owner.patch(&path(&admin), &demote).await }, async {
        admin.patch(&path(&friend), &promote).await
    });
    assert_eq!(demoted.status, 200, "{demoted:?}");
    // Before or after, but not in between: one that came later was refused.
    let friend_now = owner.get(&path(&friend)).await.body;
    let expected = if promoted.status == 200 { json!(["admin"]) } else { json!(["viewer"]) };
    assert_eq!(friend_now["roleIds"], expected, "{promoted:?}");
    admin.patch(&path(&friend), &promote).await.assert_problem(403, "permission_denied");
}

#[tokio::test]
async fn ownership_is_transferred_whole() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let heir = owner.colleague("member").await;
    let to = |user: &str| json!({"userId": user});
    let transfer = "/api/account/transfer-ownership";
    heir.post(transfer, &to(heir.user())).await.assert_problem(403, "permission_denied");
    for (user, code) in [
        (owner.user().to_owned(), "unchanged"),
        ("usr_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(), "unknown_user"),
    ] {
        let refused = owner.post(transfer, &to(&user)).await;
        assert_eq!(refused.field_errors(), [("/userId".to_owned(), code.to_owned())]);
    }
    let disabled = owner.colleague("viewer").await;
    owner.patch(&path(&disabled), &json!({"status": "disabled"})).await;
    let refused = owner.post(transfer, &to(disabled.user())).await;
    assert_eq!(refused.field_errors(), [("/userId".to_owned(), "disabled".to_owned())]);

    let done = owner.post(transfer, &to(heir.user())).await;
    assert_eq!(done.status, 204, "{done:?}");
    assert_eq!(heir.get(&path(&owner)).await.body["roleIds"], json!(["admin"]));
    assert_eq!(heir.get(&path(&heir)).await.body["roleIds"], json!(["member", "owner"]));
    assert_eq!(heir.get("/api/account").await.body["owners"], 1);
    owner.post(transfer, &to(heir.user())).await.assert_problem(403, "permission_denied");
}

#[tokio::test]
async fn a_change_of_oneself_does_not_outlive_ones_right_to_it() {
    let nexo = Nexo::start().await;
    for _ in 0..6 {
        let owner = nexo.register().await;
        let admin = owner.colleague("admin").await;
        let (demote, keep) = (json!({"roleIds": ["viewer"]}), json!({"roleIds": ["admin", "viewer"]}));
        let (demoted, _) = tokio::join!(async { owner.patch(&path(&admin), &demote).await }, async {
            admin.patch(&path(&admin), &keep).await
        });
        assert_eq!(demoted.status, 200, "{demoted:?}");
        // Whichever came first: it was demoted last, or had no right to write any more.
        assert_eq!(owner.get(&path(&admin)).await.body["roleIds"], json!(["viewer"]));
    }
}

#[tokio::test]
async fn only_an_owner_transfers_ownership() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (clerk, friend) = (owner.colleague("viewer").await, owner.colleague("viewer").await);
    let role = owner.post("/api/roles", &json!({"name": "Billing", "permissions": ["account:manage"]})).await;
    owner.patch(&path(&clerk), &json!({"roleIds": [role.body["id"]]})).await;
    let refused = clerk.post("/api/account/transfer-ownership", &json!({"userId": friend.user()})).await;
    refused.assert_problem(403, "permission_denied");
    assert_eq!(owner.get(&path(&friend)).await.body["roleIds"], json!(["viewer"]));
}

#[tokio::test]
async fn whoever_is_no_owner_any_more_is_not_taken_for_the_last_one() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let (second, third) = (owner.colleague("owner").await, owner.colleague("owner").await);
    let disabled = json!({"status": "disabled"});
    // What is asked first reads more than what follows.
    assert_eq!(owner.patch(&path(&third), &json!({"roleIds": ["admin", "owner"]})).await.status, 200);
    let (done, calls) = nexo.calls_of(owner.patch(&path(&third), &disabled)).await;
    assert_eq!(done.status, 200, "{done:?}");
    // Another owner gives it up while its disabling is written: that fails for both reasons.
    let demote = async { second.patch(&path(&second), &json!({"roleIds": ["viewer"]})).await };
    let disable = async { owner.patch(&path(&second), &disabled).await };
    let done = held_up(&nexo, place_of_write(&calls), disable, demote).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!((&done.body["status"], &done.body["roleIds"]), (&json!("disabled"), &json!(["viewer"])));
    assert_eq!(owner.get("/api/account").await.body["owners"], 1);
}
