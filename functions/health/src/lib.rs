//! Whether the system and its parts work.
//!
//! A probe is one read of the published keys under this function's own role: it crosses DNS, TLS,
//! IAM and the table, which is what all functions depend on. Its outcome is kept for five seconds,
//! so that nobody can make the system busy by asking how it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Operation, Platform, Routes, VERSION, Verb, json, shape};
use nexo_domain::Timestamp;
use nexo_store::Meter;
use serde::Serialize;
use tokio::sync::Mutex;

/// A probe that takes longer has failed.
const LONGEST_PROBE: Duration = Duration::from_secs(2);

/// A probe that takes longer says that something is wrong, though it works.
const SLOW_PROBE_MS: f64 = 500.0;

/// How long a probe's outcome is answered again, in milliseconds.
const KEPT_MS: i64 = 5_000;

/// How well something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Status {
    /// As it should.
    Healthy,
    /// It works, slowly or in part.
    Degraded,
    /// It does not.
    Unhealthy,
}

/// How a dependency is.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Dependency {
    name: &'static str,
    status: Status,
    /// How long the probe took.
    latency_ms: f64,
}

/// How the system, or a part of it, is.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Health {
    status: Status,
    version: &'static str,
    /// Seconds since this function's sandbox started.
    uptime_seconds: i64,
    /// When the dependencies were last probed.
    checked_at: Timestamp,
    dependencies: Vec<Dependency>,
}

/// The last outcome, and when the sandbox started.
struct Probes {
    started_at: Timestamp,
    last: Mutex<Option<(Timestamp, Dependency, Dependency)>>,
}

/// Which dependencies a route reports.
#[derive(Clone, Copy)]
enum Part {
    All,
    Auth,
    Crm,
}

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    let probes = Arc::new(Probes { started_at: platform.clock.now(), last: Mutex::default() });
    let [all, auth, crm] = OPERATIONS;
    Routes::new(platform, "/health")
        .on(all, async |state, probes| health(state, probes, Part::All).await)
        .on(auth, async |state, probes| health(state, probes, Part::Auth).await)
        .on(crm, async |state, probes| health(state, probes, Part::Crm).await)
        .share(probes)
}

const OPERATIONS: [Operation; 3] = [
    Operation {
        method: Verb::Get,
        path: "",
        id: "getHealth",
        summary: "How the system is",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<Health>().also(503)),
    },
    Operation {
        method: Verb::Get,
        path: "/auth",
        id: "getAuthHealth",
        summary: "Whether users can log in: the table answers and the signing keys are published",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<Health>().also(503)),
    },
    Operation {
        method: Verb::Get,
        path: "/crm",
        id: "getCrmHealth",
        summary: "Whether records can be read and written: the table answers",
        access: Access::Public,
        problems: &[],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<Health>().also(503)),
    },
];

async fn health(
    State(platform): State<Platform>,
    Extension(probes): Extension<Arc<Probes>>,
    part: Part,
) -> Response {
    let (checked_at, table, keys) = probes.outcome(&platform).await;
    let dependencies = match part {
        Part::All | Part::Auth => vec![table, keys],
        Part::Crm => vec![table],
    };
    let count = |status| dependencies.iter().filter(|dependency| dependency.status == status).count();
    let status = match (count(Status::Unhealthy), count(Status::Degraded)) {
        (0, 0) => Status::Healthy,
        (0, _) => Status::Degraded,
        _ => Status::Unhealthy,
    };
    let health = Health {
        status,
        version: VERSION,
        uptime_seconds: (platform.clock.now_ms() - probes.started_at.as_millis()) / 1000,
        checked_at,
        dependencies,
    };
    let code = if status == Status::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json(code, &health)
}

impl Probes {
    /// The last outcome, or a new one when that is too old. Concurrent requests share one probe.
    async fn outcome(&self, platform: &Platform) -> (Timestamp, Dependency, Dependency) {
        let mut last = self.last.lock().await;
        if let Some(outcome) = last.as_ref()
            && platform.clock.now_ms() - outcome.0.as_millis() < KEPT_MS
        {
            return outcome.clone();
        }
        let (table, keys) = probe(platform).await;
        let outcome = (platform.clock.now(), table, keys);
        *last = Some(outcome.clone());
        outcome
    }
}

/// Reads the published keys: tells of the table, and of the keys.
async fn probe(platform: &Platform) -> (Dependency, Dependency) {
    let begun = Instant::now();
    let directory = platform.directory(&Meter::default());
    let keys = tokio::time::timeout(LONGEST_PROBE, directory.keys()).await;
    let latency_ms = (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let table = match &keys {
        Ok(Ok(_)) if latency_ms <= SLOW_PROBE_MS => Status::Healthy,
        Ok(Ok(_)) => Status::Degraded,
        _ => Status::Unhealthy,
    };
    let published = match &keys {
        Ok(Ok(keys)) if !keys.is_empty() => Status::Healthy,
        _ => Status::Unhealthy,
    };
    (
        Dependency { name: "table", status: table, latency_ms },
        Dependency { name: "signingKeys", status: published, latency_ms },
    )
}
