//! `POST /api/auth/register`.

use nexo_tests::{Answer, Nexo, PASSWORD, registration};
use reqwest::Method;
use serde_json::{Value, json};

use super::attempts::post_from;
use super::{DAY, MINUTE, get_as, log_in, refresh, said, text, work};

#[tokio::test]
async fn a_company_gets_its_owner_and_is_logged_in() {
    let nexo = Nexo::start().await;
    let answer = nexo.sign_up(&registration(" Ada@Acme.Example ")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = &answer.body;
    assert_eq!(
        *body,
        json!({
            "accessToken": body["accessToken"], "refreshToken": body["refreshToken"],
            "tokenType": "Bearer", "expiresIn": 900,
            "user": {
                "id": body["user"]["id"], "email": "ada@acme.example", "firstName": "Ada",
                "lastName": "Lovelace", "roleIds": ["owner"],
            },
        })
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("set-cookie"), "");
    assert!(text(body, "refreshToken").starts_with("nexo_rt1_"));
    let profile = get_as(&nexo, text(body, "accessToken"), "/api/auth/profile").await;
    assert_eq!(profile.body["email"], "ada@acme.example");
    assert_eq!(refresh(&nexo, text(body, "refreshToken")).await.status, 200);
    assert_eq!(log_in(&nexo, "ADA@acme.example", PASSWORD).await.status, 200);
}

const CONFIRM: &str = "Confirm your address to finish registering";

#[tokio::test]
async fn whether_an_address_is_known_only_its_mail_says() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut known = registration(&company.email.to_uppercase());
    known["companyName"] = json!("Another");
    let asked = |body: &Value| nexo.request(Method::POST, "/api/auth/register").json(body);
    let (of_known, work_of_known) = nexo.calls_of(Answer::of(asked(&known))).await;
    let unknown = registration("unknown@company.example");
    let (of_unknown, work_of_unknown) = nexo.calls_of(Answer::of(asked(&unknown))).await;
    assert_eq!((of_known.status.as_u16(), &of_known.body), (202, &Value::Null), "{of_known:?}");
    assert_eq!(said(&of_known), said(&of_unknown));
    assert_eq!(work(&work_of_known), work(&work_of_unknown));

    let subjects = async |to: &str| -> Vec<_> {
        nexo.mails(to).await.iter().map(|mail| mail["subject"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(subjects(&company.email).await, [CONFIRM, "You have an account already"]);
    assert_eq!(subjects("unknown@company.example").await, [CONFIRM]);
    // What strangers typed is not sent to an address that nobody confirmed.
    for mail in nexo.mails("").await {
        assert!(!mail.to_string().contains("Acme") && !mail.to_string().contains("Another"), "{mail}");
    }
    assert_eq!(company.get("/api/clients").await.status, 200);
}

#[tokio::test]
async fn until_it_is_confirmed_there_is_no_account() {
    let nexo = Nexo::start().await;
    assert_eq!(nexo.post("/api/auth/register", &registration("late@acme.example")).await.status, 202);
    log_in(&nexo, "late@acme.example", PASSWORD).await.assert_problem(401, "invalid_credentials");
    let token = json!({"token": nexo.link("late@acme.example", "register").await});
    // Looking at the page, as programs that scan mails do, uses nothing up.
    assert_eq!(nexo.get("/api/auth/link").await.status, 200);
    nexo.clock.advance(DAY - MINUTE);
    assert_eq!(nexo.post("/api/auth/register/confirm", &token).await.status, 201);
    assert_eq!(log_in(&nexo, "late@acme.example", PASSWORD).await.status, 200);
    // A link is good once, and for a day.
    nexo.post("/api/auth/register/confirm", &token).await.assert_problem(410, "link_gone");
    assert_eq!(nexo.post("/api/auth/register", &registration("later@acme.example")).await.status, 202);
    let token = json!({"token": nexo.link("later@acme.example", "register").await});
    nexo.clock.advance(DAY);
    nexo.post("/api/auth/register/confirm", &token).await.assert_problem(410, "link_gone");
}

#[tokio::test]
async fn of_registrations_of_an_address_the_first_that_is_confirmed_gets_it() {
    let nexo = Nexo::start().await;
    let mut tokens = Vec::new();
    for company in ["One", "Two", "Three"] {
        let mut body = registration("race@acme.example");
        body["companyName"] = json!(company);
        assert_eq!(nexo.post("/api/auth/register", &body).await.status, 202);
        // A later one does not end an earlier one: else anybody could end anybody's.
        tokens.push(json!({"token": nexo.link("race@acme.example", "register").await}));
    }
    let confirm = |token| nexo.post("/api/auth/register/confirm", token);
    let answers = futures::future::join_all(tokens.iter().chain(&tokens).map(confirm)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!([409, 410, 503].contains(&refused.status.as_u16()), "{refused:?}");
    }
    let first = answers.iter().position(|answer| answer.status == 201).unwrap();
    let other = &tokens[(first + 1) % 3];
    confirm(other).await.assert_problem(409, "already_exists");
}

#[tokio::test]
async fn nobody_can_flood_an_address_with_mails() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for email in [company.email.as_str(), "unknown@company.example"] {
        let [mut registered, mut reset] = [Vec::new(), Vec::new()];
        let body = json!({"email": email});
        for _ in 0..7 {
            let answer = post_from(&nexo, "127.0.0.2", "/api/auth/register", &registration(email)).await;
            registered.push(answer.status.as_u16());
            let answer = post_from(&nexo, "127.0.0.2", "/api/auth/password-reset", &body).await;
            reset.push(answer.status.as_u16());
        }
        // Alike for both: the first five go, and the next must wait. The owner's registration was one, which was
        // before its network was known.
        let wanted = |free| (0..7).map(|n| if n < free { 202 } else { 429 }).collect::<Vec<_>>();
        assert_eq!(registered, wanted(if email == company.email { 4 } else { 5 }), "{email}");
        // Registrations of an address count for themselves.
        assert_eq!(reset, wanted(5), "{email}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_registration_is_reported_at_once() {
    let nexo = Nexo::start().await;
    let missing = nexo.sign_up(&json!({})).await;
    missing.assert_problem(422, "validation_failed");
    let required = ["companyName", "email", "firstName", "lastName", "password"];
    let wanted: Vec<_> = required.map(|name| (format!("/{name}"), "required".to_owned())).into();
    assert_eq!(missing.field_errors(), wanted);

    let wrong = json!({
        "companyName": "x".repeat(250), "email": "ada", "password": 15, "firstName": " ", "lastName": "a\u{0}",
        "role": "owner",
    });
    let answer = nexo.post("/api/auth/register", &wrong).await;
    answer.assert_problem(422, "validation_failed");
    let wanted = [
        ("/companyName", "too_long"),
        ("/email", "invalid_email"),
        ("/firstName", "empty"),
        ("/lastName", "invalid_character"),
        ("/password", "invalid_type"),
        ("/role", "unknown_field"),
    ];
    assert_eq!(answer.field_errors(), wanted.map(|(at, code)| (at.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn a_password_has_15_to_256_characters_of_any_kind() {
    let nexo = Nexo::start().await;
    let with = async |email: &str, password: &str| {
        let mut body = registration(email);
        body["password"] = json!(password);
        nexo.sign_up(&body).await
    };
    for (password, code) in [
        (String::new(), "too_short"),
        ("fourteen chars".to_owned(), "too_short"),
        // Seven characters, of two code points each.
        ("e\u{301}".repeat(14), "too_short"),
        ("x".repeat(257), "too_long"),
        ("x".repeat(100_000), "too_long"),
    ] {
        let answer = with("pw@acme.example", &password).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/password".to_owned(), code.to_owned())]);
        assert!(password.is_empty() || !answer.body.to_string().contains(&password));
    }
    let long: String = (0..64_u8)
        .flat_map(|n| ['🦀', 'a', char::from(b'a' + n * 3 % 26), char::from(b'0' + n * 4 % 9)])
        .collect();
    for (n, password) in ["fifteen chars !", "пароль из 15 букв", &long].iter().enumerate() {
        let email = format!("pw{n}@acme.example");
        assert_eq!(with(&email, password).await.status, 201, "{password}");
        assert_eq!(log_in(&nexo, &email, password).await.status, 200, "{password}");
        assert_eq!(log_in(&nexo, &email, &password.to_uppercase()).await.status, 401);
    }
    // The same password from a keyboard that composes and from one that does not.
    assert_eq!(with("nfc@acme.example", "caf\u{e9} au lait chaud").await.status, 201);
    assert_eq!(log_in(&nexo, "nfc@acme.example", "cafe\u{301} au lait chaud").await.status, 200);
}

#[tokio::test]
async fn a_password_that_is_easy_to_guess_is_refused_with_a_hint() {
    let nexo = Nexo::start().await;
    for (password, code, hint) in [
        ("passwordpassword", "too_predictable", "must not repeat itself"),
        ("1q2w3e4r5t6y7u8i9o", "too_predictable", "must not repeat itself"),
        ("Moms An Al Adventure", "too_common", "must not be a known password"),
        ("Sunshine 2024-07-13", "too_common", "must not be a known password"),
        ("Acme GmbH 20262026!", "too_similar", "must not be made of your name"),
        ("lovelace-ada-1815", "too_similar", "must not be made of your name"),
        ("guess@acme.example", "too_similar", "must not be made of your name"),
        ("NEXO nexo! Ada 77.", "too_similar", "must not be made of your name"),
    ] {
        let mut body = registration("guess@acme.example");
        body["password"] = json!(password);
        let answer = nexo.post("/api/auth/register", &body).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/password".to_owned(), code.to_owned())], "{password}");
        let message = text(&answer.body["errors"][0], "message");
        assert!(message.starts_with(hint) && message.contains("words"), "{message}");
        assert!(!answer.body.to_string().contains(password));
    }
    assert_eq!(nexo.sign_up(&registration("guess@acme.example")).await.status, 201);
}
