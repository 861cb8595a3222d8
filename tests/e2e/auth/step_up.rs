//! What asks for a recent proof of who one is, and accounts that ask every user for a second factor.

use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};

use super::mfa::{App, enrol, log_in_with, start};
use super::passkeys::{Authenticator, login_options, options};
use super::{MINUTE, SECOND, get_as, log_in, refresh, text};

async fn step_up(company: &Company<'_>, body: &Value) -> Answer {
    company.post("/api/auth/step-up", body).await
}

#[tokio::test]
async fn ten_minutes_after_the_login_a_proof_is_asked_for_again() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    nexo.clock.advance(10 * MINUTE - 2 * SECOND);
    assert_eq!(start(&company).await.status, 200);
    nexo.clock.advance(4 * SECOND);
    start(&company).await.assert_problem(403, "step_up_required");
    assert_eq!(company.get("/api/auth/mfa").await.status, 200, "not everything asks for it");
    // Refreshing tokens proves nothing.
    let tokens = refresh(&nexo, company.refresh_token()).await.body;
    let start_again =
        nexo.request(Method::POST, "/api/auth/mfa/totp").bearer_auth(text(&tokens, "accessToken"));
    let answer = Answer::of(start_again.json(&json!({"password": PASSWORD}))).await;
    answer.assert_problem(403, "step_up_required");

    let missing = step_up(&company, &json!({})).await;
    assert_eq!(missing.field_errors(), [("/password".into(), "required".into())]);
    let wrong = step_up(&company, &json!({"password": "not the right password"})).await;
    assert_eq!(wrong.field_errors(), [("/password".into(), "wrong_password".into())]);
    start(&company).await.assert_problem(403, "step_up_required");
    assert_eq!(step_up(&company, &json!({"password": PASSWORD})).await.status, 204);
    assert_eq!(start(&company).await.status, 200);
    nexo.clock.advance(10 * MINUTE + SECOND);
    let tokens = refresh(&nexo, text(&tokens, "refreshToken")).await.body;
    let start_again =
        nexo.request(Method::POST, "/api/auth/mfa/totp").bearer_auth(text(&tokens, "accessToken"));
    let answer = Answer::of(start_again.json(&json!({"password": PASSWORD}))).await;
    answer.assert_problem(403, "step_up_required");
}

#[tokio::test]
async fn who_has_a_second_factor_proves_it_with_that() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (app, codes) = enrol(&nexo, &company).await;
    let mut phone = Authenticator::new("phone");
    let credential = phone.create(&options(&company).await);
    let body = json!({"name": "Phone", "credential": credential});
    assert_eq!(company.post("/api/auth/passkeys", &body).await.status, 201);
    nexo.clock.advance(10 * MINUTE + SECOND);
    let renew = async |company: &Company<'_>| {
        Answer::of(company.request(Method::POST, "/api/auth/mfa/recovery-codes")).await
    };
    renew(&company).await.assert_problem(403, "step_up_required");
    for body in [json!({"password": PASSWORD}), json!({})] {
        let answer = step_up(&company, &body).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [(String::new(), "required".into())]);
    }
    let wrong = step_up(&company, &json!({"totp": app.wrong_code(&nexo)})).await;
    assert_eq!(wrong.field_errors(), [(String::new(), "wrong_code".into())]);
    renew(&company).await.assert_problem(403, "step_up_required");
    let code = json!({"totp": app.code(&nexo, 0)});
    assert_eq!(step_up(&company, &code).await.status, 204);
    assert_eq!(step_up(&company, &code).await.status, 422, "a code is good once");
    assert_eq!(renew(&company).await.status, 200);
    // The old codes are good for nothing now.
    assert_eq!(step_up(&company, &json!({"recoveryCode": codes[0]})).await.status, 422);
    let codes = renew(&company).await.body["recoveryCodes"].clone();
    for with in ["recoveryCode", "passkey"] {
        nexo.clock.advance(10 * MINUTE + SECOND);
        company.tokens = refresh(&nexo, company.refresh_token()).await.body;
        renew(&company).await.assert_problem(403, "step_up_required");
        let proof = match with {
            "passkey" => phone.get(&login_options(&nexo).await),
            _ => codes[0].clone(),
        };
        assert_eq!(step_up(&company, &json!({with: proof})).await.status, 204);
        assert_eq!(renew(&company).await.status, 200, "{with}");
    }
}

#[tokio::test]
async fn proofs_are_guessed_as_slowly_as_passwords() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..5 {
        assert_eq!(step_up(&company, &json!({"password": "not the right password"})).await.status, 422);
    }
    let answer = step_up(&company, &json!({"password": PASSWORD})).await;
    answer.assert_problem(429, "too_many_attempts");
}

