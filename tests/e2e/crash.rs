//! The program that `cargo dev` runs, as a process: it starts, stops, is killed, and starts again.

mod imports;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use futures::future::join_all;
use nexo_local::demo::link_token;
use nexo_tests::{Answer, PASSWORD, project, registration};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The program. `cargo test` does not build it; `cargo xtask test` does before it tests.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let path = test.parent().and_then(Path::parent).expect("target/debug").join("nexo");
    assert!(path.is_file(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    path
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(project()).args(arguments).kill_on_drop(true).stdin(Stdio::null());
    command
}

/// A program that is ready.
struct Running {
    child: Child,
    url: String,
    /// What it printed before it was ready.
    printed: Vec<String>,
    http: Client,
}

impl Running {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = command(&["--port", "0", "--rate-limit", "off", "--quiet"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut printed = Vec::new();
        loop {
            let Some(line) = lines.next_line().await.expect("a line") else {
                let output = child.wait_with_output().await.expect("its end");
                panic!("{}", String::from_utf8_lossy(&output.stderr));
            };
            if let Some(url) = line.strip_prefix("NEXO is ready at ") {
                return Self { child, url: url.to_owned(), printed, http: Client::new() };
            }
            printed.push(line);
        }
    }

    async fn on(data: &TempDir) -> Self {
        Self::start(&["--no-demo", "--data", data.path().to_str().expect("UTF-8")]).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn register(&self, email: &str) -> Value {
        let post = async |path: &str, body: &Value| {
            let answer = Answer::of(self.request(Method::POST, path).json(body)).await;
            assert!(answer.status.is_success(), "{answer:?}");
            answer.body
        };
        post("/api/auth/register", &registration(email)).await;
        let mails = Answer::of(self.request(Method::GET, &format!("/dev/mail.json?to={email}"))).await.body;
        let token = link_token(mails["data"].as_array().expect("mails"), "register").expect("a link");
        post("/api/auth/register/confirm", &json!({"token": token})).await
    }

    async fn login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        Answer::of(self.request(Method::POST, "/api/auth/login").json(&body)).await
    }

    /// `kill -9`.
    async fn kill(mut self) {
        self.child.kill().await.expect("it dies");
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([name, &id]).status().await.expect("kill");
        assert!(sent.success());
    }

    async fn end(mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        ended.expect("it ends").expect("a status").code()
    }
}

fn token(tokens: &Value) -> &str {
    tokens["accessToken"].as_str().expect("a token")
}

/// A create that was sent, and what is known of it.
struct Sent {
    number: usize,
    acknowledged: Option<Value>,
}

impl Sent {
    fn request(running: &Running, token: &str, number: usize) -> RequestBuilder {
        let body = json!({"name": format!("Client {number:05}"), "taxId": format!("DE {number}")});
        let request = running.request(Method::POST, "/api/clients").bearer_auth(token);
        request.header("idempotency-key", number.to_string()).json(&body)
    }
}

/// Creates clients one after the other until the server is gone.
async fn write_until_killed(running: &Running, token: &str, first: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for number in first.. {
        let Ok(response) = Sent::request(running, token, number).send().await else {
            sent.push(Sent { number, acknowledged: None });
            return sent;
        };
        assert_eq!(response.status(), 201);
        let acknowledged = response.json().await.ok();
        let gone = acknowledged.is_none();
        sent.push(Sent { number, acknowledged });
        if gone {
            return sent;
        }
    }
    unreachable!("there are numbers enough")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_acknowledged_write_and_halves_none() {
    const ROUNDS: usize = 4;
    const WRITERS: usize = 4;
    let data = TempDir::new().unwrap();
    let mut running = Running::on(&data).await;
    let tokens = running.register("killed@company.example").await;
    let token = token(&tokens);
    let mut expected = 0;
    for round in 0..ROUNDS {
        let writers =
            (0..WRITERS).map(|writer| write_until_killed(&running, token, (round * WRITERS + writer) * 1000));
        let id = running.child.id().expect("it runs").to_string();
        let killed = async {
            tokio::time::sleep(Duration::from_millis(150 + 90 * round as u64)).await;
            assert!(Command::new("kill").args(["-KILL", &id]).status().await.unwrap().success());
        };
        let (sent, ()) = tokio::join!(join_all(writers), killed);
        running.kill().await;
        running = Running::on(&data).await;
        for sent in sent.into_iter().flatten() {
            expected += 1;
            // What was answered is there; what was under way is there once, after it is tried again.
            let again = Answer::of(Sent::request(&running, token, sent.number)).await;
            assert_eq!(again.status, 201, "{again:?}");
            let path = format!("/api/clients/{}", again.body["id"].as_str().unwrap());
            assert_eq!(running.get(token, &path).await.body, again.body);
            if let Some(acknowledged) = sent.acknowledged {
                assert_eq!(again.header("idempotency-replayed"), "true");
                assert_eq!(again.body, acknowledged);
            }
        }
        // Every record is in the table and in both indexes, once.
        for sort in ["createdAt", "name", "updatedAt"] {
            assert_eq!(count(&running, token, sort).await, expected, "round {round}, by {sort}");
        }
    }
    assert!(expected > ROUNDS * WRITERS, "{expected} writes are too few to say anything");
    // Its tax id is taken, by itself.
    let twin = running.request(Method::POST, "/api/clients").bearer_auth(token);
    Answer::of(twin.json(&json!({"name": "Twin", "taxId": "DE 0"})))
        .await
        .assert_problem(409, "already_exists");
}

async fn count(running: &Running, token: &str, sort: &str) -> usize {
    let (mut names, mut cursor) = (std::collections::BTreeSet::new(), String::new());
    let mut total = 0;
    loop {
        let page = running.get(token, &format!("/api/clients?limit=100&sort={sort}{cursor}")).await.body;
        for record in page["data"].as_array().unwrap_or_else(|| panic!("{page}")) {
            names.insert(record["name"].as_str().expect("a name").to_owned());
            total += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names.len(), total, "a record is there twice");
    total
}

#[tokio::test]
async fn a_kill_during_the_first_start_leaves_a_folder_that_starts() {
    for milliseconds in [5, 15, 30, 60, 120, 200] {
        let data = TempDir::new().unwrap();
        let path = data.path().join("made").to_str().unwrap().to_owned();
        let mut child = command(&["--port", "0", "--data", &path])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        child.kill().await.unwrap();
        let running = Running::start(&["--no-demo", "--data", &path]).await;
        running.register("first@company.example").await;
        running.kill().await;
        // Secrets and password hashes are in it.
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test]
async fn it_stops_cleanly_when_it_is_told_to_and_knows_its_users_afterwards() {
    let data = TempDir::new().unwrap();
    let running = Running::on(&data).await;
    let tokens = running.register("stopped@company.example").await;
    running.signal("-TERM").await;
    assert_eq!(running.end().await, Some(0));

    let running = Running::on(&data).await;
    // Neither the keys that sign nor the sessions were in memory only.
    assert_eq!(running.get(token(&tokens), "/api/clients").await.status, 200);
    assert_eq!(running.get(token(&tokens), "/api/auth/profile").await.status, 200);
    let refresh = json!({"refreshToken": tokens["refreshToken"]});
    assert_eq!(
        Answer::of(running.request(Method::POST, "/api/auth/refresh").json(&refresh)).await.status,
        200
    );
    assert_eq!(running.login("stopped@company.example", PASSWORD).await.status, 200);
    running.signal("-INT").await;
    assert_eq!(running.end().await, Some(0));
}

#[tokio::test]
async fn the_demo_account_is_made_once_and_works_as_printed() {
    let data = TempDir::new().unwrap();
    let folder = data.path().to_str().unwrap();
    for _ in 0..2 {
        let running = Running::start(&["--data", folder]).await;
        let [line, mails] = running.printed.as_slice() else { panic!("{:?}", running.printed) };
        assert_eq!(*mails, format!("Mails are shown at {}/dev/mail", running.url));
        let (email, password) = line.strip_prefix("Demo account: ").unwrap().split_once(" / ").unwrap();
        let login = running.login(email, password).await;
        assert_eq!(login.status, 200, "{login:?}");
        assert_eq!(running.get(token(&login.body), "/api/clients").await.status, 200);
        running.signal("-TERM").await;
        assert_eq!(running.end().await, Some(0));
    }
}

#[tokio::test]
async fn without_a_demo_there_is_none_and_memory_keeps_nothing() {
    let running = Running::start(&["--no-demo", "--memory"]).await;
    assert_eq!(running.printed, [format!("Mails are shown at {}/dev/mail", running.url)]);
    running
        .login("demo@nexo.example", "demo account of nexo")
        .await
        .assert_problem(401, "invalid_credentials");
    let tokens = running.register("gone@company.example").await;
    running.signal("-TERM").await;
    assert_eq!(running.end().await, Some(0));
    let running = Running::start(&["--no-demo", "--memory"]).await;
    running.get(token(&tokens), "/api/clients").await.assert_problem(401, "unauthenticated");
    running.login("gone@company.example", PASSWORD).await.assert_problem(401, "invalid_credentials");
}

/// Runs a program that cannot start, and asserts that it says why in one line.
async fn fails(code: i32, arguments: &[&str], says: &[&str]) {
    let output = command(arguments).output();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(Duration::from_secs(20), output).await.expect("it ends").expect("output");
    let text = String::from_utf8(stderr).expect("text");
    assert_eq!(status.code(), Some(code), "{arguments:?}: {text}");
    assert!(stdout.is_empty(), "{arguments:?}");
    assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    for say in says {
        assert!(text.contains(say), "{arguments:?} does not say {say}: {text}");
    }
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_in_one_line() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    let running = Running::start(&["--no-demo", "--memory"]).await;
    let port = running.url.rsplit(':').next().unwrap();
    fails(1, &["--memory", "--port", port], &[&format!("port {port}"), "--port"]).await;

    // A folder in the place of a file, a file that is no database, one that another process uses.
    std::fs::write(path("file"), "").unwrap();
    fails(1, &["--port", "0", "--data", &path("file")], &[&path("file")]).await;
    fails(1, &["--port", "0", "--data", &path("file/inside")], &[&path("file/inside")]).await;
    std::fs::create_dir(path("broken")).unwrap();
    std::fs::write(path("broken/table.sqlite"), "no database at all, by any measure".repeat(100)).unwrap();
    fails(1, &["--port", "0", "--data", &path("broken")], &["table.sqlite"]).await;
    std::fs::create_dir(path("secrets")).unwrap();
    std::fs::write(path("secrets/secrets.json"), "{").unwrap();
    fails(1, &["--port", "0", "--data", &path("secrets")], &["secrets.json"]).await;
    let used = Running::start(&["--no-demo", "--data", &path("used")]).await;
    fails(1, &["--port", "0", "--data", &path("used")], &[&path("used"), "in use"]).await;
    used.kill().await;

    std::fs::write(path("broken.yaml"), "Resources: [").unwrap();
    std::fs::write(path("empty.yaml"), "Resources: {}").unwrap();
    for template in ["broken.yaml", "empty.yaml", "missing.yaml"] {
        fails(2, &["--memory", "--port", "0", "--template", &path(template)], &[template]).await;
    }
}

#[tokio::test]
async fn a_wrong_flag_is_the_callers_to_mend() {
    for arguments in [
        ["--nonsense", ""].as_slice(),
        &["--port", "70000"],
        &["--rate-limit", "often"],
        &["--rate-limit", "100/0"],
        &["--memory", "--data", "x"],
    ] {
        let output = command(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
