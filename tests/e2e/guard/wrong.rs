//! Calls that no right code makes: each names what belongs to another account, or to nobody.

use std::fmt::Debug;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementRequest, ConditionCheck, Delete, Get, KeysAndAttributes,
    ParameterizedStatement, Put, PutRequest, TransactGetItem, TransactWriteItem, Update, WriteRequest,
};
use futures::future::{BoxFuture, FutureExt as _};
use nexo_tests::table::ulid;
use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

/// Two accounts' partitions, and a record of the second.
pub(crate) struct Partitions {
    table: String,
    own: String,
    other: String,
    record: String,
}

impl Partitions {
    pub(crate) async fn of(nexo: &Nexo, own: &Company<'_>, other: &Company<'_>) -> Self {
        let records = other.get("/api/clients").await.body;
        Self {
            table: nexo.table_name().to_owned(),
            own: format!("A#{}#CLI", own.account()),
            other: format!("A#{}#CLI", other.account()),
            record: ulid(records["data"][0]["id"].as_str().expect("a client")).to_owned(),
        }
    }
}

/// Why a call failed: the table's code, when the table answered, and all there is to say.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Option<String>,
    pub(crate) text: String,
}

impl<E: ProvideErrorMetadata + Debug, R: Debug> From<SdkError<E, R>> for Failure {
    fn from(error: SdkError<E, R>) -> Self {
        Self { code: error.code().map(str::to_owned), text: format!("{error:?}") }
    }
}

type Outcome<'a> = BoxFuture<'a, Result<(), Failure>>;
type Call = for<'a> fn(&'a Client, &'a Partitions) -> Outcome<'a>;

/// Every way to reach for another account's data. Each one names, among others, its partition.
pub(crate) const CALLS: &[(&str, Call)] = &[
    ("get", |c, p| sent(c.get_item().table_name(&p.table).set_key(Some(theirs(p))).send())),
    ("query", |c, p| query(c, p, None, "pk", &p.other)),
    ("query gsi1", |c, p| query(c, p, Some("gsi1"), "pk", &p.other)),
    ("query gsi2", |c, p| query(c, p, Some("gsi2"), "pk", &p.other)),
    ("scan", |c, p| sent(c.scan().table_name(&p.table).send())),
    ("scan gsi1", |c, p| sent(c.scan().table_name(&p.table).index_name("gsi1").send())),
    ("batch get", |c, p| {
        let keys = KeysAndAttributes::builder().keys(mine(p)).keys(theirs(p)).build().expect("keys");
        sent(c.batch_get_item().request_items(&p.table, keys).send())
    }),
    ("put", |c, p| sent(c.put_item().table_name(&p.table).set_item(Some(theirs(p))).send())),
    ("update", |c, p| {
        let update = c.update_item().table_name(&p.table).set_key(Some(theirs(p)));
        sent(update.update_expression("SET x = :x").expression_attribute_values(":x", text("x")).send())
    }),
    ("update of an item's partition", |c, p| {
        let update = c.update_item().table_name(&p.table).set_key(Some(mine(p)));
        let update = update.update_expression("SET pk = :x");
        sent(update.expression_attribute_values(":x", text(&p.other)).send())
    }),
    ("delete", |c, p| sent(c.delete_item().table_name(&p.table).set_key(Some(theirs(p))).send())),
    ("batch write", |c, p| {
        let put = PutRequest::builder().set_item(Some(theirs(p))).build().expect("a put");
        let write = WriteRequest::builder().put_request(put).build();
        sent(c.batch_write_item().request_items(&p.table, vec![write]).send())
    }),
    ("transaction with their put", |c, p| {
        let put = Put::builder().table_name(&p.table).set_item(Some(theirs(p))).build().expect("a put");
        transact(c, p, TransactWriteItem::builder().put(put).build())
    }),
    ("transaction with their update", |c, p| {
        let update =
            Update::builder().table_name(&p.table).set_key(Some(theirs(p))).update_expression("REMOVE x");
        transact(c, p, TransactWriteItem::builder().update(update.build().expect("an update")).build())
    }),
    ("transaction with their delete", |c, p| {
        let delete =
            Delete::builder().table_name(&p.table).set_key(Some(theirs(p))).build().expect("a delete");
        transact(c, p, TransactWriteItem::builder().delete(delete).build())
    }),
    ("transaction with a check of theirs", |c, p| {
        let check = ConditionCheck::builder().table_name(&p.table).set_key(Some(theirs(p)));
        let check = check.condition_expression("attribute_exists(pk)").build().expect("a check");
        transact(c, p, TransactWriteItem::builder().condition_check(check).build())
    }),
    ("transaction that reads", |c, p| {
        let get = |key| Get::builder().table_name(&p.table).set_key(Some(key)).build().expect("a get");
        let items = [mine(p), theirs(p)].map(|key| TransactGetItem::builder().get(get(key)).build());
        sent(c.transact_get_items().set_transact_items(Some(items.to_vec())).send())
    }),
    ("PartiQL select", |c, p| statement(c, format!("SELECT * FROM \"{}\"", p.table))),
    ("PartiQL select of their partition", |c, p| {
        statement(c, format!("SELECT * FROM \"{}\" WHERE pk = '{}'", p.table, p.other))
    }),
    ("PartiQL insert", |c, p| {
        statement(c, format!("INSERT INTO \"{}\" VALUE {{'pk': '{}', 'sk': 'x'}}", p.table, p.other))
    }),
    ("PartiQL delete", |c, p| {
        statement(c, format!("DELETE FROM \"{}\" WHERE pk = '{}' AND sk = '{}'", p.table, p.other, p.record))
    }),
    ("PartiQL transaction", |c, p| {
        let text = format!("DELETE FROM \"{}\" WHERE pk = '{}' AND sk = '{}'", p.table, p.other, p.record);
        let statement = ParameterizedStatement::builder().statement(text).build().expect("a statement");
        sent(c.execute_transaction().transact_statements(statement).send())
    }),
    ("PartiQL batch", |c, p| {
        let text = format!("SELECT * FROM \"{}\" WHERE pk = '{}' AND sk = '{}'", p.table, p.other, p.record);
        let statement = BatchStatementRequest::builder().statement(text).build().expect("a statement");
        sent(c.batch_execute_statement().statements(statement).send())
    }),
    ("delete the table", |c, p| sent(c.delete_table().table_name(&p.table).send())),
    ("describe the table", |c, p| sent(c.describe_table().table_name(&p.table).send())),
];

