//! `/api/users/invitations`, and accepting one.

use futures::future::join_all;
use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use serde_json::{Value, json};

use super::{held_up, path, place_of_write};

const GRACE: &str = "grace@acme.example";
const DAY: i64 = 24 * 3600 * 1000;

async fn invite(company: &Company<'_>, email: &str, roles: Value) -> Answer {
    company.post("/api/users/invitations", &json!({"email": email, "roleIds": roles})).await
}

async fn accept(nexo: &Nexo, token: &str) -> Answer {
    let body = json!({"token": token, "password": PASSWORD, "firstName": "Grace", "lastName": "Hopper"});
    nexo.post("/api/auth/invitations/accept", &body).await
}

fn at(invitation: &Value) -> String {
    format!("/api/users/invitations/{}", invitation["id"].as_str().unwrap())
}

#[tokio::test]
async fn whoever_is_invited_becomes_a_user_of_the_account() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let invited = invite(&owner, " Grace@Acme.example ", json!(["manager", "viewer"])).await;
    assert_eq!(invited.status, 201, "{invited:?}");
    assert_eq!(invited.header("location"), at(&invited.body));
    assert_eq!((&invited.body["email"], &invited.body["status"]), (&json!(GRACE), &json!("pending")));
    assert!(invited.body.get("linkId").is_none());
    assert_eq!(owner.get(&at(&invited.body)).await.body, invited.body);
    let mail = nexo.mails(GRACE).await.pop().unwrap();
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("\"Ada Lovelace\"") && text.contains("\"Acme"), "{text}");
    assert_eq!(mail["subject"], "You are invited to NEXO");

    let token = nexo.link(GRACE, "invitation").await;
    let joined = accept(&nexo, &token).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    let grace = nexo.user(GRACE, joined.body);
    assert_eq!(grace.account(), owner.account());
    assert_eq!(grace.get("/api/clients").await.status, 200);
    let user = owner.get(&path(&grace)).await.body;
    assert_eq!((&user["roleIds"], &user["firstName"]), (&json!(["manager", "viewer"]), &json!("Grace")));
    let accepted = owner.get(&at(&invited.body)).await.body;
    assert_eq!((&accepted["status"], &accepted["userId"]), (&json!("accepted"), &json!(grace.user())));
    assert_eq!(owner.get("/api/users/invitations?status=pending").await.body["data"], json!([]));
    // Once.
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
    let resend = format!("{}/resend", at(&invited.body));
    owner.post(&resend, &json!({})).await.assert_problem(409, "conflict");
    let log_in = nexo.post("/api/auth/login", &json!({"email": GRACE, "password": PASSWORD})).await;
    assert_eq!(log_in.status, 200, "{log_in:?}");
}

