//! Authenticator apps and recovery codes, and what they change about logging in.

use std::collections::BTreeSet;

use nexo_domain::{AccountId, SecurityEventType, SessionId, UserId};
use nexo_store::{Meter, Proof, ProvenSession, RequestInfo, SecurityEvent, StoreError};
use nexo_tests::{Answer, Company, Nexo, PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::passkeys::created;
use super::{MINUTE, SECOND, get_as, log_in, refresh, second_device, text};
use crate::direct;

/// An authenticator app, on a phone whose clock is right.
pub(crate) struct App(totp_rs::Totp);

impl App {
    pub(crate) fn new(secret: &str) -> Self {
        Self(Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap())
    }

    /// The code it shows so many steps of 30 s from now.
    pub(crate) fn code(&self, nexo: &Nexo, steps: i64) -> String {
        let now = u64::try_from(nexo.clock.now_seconds() + 30 * steps).unwrap();
        self.0.generate(now).to_string()
    }

    /// Six digits that it shows neither now nor one step before or after.
    pub(crate) fn wrong_code(&self, nexo: &Nexo) -> String {
        let shown = [-1, 0, 1].map(|steps| self.code(nexo, steps));
        (0..4).map(|n| format!("{n:06}")).find(|code| !shown.contains(code)).unwrap()
    }
}

pub(super) async fn start(company: &Company<'_>) -> Answer {
    company.post("/api/auth/mfa/totp", &json!({"password": PASSWORD})).await
}

/// Sets an app up, and answers it with the recovery codes. Its present code is used up by that.
pub(super) async fn enrol(nexo: &Nexo, company: &Company<'_>) -> (App, Vec<String>) {
    let started = start(company).await;
    assert_eq!(started.status, 200, "{started:?}");
    let app = App::new(text(&started.body, "secret"));
    let answer = company.post("/api/auth/mfa/totp/confirm", &json!({"code": app.code(nexo, 0)})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let codes = answer.body["recoveryCodes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    nexo.clock.advance(30 * SECOND);
    (app, codes)
}

/// A login with something besides the password.
pub(super) async fn log_in_with(nexo: &Nexo, email: &str, member: &str, value: &str) -> Answer {
    let mut body = json!({"email": email, "password": PASSWORD});
    body[member] = json!(value);
    nexo.post("/api/auth/login", &body).await
}

#[tokio::test]
async fn an_app_is_set_up_by_the_password_and_its_first_code() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let none = json!({"totp": false, "passkeys": 0, "recoveryCodesLeft": 0, "required": false});
    let mfa = company.get("/api/auth/mfa").await;
    assert_eq!((mfa.status.as_u16(), mfa.body), (200, none.clone()));
    let wrong = company.post("/api/auth/mfa/totp", &json!({"password": "not the right password"})).await;
    wrong.assert_problem(422, "validation_failed");
    assert_eq!(wrong.field_errors(), [("/password".into(), "wrong_password".into())]);
    let unasked = company.post("/api/auth/mfa/totp/confirm", &json!({"code": "123456"})).await;
    unasked.assert_problem(409, "mfa_not_set_up");

    let started = start(&company).await;
    assert_eq!(started.status, 200, "{started:?}");
    let secret = text(&started.body, "secret");
    assert_eq!(secret.len(), 32, "160 bits");
    let address = company.email.replace('@', "%40");
    assert_eq!(started.body["uri"], format!("otpauth://totp/NEXO:{address}?secret={secret}&issuer=NEXO"));
    // Nothing is asked for before the app has shown that it works.
    assert_eq!(company.get("/api/auth/mfa").await.body, none);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    let app = App::new(secret);
    let code = json!({"code": app.wrong_code(&nexo)});
    let wrong = company.post("/api/auth/mfa/totp/confirm", &code).await;
    wrong.assert_problem(422, "validation_failed");
    assert_eq!(wrong.field_errors(), [("/code".into(), "wrong_code".into())]);

    let code = app.code(&nexo, 0);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let confirmed = company.post("/api/auth/mfa/totp/confirm", &json!({"code": spaced})).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let codes: BTreeSet<_> =
        confirmed.body["recoveryCodes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 29), "{codes:?}");
    let all = json!({"totp": true, "passkeys": 0, "recoveryCodesLeft": 10, "required": false});
    assert_eq!(company.get("/api/auth/mfa").await.body, all);
    // The code that confirmed is used up, for confirming and for logging in.
    company
        .post("/api/auth/mfa/totp/confirm", &json!({"code": code}))
        .await
        .assert_problem(409, "mfa_not_set_up");
    log_in_with(&nexo, &company.email, "totp", &code).await.assert_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn an_app_must_show_its_first_code_within_ten_minutes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let started = start(&company).await;
    let app = App::new(text(&started.body, "secret"));
    nexo.clock.advance(10 * MINUTE);
    let late = company.post("/api/auth/mfa/totp/confirm", &json!({"code": app.code(&nexo, 0)})).await;
    late.assert_problem(409, "mfa_not_set_up");
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_login_needs_the_second_factor_and_says_so_after_the_right_password_only() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (app, _) = enrol(&nexo, &company).await;
    log_in(&nexo, &company.email, "not the right password").await.assert_problem(401, "invalid_credentials");
    let missing = log_in(&nexo, &company.email, PASSWORD).await;
    missing.assert_problem(401, "mfa_required");
    assert_eq!(missing.body["factors"], json!(["totp", "recovery_code"]));
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let wrong = log_in_with(&nexo, &company.email, "totp", &app.wrong_code(&nexo)).await;
    wrong.assert_problem(401, "invalid_credentials");
    let code = app.code(&nexo, 0);
    let right = log_in_with(&nexo, &company.email, "totp", &code).await;
    assert_eq!(right.status, 200, "{right:?}");
    // Once, and none from before it either.
    log_in_with(&nexo, &company.email, "totp", &code).await.assert_problem(401, "invalid_credentials");
    log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, -1))
        .await
        .assert_problem(401, "invalid_credentials");
    // A phone may be a step ahead, but not two.
    log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 2))
        .await
        .assert_problem(401, "invalid_credentials");
    assert_eq!(log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 1)).await.status, 200);
    // Who has no second factor is not asked for one, whatever is sent.
    let other = nexo.register().await;
    assert_eq!(log_in_with(&nexo, &other.email, "totp", "123456").await.status, 200);
}

