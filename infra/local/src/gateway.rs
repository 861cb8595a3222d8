//! API Gateway's HTTP API on one machine, built from the template.
//!
//! A request goes the way it goes on AWS: limit per address (there the firewall's work), preflight,
//! route, throttle, size, then a real API Gateway event through `lambda_http`'s own adapter into the
//! function's router, and its JSON answer back. What the gateway itself refuses has the gateway's
//! body, `{"message": …}`, except the limit per address, which answers in the API's own format.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html>.

mod answer;
pub(crate) mod cors;
mod event;
mod function;
mod limits;
mod route;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::HeaderName;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::clock::{Clock, request_id};
use crate::listen::listen;
use crate::template::Template;
use cors::CorsRules;
use event::Occasion;
use function::FunctionError;
use limits::{AddressLimit, Throttles};
use route::{Matched, Routes};

pub use function::{FunctionHandle, function};
pub(crate) use function::{consumer, fallible};

/// The gateway's limit on a request's body.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Lambda's limit on an event and on an answer.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;
/// The longest the gateway waits for a function.
const MAX_WAIT: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");
/// Paths under this prefix belong to the local routes, when there are any.
const LOCAL_PREFIX: &str = "/dev/";

/// Why a gateway cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The template has a function with routes, and no code was given for it.
    #[error("template.yaml: {0}: no code is given for this function")]
    NoCode(String),
    /// Code was given for a function the template does not have.
    #[error("template.yaml: no function is called {0}")]
    NoFunction(String),
    /// A route cannot be matched, or two are the same.
    #[error("template.yaml: route {route}: {problem}")]
    Route {
        /// The route key.
        route: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The gateway. Clones share it.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    routes: Routes,
    /// The functions the routes lead to, with their time limits.
    functions: Vec<(FunctionHandle, Duration)>,
    throttles: Throttles,
    addresses: Option<AddressLimit>,
    cors: Option<CorsRules>,
    local_routes: Option<Router>,
    /// What the paths of the bucket begin with.
    bucket: Option<String>,
    clock: Clock,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// A gateway with the routes, CORS and limits of `template`, and the code of its functions by
    /// logical id. `local_routes` answer paths under `/dev/` and the bucket's, past all limits.
    ///
    /// # Errors
    /// Functions and code do not match, or a route cannot be matched.
    pub fn new(
        template: &Template,
        mut functions: BTreeMap<String, FunctionHandle>,
        local_routes: Option<Router>,
        clock: Clock,
    ) -> Result<Self, GatewayError> {
        let mut routes = Routes::default();
        let mut handles = Vec::new();
        for (id, function) in &template.functions {
            let handle = match functions.remove(id) {
                Some(handle) => handle,
                None if function.routes.is_empty() => continue,
                None => return Err(GatewayError::NoCode(id.clone())),
            };
            for route in &function.routes {
                routes
                    .add(route, handles.len())
                    .map_err(|problem| GatewayError::Route { route: route.key(), problem })?;
            }
            handles.push((handle, function.timeout.min(MAX_WAIT)));
        }
        if let Some(unknown) = functions.into_keys().next() {
            return Err(GatewayError::NoFunction(unknown));
        }
        Ok(Self {
            inner: Arc::new(Inner {
                routes,
                functions: handles,
                throttles: Throttles::new(&template.api),
                addresses: template.ip_rate_limit.map(AddressLimit::new),
                cors: template.api.cors.as_ref().map(CorsRules::new),
                local_routes,
                bucket: template.bucket.as_ref().map(|bucket| format!("/{}/", bucket.name)),
                clock,
            }),
        })
    }

    /// Answers one request of the client at `peer`.
    pub async fn handle(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let inner = &self.inner;
        if let Some(router) = &inner.local_routes
            && inner.is_local(request.uri().path())
        {
            let Ok(response) = router.clone().oneshot(request).await;
            return response;
        }
        let now_ms = (inner.clock)();
        let id = request_id(now_ms);
        let standing = inner.addresses.as_ref().map(|limit| limit.count(peer.ip(), now_ms));
        let origin = inner.cors.as_ref().and_then(|cors| cors.allowed_origin(request.headers()));

        let mut response = match &standing {
            Some(standing) if !standing.allowed => answer::rate_limited(standing, &id, now_ms),
            _ => inner.pass(request, peer, &id, now_ms).await,
        };
        let headers = response.headers_mut();
        if let Some(cors) = &inner.cors {
            cors.decorate(origin.as_ref(), headers);
        }
        if let Some(standing) = &standing {
            standing.describe(headers);
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }

    /// Serves HTTP/1 and HTTP/2 until `shutdown` resolves and the running requests are answered.
    ///
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        listen(listener, shutdown, move |request, peer| {
            let gateway = self.clone();
            async move { Ok::<_, Infallible>(gateway.handle(request.map(Body::new), peer).await) }
        })
        .await;
    }
}

impl Inner {
    /// Whether a path is none of the API's.
    fn is_local(&self, path: &str) -> bool {
        path.starts_with(LOCAL_PREFIX)
            || self.bucket.as_ref().is_some_and(|bucket| path.starts_with(bucket.as_str()))
    }

    /// Preflight, route, throttle, size, function.
    async fn pass(&self, request: Request<Body>, peer: SocketAddr, id: &str, now_ms: u64) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if self.cors.is_some() && parts.method == Method::OPTIONS && cors::is_preflight(&parts.headers) {
            return answer::no_content();
        }
        let Some(host) = event::host(&parts) else {
            return answer::message(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let Some(matched) = self.routes.find(&parts.method, parts.uri.path()) else {
            return answer::message(StatusCode::NOT_FOUND, "Not Found");
        };
        if !self.throttles.admit(matched.key) {
            return answer::message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
            }
            // The client broke off: nobody reads this.
            Err(_) => return answer::message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let occasion = Occasion {
            parts: &parts,
            body: &body,
            matched: &matched,
            peer,
            host: &host,
            request_id: id,
            now_ms,
        };
        let Ok(event) = event::write(&occasion) else {
            return answer::message(StatusCode::BAD_REQUEST, "Bad Request");
        };
        if event.len() > MAX_EVENT_BYTES {
            return answer::message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        self.invoke(&matched, event, id, now_ms).await
    }

    async fn invoke(&self, matched: &Matched<'_>, event: Vec<u8>, id: &str, now_ms: u64) -> Response<Body> {
        let Some((function, limit)) = self.functions.get(matched.function) else {
            return answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        let outcome = function.invoke(event, id, now_ms, *limit).await;
        let response = match outcome {
            Ok(reply) if reply.len() > MAX_EVENT_BYTES => None,
            Ok(reply) => answer::from_function(&reply),
            Err(FunctionError::TimedOut) => {
                Some(answer::message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))
            }
            Err(FunctionError::Failed) => None,
        };
        response
            .unwrap_or_else(|| answer::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
    }
}

#[cfg(test)]
mod tests;
