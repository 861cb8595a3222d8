//! `cargo xtask bench growth`: what an operation costs does not depend on how much there is.
//!
//! Units and round trips are counted by the guard in front of the table, through the gateway.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use http::Method;
use nexo_identity::Clock;
use nexo_local::{Server, StoreCall};
use serde_json::{Value, json};

use crate::local::{self, User, client};
use crate::seed::{DataSet, clients_of, email};

/// How far to grow.
#[derive(Args)]
pub(crate) struct Growth {
    /// Clients of the one large account (the full run: 1000000)
    #[arg(long, default_value_t = 10_000)]
    clients: u64,
    /// Accounts (the full run: 10000)
    #[arg(long, default_value_t = 1_000)]
    accounts: u64,
}

/// Accounts of few clients that are looked at, and how often each writes.
const SAMPLES: u64 = 20;
const WRITES: u64 = 10;

/// Round trips, read units and write units of one operation.
type Cost = (usize, f64, f64);

/// What an account's operations cost, by name.
type Costs = BTreeMap<&'static str, Cost>;

impl Growth {
    /// Grows the data set step by step, and compares.
    ///
    /// # Errors
    /// A figure changed on the way.
    pub(crate) async fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let set = DataSet::begin(folder.path()).await?;
        println!("round trips / read units / write units of each operation");
        let mut compared = Compared::default();
        let mut there = 1;
        for clients in steps(self.clients) {
            set.clients(0, there..clients).await?;
            there = clients;
            let ids = (1..=WRITES).map(|n| set.client_id(0, n * (clients / WRITES) - 1)).collect();
            let samples = BTreeMap::from([(0, ids)]);
            compared.look(folder.path(), &format!("1 account, {clients} clients"), &samples, &set).await?;
        }
        let mut compared = Compared::default();
        let mut there = 1;
        for accounts in steps(self.accounts) {
            set.accounts(there..accounts).await?;
            // Evenly spread over the new ones, and all with the same number of clients.
            let distance = ((accounts - there) / SAMPLES / 4 * 4).max(4);
            there = accounts;
            let numbers = (0..SAMPLES).map(|n| accounts - 1 - n * distance);
            let ids = |account| (0..clients_of(account)).map(|n| set.client_id(account, n)).collect();
            let samples = numbers.map(|account| (account, ids(account))).collect();
            compared.look(folder.path(), &format!("{accounts} accounts, 3 clients"), &samples, &set).await?;
        }
        Ok(())
    }
}

/// The sizes to look at.
fn steps(most: u64) -> impl Iterator<Item = u64> {
    [100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(move |size| *size <= most)
}

/// Costs that must all be the same.
#[derive(Default)]
struct Compared {
    first: Option<Costs>,
}

impl Compared {
    /// Measures some accounts, each with some of its clients, and prints.
    async fn look(
        &mut self,
        data: &Path,
        what: &str,
        samples: &BTreeMap<u64, Vec<String>>,
        set: &DataSet,
    ) -> Result<(), String> {
        let server = local::start(Some(data.to_owned()), Clock::system()).await?;
        for (account, ids) in samples {
            let costs = costs(&server, *account, ids).await?;
            let first = self.first.get_or_insert_with(|| costs.clone());
            if *first != costs {
                return Err(format!("{what}: account {account} costs {costs:?}, the first cost {first:?}"));
            }
        }
        let costs = self.first.iter().flatten();
        let shown: Vec<_> =
            costs.map(|(name, (trips, read, write))| format!("{name} {trips}/{read}/{write}")).collect();
        println!("{what:30} {}", shown.join("  "));
        histogram(&server, set.items_by_partition());
        server.stop().await.map_err(|error| error.to_string())
    }
}

/// Measures each operation in one account: on each of `ids`, and as many creates.
async fn costs(server: &Server, account: u64, ids: &[String]) -> Result<Costs, String> {
    let user = User::log_in(server, &email(account)).await?;
    let one = |id: &String| format!("/api/clients/{id}");
    // What a function reads once in its life, such as the public keys, is no request's cost.
    user.call(Method::GET, "/api/clients?limit=1", None).await?;
    let mut costs = Costs::new();
    let mut measure = async |name, method, path: &str, body: Option<Value>| -> Result<(), String> {
        let before = server.door().log().last_seq();
        user.call(method, path, body.as_ref()).await?;
        let calls = server.door().log().calls_since(before);
        let units = |of: fn(&StoreCall) -> f64| calls.iter().map(|call| of(call)).sum::<f64>();
        let cost = (calls.len(), units(|call| call.capacity.read), units(|call| call.capacity.write));
        let first = *costs.entry(name).or_insert(cost);
        if first == cost { Ok(()) } else { Err(format!("{name} costs {cost:?} and cost {first:?}")) }
    };
    measure("list 50", Method::GET, "/api/clients?limit=50", None).await?;
    // A second page that is followed by a third in the smallest of the large accounts, too.
    let page = user.call(Method::GET, "/api/clients?limit=40", None).await?;
    if let Some(cursor) = page["nextCursor"].as_str() {
        measure("next 40", Method::GET, &format!("/api/clients?limit=40&cursor={cursor}"), None).await?;
    }
    for id in ids {
        measure("get", Method::GET, &one(id), None).await?;
        measure("update", Method::PATCH, &one(id), Some(json!({"status": "active"}))).await?;
    }
    for number in 0..ids.len() {
        let new = client(&format!("client 9{number:06}"));
        measure("create", Method::POST, "/api/clients", Some(new)).await?;
    }
    Ok(costs)
}

/// Prints how many items were written under how many partition keys, by kind of partition: those of the
/// data set, and those of the measurements.
fn histogram(server: &Server, mut writes: BTreeMap<String, u64>) {
    for (partition, count) in server.door().log().writes_by_partition() {
        *writes.entry(partition).or_default() += count;
    }
    let mut kinds = BTreeMap::<&str, BTreeMap<u32, u64>>::new();
    for (partition, count) in &writes {
        let (["A", _, kind, ..] | [kind, ..]) = partition.split('#').collect::<Vec<_>>()[..] else {
            continue;
        };
        *kinds.entry(kind).or_default().entry(count.ilog10()).or_default() += 1;
    }
    for (kind, buckets) in kinds {
        let keys = |(power, keys): (u32, u64)| {
            let from = 10u64.pow(power);
            format!("{keys} with {from} to {}", from.saturating_mul(10) - 1)
        };
        let shown: Vec<_> = buckets.into_iter().map(keys).collect();
        println!("{:30} {kind:6} partition keys by items written: {}", "", shown.join(", "));
    }
}
