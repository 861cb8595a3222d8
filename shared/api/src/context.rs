//! What is known of a request from its first moment.

use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::USER_AGENT;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext as GatewayContext;
use nexo_domain::{Reach, SecurityEventType};
use nexo_identity::{Credential, Principal, Verified};
use nexo_store::{Meter, RequestInfo, SecurityEvent};

/// One request: its id, who made it, and what it costs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_id: String,
    meter: Meter,
    ip: String,
    user_agent: Option<String>,
    principal: OnceLock<Verified<Principal>>,
    reach: OnceLock<Reach>,
    warning: OnceLock<String>,
}

/// Where a request came from, as sessions and the log remember it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The address the gateway saw.
    pub ip: String,
    /// `User-Agent`, shortened.
    pub user_agent: Option<String>,
}

/// The name of the header that carries a request's id, in and out.
pub(crate) const REQUEST_ID: &str = "x-request-id";

const LONGEST_REQUEST_ID: usize = 64;
const LONGEST_USER_AGENT: usize = 200;

impl RequestContext {
    pub(crate) fn of(request: &Request) -> Self {
        Self(Arc::new(Inner {
            request_id: given_id(request.headers()).unwrap_or_else(fresh_id),
            meter: Meter::default(),
            ip: source_ip(request).unwrap_or_else(|| "unknown".to_owned()),
            user_agent: header(request.headers(), USER_AGENT.as_str())
                .map(|agent| agent.chars().take(LONGEST_USER_AGENT).collect()),
            principal: OnceLock::new(),
            reach: OnceLock::new(),
            warning: OnceLock::new(),
        }))
    }

    /// The id: the caller's own where it sent a fitting one.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Counts the request's store calls and units.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Where the request came from.
    pub fn caller(&self) -> Caller {
        Caller { ip: self.0.ip.clone(), user_agent: self.0.user_agent.clone() }
    }

    /// Who made the request, once that is verified.
    pub fn principal(&self) -> Option<&Verified<Principal>> {
        self.0.principal.get()
    }

    /// How far the principal may go with the permission that the operation needs.
    pub(crate) fn reach(&self) -> Option<Reach> {
        self.0.reach.get().copied()
    }

    pub(crate) fn set_reach(&self, reach: Reach) {
        // Set once, by the check in front of the handler.
        let _ = self.0.reach.set(reach);
    }

    pub(crate) fn set_principal(&self, principal: Verified<Principal>) {
        // Set once, by the check in front of the handler.
        let _ = self.0.principal.set(principal);
    }

    /// Says in the log what went wrong although the request can be answered. The first counts.
    pub fn warn(&self, warning: String) {
        let _ = self.0.warning.set(warning);
    }

    pub(crate) fn warning(&self) -> Option<&str> {
        self.0.warning.get().map(String::as_str)
    }

    /// What the store notes of the request.
    pub fn info(&self) -> RequestInfo {
        let Inner { request_id, meter, ip, user_agent, .. } = self.0.as_ref();
        RequestInfo {
            request_id: request_id.clone(),
            ip: ip.clone(),
            user_agent: user_agent.clone(),
            meter: meter.clone(),
        }
    }

    /// Something that this request did to somebody's access. What a key did names the key: its user may have
    /// several, and has to know which one to revoke.
    pub fn event(&self, r#type: SecurityEventType) -> SecurityEvent {
        let event = SecurityEvent::new(r#type, &self.info());
        let Some(principal) = self.principal() else { return event };
        let event = event.by(principal.user);
        match principal.credential {
            Credential::Session(_) | Credential::Work => event,
            Credential::ApiKey(id) => event.with("apiKeyId", id.to_string()),
        }
    }
}

/// The caller's id for the request, if it is one that can stand in a log line and on an item.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = header(headers, REQUEST_ID)?;
    let fits = (1..=LONGEST_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    fits.then(|| id.to_owned())
}

fn fresh_id() -> String {
    let mut random = [0; 12];
    // Without random bytes the id is not unique; the request itself need not fail for that.
    let _ = getrandom::fill(&mut random);
    URL_SAFE_NO_PAD.encode(random)
}

fn source_ip(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        GatewayContext::ApiGatewayV2(context) => context.http.source_ip.clone(),
        _ => None,
    }
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
