use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};

use super::*;
use crate::template::Template;

fn table() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    Template::read(&path, &BTreeMap::new()).unwrap().table.with_partitions_of_its_indexes()
}

fn memory() -> Engine {
    Engine::open(Storage::Memory, &table()).unwrap()
}

async fn call(engine: &Engine, operation: &str, body: Json) -> (u16, Json) {
    let (status, body) = engine.call(operation, body.to_string().into()).await;
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

fn item(id: &str) -> Json {
    json!({ "pk": { "S": "A#x#CLI" }, "sk": { "S": id }, "gsi1pk": { "S": "A#x#CLI" }, "gsi1sk": { "S": id } })
}

#[tokio::test]
async fn an_item_written_is_read_back() {
    let engine = memory();
    let put = json!({ "TableName": "Table", "Item": item("1") });
    assert_eq!(call(&engine, "PutItem", put).await, (200, json!({})));

    let get = json!({ "TableName": "Table", "Key": { "pk": { "S": "A#x#CLI" }, "sk": { "S": "1" } } });
    let answer = call(&engine, "GetItem", get).await;
    assert_eq!(answer, (200, json!({ "Item": item("1") })));

    let query = json!({
        "TableName": "Table",
        "IndexName": "gsi1",
        "KeyConditionExpression": "gsi1pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": "A#x#CLI" } },
    });
    let (status, answer) = call(&engine, "Query", query).await;
    assert_eq!((status, &answer["Items"]), (200, &json!([item("1")])));
}

#[tokio::test]
async fn capacity_is_always_known_and_told_when_asked() {
    let engine = memory();
    let told = |mode: Option<&str>| {
        let mut put = json!({ "TableName": "Table", "Item": item("1") });
        if let Some(mode) = mode {
            put["ReturnConsumedCapacity"] = json!(mode);
        }
        let answer = engine.run("PutItem", put.to_string().as_bytes());
        let body: Json = serde_json::from_slice(&answer.body).unwrap();
        (answer.capacity, body["ConsumedCapacity"].clone())
    };
    let first = Capacity { read: 0.0, write: 2.0 };
    assert_eq!(told(None), (first, Json::Null), "the table and one index");
    let (_, total) = told(Some("TOTAL"));
    assert_eq!(total["TableName"], "Table");
    assert!(total.get("Table").is_none(), "{total}");
    let (_, indexes) = told(Some("INDEXES"));
    assert!(indexes["Table"]["CapacityUnits"].is_number(), "{indexes}");
    let (capacity, none) = told(Some("NONE"));
    assert_eq!((capacity.read, none), (0.0, Json::Null));
}

#[tokio::test]
async fn a_cancelled_transaction_tells_why_with_the_item() {
    let engine = memory();
    let write = json!({ "TransactItems": [
        { "Put": { "TableName": "Table", "Item": item("2") } },
        { "Put": {
            "TableName": "Table",
            "Item": item("1"),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } },
    ] });
    let put = json!({ "TableName": "Table", "Item": item("1") });
    call(&engine, "PutItem", put).await;
    let (status, answer) = call(&engine, "TransactWriteItems", write).await;

    assert_eq!(status, 400);
    assert_eq!(answer["__type"], "com.amazonaws.dynamodb.v20120810#TransactionCanceledException");
    assert_eq!(answer["CancellationReasons"][0]["Code"], "None");
    assert_eq!(answer["CancellationReasons"][1]["Code"], "ConditionalCheckFailed");
    assert_eq!(answer["CancellationReasons"][1]["Item"], item("1"));
}

#[tokio::test]
async fn errors_have_dynamodbs_form() {
    let engine = memory();
    let type_of = |answer: (u16, Json)| (answer.0, answer.1["__type"].clone());

    let conflict =
        json!({ "TableName": "Table", "Item": item("1"), "ConditionExpression": "attribute_exists(pk)" });
    assert_eq!(
        type_of(call(&engine, "PutItem", conflict).await),
        (400, json!("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"))
    );
    let keyless = json!({ "TableName": "Table", "Item": { "pk": { "S": "x" } } });
    assert_eq!(
        type_of(call(&engine, "PutItem", keyless).await),
        (400, json!("com.amazon.coral.validate#ValidationException"))
    );
    let elsewhere = json!({ "TableName": "Elsewhere", "Item": item("1") });
    assert_eq!(
        type_of(call(&engine, "PutItem", elsewhere).await),
        (400, json!("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"))
    );
    assert_eq!(type_of(call(&engine, "PutItem", json!({ "TableName": 3 })).await).0, 400);
    for operation in ["Scan", "CreateTable", "DeleteTable", "ExecuteStatement"] {
        let answer = call(&engine, operation, json!({ "TableName": "Table" })).await;
        assert_eq!(answer.0, 400, "{operation}");
    }
}

