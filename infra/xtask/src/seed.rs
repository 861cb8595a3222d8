//! `cargo xtask seed`: a data set of any size, quickly.
//!
//! One account and one client are made through the API. The rest are copies of the items it wrote for
//! them, under other ids and names, put into the engine in batches: so their layout is the store's own,
//! whatever that comes to be.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use nexo_domain::{AccountId, ClientId, UserId};
use nexo_identity::Clock;
use nexo_local::template::Table;
use nexo_local::{Engine, Storage};
use serde_json::{Value, json};

use crate::local::{self, PASSWORD, User};

/// How much to generate, and where.
#[derive(Args)]
pub(crate) struct Seed {
    /// Accounts; the first has all of --clients, the others up to three each
    #[arg(long, default_value_t = 100)]
    accounts: u64,
    /// Clients of the first account
    #[arg(long, default_value_t = 10_000)]
    clients: u64,
    /// The data folder, which must hold no such data set yet
    #[arg(long, default_value = ".nexo")]
    data: PathBuf,
}

impl Seed {
    /// Generates the data set.
    ///
    /// # Errors
    /// The folder is in use, or has one already.
    pub(crate) fn run(&self) -> Result<(), String> {
        crate::runtime()?.block_on(async {
            let set = DataSet::begin(&self.data).await?;
            set.clients(0, 1..self.clients).await?;
            set.accounts(1..self.accounts).await?;
            println!(
                "{} accounts, the first with {} clients, in {}",
                self.accounts,
                self.clients,
                self.data.display()
            );
            println!(
                "Log in as {} … {}, with {PASSWORD:?}",
                email(0),
                email(self.accounts.saturating_sub(1))
            );
            Ok(())
        })
    }
}

/// Items of one commit.
const BATCH: u64 = 5_000;

/// When the records were made: 1 November 2026, and one each millisecond.
const FROM_MS: u64 = 1_793_491_200_000;

/// The address of an account's owner. All have the same length, and so have all names: equal sizes, equal
/// units.
pub(crate) fn email(account: u64) -> String {
    format!("owner{account:07}@company.example")
}

/// The name of a client. In lower case, as the index folds names.
fn name(client: u64) -> String {
    format!("client {client:07}")
}

/// How many clients an account has that is not the first.
pub(crate) fn clients_of(account: u64) -> u64 {
    account % 4
}

/// What the API wrote.
struct Model {
    account: String,
    user: String,
    client: String,
    /// The items that make an account: its own, its user's, the user's address and access.
    identity: Vec<String>,
    record: String,
}

/// A data set that grows. While it does, no server can have its folder.
pub(crate) struct DataSet {
    /// How many items were put, by partition key.
    items: Mutex<BTreeMap<String, u64>>,
    data: PathBuf,
    table: Table,
    model: Model,
}

