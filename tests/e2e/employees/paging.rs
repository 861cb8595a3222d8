//! Lists of many employees, page by page, while others write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use nexo_local::Options;
use nexo_tests::{Company, Nexo, options};
use serde_json::{Value, json};

use super::{act, at, department, employee, position};

const MANY: usize = 10_000;

/// Departments and positions are counted on: each of so many writers has its own.
const WRITERS: usize = 8;

/// Of those of each writer so many are left alone; the others change while the list is read.
const QUIET: usize = MANY / WRITERS - 40;

struct Staff {
    department: Value,
    position: Value,
    people: Vec<Value>,
}

impl Staff {
    async fn hire(company: &Company<'_>, writer: usize) -> Self {
        let department = department(company, &format!("D{writer}"), &Value::Null).await;
        let position = position(company, &format!("P{writer}"), 9999).await;
        let mut people = Vec::new();
        for number in 0..MANY / WRITERS {
            people.push(employee(company, &format!("{writer}-{number}"), &department, &position).await);
        }
        Self { department, position, people }
    }

    /// Hires, renames, lets go, deletes and restores until it is told to stop, and answers how often.
    async fn change(&self, company: &Company<'_>, writer: usize, is_over: &AtomicBool) -> usize {
        let mut changes = 0;
        for (number, one) in self.people[QUIET..].iter().cycle().enumerate() {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let path = at("employees", one);
            let done = match number % 4 {
                0 => {
                    let name = if number.is_multiple_of(3) { "Aa" } else { "Zz" };
                    company.patch(&path, &json!({"lastName": name})).await
                }
                1 => company.delete(&path).await,
                2 => act(company, one, "leave", &json!({})).await,
                _ => {
                    let number = format!("new-{writer}-{number}");
                    employee(company, &number, &self.department, &self.position).await;
                    company.post(&format!("{path}/restore"), &json!({})).await
                }
            };
            changes += usize::from(done.status.is_success());
        }
        changes
    }
}

/// How often each employee was in the list.
async fn read(company: &Company<'_>, sort: &str) -> HashMap<String, usize> {
    let (mut seen, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page = company.get(&format!("/api/employees?limit=100&sort={sort}{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        for one in page.body["data"].as_array().unwrap() {
            *seen.entry(one["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page.body["nextCursor"].as_str() else { return seen };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_are_listed_without_loss_while_others_write() {
    // On a disk, where the engine's own search for the end of the stream has an index.
    let data = tempfile::tempdir().unwrap();
    let nexo = Nexo::with(Options { data: Some(data.path().into()), ..options() }).await;
    let company = &nexo.register().await;

    let staff = join_all((0..WRITERS).map(|writer| Staff::hire(company, writer))).await;

    let is_over = AtomicBool::new(false);
    let write =
        join_all(staff.iter().enumerate().map(|(writer, staff)| staff.change(company, writer, &is_over)));
    let reading = async {
        let mut lists = Vec::new();
        for sort in ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"] {
            lists.push((sort, read(company, sort).await));
        }
        is_over.store(true, Ordering::Relaxed);
        lists
    };
    let (changes, lists) = tokio::join!(write, reading);
    assert!(changes.iter().all(|changes| *changes > 20), "too little happened: {changes:?}");
    // Nobody has left: a chart has 10,000 of them, and says whether that is all.
    let (all, chart) =
        (read(company, "createdAt").await.len(), company.get("/api/employees/org-chart").await);
    assert_eq!(chart.status, 200, "{chart:?}");
    let shown = chart.body["data"].as_array().unwrap().len();
    assert_eq!((shown, &chart.body["isComplete"]), (all.min(MANY), &json!(all <= MANY)));
    for (sort, seen) in lists {
        for one in staff.iter().flat_map(|staff| &staff.people[..QUIET]) {
            assert_eq!(seen.get(one["id"].as_str().unwrap()), Some(&1), "{sort}: {one}");
        }
        if sort.ends_with("createdAt") {
            assert!(seen.values().all(|times| *times == 1), "{sort}");
        }
    }
}