#[tokio::test]
async fn a_folder_keeps_its_items_and_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let open = |table: &Table| Engine::open(Storage::Folder(folder.path()), table);

    let engine = open(&table()).unwrap();
    let put = json!({ "TableName": "Table", "Item": item("1") });
    assert_eq!(call(&engine, "PutItem", put).await.0, 200);
    let error = open(&table()).unwrap_err();
    assert_eq!(error.problem, "in use by another process");
    drop(engine);

    let engine = open(&table()).unwrap();
    let get = json!({ "TableName": "Table", "Key": { "pk": { "S": "A#x#CLI" }, "sk": { "S": "1" } } });
    assert_eq!(call(&engine, "GetItem", get).await.1["Item"], item("1"));
    drop(engine);

    let mut other = table();
    other.indexes.pop();
    let error = open(&other).unwrap_err().to_string();
    assert!(error.contains("another key or other indexes"), "{error}");
}

#[tokio::test]
async fn a_stream_is_found_by_its_end_and_kept_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Engine::open(Storage::Folder(folder.path()), &table()).unwrap();
    let engine = open();
    for id in ["1", "2"] {
        let put = json!({ "TableName": "Table", "Item": item(id) });
        assert_eq!(call(&engine, "PutItem", put).await.0, 200);
    }
    drop(engine);

    let records = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    let count = || -> u32 {
        records.query_row("SELECT count(*) FROM _stream_records", [], |row| row.get(0)).unwrap()
    };
    // What the engine asks at every write. The last record is one step back from the index's end.
    let sql = "EXPLAIN SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1
               FROM _stream_records WHERE table_name = ?1";
    let mut program = records.prepare(sql).unwrap();
    let steps = program.query_map(["Table"], |row| row.get::<_, String>(1)).unwrap();
    let steps: Vec<_> = steps.map(Result::unwrap).collect();
    assert!(
        steps.iter().any(|step| step == "SeekLE") && steps.iter().any(|step| step == "Prev"),
        "{steps:?}"
    );
    assert!(!steps.iter().any(|step| step == "Next"), "a scan: {steps:?}");
    assert_eq!(count(), 2);

    let age = "UPDATE _stream_records SET created_at = created_at - 90000 WHERE id = 1";
    assert_eq!(records.execute(age, []).unwrap(), 1);
    drop(open());
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn what_others_left_is_not_read_into_a_new_table() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    // A table that is killed: all that was written is in its log.
    let engine = Engine::open(Storage::Folder(folder.path()), &table()).unwrap();
    let put = json!({ "TableName": "Table", "Item": item("1") });
    assert_eq!(call(&engine, "PutItem", put).await.0, 200);
    let log = fs::read(file("table.sqlite-wal")).unwrap();
    assert!(!log.is_empty());
    drop(engine);
    // The file is taken away, its log and half of a new one stay.
    fs::remove_file(file(DATABASE_FILE)).unwrap();
    fs::write(file("table.sqlite-wal"), &log).unwrap();
    fs::write(file("table.sqlite.new"), "half a table").unwrap();
    fs::write(file("table.sqlite.new-wal"), &log).unwrap();

    let engine = Engine::open(Storage::Folder(folder.path()), &table()).unwrap();
    let get = json!({ "TableName": "Table", "Key": { "pk": { "S": "A#x#CLI" }, "sk": { "S": "1" } } });
    assert_eq!(call(&engine, "GetItem", get).await, (200, json!({})));
    for name in [DATABASE_FILE, "table.sqlite-wal"] {
        assert_eq!(fs::metadata(file(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(DATABASE_FILE), "not a database, as anyone can see").unwrap();
    let error = Engine::open(Storage::Folder(folder.path()), &table()).unwrap_err();
    assert!(error.to_string().contains("table.sqlite: "), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Engine::open(Storage::Folder(&file), &table()).unwrap_err();
    assert!(error.to_string().starts_with(&file.display().to_string()), "{error}");
}

#[tokio::test]
async fn expired_items_are_swept() {
    let engine = memory();
    for (id, expires) in [("old", "1000"), ("new", "99999999999")] {
        let mut item = item(id);
        item["expiresAt"] = json!({ "N": expires });
        let put = json!({ "TableName": "Table", "Item": item });
        call(&engine, "PutItem", put).await;
    }
    assert_eq!(engine.sweep_expired().await, Ok(1));
    assert_eq!(engine.sweep_expired().await, Ok(0));
}