#[tokio::test]
async fn the_first_second_factor_ends_what_the_password_alone_has_opened() {
    let nexo = Nexo::start().await;
    for with_passkey in [false, true] {
        let company = nexo.register().await;
        let stolen = second_device(&nexo, &company).await;
        if with_passkey {
            created(&company, "phone").await;
        } else {
            enrol(&nexo, &company).await;
        }
        get_as(&nexo, text(&stolen, "accessToken"), "/api/auth/profile")
            .await
            .assert_problem(401, "unauthenticated");
        refresh(&nexo, text(&stolen, "refreshToken")).await.assert_problem(401, "unauthenticated");
        let sessions = company.get("/api/auth/sessions").await.body;
        assert_eq!(sessions["data"].as_array().unwrap().len(), 1, "{sessions}");
        // The one that set it up goes on, and a further one ends nothing.
        assert_eq!(refresh(&nexo, company.refresh_token()).await.status, 200);
        created(&company, "tablet").await;
        let user = company.get(&format!("/api/users/{}", company.user())).await.body;
        assert_eq!(user["mfaEnabled"], true, "{user}");
    }
}

/// A session of the owner that has lost its mark, or never had it, under a number of its own.
async fn unmarked_session(company: &Company<'_>) -> SessionId {
    let user = company.user().split_once('_').unwrap().1.to_owned();
    let partition = format!("A#{}#SES#{user}", company.account());
    let own = company.get("/api/auth/sessions").await.body["data"][0]["id"].as_str().unwrap().to_owned();
    let session: SessionId = own.parse().unwrap();
    let mut item = company.identity_item(&partition, session.ulid()).await;
    item["isMultiFactor"] = json!({"BOOL": false});
    company.put_identity_item(&item).await;
    session
}

