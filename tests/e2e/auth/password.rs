//! `POST /api/auth/password`.

use nexo_tests::{Nexo, PASSWORD};
use serde_json::{Value, json};

use super::{get_as, log_in, refresh, second_device, text};

const NEW: &str = "a new sentence to remember";

#[tokio::test]
async fn a_changed_password_is_the_only_one_and_ends_the_other_sessions() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let phone = second_device(&nexo, &company).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    let answer = company.post("/api/auth/password", &change).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (204, &Value::Null));
    get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile")
        .await
        .assert_problem(401, "unauthenticated");
    refresh(&nexo, text(&phone, "refreshToken")).await.assert_problem(401, "unauthenticated");
    // The session that asked goes on.
    assert_eq!(company.get("/api/auth/sessions").await.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(refresh(&nexo, company.refresh_token()).await.status, 200);
    log_in(&nexo, &company.email, PASSWORD).await.assert_problem(401, "invalid_credentials");
    assert_eq!(log_in(&nexo, &company.email, NEW).await.status, 200);
    let mail = nexo.mails(&company.email).await.pop().unwrap();
    assert_eq!(mail["subject"], "Your password was changed");
    assert!(text(&mail, "text").contains("\nFrom: 127.0.0.1\n"), "{mail}");
}

#[tokio::test]
async fn the_current_password_must_be_right_and_the_new_one_good() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for (current, new, wanted) in [
        ("not the right password", NEW, vec![("/currentPassword", "wrong_password")]),
        (PASSWORD, "too short", vec![("/newPassword", "too_short")]),
        (PASSWORD, PASSWORD, vec![("/newPassword", "unchanged")]),
        (PASSWORD, &"x".repeat(257), vec![("/newPassword", "too_long")]),
        (PASSWORD, "abcabcabcabcabcabc", vec![("/newPassword", "too_predictable")]),
        (PASSWORD, "professorlivre1", vec![("/newPassword", "too_common")]),
        (PASSWORD, "Ada Lovelace, NEXO", vec![("/newPassword", "too_similar")]),
    ] {
        let change = json!({"currentPassword": current, "newPassword": new});
        let answer = company.post("/api/auth/password", &change).await;
        answer.assert_problem(422, "validation_failed");
        let wanted: Vec<_> = wanted.into_iter().map(|(at, code)| (at.to_owned(), code.to_owned())).collect();
        assert_eq!(answer.field_errors(), wanted);
        assert!(!answer.body.to_string().contains(new));
    }
    let missing = company.post("/api/auth/password", &json!({})).await;
    let wanted = ["/currentPassword", "/newPassword"].map(|at| (at.to_owned(), "required".to_owned()));
    assert_eq!(missing.field_errors(), wanted);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
}

#[tokio::test]
async fn a_stolen_token_is_no_faster_way_to_guess_the_password() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let wrong = json!({"currentPassword": "not the right password", "newPassword": NEW});
    for _ in 0..5 {
        company.post("/api/auth/password", &wrong).await.assert_problem(422, "validation_failed");
    }
    let right = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    for change in [&wrong, &right] {
        let answer = company.post("/api/auth/password", change).await;
        answer.assert_problem(429, "too_many_attempts");
        assert_eq!(answer.header("retry-after"), "1");
    }
    // The owner can still log in meanwhile, and change it later.
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    nexo.clock.advance(1000);
    assert_eq!(company.post("/api/auth/password", &right).await.status, 204);
}
