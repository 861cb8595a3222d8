//! `GET /health`, `/health/auth` and `/health/crm`.

use std::time::{Duration, Instant};

use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::Nexo;
use serde_json::{Value, json};

const ROUTES: [(&str, &[&str]); 3] = [
    ("/health", &["table", "signingKeys"]),
    ("/health/auth", &["table", "signingKeys"]),
    ("/health/crm", &["table"]),
];

/// More than a client tries again, or a test asks.
fn always(how: Fault) -> impl Iterator<Item = FailNth> {
    (1..=100).map(move |n| FailNth { n, how })
}

fn statuses(body: &Value) -> Vec<&Value> {
    body["dependencies"].as_array().unwrap().iter().map(|dependency| &dependency["status"]).collect()
}

#[tokio::test]
async fn a_healthy_system_says_what_it_depends_on_and_how_fast_that_is() {
    let nexo = Nexo::start().await;
    nexo.clock.advance(90_000);
    for (route, names) in ROUTES {
        let answer = nexo.get(route).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        let latency = &answer.body["dependencies"][0]["latencyMs"];
        let dependencies: Vec<_> = names
            .iter()
            .map(|name| json!({"name": name, "status": "healthy", "latencyMs": latency}))
            .collect();
        let uptime = answer.body["uptimeSeconds"].as_i64().unwrap();
        assert!((90..120).contains(&uptime), "{uptime}");
        assert!(latency.as_f64().unwrap() > 0.0);
        assert!(answer.body["checkedAt"].is_string());
        assert_eq!(
            answer.body,
            json!({
                "status": "healthy", "version": env!("CARGO_PKG_VERSION"), "uptimeSeconds": uptime,
                "checkedAt": answer.body["checkedAt"], "dependencies": dependencies,
            })
        );
    }
}

#[tokio::test]
async fn a_table_that_fails_makes_everything_unhealthy() {
    let nexo = Nexo::start().await;
    for how in [
        Fault::Dropped,
        Fault::BeforeExecution(ServiceError::InternalServerError),
        Fault::BeforeExecution(ServiceError::ProvisionedThroughputExceeded),
    ] {
        nexo.clock.advance(5_000);
        nexo.door().faults().arm(always(how));
        for (route, names) in ROUTES {
            let answer = nexo.get(route).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["status"]),
                (503, &json!("unhealthy")),
                "{how:?}"
            );
            assert_eq!(statuses(&answer.body), vec!["unhealthy"; names.len()]);
            assert!(!answer.body.to_string().contains("Exception"), "{answer:?}");
        }
        nexo.door().faults().disarm();
        nexo.clock.advance(5_000);
        assert_eq!(nexo.get("/health").await.body["status"], "healthy", "back again");
    }
}

#[tokio::test]
async fn a_slow_table_makes_the_system_degraded_but_not_down() {
    let nexo = Nexo::start().await;
    // The first try gets no answer for a while, the client's next one does.
    nexo.door().faults().arm([FailNth { n: 1, how: Fault::Hang(Duration::from_millis(700)) }]);
    let answer = nexo.get("/health").await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("degraded")), "{answer:?}");
    assert_eq!(statuses(&answer.body), ["degraded", "healthy"]);
    assert!(answer.body["dependencies"][0]["latencyMs"].as_f64().unwrap() >= 500.0);
}

#[tokio::test]
async fn a_probe_ends_after_two_seconds() {
    let nexo = Nexo::start().await;
    nexo.door().faults().arm(always(Fault::Hang(Duration::from_mins(1))));
    let begun = Instant::now();
    let answer = nexo.get("/health/crm").await;
    let took = begun.elapsed();
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (503, &json!("unhealthy")), "{answer:?}");
    assert!((Duration::from_millis(1900)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn asking_often_does_not_make_the_table_busy() {
    let nexo = Nexo::start().await;
    let ask = async || {
        let asked = (0..20).map(|n| nexo.get(ROUTES[n % 3].0));
        let answers = futures::future::join_all(asked).await;
        answers.iter().map(|answer| answer.body["checkedAt"].clone()).collect::<Vec<_>>()
    };
    let (first, calls) = nexo.calls_of(ask()).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(first.iter().all(|checked_at| *checked_at == first[0]));
    nexo.clock.advance(4_000);
    let (again, calls) = nexo.calls_of(ask()).await;
    assert_eq!((again, calls.len()), (first.clone(), 0));
    nexo.clock.advance(1_000);
    let (later, calls) = nexo.calls_of(ask()).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(later[0].as_str() > first[0].as_str());
    // One consistent-enough read of one small item.
    assert!((calls[0].capacity.read - 0.5).abs() < 1e-9, "{calls:?}");
}