#[tokio::test]
async fn a_session_without_a_second_factor_is_admitted_nowhere_and_changes_nothing() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (app, _) = enrol(&nexo, &company).await;
    let session = unmarked_session(&company).await;
    company.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
    refresh(&nexo, company.refresh_token()).await.assert_problem(401, "unauthenticated");

    // Had it been admitted just before the factor was there: its writes are refused by the engine.
    let account = AccountId::from_ulid(&company.account()).unwrap();
    let user: UserId = company.user().parse().unwrap();
    let directory = direct::platform(&nexo, "AuthFunction").directory(&Meter::default());
    let factors = directory.factors(&account, &user).await.unwrap();
    let saved = directory.save_factors(&account, &user, Some(&session), &factors, None).await;
    assert!(matches!(saved, Err(StoreError::Busy)), "{saved:?}");
    let request = RequestInfo {
        request_id: "test".into(),
        ip: "127.0.0.1".into(),
        user_agent: None,
        meter: Meter::default(),
    };
    let proof = Proof {
        account: &account,
        user: &user,
        session: ProvenSession::Enrolled(&session, nexo.clock.now_seconds()),
        login: None,
        factors: Some(&factors),
        challenge: None,
        mail: None,
        event: &SecurityEvent::new(SecurityEventType::FactorChange, &request),
    };
    let added = directory.record(&proof).await;
    assert!(matches!(added, Err(StoreError::Busy)), "{added:?}");

    // Nor does it come back when there is no factor any more.
    let old = company.tokens.clone();
    company.tokens = log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 0)).await.body;
    assert_eq!(company.delete("/api/auth/mfa/totp").await.status, 204);
    let answer = get_as(&nexo, text(&old, "accessToken"), "/api/auth/profile").await;
    answer.assert_problem(401, "unauthenticated");
    refresh(&nexo, text(&old, "refreshToken")).await.assert_problem(401, "unauthenticated");
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_further_second_factor_ends_no_session() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (app, _) = enrol(&nexo, &company).await;
    let phone = log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 0)).await.body;
    created(&company, "tablet").await;
    assert_eq!(get_as(&nexo, text(&phone, "accessToken"), "/api/auth/profile").await.status, 200);
    assert_eq!(refresh(&nexo, text(&phone, "refreshToken")).await.status, 200);
}

#[tokio::test]
async fn a_password_alone_opens_nothing_while_a_second_factor_is_set_up() {
    let nexo = Nexo::start().await;
    for _ in 0..8 {
        let company = nexo.register().await;
        let app = App::new(text(&start(&company).await.body, "secret"));
        let code = json!({"code": app.code(&nexo, 0)});
        let (confirmed, login) = tokio::join!(
            company.post("/api/auth/mfa/totp/confirm", &code),
            log_in(&nexo, &company.email, PASSWORD)
        );
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        if login.status == 200 {
            get_as(&nexo, text(&login.body, "accessToken"), "/api/auth/profile")
                .await
                .assert_problem(401, "unauthenticated");
            refresh(&nexo, text(&login.body, "refreshToken")).await.assert_problem(401, "unauthenticated");
        } else {
            login.assert_problem(401, "mfa_required");
        }
    }
}

#[tokio::test]
async fn each_change_of_second_factors_is_told_by_mail() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    enrol(&nexo, &company).await;
    let renewed = Answer::of(company.request(Method::POST, "/api/auth/mfa/recovery-codes")).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let passkey = created(&company, "phone").await;
    assert_eq!(company.delete("/api/auth/mfa/totp").await.status, 204);
    assert_eq!(company.delete(&format!("/api/auth/passkeys/{passkey}")).await.status, 204);
    let mails = nexo.mails(&company.email).await;
    let subjects: Vec<_> = mails.iter().map(|mail| text(mail, "subject")).collect();
    let told = [
        "An authenticator app was added",
        "Your recovery codes were replaced",
        "A passkey was added",
        "Your authenticator app was removed",
        "A passkey was removed",
    ];
    assert_eq!(subjects[subjects.len() - told.len()..], told);
    let user = company.get(&format!("/api/users/{}", company.user())).await.body;
    assert_eq!(user["mfaEnabled"], false, "{user}");
}

