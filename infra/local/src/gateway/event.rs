//! The event a function gets: API Gateway's payload format 2.0.
//!
//! Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, Version};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::Serialize;

use super::route::Matched;
use crate::template::ACCOUNT_ID;

/// What `lambda_http` cannot take in a query: with a space in it, it panics.
const UNSAFE_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ');

/// A request on its way to a function.
pub(super) struct Occasion<'a> {
    pub(super) parts: &'a http::request::Parts,
    pub(super) body: &'a [u8],
    pub(super) matched: &'a Matched<'a>,
    pub(super) peer: SocketAddr,
    pub(super) host: &'a str,
    pub(super) request_id: &'a str,
    pub(super) now_ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'static str,
    api_id: &'static str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: HttpDescription<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpDescription<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

/// The host a request names; `None` when it names none, or something that is no host, or has no
/// path. AWS serves only hosts it knows.
pub(super) fn host(parts: &http::request::Parts) -> Option<String> {
    let named = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST)?.to_str().ok()?,
    };
    let authority: Authority = named.parse().ok()?;
    let is_plain = !authority.host().is_empty() && !authority.as_str().contains('@');
    (is_plain && parts.uri.path().starts_with('/')).then(|| named.to_owned())
}

/// Writes the event's JSON.
pub(super) fn write(occasion: &Occasion<'_>) -> serde_json::Result<Vec<u8>> {
    let parts = occasion.parts;
    let query = parts.uri.query().unwrap_or_default();
    let query: Cow<'_, str> = utf8_percent_encode(query, UNSAFE_IN_QUERY).into();
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let (body, is_base64_encoded) = body(&parts.headers, occasion.body);
    let event = Event {
        version: "2.0",
        route_key: occasion.matched.key,
        raw_path: &path,
        raw_query_string: &query,
        cookies: cookies(&parts.headers),
        headers: headers(occasion),
        query_string_parameters: query_parameters(&query),
        request_context: RequestContext {
            account_id: ACCOUNT_ID,
            api_id: "local",
            domain_name: occasion.host,
            domain_prefix: occasion.host.split(['.', ':']).next().unwrap_or_default(),
            http: HttpDescription {
                method: parts.method.as_str(),
                path: &path,
                protocol: match parts.version {
                    Version::HTTP_2 => "HTTP/2.0",
                    Version::HTTP_10 => "HTTP/1.0",
                    _ => "HTTP/1.1",
                },
                source_ip: occasion.peer.ip().to_canonical().to_string(),
                user_agent: parts.headers.get(USER_AGENT).map(text).unwrap_or_default(),
            },
            request_id: occasion.request_id,
            route_key: occasion.matched.key,
            stage: "$default",
            time: time(occasion.now_ms),
            time_epoch: occasion.now_ms,
        },
        path_parameters: occasion
            .matched
            .parameters
            .iter()
            .map(|(name, value)| (*name, percent_decode_str(value).decode_utf8_lossy()))
            .collect(),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event)
}

/// The headers: names in lower case, repeated ones joined by commas, cookies apart.
fn headers<'a>(occasion: &Occasion<'a>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut joined: BTreeMap<&str, Cow<'a, str>> = BTreeMap::new();
    for (name, value) in &occasion.parts.headers {
        if name == COOKIE {
            continue;
        }
        let value = text(value);
        joined
            .entry(name.as_str())
            .and_modify(|all| {
                let all = all.to_mut();
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    let peer = occasion.peer.ip().to_canonical().to_string();
    // What a client claims stands before what the gateway saw.
    joined
        .entry("x-forwarded-for")
        .and_modify(|claimed| {
            let claimed = claimed.to_mut();
            claimed.push_str(", ");
            claimed.push_str(&peer);
        })
        .or_insert(Cow::Owned(peer));
    let port = occasion.host.rsplit_once(':').map_or("80", |(_, port)| port);
    joined.insert("x-forwarded-port", Cow::Borrowed(port));
    joined.insert("x-forwarded-proto", Cow::Borrowed("http"));
    joined.insert("host", Cow::Borrowed(occasion.host));
    joined.insert("x-amzn-trace-id", Cow::Owned(trace_id(occasion.now_ms)));
    joined
}

/// X-Ray's form of a trace id: the time in seconds, then 96 random bits.
fn trace_id(now_ms: u64) -> String {
    let mut random = [0; 16];
    // It only names a request in logs.
    let _ = getrandom::fill(&mut random);
    let random = u128::from_le_bytes(random) >> 32;
    format!("Root=1-{:08x}-{random:024x}", now_ms / 1_000)
}

fn cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    let mut cookies = Vec::new();
    for value in headers.get_all(COOKIE) {
        match text(value) {
            Cow::Borrowed(text) => cookies.extend(split_cookies(text).map(Cow::Borrowed)),
            Cow::Owned(text) => {
                cookies.extend(split_cookies(&text).map(|one| Cow::Owned(one.to_owned())));
            }
        }
    }
    cookies
}

fn split_cookies(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|one| !one.is_empty())
}

fn text(value: &http::HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The query decoded, repeated names joined by commas. `lambda_http` reads the raw query instead.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    for (name, value) in pairs {
        joined
            .entry(name)
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    joined
}

/// The body as text, or in base 64 where the gateway does not take it for text.
fn body<'a>(headers: &HeaderMap, bytes: &'a [u8]) -> (Option<Cow<'a, str>>, bool) {
    if bytes.is_empty() {
        return (None, false);
    }
    if is_text(headers)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return (Some(Cow::Borrowed(text)), false);
    }
    (Some(Cow::Owned(BASE64_STANDARD.encode(bytes))), true)
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .map(|kind| kind.trim().to_ascii_lowercase())
        .unwrap_or_default();
    !headers.contains_key(CONTENT_ENCODING)
        && (kind.starts_with("text/")
            || kind.ends_with("+json")
            || kind.ends_with("+xml")
            || matches!(kind.as_str(), "application/json" | "application/xml" | "application/javascript"))
}

/// The form of access logs: `12/Mar/2020:19:03:58 +0000`.
fn time(now_ms: u64) -> String {
    i64::try_from(now_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map(|time| time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .unwrap_or_default()
}
