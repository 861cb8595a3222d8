//! The mails of this machine: kept in memory in place of being sent, and shown at `/dev/mail`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};
use nexo_identity::{BoxFuture, Clock};
use nexo_mail::{Mail, Mailer, SendError};
use serde::Serialize;

use crate::pump::Pump;

/// Mails kept; the oldest go first.
const KEPT: usize = 500;

/// How long a reader waits for mails that are on their way.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes mails and keeps them. Clones share it.
#[derive(Clone)]
pub struct Mailbox {
    mails: Arc<Mutex<VecDeque<Received>>>,
    clock: Clock,
}

/// A mail, as `/dev/mail.json` shows it.
#[derive(Clone, Serialize)]
struct Received {
    at: String,
    to: String,
    subject: String,
    text: String,
    html: String,
    /// What its text can be opened by.
    links: Vec<String>,
}

impl Mailbox {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { mails: Arc::default(), clock }
    }

    /// The mails to `to`, or all, oldest first.
    fn to(&self, to: Option<&str>) -> Vec<Received> {
        let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.iter().filter(|mail| to.is_none_or(|to| mail.to == to)).cloned().collect()
    }

    /// `/dev/mail` and `/dev/mail.json`. Both answer what was written before they were asked, once `pumps`
    /// have brought it.
    pub(crate) fn routes(&self, pumps: &[Pump]) -> Router {
        let answer = |form: fn(&[Received]) -> Response| {
            let (mailbox, pumps) = (self.clone(), pumps.to_vec());
            get(move |uri: Uri, headers: HeaderMap| async move {
                // Another name means that a page of that name was made to lead here, to read mails.
                if !is_local(&headers) {
                    return plain(StatusCode::FORBIDDEN, "mails are shown on 127.0.0.1 and localhost only");
                }
                let caught_up = async {
                    for pump in &pumps {
                        pump.catch_up().await;
                    }
                };
                if tokio::time::timeout(LONGEST_WAIT, caught_up).await.is_err() {
                    return plain(StatusCode::SERVICE_UNAVAILABLE, "mails are still on their way");
                }
                let query: Vec<(String, String)> =
                    serde_urlencoded::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
                let to = query.iter().find(|(name, _)| name == "to").map(|(_, to)| to.as_str());
                form(&mailbox.to(to))
            })
        };
        Router::new().route("/dev/mail", answer(page)).route("/dev/mail.json", answer(json))
    }
}

impl Mailer for Mailbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), SendError>> {
        let lines = mail.text.lines().filter(|line| line.starts_with("http"));
        let received = Received {
            at: self.clock.now().to_string(),
            to: mail.to.to_string(),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            html: mail.html.clone(),
            links: lines.map(str::to_owned).collect(),
        };
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() == KEPT {
            mails.pop_front();
        }
        mails.push_back(received);
        Box::pin(async { Ok(()) })
    }
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host.host()))
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, http::HeaderValue::from_static(POLICY));
    response
}

/// No script, nothing from elsewhere; mails have their styles in their elements.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'";

fn plain(status: StatusCode, text: &'static str) -> Response {
    answer(status, "text/plain; charset=utf-8", text)
}

fn json(mails: &[Received]) -> Response {
    answer(StatusCode::OK, "application/json", serde_json::json!({ "data": mails }).to_string())
}

fn page(mails: &[Received]) -> Response {
    let mut html = String::from(HEAD);
    if mails.is_empty() {
        html.push_str("<p>No mails yet.</p>");
    }
    for mail in mails.iter().rev() {
        let text: Vec<String> = mail
            .text
            .lines()
            .map(|line| {
                let line = escaped(line);
                if line.starts_with("http") {
                    format!("<a href=\"{line}\" target=\"_blank\" rel=\"noopener\">{line}</a>")
                } else {
                    line
                }
            })
            .collect();
        let framed = escaped(&mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1));
        // Writing into a string does not fail.
        let _ = write!(
            html,
            "<article><h2>{}</h2><p>To {} at {}</p><div><iframe sandbox=\"allow-popups \
             allow-popups-to-escape-sandbox\" title=\"The mail as HTML\" srcdoc=\"{framed}\"></iframe><pre>{}\
             </pre></div></article>",
            escaped(&mail.subject),
            escaped(&mail.to),
            escaped(&mail.at),
            text.join("\n"),
        );
    }
    html.push_str("</main></body></html>");
    answer(StatusCode::OK, "text/html; charset=utf-8", html)
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
    content=\"width=device-width, initial-scale=1\"><title>Mails</title><style>\
    body{margin:0;background:#f4f4f5;color:#18181b;font:16px/1.5 system-ui,sans-serif}\
    main{max-width:1200px;margin:0 auto;padding:24px}\
    article{margin:24px 0;padding:24px;background:#fff;border-radius:8px}\
    h2{margin:0}p{margin:0 0 16px;color:#52525b}\
    article div{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(320px,1fr))}\
    iframe{width:100%;min-height:440px;border:1px solid #d4d4d8;border-radius:4px}\
    pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:14px}\
    </style></head><body><main><h1>Mails</h1><p>What would have been sent, latest first. Kept in memory only.</p>";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
