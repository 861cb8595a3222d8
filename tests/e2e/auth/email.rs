//! `POST /api/auth/email`.

use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use serde_json::{Value, json};

use super::{DAY, MINUTE, get_as, log_in, said, second_device, text};

const NEW: &str = "ada@lovelace.example";

async fn ask(company: &Company<'_>, to: &str, password: &str) -> Answer {
    company.post("/api/auth/email", &json!({"newEmail": to, "password": password})).await
}

async fn confirm(nexo: &Nexo, token: &str) -> Answer {
    nexo.post("/api/auth/email/confirm", &json!({"token": token})).await
}

async fn cancel(nexo: &Nexo, token: &str) -> Answer {
    nexo.post("/api/auth/email/cancel", &json!({"token": token})).await
}

async fn last_subject(nexo: &Nexo, to: &str) -> Value {
    nexo.mails(to).await.pop().map(|mail| mail["subject"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn an_address_is_changed_when_both_have_confirmed_it() {
    for old_first in [true, false] {
        let nexo = Nexo::start().await;
        let company = nexo.register().await;
        let phone = second_device(&nexo, &company).await;
        let answer = ask(&company, " Ada@Lovelace.Example ", PASSWORD).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (202, &Value::Null), "{answer:?}");
        let mut tokens = [nexo.link(NEW, "new-email").await, nexo.link(&company.email, "old-email").await];
        if old_first {
            tokens.reverse();
        }
        for _ in 0..2 {
            // As often as somebody likes: one address is not both.
            assert_eq!(confirm(&nexo, &tokens[0]).await.body, json!({"changed": false}));
        }
        log_in(&nexo, NEW, PASSWORD).await.assert_problem(401, "invalid_credentials");
        assert_eq!(confirm(&nexo, &tokens[1]).await.body, json!({"changed": true}));

        log_in(&nexo, &company.email, PASSWORD).await.assert_problem(401, "invalid_credentials");
        let login = log_in(&nexo, NEW, PASSWORD).await;
        assert_eq!((login.status.as_u16(), &login.body["user"]["email"]), (200, &json!(NEW)));
        // The session that asked goes on, the other ended.
        let profile = company.get("/api/auth/profile").await;
        assert_eq!((&profile.body["email"], &profile.body["version"]), (&json!(NEW), &json!(2)));
        let other = get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile").await;
        other.assert_problem(401, "unauthenticated");
        for to in [NEW, &company.email] {
            let subjects: Vec<_> = nexo.mails(to).await.iter().map(|mail| mail["subject"].clone()).collect();
            assert!(subjects.contains(&json!("Your address was changed")), "{to}: {subjects:?}");
        }
        for token in &tokens {
            confirm(&nexo, token).await.assert_problem(410, "link_gone");
        }
        let keep = nexo.link(&company.email, "keep-email").await;
        cancel(&nexo, &keep).await.assert_problem(410, "link_gone");
        // The old address is free again.
        assert_eq!(nexo.sign_up(&nexo_tests::registration(&company.email)).await.status, 201);
    }
}

#[tokio::test]
async fn the_old_address_can_stop_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    assert_eq!(ask(&company, NEW, PASSWORD).await.status, 202);
    let new = nexo.link(NEW, "new-email").await;
    assert_eq!(confirm(&nexo, &new).await.status, 200);
    let keep = nexo.link(&company.email, "keep-email").await;
    // Each token is for one thing.
    confirm(&nexo, &keep).await.assert_problem(410, "link_gone");
    cancel(&nexo, &new).await.assert_problem(410, "link_gone");
    assert_eq!(cancel(&nexo, &keep).await.status, 204);
    let old = nexo.link(&company.email, "old-email").await;
    for token in [&new, &old] {
        confirm(&nexo, token).await.assert_problem(410, "link_gone");
    }
    cancel(&nexo, &keep).await.assert_problem(410, "link_gone");
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_change_waits_for_a_day_and_until_the_next() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    assert_eq!(ask(&company, "first@lovelace.example", PASSWORD).await.status, 202);
    assert_eq!(ask(&company, NEW, PASSWORD).await.status, 202);
    let first = nexo.link("first@lovelace.example", "new-email").await;
    confirm(&nexo, &first).await.assert_problem(410, "link_gone");
    nexo.clock.advance(DAY - MINUTE);
    let (new, old) = (nexo.link(NEW, "new-email").await, nexo.link(&company.email, "old-email").await);
    assert_eq!(confirm(&nexo, &old).await.body, json!({"changed": false}));
    nexo.clock.advance(MINUTE);
    confirm(&nexo, &new).await.assert_problem(410, "link_gone");
    company.log_in().await;
}

#[tokio::test]
async fn a_taken_address_reveals_nothing_to_who_asks() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let of_taken = ask(&company, &other.email, PASSWORD).await;
    assert_eq!(last_subject(&nexo, &other.email).await, "You have an account already");
    let of_free = ask(&company, NEW, PASSWORD).await;
    assert_eq!(said(&of_taken), said(&of_free));
    assert_eq!(last_subject(&nexo, NEW).await, "Confirm your new address");
    assert_eq!(last_subject(&nexo, &company.email).await, "Confirm the change of your address");

    // Taken between asking and confirming: nothing is changed.
    assert_eq!(nexo.sign_up(&nexo_tests::registration(NEW)).await.status, 201);
    let old = nexo.link(&company.email, "old-email").await;
    let new = nexo.mails(NEW).await.into_iter().next().unwrap();
    let new =
        text(&new, "text").split("new-email=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!(confirm(&nexo, &old).await.status, 200);
    confirm(&nexo, &new).await.assert_problem(409, "already_exists");
    assert_eq!(company.get("/api/auth/profile").await.body["email"], company.email);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn asking_needs_the_password_and_another_address() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let field = |answer: &Answer| {
        answer.assert_problem(422, "validation_failed");
        answer.field_errors()
    };
    let wrong = ask(&company, NEW, "not the right password").await;
    assert_eq!(field(&wrong), [("/password".to_owned(), "wrong_password".to_owned())]);
    let same = ask(&company, &company.email.to_uppercase(), PASSWORD).await;
    assert_eq!(field(&same), [("/newEmail".to_owned(), "unchanged".to_owned())]);
    assert!(nexo.mails(NEW).await.is_empty());
    for _ in 0..4 {
        field(&ask(&company, NEW, "not the right password").await);
    }
    ask(&company, NEW, PASSWORD).await.assert_problem(429, "too_many_attempts");
}

#[tokio::test]
async fn of_both_confirmations_at_once_the_last_makes_the_change() {
    for _ in 0..5 {
        let nexo = Nexo::start().await;
        let company = nexo.register().await;
        assert_eq!(ask(&company, NEW, PASSWORD).await.status, 202);
        let (new, old) = (nexo.link(NEW, "new-email").await, nexo.link(&company.email, "old-email").await);
        let (one, other) = tokio::join!(confirm(&nexo, &new), confirm(&nexo, &old));
        let changed = [&one, &other].into_iter().filter(|answer| answer.body["changed"] == true).count();
        assert_eq!(changed, 1, "{one:?} {other:?}");
        assert_eq!(log_in(&nexo, NEW, PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn a_change_moves_no_login_but_its_own_users() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let leaver = company.colleague("member").await;
    assert_eq!(ask(&leaver, NEW, PASSWORD).await.status, 202);
    let old = nexo.link(&leaver.email, "old-email").await;
    assert_eq!(confirm(&nexo, &old).await.body, json!({"changed": false}));
    let new = nexo.link(NEW, "new-email").await;
    // The address becomes another user's, of another account.
    assert_eq!(leaver.post("/api/account/leave", &json!({})).await.status, 204);
    let heir = nexo.sign_up(&nexo_tests::registration(&leaver.email)).await;
    assert_eq!(heir.status, 201, "{heir:?}");
    confirm(&nexo, &new).await.assert_problem(410, "link_gone");
    assert_eq!(log_in(&nexo, &leaver.email, PASSWORD).await.body["user"]["id"], heir.body["user"]["id"]);
    log_in(&nexo, NEW, PASSWORD).await.assert_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn an_address_that_a_removed_user_had_can_be_moved_to() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let leaver = company.colleague("member").await;
    assert_eq!(leaver.post("/api/account/leave", &json!({})).await.status, 204);
    assert_eq!(ask(&company, &leaver.email, PASSWORD).await.status, 202);
    for (to, word) in [(&company.email, "old-email"), (&leaver.email, "new-email")] {
        assert_eq!(confirm(&nexo, &nexo.link(to, word).await).await.status, 200);
    }
    assert_eq!(log_in(&nexo, &leaver.email, PASSWORD).await.body["user"]["id"], company.user());
}
