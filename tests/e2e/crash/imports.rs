//! An import whose server is killed again and again.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nexo_tests::{Answer, PASSWORD, next_page};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Running, token};
use crate::uploads::sha256;

/// Rows of an import that is killed; `NEXO_IMPORT_ROWS` takes another number.
#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn rows() -> usize {
    std::env::var("NEXO_IMPORT_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(400)
}

/// Clients by their names in another system: the first half is there, a fifth of that as it is to be; some are wrong.
fn table(rows: usize, is_change: bool) -> String {
    let row = |row: usize| {
        let name = if is_change && !row.is_multiple_of(5) { "New" } else { "Old" };
        let email = if is_change && row.is_multiple_of(97) { "nobody" } else { "a@acme.example; primary" };
        format!("x{row},{name} {row:06},DE{row},{email}\n")
    };
    let most = if is_change { rows } else { rows / 2 };
    std::iter::once("externalId,name,taxId,emails\n".to_owned()).chain((1..=most).map(row)).collect()
}

/// A company that imports, at whichever process runs.
struct Importing {
    email: String,
    token: Mutex<String>,
}

impl Importing {
    fn token(&self) -> String {
        self.token.lock().unwrap().clone()
    }

    /// Logs in anew, which is no moment for a kill: one that begins and does not end counts as a failure.
    async fn log_in(&self, running: &Running) {
        let answer = running.login(&self.email, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        token(&answer.body).clone_into(&mut self.token.lock().unwrap());
    }

    /// Asks once more after a login where the last one is over, or too long ago for what is asked.
    async fn answer(&self, running: &Running, method: Method, path: &str, body: Option<&Value>) -> Answer {
        loop {
            let request = running.request(method.clone(), path).bearer_auth(self.token());
            let answer = Answer::of(body.iter().fold(request, RequestBuilder::json)).await;
            if answer.status != 401 && answer.status != 403 {
                assert!(answer.status.is_success(), "{answer:?}");
                return answer;
            }
            self.log_in(running).await;
        }
    }

    async fn get(&self, running: &Running, path: &str) -> Answer {
        self.answer(running, Method::GET, path, None).await
    }

    async fn post(&self, running: &Running, path: &str, body: &Value) -> Value {
        self.answer(running, Method::POST, path, Some(body)).await.body
    }

    /// An import of a table, ready to be started: its path.
    async fn proposed(&self, running: &Running, text: String) -> String {
        let announcement = json!({
            "name": "clients.csv", "contentType": "text/csv", "size": text.len(),
            "sha256": sha256(text.as_bytes()), "category": "other",
        });
        let file = self.post(running, "/api/uploads", &announcement).await;
        let mut request = running.http.put(file["upload"]["url"].as_str().unwrap());
        for (name, value) in file["upload"]["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        assert_eq!(request.body(text).send().await.unwrap().status(), 200);
        let path = format!("/api/uploads/{}", file["id"].as_str().unwrap());
        self.until(running, &path, |file| file["status"] != "pending").await;
        let new = json!({"fileId": file["id"], "resource": "clients"});
        let import = self.post(running, "/api/imports", &new).await;
        let path = format!("/api/imports/{}", import["id"].as_str().unwrap());
        self.until(running, &path, |import| import["status"] != "reading").await;
        path
    }

    /// What is at a path once it is so.
    async fn until(&self, running: &Running, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let answer = self.get(running, path).await;
            if is_so(&answer.body) {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The text of all pages, without what differs from one run to the next, in an order of its own.
    async fn text(&self, running: &Running, path: &str, leaves_out: &[&str]) -> Vec<Vec<String>> {
        let (mut text, mut next) = (String::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.get(running, &path).await;
            text += page.body.as_str().unwrap_or_default();
            next = next_page(&page);
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let kept = |row: csv::StringRecord| -> Vec<String> {
            let cells = header.iter().zip(row.iter()).filter(|(name, _)| !leaves_out.contains(name));
            cells.map(|(_, cell)| cell.to_owned()).collect()
        };
        let mut rows: Vec<_> = reader.records().map(|row| kept(row.unwrap())).collect();
        rows.sort();
        rows
    }

    /// All clients and what was wrong with rows of an import.
    async fn outcome(&self, running: &Running, import: &str) -> [Vec<Vec<String>>; 2] {
        let stamps =
            ["id", "ownerId", "version", "createdAt", "createdBy", "updatedAt", "updatedBy"].as_slice();
        [
            self.text(running, "/api/clients/export.csv", stamps).await,
            self.text(running, &format!("{import}/errors.csv"), &[]).await,
        ]
    }
}

/// The counts of an import, and where it stands.
fn counts(import: &Value) -> Value {
    let names = ["status", "rowsDone", "created", "updated", "unchanged", "refused", "undone", "conflicts"];
    names.iter().map(|name| ((*name).to_owned(), import[name].clone())).collect()
}

fn is_over(import: &Value) -> bool {
    !["running", "undoing"].contains(&import["status"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_again_and_again_comes_to_the_same() {
    let data = TempDir::new().unwrap();
    let mut running = Running::on(&data).await;
    let mut companies = Vec::new();
    for name in ["clean", "killed"] {
        let email = format!("{name}@company.example");
        let tokens = running.register(&email).await;
        let company = Importing { email, token: Mutex::new(token(&tokens).to_owned()) };
        let first = company.proposed(&running, table(rows(), false)).await;
        company.post(&running, &format!("{first}/start"), &json!({"dryRun": false})).await;
        let done = company.until(&running, &first, is_over).await;
        assert_eq!(done["created"], rows() / 2, "{done}");
        let second = company.proposed(&running, table(rows(), true)).await;
        companies.push((company, second));
    }
    let seed = RandomState::new().hash_one("kills");
    let start = json!({"dryRun": false, "matchBy": "externalId"});
    for (action, body) in [("start", start), ("undo", Value::Null)] {
        for (company, _) in &companies {
            company.log_in(&running).await;
        }
        let (clean, path) = &companies[0];
        let begun = Instant::now();
        clean.post(&running, &format!("{path}/{action}"), &body).await;
        let wanted = counts(&clean.until(&running, path, is_over).await);
        // At any moment, and the first times early.
        let between = begun.elapsed().as_millis() / 6;
        let outcome = clean.outcome(&running, path).await;
        let (killed, path) = &companies[1];
        killed.post(&running, &format!("{path}/{action}"), &body).await;
        let mut kills = 0;
        let done = loop {
            let random = u128::from(BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, kills)));
            let most = if kills < 3 { between / 2 } else { 2 * between };
            let moment = Duration::from_millis((random % (most + 1)).try_into().unwrap());
            let until = killed.until(&running, path, is_over);
            if let Ok(done) = tokio::time::timeout(moment, until).await {
                break done;
            }
            running.kill().await;
            running = Running::on(&data).await;
            kills += 1;
        };
        assert_eq!(counts(&done), wanted, "{action}: {kills} kills of {seed}");
        assert!(killed.outcome(&running, path).await == outcome, "{action}: {kills} kills of {seed}");
        assert!(kills > 1, "{kills} kills are too few to say anything");
    }
    running.kill().await;
}
