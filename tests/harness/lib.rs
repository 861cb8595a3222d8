//! What the tests of the whole product stand on: a server of their own each, and callers of it.
//!
//! A test speaks HTTP to the gateway, as users do. The server is the real one, in memory, in the
//! test's process: so a test can move the clock, read what the store was asked and what that cost,
//! and make calls to it fail.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nexo_domain::UserId;
use nexo_identity::Clock;
use nexo_local::demo::link_token;
use nexo_local::server::{Options, Server};
use nexo_local::{Door, StoreCall};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A password that is accepted.
pub const PASSWORD: &str = "correct horse battery staple";

/// A server of the test's own.
pub struct Nexo {
    server: Server,
    http: reqwest::Client,
    /// The server's time; `clock.advance(ms)` moves it.
    pub clock: Clock,
    log: Arc<Mutex<Vec<String>>>,
}

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// The options of a test's server: in memory, any port, no limit per address.
pub fn options() -> Options {
    Options {
        template: project().join("template.yaml"),
        data: None,
        port: 0,
        rate_limit: Some(None),
        external: None,
        engine_port: None,
        log: Arc::new(|_| ()),
        clock: Clock::system(),
    }
}

impl Nexo {
    /// Starts a server.
    pub async fn start() -> Self {
        Self::with(options()).await
    }

    /// Starts a server with other options; its log lines are kept for [`Nexo::log`].
    pub async fn with(mut options: Options) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        options.log = Arc::new(move |line| lines.lock().unwrap().push(line.to_owned()));
        let clock = options.clock.clone();
        let server = Server::start(options).await.expect("the server starts");
        // The server drops a connection that is idle for 30 s; a request must not meet that moment.
        let http = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(10)).build();
        Self { server, http: http.expect("a client"), clock, log }
    }

    /// Stops the server, as a person does; its data folder is free then.
    pub async fn stop(self) {
        self.server.stop().await.expect("it stops");
    }

    /// The address, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The guard in front of the table.
    pub fn door(&self) -> &Door {
        self.server.door()
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The log lines, also when the server is gone.
    pub fn log_lines(&self) -> Arc<Mutex<Vec<String>>> {
        self.log.clone()
    }

    /// A request of nobody in particular.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url()))
    }

    /// `GET` by nobody in particular.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// `POST` with a body, by nobody in particular.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// Registers a company of its own and logs its owner in.
    pub async fn register(&self) -> Company<'_> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let email = format!("owner{}@company.example", NEXT.fetch_add(1, Ordering::Relaxed));
        let answer = self.sign_up(&registration(&email)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        Company { nexo: self, email, tokens: answer.body }
    }

    /// A user who is logged in with `tokens`.
    pub fn user(&self, email: &str, tokens: Value) -> Company<'_> {
        Company { nexo: self, email: email.to_owned(), tokens }
    }

    /// Registers a company and opens the mail's link. Answers what the confirmation is answered, or the
    /// registration when it is refused.
    pub async fn sign_up(&self, registration: &Value) -> Answer {
        let answer = self.post("/api/auth/register", registration).await;
        if answer.status != StatusCode::ACCEPTED {
            return answer;
        }
        assert_eq!(answer.body, Value::Null, "{answer:?}");
        let email = registration["email"].as_str().expect("an address").trim().to_lowercase();
        let token = self.link(&email, "register").await;
        self.post("/api/auth/register/confirm", &json!({"token": token})).await
    }

    /// The token of the latest link of this word that was mailed to an address.
    pub async fn link(&self, to: &str, word: &str) -> String {
        let mails = self.mails(to).await;
        link_token(&mails, word).unwrap_or_else(|| panic!("no link to {word}: {mails:?}"))
    }

    /// The mails to an address, or all for an empty one, oldest first: all that was written before.
    pub async fn mails(&self, to: &str) -> Vec<Value> {
        let filter = if to.is_empty() { String::new() } else { format!("?to={}", to.replace('+', "%2B")) };
        let answer = self.get(&format!("/dev/mail.json{filter}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["data"].as_array().expect("mails").clone()
    }

    /// Makes the request that an upload's announcement was answered with.
    pub async fn put_object(&self, upload: &Value, bytes: Vec<u8>) -> reqwest::Response {
        let mut request = self.http.put(upload["url"].as_str().expect("an address"));
        for (name, value) in upload["headers"].as_object().expect("headers") {
            request = request.header(name, value.as_str().expect("text"));
        }
        request.body(bytes).send().await.expect("an answer")
    }

    /// Waits until whatever has arrived in the bucket was looked at, and what follows from writes was done.
    pub async fn settled(&self) {
        self.server.catch_up().await;
    }

    /// Has the daily round through all files made, and answers what its last line of log says.
    pub async fn sweep(&self) -> Value {
        let event = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
        let swept = self.server.invoke("SweepFunction", event.to_string().into_bytes()).await;
        let line = self.log().iter().rev().find(|line| line.contains("\"message\":\"swept")).cloned();
        swept.unwrap_or_else(|error| panic!("{error}: {:?}", self.log().last()));
        serde_json::from_str(&line.expect("a line")).expect("JSON")
    }

    /// What `work` asked of the store, with what came of it.
    pub async fn calls_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Arc<StoreCall>>) {
        let before = self.door().log().last_seq();
        let done = work.await;
        (done, self.door().log().calls_since(before))
    }
}