#[tokio::test]
async fn an_invitation_is_good_for_a_week_until_it_is_sent_again_or_revoked() {
    let nexo = Nexo::start().await;
    let mut owner = nexo.register().await;
    let invitation = invite(&owner, GRACE, json!(["member"])).await.body;
    let first = nexo.link(GRACE, "invitation").await;
    nexo.clock.advance(7 * DAY);
    accept(&nexo, &first).await.assert_problem(410, "link_gone");
    owner.log_in().await;
    let again = owner.post(&format!("{}/resend", at(&invitation)), &json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.body["version"], 2);
    assert!(again.body["validUntil"].as_str() > invitation["validUntil"].as_str());
    let second = nexo.link(GRACE, "invitation").await;
    assert_ne!(first, second);
    accept(&nexo, &first).await.assert_problem(410, "link_gone");
    assert_eq!(owner.delete(&at(&invitation)).await.status, 204);
    accept(&nexo, &second).await.assert_problem(410, "link_gone");
    owner.get(&at(&invitation)).await.assert_problem(404, "not_found");
    let resend = format!("{}/resend", at(&invitation));
    owner.post(&resend, &json!({})).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn an_invitation_tells_nobody_who_has_an_account() {
    let nexo = Nexo::start().await;
    let (owner, other) = (nexo.register().await, nexo.register().await);
    // The first request of an account gets its credentials.
    assert_eq!(owner.get("/api/users").await.status, 200);
    let (taken, taken_calls) = nexo.calls_of(invite(&owner, &other.email, json!(["member"]))).await;
    let (free, free_calls) = nexo.calls_of(invite(&owner, "nobody@acme.example", json!(["member"]))).await;
    assert_eq!((taken.status.as_u16(), free.status.as_u16()), (201, 201));
    let of_requests = |calls: Vec<std::sync::Arc<nexo_local::StoreCall>>| -> Vec<_> {
        calls.iter().map(|call| (call.operation.clone(), call.status, call.capacity)).collect()
    };
    let (taken_calls, free_calls) = (of_requests(taken_calls), of_requests(free_calls));
    assert_eq!(taken_calls.len(), free_calls.len());
    // Whoever reads the mail finds out, and stays where they are.
    let token = nexo.link(&other.email, "invitation").await;
    accept(&nexo, &token).await.assert_problem(409, "already_exists");
    assert_eq!(other.get("/api/auth/profile").await.status, 200);
    // A colleague's address is no secret.
    invite(&owner, &owner.email, json!(["member"])).await.assert_problem(409, "already_exists");
}

#[tokio::test]
async fn nobody_invites_to_more_than_they_may_do() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let refused = invite(&admin, GRACE, json!(["owner"])).await;
    refused.assert_problem(403, "permission_denied");
    assert_eq!(refused.body["permission"], "account:manage");
    invite(&owner.colleague("manager").await, GRACE, json!(["viewer"]))
        .await
        .assert_problem(403, "permission_denied");
    let wrong = invite(&owner, "no address", json!([])).await;
    assert_eq!(wrong.field_errors()[0].0, "/email");
    let wrong = invite(&owner, GRACE, json!(["rol_01ARZ3NDEKTSV4RRFFQ69G5FAV"])).await;
    assert_eq!(wrong.field_errors(), [("/roleIds/0".to_owned(), "unknown_role".to_owned())]);
    assert!(nexo.mails(GRACE).await.is_empty());
    // An owner who is invited counts as one.
    assert_eq!(invite(&owner, GRACE, json!(["owner"])).await.status, 201);
    let joined = accept(&nexo, &nexo.link(GRACE, "invitation").await).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    assert_eq!(owner.get("/api/account").await.body["owners"], 2);
    assert_eq!(owner.post("/api/account/leave", &json!({})).await.status, 204);
}

/// Moves the clock to the beginning of a period of so many milliseconds: none ends within the test.
fn begin_a_period(nexo: &Nexo, length: i64) {
    nexo.clock.advance(length - nexo.clock.now_ms().rem_euclid(length));
}

/// How many of `answers` are 201 or 200; the others say that there were too many, and until when.
fn taken(answers: &[Answer], period_seconds: i64) -> usize {
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status.is_success());
    for answer in refused {
        answer.assert_problem(429, "too_many_attempts");
        let wait: i64 = answer.header("retry-after").parse().unwrap();
        assert!((period_seconds - 3600..=period_seconds).contains(&wait), "{answer:?}");
    }
    taken.len()
}

