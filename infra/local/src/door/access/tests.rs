use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::template::Template;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    Keys::new(&Template::read(&path, &BTreeMap::new()).unwrap().table.with_partitions_of_its_indexes())
});

/// What is read: the action, the resource's last part, the keys, the index keys, whether it writes.
type Seen = (String, String, Vec<String>, Vec<String>, bool);

fn read(operation: &str, body: &str) -> Result<Vec<Seen>, String> {
    let owned = |values: Vec<Cow<'_, str>>| values.into_iter().map(Cow::into_owned).collect();
    KEYS.read(operation, body.as_bytes()).map(|accesses| {
        accesses
            .into_iter()
            .map(|access| {
                let (_, resource) = access.resource.split_once(":table/").unwrap();
                (
                    access.action.trim_start_matches("dynamodb:").to_owned(),
                    resource.to_owned(),
                    owned(access.keys),
                    owned(access.index_keys),
                    access.writes,
                )
            })
            .collect()
    })
}

fn one(operation: &str, body: &Json) -> Result<Seen, String> {
    read(operation, &body.to_string()).map(|mut seen| {
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    })
}

fn key(pk: &str) -> Json {
    json!({ "pk": { "S": pk }, "sk": { "S": "s" } })
}

fn seen(action: &str, resource: &str, keys: &[&str], index_keys: &[&str], writes: bool) -> Seen {
    let owned = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    (action.into(), resource.into(), owned(keys), owned(index_keys), writes)
}

fn query(condition: &str) -> Result<Seen, String> {
    query_on(None, condition)
}

fn query_on(index: Option<&str>, condition: &str) -> Result<Seen, String> {
    let mut body = json!({
        "TableName": "Table",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": { "#p": "pk", "#s": "sk", "#g": "gsi1pk" },
        "ExpressionAttributeValues": { ":p": { "S": "A#x" }, ":q": { "S": "A#y" }, ":n": { "N": "1" } },
    });
    if let Some(index) = index {
        body["IndexName"] = json!(index);
    }
    one("Query", &body)
}

fn update(expression: &str) -> Result<Seen, String> {
    let body = json!({
        "TableName": "Table",
        "Key": key("A#x"),
        "UpdateExpression": expression,
        "ExpressionAttributeNames": { "#g": "gsi1pk", "#n": "name" },
        "ExpressionAttributeValues": { ":g": { "S": "A#g" }, ":h": { "S": "A#h" }, ":n": { "N": "1" } },
    });
    one("UpdateItem", &body)
}

#[test]
fn single_items_are_read_from_their_keys() {
    let keyed = json!({ "TableName": "Table", "Key": key("A#x") });
    assert_eq!(one("GetItem", &keyed), Ok(seen("GetItem", "Table", &["A#x"], &[], false)));
    assert_eq!(one("DeleteItem", &keyed), Ok(seen("DeleteItem", "Table", &["A#x"], &[], true)));
    assert_eq!(one("UpdateItem", &keyed), Ok(seen("UpdateItem", "Table", &["A#x"], &[], true)));

    let mut item = key("A#x");
    item["gsi2pk"] = json!({ "S": "A#z" });
    item["gsi1sk"] = json!({ "N": "7" });
    let put = json!({ "TableName": "Table", "Item": item });
    assert_eq!(one("PutItem", &put), Ok(seen("PutItem", "Table", &["A#x"], &["A#z"], true)));
}

#[test]
fn escapes_do_not_hide_a_key() {
    let body = r#"{"TableName":"Table","Key":{"\u0070k":{"S":"A\u0023x"},"sk":{"S":"s"}}}"#;
    assert_eq!(read("GetItem", body), Ok(vec![seen("GetItem", "Table", &["A#x"], &[], false)]));
}