#[tokio::test]
async fn a_right_proof_clears_the_count_of_its_own_kind_and_no_other() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..3 {
        for _ in 0..4 {
            let wrong = step_up(&company, &json!({"password": "not the right password"})).await;
            assert_eq!(wrong.status, 422, "{wrong:?}");
        }
        assert_eq!(step_up(&company, &json!({"password": PASSWORD})).await.status, 204);
    }
    let (app, codes) = enrol(&nexo, &company).await;
    for _ in 0..4 {
        assert_eq!(step_up(&company, &json!({"totp": app.wrong_code(&nexo)})).await.status, 422);
    }
    assert_eq!(step_up(&company, &json!({"totp": app.code(&nexo, 0)})).await.status, 204);
    for _ in 0..5 {
        assert_eq!(step_up(&company, &json!({"totp": app.wrong_code(&nexo)})).await.status, 422);
    }
    // Who knows the password goes on guessing at nothing but the password.
    assert_eq!(start(&company).await.status, 200);
    let answer = step_up(&company, &json!({"recoveryCode": codes[0]})).await;
    answer.assert_problem(429, "too_many_attempts");
}

#[tokio::test]
async fn an_app_is_removed_with_its_codes_and_the_password_must_stand_alone_then() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    company.delete("/api/auth/mfa/totp").await.assert_problem(404, "not_found");
    let renew = company.post("/api/auth/mfa/recovery-codes", &json!({})).await;
    renew.assert_problem(409, "mfa_not_set_up");
    enrol(&nexo, &company).await;
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let (short, long) = ("wub zop2", "a new sentence to remember");
    assert_eq!(company.post("/api/auth/password", &change(PASSWORD, short)).await.status, 204);
    let refused = company.delete("/api/auth/mfa/totp").await;
    refused.assert_problem(409, "mfa_needed");
    assert!(text(&refused.body, "detail").contains("15 characters"), "{refused:?}");
    assert_eq!(company.post("/api/auth/password", &change(short, long)).await.status, 204);
    assert_eq!(company.delete("/api/auth/mfa/totp").await.status, 204);
    let none = json!({"totp": false, "passkeys": 0, "recoveryCodesLeft": 0, "required": false});
    assert_eq!(company.get("/api/auth/mfa").await.body, none);
    assert_eq!(log_in(&nexo, &company.email, long).await.status, 200);
}

/// Makes the company's account ask every user for a second factor.
async fn ask_for_mfa(company: &Company<'_>) {
    let answer = company.patch("/api/account", &json!({"mfaRequired": true})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_account_can_ask_every_user_for_a_second_factor() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    ask_for_mfa(&company).await;
    assert_eq!(company.get("/api/clients").await.status, 200, "whoever is logged in goes on");
    assert_eq!(company.get("/api/auth/mfa").await.body["required"], true);
    company.log_in().await;
    for path in ["/api/clients", "/api/auth/sessions"] {
        company.get(path).await.assert_problem(403, "mfa_setup_required");
    }
    let change = json!({"currentPassword": PASSWORD, "newPassword": "a new sentence to remember"});
    company.post("/api/auth/password", &change).await.assert_problem(403, "mfa_setup_required");
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    // No way around: not by refreshing, not by proving once more who one is.
    let tokens = refresh(&nexo, company.refresh_token()).await.body;
    get_as(&nexo, text(&tokens, "accessToken"), "/api/clients")
        .await
        .assert_problem(403, "mfa_setup_required");
    assert_eq!(step_up(&company, &json!({"password": PASSWORD})).await.status, 204);
    company.get("/api/clients").await.assert_problem(403, "mfa_setup_required");

    let app = App::new(text(&start(&company).await.body, "secret"));
    company.get("/api/clients").await.assert_problem(403, "mfa_setup_required");
    let code = json!({"code": app.code(&nexo, 0)});
    assert_eq!(company.post("/api/auth/mfa/totp/confirm", &code).await.status, 200);
    // At once, and with the same token.
    for path in ["/api/clients", "/api/auth/sessions"] {
        assert_eq!(company.get(path).await.status, 200);
    }
    let refused = company.delete("/api/auth/mfa/totp").await;
    refused.assert_problem(409, "mfa_needed");
    nexo.clock.advance(30 * SECOND);
    let again = log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 0)).await;
    assert_eq!(get_as(&nexo, text(&again.body, "accessToken"), "/api/clients").await.status, 200);
    // A passkey does as well; then the app may go.
    let mut phone = Authenticator::new("phone");
    let credential = phone.create(&options(&company).await);
    let body = json!({"name": "Phone", "credential": credential});
    assert_eq!(company.post("/api/auth/passkeys", &body).await.status, 201);
    assert_eq!(company.delete("/api/auth/mfa/totp").await.status, 204);
}

#[tokio::test]
async fn a_passkey_lifts_the_demand_too() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    ask_for_mfa(&company).await;
    company.log_in().await;
    company.get("/api/clients").await.assert_problem(403, "mfa_setup_required");
    let mut phone = Authenticator::new("phone");
    let credential = phone.create(&options(&company).await);
    let body = json!({"name": "Phone", "credential": credential, "password": PASSWORD});
    assert_eq!(company.post("/api/auth/passkeys", &body).await.status, 201);
    assert_eq!(company.get("/api/clients").await.status, 200);
}