impl DataSet {
    /// Makes the first account with its first client.
    ///
    /// # Errors
    /// The folder is in use, or has a data set already.
    pub(crate) async fn begin(data: &Path) -> Result<Self, String> {
        let server = local::start(Some(data.to_owned()), Clock::system()).await?;
        let client = User::register(&server, &email(0)).await?.create_client(&name(0)).await?;
        let table = server.template().table.clone();
        server.stop().await.map_err(|error| error.to_string())?;
        let engine = open(data, &table).await?;
        let items = async |partition: String| -> Result<Vec<Value>, String> {
            let query = json!({
                "TableName": table.name, "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": partition}},
            });
            let (_, body) = engine.call("Query", query.to_string().into()).await;
            let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            answer["Items"].as_array().cloned().ok_or_else(|| format!("the engine answers {answer}"))
        };
        let mut identity = items(format!("EMAIL#{}", email(0))).await?;
        let login = identity.first().ok_or("the first account is missing")?;
        let [account, user] = ["accountId", "userId"].map(|member| ulid(&login[member]["S"]));
        for kind in ["ACC", "USR"] {
            identity.extend(items(format!("A#{account}#{kind}")).await?);
        }
        let of_sessions = items(format!("A#{account}#SES#{user}")).await?;
        identity.extend(of_sessions.into_iter().filter(|item| item["sk"]["S"] == "ACCESS"));
        let client = ulid(&client.into());
        let records = items(format!("A#{account}#CLI")).await?;
        let record =
            records.iter().find(|item| item["sk"]["S"] == *client).ok_or("the first client is missing")?;
        let identity = identity.iter().map(Value::to_string).collect();
        let model = Model { record: record.to_string(), account, user, client, identity };
        Ok(Self { items: Mutex::default(), data: data.to_owned(), table, model })
    }

    /// The clients of a range of numbers, of one account.
    ///
    /// # Errors
    /// The engine fails.
    pub(crate) async fn clients(&self, account: u64, numbers: Range<u64>) -> Result<(), String> {
        self.import(numbers.map(|number| self.client(account, number))).await
    }

    /// The accounts of a range of numbers, with their clients.
    ///
    /// # Errors
    /// The engine fails.
    pub(crate) async fn accounts(&self, numbers: Range<u64>) -> Result<(), String> {
        let account = |number| {
            let identity = self.model.identity.iter().map(move |item| self.of_account(item, number));
            identity.chain((0..clients_of(number)).map(move |client| self.client(number, client)))
        };
        self.import(numbers.flat_map(account)).await
    }

    /// The id of a client.
    pub(crate) fn client_id(&self, account: u64, number: u64) -> String {
        let ulid = match (account, number) {
            (0, 0) => self.model.client.clone(),
            _ => ClientId::from_parts(FROM_MS + number, random(account, number)).ulid().to_owned(),
        };
        format!("cli_{ulid}")
    }

    fn client(&self, account: u64, number: u64) -> String {
        let id = self.client_id(account, number);
        let record = self.model.record.replace(&name(0), &name(number));
        self.of_account(&record.replace(&self.model.client, id.trim_start_matches("cli_")), account)
    }

    /// A copy of an item for another account.
    fn of_account(&self, item: &str, account: u64) -> String {
        if account == 0 {
            return item.to_owned();
        }
        let id = AccountId::from_parts(FROM_MS, random(account, u64::MAX));
        let user = UserId::from_parts(FROM_MS, random(account, u64::MAX - 1));
        item.replace(&self.model.account, id.ulid())
            .replace(&self.model.user, user.ulid())
            .replace(&email(0), &email(account))
    }

    /// How many items were put so far, by partition key.
    pub(crate) fn items_by_partition(&self) -> BTreeMap<String, u64> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, items: &[Value]) {
        let mut counts = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        for item in items {
            let partition = item["pk"]["S"].as_str().unwrap_or_default();
            *counts.entry(partition.to_owned()).or_default() += 1;
        }
    }

    async fn import(&self, mut items: impl Iterator<Item = String>) -> Result<(), String> {
        let engine = open(&self.data, &self.table).await?;
        loop {
            let batch = items.by_ref().take(usize::try_from(BATCH).unwrap_or(usize::MAX));
            let batch = batch.map(|item| serde_json::from_str(&item)).collect::<Result<Vec<_>, _>>();
            let batch = batch.map_err(|error| error.to_string())?;
            if batch.is_empty() {
                return Ok(());
            }
            self.count(&batch);
            engine.import(batch).await?;
        }
    }
}

/// Opens a folder, which a server that was stopped may hold for a moment longer.
async fn open(data: &Path, table: &Table) -> Result<Engine, String> {
    let mut opened = Engine::open(Storage::Folder(data), table);
    for _ in 0..50 {
        if opened.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        opened = Engine::open(Storage::Folder(data), table);
    }
    opened.map_err(|error| error.to_string())
}

/// The ULID of an id in an item.
fn ulid(id: &Value) -> String {
    let text = id.as_str().unwrap_or_default();
    text.rsplit('_').next().unwrap_or_default().to_owned()
}

/// Bytes that look random and are always the same (`SplitMix64`), so that a data set can be made again.
fn random(account: u64, number: u64) -> [u8; 10] {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(account.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mix(number));
    let low = mix(high ^ number);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&high.to_le_bytes());
    bytes[8..].copy_from_slice(&low.to_le_bytes()[..2]);
    bytes
}
