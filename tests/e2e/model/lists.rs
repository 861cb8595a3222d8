//! Lists page by page, against a list in memory, whatever was created, changed and deleted before.

use std::collections::{BTreeMap, BTreeSet};

use nexo_tests::{Company, Nexo};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// What is done to the records; a number says which of those there are.
#[derive(Clone, Debug)]
enum Change {
    Create(Fields),
    Patch(usize, Fields),
    Put(usize, Fields),
    Delete(usize),
    Restore(usize),
}

#[derive(Clone, Debug)]
struct Fields {
    name: String,
    status: &'static str,
    industry: Option<&'static str>,
    tags: BTreeSet<&'static str>,
}

impl Fields {
    fn body(&self) -> Value {
        json!({"name": self.name, "status": self.status, "industry": self.industry, "tags": self.tags})
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Query {
    sort: &'static str,
    limit: usize,
    filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
enum Filter {
    Status(&'static str),
    Industry(&'static str),
    Tag(&'static str),
    Prefix(String),
}

const SORTS: [&str; 6] = ["createdAt", "-createdAt", "name", "-name", "updatedAt", "-updatedAt"];
const STATUSES: [&str; 3] = ["lead", "active", "archived"];
const INDUSTRIES: [&str; 2] = ["Retail & more", "Energie"];
const TAGS: [&str; 3] = ["vip", "new", "eu west"];

fn fields() -> impl Strategy<Value = Fields> {
    let industry = proptest::option::of(proptest::sample::select(&INDUSTRIES[..]));
    let tags = proptest::collection::btree_set(proptest::sample::select(&TAGS[..]), 0..3);
    (name(), proptest::sample::select(&STATUSES[..]), industry, tags)
        .prop_map(|(name, status, industry, tags)| Fields { name, status, industry, tags })
}

/// Names that sort close to each other, in more than one script and case.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aAbB]{1,3}( [aAbB]{1,2})?",
        "[äÄzZßéÉ]{1,3}",
        "[ΣσαΑ]{1,4}",
        "[İiIı]{1,3}",
        proptest::sample::select(vec!["Zoë", "zoë", "日本", "a-b", "a.b", "a!", "𝔸"]).prop_map(str::to_owned),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => fields().prop_map(Change::Create),
        2 => (any::<usize>(), fields()).prop_map(|(which, fields)| Change::Patch(which, fields)),
        1 => (any::<usize>(), fields()).prop_map(|(which, fields)| Change::Put(which, fields)),
        1 => any::<usize>().prop_map(Change::Delete),
        1 => any::<usize>().prop_map(Change::Restore),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let filter = prop_oneof![
        proptest::sample::select(&STATUSES[..]).prop_map(Filter::Status),
        proptest::sample::select(&INDUSTRIES[..]).prop_map(Filter::Industry),
        proptest::sample::select(&TAGS[..]).prop_map(Filter::Tag),
        name().prop_map(|name| Filter::Prefix(name.chars().take(2).collect())),
    ];
    let filters = proptest::collection::vec(filter, 0..3).prop_map(|mut filters| {
        filters.dedup_by_key(|filter| filter.parameter().0);
        filters.sort_by_key(|filter| filter.parameter().0);
        filters.dedup_by_key(|filter| filter.parameter().0);
        filters
    });
    (proptest::sample::select(&SORTS[..]), prop_oneof![1..5_usize, Just(100)], filters)
        .prop_map(|(sort, limit, filters)| Query { sort, limit, filters })
}

impl Filter {
    fn parameter(&self) -> (&'static str, &str) {
        match self {
            Self::Status(value) => ("status", value),
            Self::Industry(value) => ("industry", value),
            Self::Tag(value) => ("tag", value),
            Self::Prefix(value) => ("q", value),
        }
    }

    fn lets_through(&self, record: &Value) -> bool {
        match self {
            Self::Status(value) => record["status"] == *value,
            Self::Industry(value) => record["industry"] == *value,
            Self::Tag(value) => record["tags"].as_array().unwrap().iter().any(|tag| tag == value),
            Self::Prefix(value) => lower(record["name"].as_str().unwrap()).starts_with(&lower(value)),
        }
    }
}

/// Letter by letter, so that a prefix of a name is one of the name in lower case too.
fn lower(text: &str) -> String {
    text.trim().chars().flat_map(char::to_lowercase).collect()
}

/// The records there are, and those that were deleted, as they were last answered.
#[derive(Default)]
struct Model {
    live: BTreeMap<String, Value>,
    deleted: Vec<String>,
}

impl Model {
    async fn apply(&mut self, company: &Company<'_>, change: Change) {
        let path = |id: &str| format!("/api/clients/{id}");
        let pick = |which: usize| self.live.keys().nth(which % self.live.len().max(1)).cloned();
        let answer = match change {
            Change::Create(fields) => company.post("/api/clients", &fields.body()).await,
            Change::Patch(which, fields) => match pick(which) {
                Some(id) => company.patch(&path(&id), &fields.body()).await,
                None => return,
            },
            Change::Put(which, fields) => match pick(which) {
                Some(id) => company.put(&path(&id), &fields.body()).await,
                None => return,
            },
            Change::Delete(which) => {
                if let Some(id) = pick(which) {
                    assert_eq!(company.delete(&path(&id)).await.status, 204);
                    self.live.remove(&id);
                    self.deleted.push(id);
                }
                return;
            }
            Change::Restore(which) => {
                if self.deleted.is_empty() {
                    return;
                }
                let id = self.deleted.swap_remove(which % self.deleted.len());
                company.post(&format!("{}/restore", path(&id)), &json!({})).await
            }
        };
        assert!(answer.status.is_success(), "{answer:?}");
        self.live.insert(answer.body["id"].as_str().unwrap().to_owned(), answer.body);
    }

    fn list(&self, query: &Query) -> Vec<Value> {
        let chosen = self
            .live
            .values()
            .filter(|record| query.filters.iter().all(|filter| filter.lets_through(record)));
        let mut chosen: Vec<_> = chosen.cloned().collect();
        let (by, descending) = query.sort.strip_prefix('-').map_or((query.sort, false), |by| (by, true));
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        chosen.sort_by_key(|record| {
            let first = match by {
                "name" => lower(&text(record, "name")),
                "updatedAt" => text(record, "updatedAt"),
                _ => String::new(),
            };
            (first, text(record, "id"))
        });
        if descending {
            chosen.reverse();
        }
        chosen
    }
}

/// All pages of a list. Each but the last is full, unless a filter leaves some out.
async fn pages(company: &Company<'_>, query: &Query) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut path = format!("/api/clients?sort={}&limit={}", query.sort, query.limit);
        for filter in &query.filters {
            let (name, value) = filter.parameter();
            path.extend(["&", name, "="]);
            path.extend(value.bytes().map(|byte| format!("%{byte:02X}")));
        }
        path.extend(cursor.take().map(|cursor| format!("&cursor={cursor}")));
        let page = company.get(&path).await;
        assert_eq!(page.status, 200, "{query:?}: {page:?}");
        let data = page.body["data"].as_array().unwrap();
        cursor = page.body["nextCursor"].as_str().map(str::to_owned);
        assert!(data.len() <= query.limit, "{query:?}");
        if query.filters.is_empty() && cursor.is_some() {
            assert_eq!(data.len(), query.limit, "{query:?}");
        }
        all.extend(data.iter().cloned());
        if cursor.is_none() {
            return all;
        }
    }
}

#[test]
fn pages_are_the_list_whatever_happened_before() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let nexo = runtime.block_on(Nexo::start());
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let changes = proptest::collection::vec(change(), 1..25);
    let queries = proptest::collection::vec(query(), 6);
    TestRunner::new(config)
        .run(&(changes, queries), |(changes, queries)| {
            runtime.block_on(async {
                let company = nexo.register().await;
                let mut model = Model::default();
                for change in changes {
                    model.apply(&company, change).await;
                }
                for query in queries {
                    assert_eq!(pages(&company, &query).await, model.list(&query), "{query:?}");
                }
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn paging_loses_and_repeats_nothing_while_others_write() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut still = BTreeSet::new();
    let mut moving = Vec::new();
    for number in 0..40 {
        let id = company.client(&format!("Client {number:02}")).await["id"].as_str().unwrap().to_owned();
        if number % 2 == 0 {
            still.insert(id);
        } else {
            moving.push(id);
        }
    }
    let paging = async {
        let mut seen = Vec::new();
        for sort in ["createdAt", "-createdAt", "name", "-name"] {
            let records = pages(&company, &Query { sort, limit: 3, filters: Vec::new() }).await;
            let ids: Vec<_> =
                records.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
            assert_eq!(
                ids.iter().collect::<BTreeSet<_>>().len(),
                ids.len(),
                "{sort}: a record is there twice"
            );
            seen.push(ids.into_iter().filter(|id| still.contains(id)).collect::<BTreeSet<_>>());
        }
        seen
    };
    let writing = async {
        for (number, id) in moving.iter().cycle().enumerate() {
            let path = format!("/api/clients/{id}");
            match number % 3 {
                0 => drop(company.patch(&path, &json!({"status": "active"})).await),
                1 => drop(company.delete(&path).await),
                _ => drop(company.client("Between").await),
            }
        }
    };
    let seen = tokio::select! {
        seen = paging => seen,
        () = writing => unreachable!("it goes on"),
    };
    for seen in seen {
        assert_eq!(seen, still);
    }
}