#[test]
fn batches_and_transactions_are_read_in_full() {
    let batch = json!({ "RequestItems": { "Table": { "Keys": [key("A#x"), key("A#y")] } } });
    assert_eq!(one("BatchGetItem", &batch), Ok(seen("BatchGetItem", "Table", &["A#x", "A#y"], &[], false)));
    let write = json!({ "TransactItems": [
        { "Put": { "TableName": "Table", "Item": key("A#1") } },
        { "Update": {
            "TableName": "Table",
            "Key": key("A#2"),
            "UpdateExpression": "SET gsi1pk = :g",
            "ExpressionAttributeValues": { ":g": { "S": "A#g" } },
        } },
        { "Delete": { "TableName": "Table", "Key": key("A#3") } },
        { "ConditionCheck": { "TableName": "Table", "Key": key("A#4") } },
    ] });
    assert_eq!(
        read("TransactWriteItems", &write.to_string()),
        Ok(vec![
            seen("PutItem", "Table", &["A#1"], &[], true),
            seen("UpdateItem", "Table", &["A#2"], &["A#g"], true),
            seen("DeleteItem", "Table", &["A#3"], &[], true),
            seen("ConditionCheckItem", "Table", &["A#4"], &[], false),
        ])
    );
    let get = json!({ "TransactItems": [{ "Get": { "TableName": "Table", "Key": key("A#1") } }] });
    assert_eq!(one("TransactGetItems", &get), Ok(seen("GetItem", "Table", &["A#1"], &[], false)));
}

#[test]
fn a_querys_partition_is_read_from_its_condition() {
    let expected = Ok(seen("Query", "Table", &["A#x"], &[], false));
    for condition in [
        "pk = :p",
        "#p=:p",
        "pk = :p AND begins_with(sk, :q)",
        "(pk = :p) and (#s BETWEEN :q AND :p)",
        "((#s >= :q) AND (pk = :p))",
        "sk = :q AND pk = :p",
    ] {
        assert_eq!(query(condition), expected, "{condition}");
    }
    assert_eq!(
        query_on(Some("gsi1"), "#g = :p AND gsi1sk < :q"),
        Ok(seen("Query", "Table/index/gsi1", &["A#x"], &[], false))
    );
}

#[test]
fn a_query_that_names_no_one_partition_is_refused() {
    for condition in [
        "",
        "sk = :p",
        "pk > :p",
        "begins_with(pk, :p)",
        "pk BETWEEN :p AND :q",
        "pk = :p OR pk = :q",
        "pk = :p AND pk = :q",
        "pk = :p AND pk < :q",
        "pk = :p AND begins_with(pk, :q)",
        "pk = :p AND pk BETWEEN :p AND :q",
        "pk = :n",
        "pk = :missing",
        "#missing = :p",
        "pk = pk",
        ":p = pk",
        "pk = :p)",
        "(pk = :p",
        "NOT pk = :p",
        "pk = :p AND",
        "pk = :p sk = :q",
        "pk = :p; sk = :q",
        "pk.x = :p",
        "pk = :p AND size(sk) > :q",
        "((((((((((pk = :p))))))))))",
        "pkё = :p",
    ] {
        assert!(query(condition).is_err(), "{condition}");
    }
    assert!(query_on(Some("gsi1"), "pk = :p").is_err());
    assert!(query_on(Some("gsi9"), "pk = :p").is_err());
}

#[test]
fn an_update_shows_the_index_keys_it_sets() {
    let set = |keys: &[&str]| Ok(seen("UpdateItem", "Table", &["A#x"], keys, true));
    for (expression, keys) in [
        ("SET #n = :g", vec![]),
        ("SET gsi1pk = :g", vec!["A#g"]),
        ("set #n = :n, #g = :g, gsi2pk=:h", vec!["A#g", "A#h"]),
        ("SET #n = if_not_exists(#n, :n) + :n, #g = :g REMOVE gsi2pk, a.b[0]", vec!["A#g"]),
        ("REMOVE #g, gsi2pk", vec![]),
        ("ADD #n :n SET gsi1pk = :g", vec!["A#g"]),
        ("SET a.gsi1pk = :n, m[1].x = list_append(m, :n)", vec![]),
    ] {
        assert_eq!(update(expression), set(&keys), "{expression}");
    }
}

