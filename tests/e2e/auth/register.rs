//! `POST /api/auth/register`.

use nexo_tests::{Nexo, PASSWORD, registration};
use serde_json::json;

use super::{get_as, log_in, refresh, text};

#[tokio::test]
async fn a_company_gets_its_owner_and_is_logged_in() {
    let nexo = Nexo::start().await;
    let answer = nexo.post("/api/auth/register", &registration(" Ada@Acme.Example ")).await;
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

#[tokio::test]
async fn an_address_is_registered_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for email in [company.email.clone(), company.email.to_uppercase()] {
        let mut again = registration(&email);
        again["companyName"] = json!("Another");
        let answer = nexo.post("/api/auth/register", &again).await;
        answer.assert_problem(409, "already_exists");
        assert!(!answer.body.to_string().contains("Acme"), "{answer:?}");
    }
    assert_eq!(company.get("/api/clients").await.status, 200);
}

#[tokio::test]
async fn of_registrations_at_once_one_gets_the_address() {
    let nexo = Nexo::start().await;
    let body = registration("race@acme.example");
    let answers = futures::future::join_all((0..4).map(|_| nexo.post("/api/auth/register", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!([409, 503].contains(&refused.status.as_u16()), "{refused:?}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_registration_is_reported_at_once() {
    let nexo = Nexo::start().await;
    let missing = nexo.post("/api/auth/register", &json!({})).await;
    missing.assert_problem(422, "validation_failed");
    let required = ["companyName", "email", "firstName", "lastName", "password"];
    let wanted: Vec<_> = required.map(|name| (format!("/{name}"), "required".to_owned())).into();
    assert_eq!(missing.field_errors(), wanted);

    let wrong = json!({
        "companyName": "x".repeat(250), "email": "ada", "password": 15, "firstName": " ", "lastName": "a\u{0}",
        "role": "owner", "tokenDelivery": "pigeon",
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
        ("/tokenDelivery", "invalid_choice"),
    ];
    assert_eq!(answer.field_errors(), wanted.map(|(at, code)| (at.to_owned(), code.to_owned())));
}

#[tokio::test]
async fn a_password_has_15_to_256_characters_of_any_kind() {
    let nexo = Nexo::start().await;
    let with = async |email: &str, password: &str| {
        let mut body = registration(email);
        body["password"] = json!(password);
        nexo.post("/api/auth/register", &body).await
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
    assert_eq!(nexo.post("/api/auth/register", &registration("guess@acme.example")).await.status, 201);
}
