//! How much is let in: by address, and by route.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use nexo_local::template::IpRateLimit;
use nexo_tests::{Answer, Nexo, options};
use reqwest::Method;
use serde_json::json;

use nexo_local::server::Options;

fn limited(requests: u32, seconds: u64) -> Options {
    let limit =
        IpRateLimit { requests: NonZeroU32::new(requests).unwrap(), window: Duration::from_secs(seconds) };
    Options { rate_limit: Some(Some(limit)), ..options() }
}

#[tokio::test]
async fn an_address_may_ask_a_hundred_times_in_a_minute() {
    // Nothing said: what the template says.
    let nexo = Nexo::with(Options { rate_limit: None, ..options() }).await;
    for n in 0..100 {
        let answer = nexo.get(if n % 2 == 0 { "/health" } else { "/nothing" }).await;
        assert!([200, 404].contains(&answer.status.as_u16()), "{n}: {answer:?}");
        assert_eq!(answer.header("ratelimit-policy"), "\"ip\";q=100;w=60");
        let left = answer.header("ratelimit").strip_prefix("\"ip\";r=").unwrap();
        assert_eq!(left.split(';').next().unwrap(), (99 - n).to_string());
        assert_eq!(answer.header("retry-after"), "");
    }
    let refused = nexo.get("/health").await;
    refused.assert_problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), format!("\"ip\";r=0;t={wait}"));
    assert_eq!(refused.header("ratelimit-policy"), "\"ip\";q=100;w=60");
    assert_eq!(
        refused.body["detail"],
        format!("More than 100 requests in 60 seconds from this address. Try again in {wait} seconds.")
    );
    // A neighbour is another.
    let neighbour = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    assert_eq!(Answer::of(neighbour.get(format!("{}/health", nexo.url()))).await.status, 200);
    nexo.clock.advance(60_000);
    assert_eq!(nexo.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_refusal_by_address_can_be_read_by_the_portal() {
    let nexo = Nexo::with(limited(1, 60)).await;
    assert_eq!(nexo.get("/health").await.status, 200);
    let request = nexo.request(Method::GET, "/health").header("origin", "http://localhost:3000");
    let answer = Answer::of(request).await;
    answer.assert_problem(429, "rate_limited");
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:3000");
}

#[tokio::test]
async fn other_limits_by_address_are_kept_as_given() {
    let nexo = Nexo::with(limited(3, 120)).await;
    for _ in 0..2 {
        for left in [2, 1, 0] {
            let answer = nexo.get("/health").await;
            assert_eq!(answer.status, 200);
            assert!(answer.header("ratelimit").starts_with(&format!("\"ip\";r={left};")), "{answer:?}");
            assert_eq!(answer.header("ratelimit-policy"), "\"ip\";q=3;w=120");
        }
        nexo.get("/health").await.assert_problem(429, "rate_limited");
        nexo.clock.advance(120_000);
    }
    let none = Nexo::with(Options { rate_limit: Some(None), ..options() }).await;
    let answers = futures::future::join_all((0..150).map(|_| none.get("/health"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.header("ratelimit").is_empty()));
}

#[tokio::test]
async fn routes_that_take_credentials_have_a_throttle_of_their_own() {
    let nexo = Nexo::start().await;
    // Bodies without a login: what is throttled is the route.
    let empty = json!({});
    let answers = futures::future::join_all((0..60).map(|_| nexo.post("/api/auth/login", &empty))).await;
    let passed = answers.iter().filter(|answer| answer.status == 422).count();
    assert!((40..60).contains(&passed), "{passed} of 60 with a burst of 40 at 20 a second");
    for throttled in answers.iter().filter(|answer| answer.status != 422) {
        assert_eq!(throttled.status, 429);
        assert_eq!(throttled.body, json!({"message": "Too Many Requests"}));
    }
    // Other routes have theirs.
    let others = futures::future::join_all((0..60).map(|_| nexo.get("/health"))).await;
    assert!(others.iter().all(|answer| answer.status == 200));
}
