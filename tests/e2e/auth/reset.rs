//! `POST /api/auth/password-reset`.

use nexo_tests::{Answer, Nexo, PASSWORD};
use reqwest::Method;
use serde_json::json;

use super::attempts::post_from;
use super::mfa::enrol;
use super::{MINUTE, get_as, log_in, refresh, said, second_device, text, work};

const NEW: &str = "a new sentence to remember";

async fn ask(nexo: &Nexo, email: &str) -> Answer {
    nexo.post("/api/auth/password-reset", &json!({"email": email})).await
}

async fn choose(nexo: &Nexo, token: &str, password: &str) -> Answer {
    nexo.post("/api/auth/password-reset/confirm", &json!({"token": token, "newPassword": password})).await
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_all_sessions_end() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let phone = second_device(&nexo, &company).await;
    let answer = ask(&nexo, &company.email.to_uppercase()).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (202, &json!(null)), "{answer:?}");
    // Asking changes nothing.
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    let token = nexo.link(&company.email, "password-reset").await;
    let answer = choose(&nexo, &token, NEW).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (204, &json!(null)), "{answer:?}");
    for ended in [company.token(), text(&phone, "accessToken")] {
        get_as(&nexo, ended, "/api/auth/profile").await.assert_problem(401, "unauthenticated");
    }
    refresh(&nexo, company.refresh_token()).await.assert_problem(401, "unauthenticated");
    log_in(&nexo, &company.email, PASSWORD).await.assert_problem(401, "invalid_credentials");
    assert_eq!(log_in(&nexo, &company.email, NEW).await.status, 200);
    let mail = nexo.mails(&company.email).await.pop().unwrap();
    assert_eq!(mail["subject"], "Your password was changed");
    assert!(text(&mail, "text").contains("with a link that was sent to this address"), "{mail}");
    // The link is good once.
    choose(&nexo, &token, "yet another sentence to know").await.assert_problem(410, "link_gone");
}

#[tokio::test]
async fn a_link_is_good_for_half_an_hour_and_while_the_password_is_the_same() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    ask(&nexo, &company.email).await;
    let first = nexo.link(&company.email, "password-reset").await;
    ask(&nexo, &company.email).await;
    let second = nexo.link(&company.email, "password-reset").await;
    nexo.clock.advance(29 * MINUTE);
    // Whoever asks for another takes nobody's link away. Once one is used, the others are of no use.
    assert_eq!(choose(&nexo, &first, NEW).await.status, 204);
    choose(&nexo, &second, PASSWORD).await.assert_problem(410, "link_gone");
    ask(&nexo, &company.email).await;
    let before = nexo.link(&company.email, "password-reset").await;
    let change = json!({"currentPassword": NEW, "newPassword": "yet another sentence to know"});
    let tokens = log_in(&nexo, &company.email, NEW).await.body;
    let request = nexo.request(Method::POST, "/api/auth/password").bearer_auth(text(&tokens, "accessToken"));
    assert_eq!(Answer::of(request.json(&change)).await.status, 204);
    choose(&nexo, &before, PASSWORD).await.assert_problem(410, "link_gone");
    ask(&nexo, &company.email).await;
    let late = nexo.link(&company.email, "password-reset").await;
    nexo.clock.advance(30 * MINUTE);
    choose(&nexo, &late, PASSWORD).await.assert_problem(410, "link_gone");
    for wrong in ["", "x", &late.replace("nexo_lt1_", "nexo_rt1_"), &format!("{late}A")] {
        choose(&nexo, wrong, PASSWORD).await.assert_problem(410, "link_gone");
    }
    // A link for another purpose is none for this one.
    let registration = nexo.link(&company.email, "register").await;
    choose(&nexo, &registration, PASSWORD).await.assert_problem(410, "link_gone");
    assert_eq!(log_in(&nexo, &company.email, "yet another sentence to know").await.status, 200);
}

