//! `POST /api/auth/refresh`: rotation, reuse and expiry.

use nexo_tests::{Answer, Nexo};
use serde_json::{Value, json};

use super::{DAY, SECOND, get_as, refresh, text};

fn token(answer: &Answer) -> &str {
    text(&answer.body, "refreshToken")
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut tokens = vec![company.refresh_token().to_owned()];
    for _ in 0..4 {
        nexo.clock.advance(14 * 60 * SECOND);
        let answer = refresh(&nexo, tokens.last().unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = &answer.body;
        let wanted = json!({
            "accessToken": body["accessToken"], "refreshToken": body["refreshToken"],
            "tokenType": "Bearer", "expiresIn": 900,
        });
        assert_eq!(*body, wanted);
        assert_eq!(answer.header("set-cookie"), "");
        assert!(!tokens.iter().any(|earlier| earlier == token(&answer)));
        assert_eq!(get_as(&nexo, text(body, "accessToken"), "/api/clients").await.status, 200);
        tokens.push(token(&answer).to_owned());
    }
}

#[tokio::test]
async fn for_ten_seconds_a_spent_token_gets_the_same_child_again() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = refresh(&nexo, company.refresh_token()).await;
    nexo.clock.advance(9 * SECOND);
    let again = refresh(&nexo, company.refresh_token()).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(token(&again), token(&first));
    assert_eq!(get_as(&nexo, text(&again.body, "accessToken"), "/api/auth/profile").await.status, 200);
    // It is the one child of both answers.
    assert_eq!(refresh(&nexo, token(&first)).await.status, 200);
}

#[tokio::test]
async fn refreshes_at_once_get_one_child() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let answers = futures::future::join_all((0..6).map(|_| refresh(&nexo, company.refresh_token()))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(token(answer), token(&answers[0]));
    }
}

/// Neither the access tokens nor the refresh tokens of a family are good for anything.
async fn assert_family_is_over(nexo: &Nexo, family: &[Value]) {
    for tokens in family {
        let refused = refresh(nexo, text(tokens, "refreshToken")).await;
        refused.assert_problem(401, "unauthenticated");
        let access = get_as(nexo, text(tokens, "accessToken"), "/api/auth/profile").await;
        access.assert_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn using_a_token_again_after_the_grace_ends_the_whole_family() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let child = refresh(&nexo, company.refresh_token()).await.body;
    nexo.clock.advance(10 * SECOND + 1);
    refresh(&nexo, company.refresh_token()).await.assert_problem(401, "unauthenticated");
    assert_family_is_over(&nexo, &[company.tokens.clone(), child]).await;
}

#[tokio::test]
async fn using_an_older_token_again_ends_the_whole_family_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut family = vec![company.tokens.clone()];
    for _ in 0..3 {
        let last = family.last().unwrap();
        family.push(refresh(&nexo, text(last, "refreshToken")).await.body);
    }
    // No grace for grandparents.
    refresh(&nexo, text(&family[1], "refreshToken")).await.assert_problem(401, "unauthenticated");
    assert_family_is_over(&nexo, &family).await;
    // Other sessions of the user are none of the thief's.
    let login = super::second_device(&nexo, &company).await;
    assert_eq!(refresh(&nexo, text(&login, "refreshToken")).await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_not_ours_ends_nothing() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let good = company.refresh_token();
    let with_another = |at: usize| {
        let letter = if &good[at..=at] == "A" { "B" } else { "A" };
        format!("{}{letter}{}", &good[..at], &good[at + 1..])
    };
    for forged in [
        String::new(),
        "x".to_owned(),
        company.token().to_owned(),
        good.replace("nexo_rt1_", ""),
        good.replace("nexo_rt1_", "nexo_rt2_"),
        with_another(40),
        with_another(good.len() - 5),
        format!("{good}A"),
        "A".repeat(10_000),
    ] {
        refresh(&nexo, &forged).await.assert_problem(401, "unauthenticated");
    }
    nexo.post("/api/auth/refresh", &json!({})).await.assert_problem(401, "unauthenticated");
    let none = Answer::of(nexo.request(reqwest::Method::POST, "/api/auth/refresh")).await;
    none.assert_problem(401, "unauthenticated");
    let unknown = nexo.post("/api/auth/refresh", &json!({"refreshToken": good, "x": 1})).await;
    unknown.assert_problem(422, "validation_failed");
    assert_eq!(refresh(&nexo, good).await.status, 200);
}

#[tokio::test]
async fn a_session_ends_after_thirty_days_without_use() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    nexo.clock.advance(30 * DAY - 10 * SECOND);
    let used = refresh(&nexo, company.refresh_token()).await;
    assert_eq!(used.status, 200, "{used:?}");
    nexo.clock.advance(30 * DAY - 10 * SECOND);
    let used = refresh(&nexo, token(&used)).await;
    assert_eq!(used.status, 200, "{used:?}");
    nexo.clock.advance(30 * DAY + SECOND);
    // The table may not have removed it yet.
    refresh(&nexo, token(&used)).await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_ends_after_ninety_days_however_it_is_used() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut last = company.refresh_token().to_owned();
    for _ in 0..8 {
        nexo.clock.advance(11 * DAY);
        let answer = refresh(&nexo, &last).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        last = token(&answer).to_owned();
    }
    nexo.clock.advance(2 * DAY - 60 * SECOND);
    let answer = refresh(&nexo, &last).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    nexo.clock.advance(2 * 60 * SECOND);
    refresh(&nexo, token(&answer)).await.assert_problem(401, "unauthenticated");
}