#[tokio::test]
async fn an_account_sends_25_invitations_a_day_and_after_a_week_a_hundred() {
    let nexo = Nexo::start().await;
    begin_a_period(&nexo, DAY);
    let (mut owner, mut other) = (nexo.register().await, nexo.register().await);
    for (wait, free) in [(0, 25), (6 * DAY, 25), (DAY, 100)] {
        nexo.clock.advance(wait);
        other.log_in().await;
        let one = async |number: usize| {
            invite(&other, &format!("{wait}.{number}@acme.example"), json!(["member"])).await
        };
        for number in 1..free {
            assert_eq!(one(number).await.status, 201);
        }
        assert_eq!(taken(&join_all((0..4).map(|more| one(free + more))).await, DAY / 1000), 1, "{wait}");
    }
    owner.log_in().await;
    let first = invite(&owner, GRACE, json!(["member"])).await.body;
    let before = nexo.mails("").await.len();
    let address = |number: usize| format!("guest{number}@acme.example");
    let at_once = async |numbers: std::ops::Range<usize>| {
        join_all(numbers.map(async |number| invite(&owner, &address(number), json!(["member"])).await)).await
    };
    assert_eq!(taken(&at_once(0..98).await, DAY / 1000), 98);
    // The last one and three more, all at once.
    assert_eq!(taken(&at_once(98..102).await, DAY / 1000), 1);
    let resend = format!("{}/resend", at(&first));
    assert_eq!(taken(&[owner.post(&resend, &json!({})).await], DAY / 1000), 0);
    assert_eq!(nexo.mails("").await.len(), before + 99);
    // What was refused wrote nothing.
    assert_eq!(owner.get(&at(&first)).await.body, first);
    nexo.clock.advance(DAY);
    owner.log_in().await;
    assert_eq!(owner.post(&resend, &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_address_gets_five_invitations_of_an_account_in_a_week() {
    let nexo = Nexo::start().await;
    begin_a_period(&nexo, 7 * DAY);
    let (mut owner, other) = (nexo.register().await, nexo.register().await);
    let mut invitation = invite(&owner, GRACE, json!(["member"])).await.body;
    let resend = async |invitation: &Value| {
        let path = format!("{}/resend", at(invitation));
        owner.post(&path, &json!({})).await
    };
    assert_eq!(taken(&[resend(&invitation).await, resend(&invitation).await], 7 * DAY / 1000), 2);
    // Another invitation in place of this one begins no other count.
    assert_eq!(owner.delete(&at(&invitation)).await.status, 204);
    invitation = invite(&owner, " Grace@ACME.example", json!(["viewer"])).await.body;
    assert_eq!(taken(&[resend(&invitation).await, resend(&invitation).await], 7 * DAY / 1000), 1);
    assert_eq!(taken(&[invite(&owner, GRACE, json!(["member"])).await], 7 * DAY / 1000), 0);
    assert_eq!(nexo.mails(GRACE).await.len(), 5);
    // Nobody else's, and of nobody else.
    assert_eq!(invite(&owner, "other@acme.example", json!(["member"])).await.status, 201);
    assert_eq!(invite(&other, GRACE, json!(["member"])).await.status, 201);
    nexo.clock.advance(7 * DAY);
    owner.log_in().await;
    let again = owner.post(&format!("{}/resend", at(&invitation)), &json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
}

#[tokio::test]
async fn a_password_that_is_easy_to_guess_accepts_nothing() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    invite(&owner, GRACE, json!(["member"])).await;
    let token = nexo.link(GRACE, "invitation").await;
    let weak = json!({"token": token, "password": "grace@acme.example", "firstName": "G", "lastName": "H"});
    let refused = nexo.post("/api/auth/invitations/accept", &weak).await;
    assert_eq!(refused.field_errors(), [("/password".to_owned(), "too_similar".to_owned())]);
    assert_eq!(accept(&nexo, &token).await.status, 201);
}

#[tokio::test]
async fn an_invitation_is_as_good_as_the_right_of_whoever_sent_it() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let mut admin = owner.colleague("admin").await;
    let their_path = path(&admin);
    let change = async |to: Value| {
        let changed = owner.patch(&their_path, &to).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    };
    let invitation = invite(&admin, GRACE, json!(["manager"])).await.body;
    let token = nexo.link(GRACE, "invitation").await;
    for to in [
        json!({"status": "disabled"}),
        // No right to invite, and too few for the role.
        json!({"status": "active", "roleIds": ["viewer"]}),
    ] {
        change(to).await;
        accept(&nexo, &token).await.assert_problem(410, "link_gone");
    }
    let limited = json!({"name": "Clerk", "permissions": ["user:manage"]});
    let clerk = owner.post("/api/roles", &limited).await.body["id"].clone();
    change(json!({"roleIds": [clerk]})).await;
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
    // Who sends it again answers for it from then on.
    assert_eq!(owner.post(&format!("{}/resend", at(&invitation)), &json!({})).await.status, 200);
    let again = nexo.link(GRACE, "invitation").await;
    assert_eq!(accept(&nexo, &again).await.status, 201);
    // Nor does it outlive its sender; and what was taken from them can be given back.
    change(json!({"roleIds": ["admin"]})).await;
    admin.log_in().await;
    invite(&admin, "joan@acme.example", json!(["manager"])).await;
    invite(&admin, "jean@acme.example", json!(["manager"])).await;
    let token = nexo.link("joan@acme.example", "invitation").await;
    change(json!({"status": "disabled"})).await;
    change(json!({"status": "active"})).await;
    assert_eq!(accept(&nexo, &token).await.status, 201);
    assert_eq!(owner.delete(&their_path).await.status, 204);
    let token = nexo.link("jean@acme.example", "invitation").await;
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
}

#[tokio::test]
async fn an_invitation_gives_its_roles_as_they_are_or_not_at_all() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let made = async |name: &str| {
        let role = json!({"name": name, "permissions": ["client:read"]});
        owner.post("/api/roles", &role).await.body["id"].as_str().unwrap().to_owned()
    };
    // It has come to grant what the inviter lacks.
    let role = made("Reader").await;
    invite(&admin, GRACE, json!([role])).await;
    let token = nexo.link(GRACE, "invitation").await;
    let role_path = format!("/api/roles/{role}");
    assert_eq!(owner.patch(&role_path, &json!({"permissions": ["account:manage"]})).await.status, 200);
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
    assert_eq!(owner.patch(&role_path, &json!({"permissions": []})).await.status, 200);
    assert_eq!(accept(&nexo, &token).await.status, 201);
    // It is gone.
    let role = made("Gone").await;
    invite(&admin, "joan@acme.example", json!(["viewer", role])).await;
    let token = nexo.link("joan@acme.example", "invitation").await;
    assert_eq!(owner.delete(&format!("/api/roles/{role}")).await.status, 204);
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
    // Or goes while the password is hashed: one of the two is refused.
    for round in 0..3 {
        let email = format!("guest{round}@acme.example");
        let role = made(&email).await;
        invite(&admin, &email, json!([role])).await;
        let token = nexo.link(&email, "invitation").await;
        let role_path = format!("/api/roles/{role}");
        let (accepted, deleted) = tokio::join!(accept(&nexo, &token), owner.delete(&role_path));
        assert_ne!(accepted.status == 201, deleted.status == 204, "{accepted:?} {deleted:?}");
    }
}

#[tokio::test]
async fn several_who_join_at_once_with_a_role_of_the_accounts_own_all_do() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let role = json!({"name": "Sales", "permissions": ["client:read"]});
    let role = owner.post("/api/roles", &role).await.body["id"].clone();
    let mut tokens = Vec::new();
    for number in 0..3 {
        let email = format!("guest{number}@acme.example");
        assert_eq!(invite(&owner, &email, json!([role])).await.status, 201);
        tokens.push(nexo.link(&email, "invitation").await);
    }
    let joined = join_all(tokens.iter().map(|token| accept(&nexo, token))).await;
    assert!(joined.iter().all(|answer| answer.status == 201), "{joined:?}");
}

