//! What surrounds every request.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderName, HeaderValue};
use nexo_identity::Credential;
use serde::Serialize;

use crate::context::{REQUEST_ID, RequestContext};
use crate::problem::{Code, Raised};
use crate::{Platform, Problem, Routes, denials};

/// The gateway gives up after 30 s, with a body of its own; a request ends before that with ours.
const DEADLINE: Duration = Duration::from_secs(25);

/// The function: its routes, and around them the request's id, its deadline, its log line, and a
/// problem for whatever goes wrong, a panic and an unknown path included.
pub fn app(routes: Routes) -> Router {
    app_with_deadline(routes, DEADLINE)
}

/// [`app`] with another deadline, so that a test need not wait for 25 s.
pub fn app_with_deadline(routes: Routes, deadline: Duration) -> Router {
    let (bound, platform) = routes.into_parts();
    bound.with_state(platform.clone()).layer(middleware::from_fn_with_state((platform, deadline), surround))
}

async fn surround(
    State((platform, deadline)): State<(Platform, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let context = RequestContext::of(&request);
    let method = request.method().clone();
    // The route for the log: never the address itself, which holds ids.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(context.clone());
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(deadline, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Problem::internal(&panic_message(panic.as_ref())).into_response(),
        Err(_) => Problem::new(Code::DeadlineExceeded, "Nothing is known of the outcome. Try again.")
            .retry_after(1)
            .into_response(),
    };
    let raised = response.extensions_mut().remove::<Raised>();
    if let Some(Raised(problem)) = &raised {
        let operation = format!("{method} {}", route.as_deref().unwrap_or_default());
        let patience = deadline.saturating_sub(begun.elapsed());
        denials::note(&platform, &context, problem, operation, patience).await;
    }
    let now = platform.clock.now();
    if let Some(Raised(problem)) = &raised {
        let allowed = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok());
        response = match (problem.code(), allowed) {
            (Code::MethodNotAllowed, Some(allowed)) => {
                Problem::method_not_allowed(allowed).render(context.request_id(), now.to_string())
            }
            _ => problem.render(context.request_id(), now.to_string()),
        };
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    // What a person may see must not stay in a cache that others share (RFC 9111, section 5.2.2.5).
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let line = line(
        &context,
        method.as_str(),
        route.as_deref(),
        response.status().as_u16(),
        begun.elapsed(),
        raised.as_ref(),
        now,
    );
    (platform.log)(&line);
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    request_id: &'a str,
    method: &'a str,
    route: Option<&'a str>,
    status: u16,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    store_calls: u64,
    read_units: f64,
    write_units: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
}

fn line(
    context: &RequestContext,
    method: &str,
    route: Option<&str>,
    status: u16,
    latency: Duration,
    raised: Option<&Raised>,
    now: nexo_domain::Timestamp,
) -> String {
    let usage = context.meter().usage();
    let principal = context.principal();
    let line = Line {
        timestamp: now.to_string(),
        level: match status {
            500.. => "ERROR",
            400.. => "WARN",
            _ if context.warning().is_some() => "WARN",
            _ => "INFO",
        },
        request_id: context.request_id(),
        method,
        route,
        status,
        latency_ms: (latency.as_secs_f64() * 1e6).round() / 1e3,
        account: principal.map(|principal| principal.account.to_string()),
        principal: principal.map(|principal| principal.user.to_string()),
        api_key: principal.and_then(|principal| match principal.credential {
            Credential::Session(_) | Credential::Work => None,
            Credential::ApiKey(key) => Some(key.to_string()),
        }),
        store_calls: usage.calls,
        read_units: usage.read_units,
        write_units: usage.write_units,
        code: raised.map(|raised| raised.0.code().as_str()),
        cause: raised.and_then(|raised| raised.0.cause()),
        warning: context.warning(),
    };
    // Strings and numbers always serialise.
    serde_json::to_string(&line).unwrap_or_default()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}