#[tokio::test]
async fn strangers_keep_nobody_from_a_new_password() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let body = json!({"email": company.email});
    for n in 0..6 {
        let asked = post_from(&nexo, "127.0.0.2", "/api/auth/password-reset", &body).await;
        assert_eq!(asked.status, if n < 5 { 202 } else { 429 }, "{asked:?}");
    }
    // The owner's own network has a count of its own.
    let before = nexo.mails(&company.email).await.len();
    assert_eq!(ask(&nexo, &company.email).await.status, 202);
    assert_eq!(nexo.mails(&company.email).await.len(), before + 1);
    let token = nexo.link(&company.email, "password-reset").await;
    nexo.clock.advance(MINUTE);
    assert_eq!(post_from(&nexo, "127.0.0.2", "/api/auth/password-reset", &body).await.status, 202);
    assert_eq!(choose(&nexo, &token, NEW).await.status, 204);
}

#[tokio::test]
async fn a_new_password_frees_the_login_and_not_the_guesses_at_a_second_factor() {
    let nexo = Nexo::start().await;
    for has_mfa in [false, true] {
        let company = nexo.register().await;
        let app = if has_mfa { Some(enrol(&nexo, &company).await.0) } else { None };
        let guess = async |password: &str, totp: Option<String>| {
            let body = json!({"email": company.email, "password": password, "totp": totp});
            post_from(&nexo, "127.0.0.2", "/api/auth/login", &body).await.status.as_u16()
        };
        for _ in 0..5 {
            let (password, totp) = match &app {
                Some(app) => (PASSWORD, Some(app.wrong_code(&nexo))),
                None => ("not the right password", None),
            };
            assert_eq!(guess(password, totp).await, 401);
        }
        assert_eq!(guess(PASSWORD, None).await, 429);
        ask(&nexo, &company.email).await;
        let token = nexo.link(&company.email, "password-reset").await;
        assert_eq!(choose(&nexo, &token, NEW).await.status, 204);
        let totp = app.as_ref().map(|app| app.code(&nexo, 0));
        assert_eq!(guess(NEW, totp).await, if has_mfa { 429 } else { 200 });
    }
}

#[tokio::test]
async fn whether_an_address_is_known_no_answer_says() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let asked = |email: &str| {
        let body = json!({"email": email});
        Answer::of(nexo.request(Method::POST, "/api/auth/password-reset").json(&body))
    };
    let (of_known, work_of_known) = nexo.calls_of(asked(&company.email)).await;
    let (of_unknown, work_of_unknown) = nexo.calls_of(asked("unknown@company.example")).await;
    assert_eq!(said(&of_known), said(&of_unknown));
    assert_eq!(work(&work_of_known), work(&work_of_unknown));
    assert!(nexo.mails("unknown@company.example").await.is_empty());
}

#[tokio::test]
async fn a_new_password_is_judged_as_at_a_change_and_the_link_stays_good() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    ask(&nexo, &company.email).await;
    let token = nexo.link(&company.email, "password-reset").await;
    for (password, code) in [
        ("too short", "too_short"),
        ("abcabcabcabcabcabc", "too_predictable"),
        ("professorlivre1", "too_common"),
        ("Ada Lovelace, NEXO", "too_similar"),
    ] {
        let answer = choose(&nexo, &token, password).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/newPassword".to_owned(), code.to_owned())], "{password}");
    }
    assert_eq!(choose(&nexo, &token, NEW).await.status, 204);
}

#[tokio::test]
async fn whoever_reset_the_password_need_not_wait_for_failed_logins() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for n in 0..6 {
        let failed = log_in(&nexo, &company.email, "not the right password").await;
        assert_eq!(failed.status, if n < 5 { 401 } else { 429 }, "{failed:?}");
    }
    ask(&nexo, &company.email).await;
    let token = nexo.link(&company.email, "password-reset").await;
    assert_eq!(choose(&nexo, &token, NEW).await.status, 204);
    assert_eq!(log_in(&nexo, &company.email, NEW).await.status, 200);
}

#[tokio::test]
async fn of_one_link_used_twice_at_once_one_use_counts() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    ask(&nexo, &company.email).await;
    let token = nexo.link(&company.email, "password-reset").await;
    let (one, other) =
        tokio::join!(choose(&nexo, &token, NEW), choose(&nexo, &token, "yet another sentence to know"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204, "{statuses:?}");
    assert!([410, 503].contains(&statuses[1]), "{statuses:?}");
}