#[tokio::test]
async fn an_invitation_to_a_role_that_is_gone_says_so() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let role = json!({"name": "Sales", "permissions": ["client:read"]});
    let role = owner.post("/api/roles", &role).await.body["id"].as_str().unwrap().to_owned();
    let invitation = invite(&owner, GRACE, json!([role])).await.body;
    assert_eq!(owner.delete(&format!("/api/roles/{role}")).await.status, 204);
    let again = owner.post(&format!("{}/resend", at(&invitation)), &json!({})).await;
    again.assert_problem(409, "conflict");
    assert!(again.body["detail"].as_str().unwrap().contains("Revoke it"), "{again:?}");
    let token = nexo.link(GRACE, "invitation").await;
    accept(&nexo, &token).await.assert_problem(410, "link_gone");
}

#[tokio::test]
async fn nobody_joins_by_whom_has_lost_the_right_meanwhile() {
    let nexo = Nexo::start().await;
    let owner = nexo.register().await;
    let admin = owner.colleague("admin").await;
    let tokens = ["joan@acme.example", GRACE].map(async |email| {
        assert_eq!(invite(&admin, email, json!(["viewer"])).await.status, 201);
        nexo.link(email, "invitation").await
    });
    let [first, second] = tokens;
    let (joined, calls) = nexo.calls_of(accept(&nexo, &first.await)).await;
    assert_eq!(joined.status, 201, "{joined:?}");
    let token = second.await;
    let disable = async { owner.patch(&path(&admin), &json!({"status": "disabled"})).await };
    let accepted = held_up(&nexo, place_of_write(&calls), accept(&nexo, &token), disable).await;
    // The write is refused, and the next look finds what an invitation of nobody's is.
    accepted.assert_problem(410, "link_gone");
    assert_eq!(owner.get("/api/users?status=active").await.body["data"].as_array().unwrap().len(), 2);
}
