//! Guessing is slow, and guessers lock nobody out.

use std::net::IpAddr;

use nexo_identity::Clock;
use nexo_local::server::Options;
use nexo_tests::{Answer, Nexo, PASSWORD, options_with_template};
use serde_json::{Value, json};

use super::{MINUTE, SECOND, log_in};

const WRONG: &str = "not the right password";

/// A login from another network than the tests' own.
pub(super) async fn from(nexo: &Nexo, ip: &str, email: &str, password: &str) -> Answer {
    post_from(nexo, ip, "/api/auth/login", &json!({"email": email, "password": password})).await
}

/// A request from another network than the tests' own.
pub(super) async fn post_from(nexo: &Nexo, ip: &str, path: &str, body: &Value) -> Answer {
    let address: IpAddr = ip.parse().unwrap();
    let client = reqwest::Client::builder().local_address(address).build().unwrap();
    Answer::of(client.post(format!("{}{path}", nexo.url())).json(body)).await
}

#[track_caller]
fn assert_must_wait(answer: &Answer, seconds: u64) {
    answer.assert_problem(429, "too_many_attempts");
    assert_eq!(answer.header("retry-after"), seconds.to_string(), "{answer:?}");
    assert_eq!(answer.body["detail"], format!("Wait {seconds} s before the next attempt."));
}

/// The options of a server whose gateway lets so many logins through that the function's own limits are seen.
pub(super) fn unthrottled() -> (Options, tempfile::TempDir) {
    options_with_template(&[
        (
            "AuthThrottleRate:\n    Type: Number\n    Default: 20",
            "AuthThrottleRate:\n    Type: Number\n    Default: 5000",
        ),
        (
            "AuthThrottleBurst:\n    Type: Number\n    Default: 40",
            "AuthThrottleBurst:\n    Type: Number\n    Default: 5000",
        ),
    ])
}