/// The options of a server whose template differs: each text is replaced by another. The template
/// lives as long as the folder that comes along.
pub fn options_with_template(changes: &[(&str, &str)]) -> (Options, tempfile::TempDir) {
    let mut text = std::fs::read_to_string(project().join("template.yaml")).expect("the template");
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is not in the template");
        text = text.replace(from, to);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let template = folder.path().join("template.yaml");
    std::fs::write(&template, text).expect("a written template");
    (Options { template, ..options() }, folder)
}

/// The body of a registration.
pub fn registration(email: &str) -> Value {
    json!({"companyName": "Acme GmbH", "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"})
}

/// A company with its owner logged in.
pub struct Company<'a> {
    nexo: &'a Nexo,
    /// The owner's address.
    pub email: String,
    /// The last answer with tokens.
    pub tokens: Value,
}

impl Company<'_> {
    /// Logs the owner in again: an access token is good for 15 minutes, and tests move the clock.
    pub async fn log_in(&mut self) {
        let answer =
            self.nexo.post("/api/auth/login", &json!({"email": self.email, "password": PASSWORD})).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        self.tokens = answer.body;
    }

    /// The owner's access token.
    pub fn token(&self) -> &str {
        self.tokens["accessToken"].as_str().expect("an access token")
    }

    /// The owner's refresh token.
    pub fn refresh_token(&self) -> &str {
        self.tokens["refreshToken"].as_str().expect("a refresh token")
    }

    /// The owner's id.
    pub fn user(&self) -> &str {
        self.tokens["user"]["id"].as_str().expect("a user")
    }

    /// A request of the owner.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.nexo.request(method, path).bearer_auth(self.token())
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// `POST` with a body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// `PUT` with a body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(body)).await
    }

    /// `PATCH` with a merge patch.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request =
            self.request(Method::PATCH, path).header("content-type", "application/merge-patch+json");
        Answer::of(request.body(body.to_string())).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Another user of the company with this role, logged in. The owner's items are written once more, under
    /// another id and address.
    pub async fn colleague(&self, role: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let email = format!("colleague{number}@company.example");
        let user = UserId::from_parts(number, [7; 10]);
        let owner = table::ulid(self.user());
        for (partition, sort) in [
            (format!("EMAIL#{}", self.email), "LOGIN"),
            (format!("A#{}#USR", self.account()), owner),
            (format!("A#{}#SES#{owner}", self.account()), "ACCESS"),
        ] {
            let item = self.identity_item(&partition, sort).await.to_string();
            let copy = item.replace(owner, user.ulid()).replace(&self.email, &email);
            let mut item: Value = serde_json::from_str(&copy).expect("an item");
            if sort != "LOGIN" {
                item["roleIds"] = json!({"L": [{"S": role}]});
                // The owner's second factors are not copied.
                item["mfaEnabled"] = json!({"BOOL": false});
            }
            self.put_identity_item(&item).await;
        }
        if role == "owner" {
            let partition = format!("A#{}#ACC", self.account());
            let mut account = self.identity_item(&partition, &self.account()).await;
            let owners: u32 = account["owners"]["N"].as_str().and_then(|n| n.parse().ok()).expect("a count");
            account["owners"] = json!({"N": (owners + 1).to_string()});
            self.put_identity_item(&account).await;
        }
        let mut colleague = Self { nexo: self.nexo, email, tokens: Value::Null };
        colleague.log_in().await;
        colleague
    }

    /// A colleague who may do this, by a role of the account's own, and whom functions have not seen with another.
    pub async fn colleague_who_may(&self, permissions: &[&str]) -> Self {
        let name: String = permissions.join(" ").chars().take(100).collect();
        let role = json!({"name": name, "permissions": permissions});
        let role = self.post("/api/roles", &role).await;
        assert_eq!(role.status, StatusCode::CREATED, "{role:?}");
        let colleague = self.colleague("viewer").await;
        let user = format!("/api/users/{}", colleague.user());
        let given = self.patch(&user, &json!({"roleIds": [role.body["id"]]})).await;
        assert_eq!(given.status, StatusCode::OK, "{given:?}");
        self.nexo.clock.advance(60_000);
        colleague
    }

    /// A program of the user, with a key that was given these permissions.
    pub async fn program(&self, permissions: &[&str]) -> Self {
        let body = json!({"name": "Program", "permissions": permissions});
        let answer = self.post("/api/api-keys", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let tokens = json!({
            "accessToken": answer.body["key"], "keyId": answer.body["id"], "user": self.tokens["user"],
        });
        Self { nexo: self.nexo, email: self.email.clone(), tokens }
    }

    /// The path of the key that a program has.
    pub fn key_path(&self) -> String {
        format!("/api/api-keys/{}", self.tokens["keyId"].as_str().expect("a program"))
    }

    /// Gives the user another role, in the table.
    pub async fn set_role(&self, role: &str) {
        let partition = format!("A#{}#SES#{}", self.account(), table::ulid(self.user()));
        let mut access = self.identity_item(&partition, "ACCESS").await;
        access["roleIds"] = json!({"L": [{"S": role}]});
        self.put_identity_item(&access).await;
    }

    /// The pages of an export, from the first to the last.
    pub async fn export(&self, path: &str) -> Vec<Answer> {
        let mut pages = vec![self.get(path).await];
        while let Some(next) = next_page(&pages[pages.len() - 1]) {
            pages.push(self.get(&next).await);
        }
        pages
    }

    /// Sends a file's bytes to where its announcement was answered to, and waits until they were looked at.
    pub async fn upload(&self, announced: &Value, bytes: &[u8]) {
        let answer = self.nexo.put_object(&announced["upload"], bytes.to_vec()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
        self.nexo.settled().await;
    }

    /// Waits until what follows from writes was done.
    pub async fn settled(&self) {
        self.nexo.settled().await;
    }

    /// Creates a client of this name and answers it.
    pub async fn client(&self, name: &str) -> Value {
        let answer = self.post("/api/clients", &json!({"name": name})).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body; null when it is empty, a string when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// Sends a request and reads the answer.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        Self { status, headers, body }
    }

    /// A header's value; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Asserts that this is a problem of this status and code, in the standard form, and gives
    /// nothing internal away.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for member in ["type", "title", "detail", "requestId", "timestamp"] {
            assert!(self.body[member].is_string(), "{member} is missing: {self:?}");
        }
        assert_eq!(self.body["requestId"], self.header("x-request-id"), "{self:?}");
        let mut said = self.body.clone();
        // Random letters may spell anything.
        said["requestId"] = Value::Null;
        let text = said.to_string();
        for internal in ["panicked", "aws", "dynamo", "src/", ".rs", "AccessDenied", "LeadingKeys"] {
            assert!(!text.contains(internal), "{internal} shows: {text}");
        }
    }

    /// The `code` and `pointer` of each field error.
    pub fn field_errors(&self) -> Vec<(String, String)> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let text = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
        errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect()
    }
}

/// Where the page after this one of an export is, if there is one.
pub fn next_page(page: &Answer) -> Option<String> {
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    let link = page.header("link");
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    assert_eq!(next.is_some(), !link.is_empty(), "{link}");
    next.map(str::to_owned)
}

/// The rows of an export's pages, of which only the first has a header, each by the names of its columns.
pub fn rows(pages: &[Answer]) -> Vec<Row> {
    let text: String = pages.iter().map(|page| page.body.as_str().unwrap_or_default()).collect();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().expect("a header").clone();
    let row = |row: Result<csv::StringRecord, csv::Error>| -> Row {
        let cells = row.expect("a row with a cell for each column");
        names.iter().zip(&cells).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(row).collect()
}

/// The cells of a row by the names of their columns.
pub type Row = BTreeMap<String, String>;