#[test]
fn an_update_whose_index_keys_cannot_be_told_is_refused() {
    for expression in [
        "SET gsi1pk = #n",
        "SET gsi1pk = name",
        "SET gsi1pk = if_not_exists(gsi1pk, :g)",
        "SET gsi1pk = :g + :n",
        "SET gsi1pk = :n",
        "SET gsi1pk = :missing",
        "SET gsi1pk = (:g)",
        "SET #g.x = :g",
        "ADD gsi1pk :g",
        "DELETE #g :g",
        "SET #missing = :g",
        "SET a = :n, , gsi1pk = :g",
        "SET gsi1pk :g",
        "gsi1pk = :g",
        "SET a = (:n, gsi1pk = :g",
        "SET a = :n gsi1pk = :g",
        "SET a = \"x\"",
        "SET",
    ] {
        assert!(update(expression).is_err(), "{expression}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let refused = [
        ("GetItem", json!({ "TableName": "Table" })),
        ("GetItem", json!({ "Key": key("A#x") })),
        ("GetItem", json!({ "TableName": "Other", "Key": key("A#x") })),
        (
            "GetItem",
            json!({ "TableName": "arn:aws:dynamodb:local:000000000000:table/Table", "Key": key("A#x") }),
        ),
        ("GetItem", json!({ "TableName": "Table", "Key": { "pk": { "N": "1" } } })),
        ("GetItem", json!({ "TableName": "Table", "Key": { "pk": { "S": "a", "N": "1" } } })),
        ("GetItem", json!({ "TableName": "Table", "Key": { "pk": "A#x" } })),
        ("Scan", json!({ "TableName": "Table" })),
        ("BatchWriteItem", json!({ "RequestItems": { "Table": [] } })),
        ("ExecuteStatement", json!({ "Statement": "SELECT * FROM Table" })),
        ("DeleteTable", json!({ "TableName": "Table" })),
        ("", json!({ "TableName": "Table" })),
        ("Query", json!({ "TableName": "Table", "KeyConditions": {} })),
        ("UpdateItem", json!({ "TableName": "Table", "Key": key("A#x"), "AttributeUpdates": {} })),
        ("BatchGetItem", json!({ "RequestItems": { "Table": { "Keys": [] }, "Other": { "Keys": [] } } })),
        ("BatchGetItem", json!({ "RequestItems": { "Table": { "Keys": [{ "sk": { "S": "x" } }] } } })),
        ("TransactWriteItems", json!({ "TransactItems": [] })),
        ("TransactWriteItems", json!({ "TransactItems": [{}] })),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [{ "Get": { "TableName": "Table", "Key": key("A#x") } }] }),
        ),
        (
            "TransactGetItems",
            json!({ "TransactItems": [{ "Put": { "TableName": "Table", "Item": key("A#x") } }] }),
        ),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [{
            "Put": { "TableName": "Table", "Item": key("A#x") },
            "Delete": { "TableName": "Table", "Key": key("A#y") },
        }] }),
        ),
    ];
    for (operation, body) in refused {
        assert!(read(operation, &body.to_string()).is_err(), "{operation} {body}");
    }
    let mut item = key("A#x");
    item["gsi1pk"] = json!({ "B": "QSN4" });
    assert!(one("PutItem", &json!({ "TableName": "Table", "Item": item })).is_err());
}

#[test]
fn a_key_given_twice_is_refused() {
    for body in [
        r#"{"TableName":"Table","Key":{"pk":{"S":"a"}},"Key":{"pk":{"S":"b"}}}"#,
        r#"{"TableName":"Table","Key":{"pk":{"S":"a"},"pk":{"S":"b"}}}"#,
        r#"{"TableName":"Table","Key":{"pk":{"S":"a"},"\u0070k":{"S":"b"}}}"#,
        r#"{"TableName":"Table","Key":{"pk":{"S":"a","S":"b"}}}"#,
        r#"{"TableName":"Table","TableName":"Table","Key":{"pk":{"S":"a"}}}"#,
    ] {
        assert!(read("GetItem", body).is_err(), "{body}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~ё]{0,80}") {
        let _ = query(&text);
        let _ = update(&text);
        let _ = read("PutItem", &text);
    }

    #[test]
    fn a_condition_never_yields_another_partition_than_it_names(
        left in prop::sample::select(vec!["pk", "#p", "sk", "#s", "gsi1pk"]),
        operator in prop::sample::select(vec!["=", "<", ">=", "<>"]),
        value in prop::sample::select(vec![":p", ":q", ":n", ":x"]),
        rest in prop::sample::select(vec!["", " AND sk = :q", " AND pk = :q", " OR pk = :q", ")"]),
    ) {
        let condition = format!("{left} {operator} {value}{rest}");
        if let Ok((_, _, keys, _, _)) = query(&condition) {
            let first = matches!(left, "pk" | "#p");
            let second = rest == " AND pk = :q";
            prop_assert!(first != second, "exactly one of them names the partition");
            prop_assert!(second || operator == "=");
            let expected = if first && value == ":p" { "A#x" } else { "A#y" };
            prop_assert_eq!(keys, [expected]);
        }
    }
}