#[tokio::test]
async fn after_five_failures_each_next_attempt_waits_twice_as_long() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    // An address that nobody has is slowed down just as well.
    for email in [company.email.as_str(), "nobody@acme.example"] {
        for _ in 0..5 {
            log_in(&nexo, email, WRONG).await.assert_problem(401, "invalid_credentials");
        }
        for wait in [1, 2, 4, 8, 16] {
            // The right password must wait as well, or it could be told from a wrong one.
            for password in [WRONG, PASSWORD] {
                assert_must_wait(&log_in(&nexo, email, password).await, wait);
            }
            nexo.clock.advance(i64::try_from(wait).unwrap() * SECOND);
            log_in(&nexo, email, WRONG).await.assert_problem(401, "invalid_credentials");
        }
        assert_must_wait(&log_in(&nexo, email, WRONG).await, 32);
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_a_quarter_of_an_hour() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..20 {
        log_in(&nexo, &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
        nexo.clock.advance(15 * MINUTE);
    }
    log_in(&nexo, &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
    assert_must_wait(&log_in(&nexo, &company.email, PASSWORD).await, 15 * 60);
    nexo.clock.advance(15 * MINUTE);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_right_password_clears_the_count() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..3 {
        for _ in 0..4 {
            log_in(&nexo, &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
        }
        assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn failures_are_forgotten_after_a_day_without_any() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..5 {
        log_in(&nexo, &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
    }
    nexo.clock.advance(super::DAY + 5 * SECOND);
    for _ in 0..5 {
        log_in(&nexo, &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
    }
    assert_must_wait(&log_in(&nexo, &company.email, WRONG).await, 1);
}

#[tokio::test]
async fn a_strangers_failures_do_not_lock_the_owner_out() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for _ in 0..8 {
        let answer = from(&nexo, "127.0.0.2", &company.email, WRONG).await;
        if answer.status == 429 {
            nexo.clock.advance(8 * SECOND);
        }
    }
    from(&nexo, "127.0.0.2", &company.email, WRONG).await.assert_problem(401, "invalid_credentials");
    from(&nexo, "127.0.0.2", &company.email, PASSWORD).await.assert_problem(429, "too_many_attempts");
    // A third network shares the stranger's count.
    from(&nexo, "127.0.0.3", &company.email, PASSWORD).await.assert_problem(429, "too_many_attempts");
    // The owner's own network, known from the registration, does not.
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    // Nor does the owner's login open the door to the stranger.
    from(&nexo, "127.0.0.2", &company.email, WRONG).await.assert_problem(429, "too_many_attempts");
    // A network from which a login succeeded is known from then on.
    nexo.clock.advance(15 * MINUTE);
    assert_eq!(from(&nexo, "127.0.0.3", &company.email, PASSWORD).await.status, 200);
    for _ in 0..6 {
        from(&nexo, "127.0.0.2", &company.email, WRONG).await;
    }
    from(&nexo, "127.0.0.2", &company.email, WRONG).await.assert_problem(429, "too_many_attempts");
    assert_eq!(from(&nexo, "127.0.0.3", &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_network_that_tries_many_addresses_is_slowed_down() {
    let (options, _folder) = unthrottled();
    let nexo = Nexo::with(options).await;
    let company = nexo.register().await;
    for n in 0..50 {
        let email = format!("guess{n}@acme.example");
        from(&nexo, "127.0.0.2", &email, WRONG).await.assert_problem(401, "invalid_credentials");
    }
    let refused = from(&nexo, "127.0.0.2", "guess@acme.example", WRONG).await;
    refused.assert_problem(429, "too_many_attempts");
    // Only that network.
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    nexo.clock.advance(SECOND);
    from(&nexo, "127.0.0.2", "guess@acme.example", WRONG).await.assert_problem(401, "invalid_credentials");
}

/// So many guesses from another network, all at once: how many passwords were looked at. All others were
/// told to wait.
async fn looked_at(nexo: &Nexo, guesses: impl IntoIterator<Item = (String, String)>) -> usize {
    let stranger = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let url = format!("{}/api/auth/login", nexo.url());
    let guesses = guesses.into_iter().map(|(email, password)| {
        Answer::of(stranger.post(&url).json(&json!({"email": email, "password": password})))
    });
    let answers = futures::future::join_all(guesses).await;
    let (counted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status != 429);
    for answer in refused {
        answer.assert_problem(429, "too_many_attempts");
    }
    for answer in &counted {
        // On a slow machine the turn of one that was counted may not come in time.
        let code = if answer.status == 503 { "unavailable" } else { "invalid_credentials" };
        answer.assert_problem(answer.status.as_u16(), code);
    }
    counted.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_guesses_at_once_exactly_those_are_looked_at_that_need_not_wait() {
    let (mut options, _folder) = unthrottled();
    options.clock = Clock::standing_still();
    let nexo = Nexo::with(options).await;
    let company = nexo.register().await;
    let guesses = |many: u32| {
        (0..many).map(|n| (company.email.clone(), format!("a guess, number {n:04}"))).collect::<Vec<_>>()
    };
    // The owner and another company log in meanwhile.
    let other = nexo.register().await;
    let (guessed, own, others) = tokio::join!(
        looked_at(&nexo, guesses(1000)),
        log_in(&nexo, &company.email, PASSWORD),
        log_in(&nexo, &other.email, PASSWORD),
    );
    assert_eq!((own.status.as_u16(), others.status.as_u16()), (200, 200), "{own:?} {others:?}");
    assert_eq!(guessed, 5);
    for wait in [1, 2, 4] {
        nexo.clock.advance(wait * SECOND - 1);
        assert_eq!(looked_at(&nexo, guesses(100)).await, 0, "{wait} s");
        nexo.clock.advance(1);
        // The network's count has its own waits by now, which are no longer than the address's.
        assert_eq!(looked_at(&nexo, guesses(100)).await, 1, "{wait} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_addresses_tried_at_once_exactly_as_many_are_as_a_network_may() {
    let (mut options, _folder) = unthrottled();
    options.clock = Clock::standing_still();
    let nexo = Nexo::with(options).await;
    let mut companies = Vec::new();
    for _ in 0..5 {
        companies.push(nexo.register().await);
    }
    let mut emails: Vec<String> = (0..995).map(|n| format!("guess{n}@acme.example")).collect();
    emails.extend(companies.iter().map(|company| company.email.clone()));
    let guesses = |many| emails.iter().rev().take(many).map(|email| (email.clone(), WRONG.to_owned()));
    assert_eq!(looked_at(&nexo, guesses(1000)).await, 50);
    nexo.clock.advance(SECOND - 1);
    assert_eq!(looked_at(&nexo, guesses(100)).await, 0);
    nexo.clock.advance(1);
    assert_eq!(looked_at(&nexo, guesses(100)).await, 1);
    // Only that network.
    for company in &companies {
        assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn logins_of_honest_users_at_once_all_succeed() {
    let nexo = Nexo::start().await;
    let mut companies = Vec::new();
    for _ in 0..8 {
        companies.push(nexo.register().await);
    }
    let logins = companies.iter().flat_map(|company| [company; 2]);
    let answers =
        futures::future::join_all(logins.map(|company| log_in(&nexo, &company.email, PASSWORD))).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