/// Asserts that each of [`CALLS`] is refused with `code`, by the guard and not by the engine.
pub(crate) async fn assert_refused(nexo: &Nexo, client: &Client, partitions: &Partitions, code: &str) {
    for (name, call) in CALLS {
        let (outcome, calls) = nexo.calls_of(call(client, partitions)).await;
        let failure = outcome.expect_err(name);
        assert_eq!(failure.code.as_deref(), Some(code), "{name}: {failure:?}");
        assert!(calls.len() == 1 && !calls[0].allowed, "{name}: {calls:?}");
    }
}

/// The names of the records in a partition.
pub(crate) async fn names_in(client: &Client, table: &str, partition: &str) -> Result<Vec<String>, Failure> {
    let query = client.query().table_name(table).key_condition_expression("pk = :p");
    let found = query.expression_attribute_values(":p", text(partition)).send().await?;
    let names = found.items().iter().filter_map(|item| item.get("name")?.as_s().ok().cloned());
    Ok(names.collect())
}

/// A read of something of the account itself.
pub(crate) fn own_item(nexo: &Nexo, account: &str) -> Value {
    let key = json!({"pk": {"S": format!("A#{account}#CLI")}, "sk": {"S": "x"}});
    json!({"TableName": nexo.table_name(), "Key": key})
}

/// The name of the error in DynamoDB's JSON.
pub(crate) fn code(answer: &Value) -> &str {
    answer["__type"].as_str().and_then(|name| name.rsplit('#').next()).unwrap_or_default()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn theirs(partitions: &Partitions) -> Item {
    Item::from([("pk".into(), text(&partitions.other)), ("sk".into(), text(&partitions.record))])
}

fn mine(partitions: &Partitions) -> Item {
    Item::from([("pk".into(), text(&partitions.own)), ("sk".into(), text("x"))])
}

fn sent<'a, T, E, R>(call: impl Future<Output = Result<T, SdkError<E, R>>> + Send + 'a) -> Outcome<'a>
where
    E: ProvideErrorMetadata + Debug,
    R: Debug,
{
    async { call.await.map(drop).map_err(Failure::from) }.boxed()
}

fn query<'a>(
    client: &'a Client,
    partitions: &'a Partitions,
    index: Option<&str>,
    attribute: &str,
    partition: &str,
) -> Outcome<'a> {
    let query = client.query().table_name(&partitions.table).set_index_name(index.map(str::to_owned));
    let query = query.key_condition_expression(format!("{attribute} = :p"));
    sent(query.expression_attribute_values(":p", text(partition)).send())
}

fn statement(client: &Client, text: String) -> Outcome<'_> {
    sent(client.execute_statement().statement(text).send())
}

fn transact<'a>(client: &'a Client, partitions: &'a Partitions, member: TransactWriteItem) -> Outcome<'a> {
    let put =
        Put::builder().table_name(&partitions.table).set_item(Some(mine(partitions))).build().expect("a put");
    let own = TransactWriteItem::builder().put(put).build();
    sent(client.transact_write_items().transact_items(own).transact_items(member).send())
}