#[tokio::test]
async fn a_code_is_good_for_one_of_many_logins_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (app, codes) = enrol(&nexo, &company).await;
    for (member, code) in [("totp", app.code(&nexo, 0)), ("recoveryCode", codes[0].clone())] {
        let answers =
            futures::future::join_all((0..4).map(|_| log_in_with(&nexo, &company.email, member, &code)))
                .await;
        let opened = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(opened, 1, "{answers:?}");
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.assert_problem(401, "invalid_credentials");
        }
    }
}

#[tokio::test]
async fn a_recovery_code_is_good_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (_, codes) = enrol(&nexo, &company).await;
    let other = nexo.register().await;
    let (_, others) = enrol(&nexo, &other).await;
    let answer = log_in_with(&nexo, &company.email, "recoveryCode", &codes[9]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for wrong in [&codes[9], &others[0], "", "0000-0000-0000-0000-0000-0000"] {
        log_in_with(&nexo, &company.email, "recoveryCode", wrong)
            .await
            .assert_problem(401, "invalid_credentials");
    }
    assert_eq!(company.get("/api/auth/mfa").await.body["recoveryCodesLeft"], 9);
    let typed = codes[0].replace('-', " ").to_uppercase();
    assert_eq!(log_in_with(&nexo, &company.email, "recoveryCode", &typed).await.status, 200);
}

#[tokio::test]
async fn codes_are_guessed_as_slowly_as_passwords() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (app, _) = enrol(&nexo, &company).await;
    for n in 0..5 {
        // Being asked for a code does not begin the count anew.
        if n == 2 {
            log_in(&nexo, &company.email, PASSWORD).await.assert_problem(401, "mfa_required");
            continue;
        }
        let wrong = log_in_with(&nexo, &company.email, "totp", &app.wrong_code(&nexo)).await;
        wrong.assert_problem(401, "invalid_credentials");
    }
    for answer in [
        log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 0)).await,
        log_in(&nexo, &company.email, PASSWORD).await,
    ] {
        answer.assert_problem(429, "too_many_attempts");
        assert_eq!(answer.header("retry-after"), "1");
    }
    nexo.clock.advance(SECOND);
    assert_eq!(log_in_with(&nexo, &company.email, "totp", &app.code(&nexo, 0)).await.status, 200);
    // The count is cleared.
    log_in(&nexo, &company.email, PASSWORD).await.assert_problem(401, "mfa_required");
}

#[tokio::test]
async fn the_first_code_is_guessed_as_slowly() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let app = App::new(text(&start(&company).await.body, "secret"));
    for _ in 0..5 {
        let code = json!({"code": app.wrong_code(&nexo)});
        let wrong = company.post("/api/auth/mfa/totp/confirm", &code).await;
        wrong.assert_problem(422, "validation_failed");
    }
    let code = json!({"code": app.code(&nexo, 0)});
    company.post("/api/auth/mfa/totp/confirm", &code).await.assert_problem(429, "too_many_attempts");
}

#[tokio::test]
async fn a_copy_of_the_table_holds_no_code() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (app, codes) = enrol(&nexo, &company).await;
    let partition = format!("A#{}#MFA", company.account());
    let item = company.identity_item(&partition, nexo_tests::table::ulid(company.user())).await.to_string();
    assert!(item.contains("lastStep"), "{item}");
    assert!(!item.contains(&app.0.secret().to_base32()), "{item}");
    for code in codes {
        assert!(!item.contains(&code) && !item.contains(&code.replace('-', "")), "{item}");
    }
}

#[tokio::test]
async fn beside_a_second_factor_a_password_may_have_eight_characters() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let (short, shorter) = ("wub zop2", "wub zop");
    let refused = company.post("/api/auth/password", &change(PASSWORD, short)).await;
    refused.assert_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), [("/newPassword".into(), "too_short".into())]);
    let (app, _) = enrol(&nexo, &company).await;
    let refused = company.post("/api/auth/password", &change(PASSWORD, shorter)).await;
    assert_eq!(refused.field_errors(), [("/newPassword".into(), "too_short".into())]);
    assert_eq!(company.post("/api/auth/password", &change(PASSWORD, short)).await.status, 204);
    let body = json!({"email": company.email, "password": short, "totp": app.code(&nexo, 0)});
    assert_eq!(nexo.post("/api/auth/login", &body).await.status, 200);
}
