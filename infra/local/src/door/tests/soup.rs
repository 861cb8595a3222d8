//! Guard and engine read expressions with different code. Whatever they are given, what the guard
//! lets through must not reach another account.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn run(door: &Door, operation: &str, body: &Json) -> Option<Json> {
    let body = body.to_string();
    door.inner.judge(&tenant(MINE), operation, body.as_bytes()).ok()?;
    let answer = door.inner.engine.run(operation, body.as_bytes());
    answer.status.is_success().then(|| serde_json::from_slice(&answer.body).unwrap())
}

fn filled() -> Door {
    let door = door();
    for account in [MINE, THEIRS] {
        let mut item = key(&clients(account), "1");
        item["gsi1pk"] = json!({ "S": clients(account) });
        item["gsi1sk"] = json!({ "S": "1" });
        let put = json!({ "TableName": "Table", "Item": item });
        assert!(door.inner.engine.run("PutItem", put.to_string().as_bytes()).status.is_success());
    }
    door
}

fn placeholders(mut body: Json) -> Json {
    body["TableName"] = json!("Table");
    body["ExpressionAttributeNames"] = json!({ "#p": "pk", "#g": "gsi1pk" });
    body["ExpressionAttributeValues"] =
        json!({ ":m": { "S": clients(MINE) }, ":t": { "S": clients(THEIRS) } });
    body
}

/// The engine refuses placeholders that nothing uses: leave out those the text has not.
fn used(mut body: Json, text: &str) -> Json {
    for field in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
        if let Some(names) = body[field].as_object_mut() {
            names.retain(|name, _| text.contains(name.as_str()));
            if names.is_empty() {
                body.as_object_mut().unwrap().remove(field);
            }
        }
    }
    body
}

const KEY_WORDS: [&str; 18] = [
    "pk = :m",
    "pk = :t",
    "#p = :m",
    "gsi1pk = :m",
    "#g = :t",
    "#g=:m",
    "sk > :m",
    "sk = :t",
    "AND",
    "and",
    "(",
    ")",
    "OR",
    "pk",
    "=",
    ":t",
    "begins_with(sk, :t)",
    "sk BETWEEN :m AND :t",
];
const UPDATE_WORDS: [&str; 22] = [
    "SET",
    "set",
    "REMOVE",
    "ADD",
    "DELETE",
    "gsi1pk",
    "#g",
    "gsi1sk",
    "x",
    "=",
    ",",
    ":m",
    ":t",
    "+",
    "(",
    ")",
    "if_not_exists(",
    "list_append(",
    ".",
    "gsi1pk = :t",
    "x = :t",
    "#g = :m",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_key_condition_reads_another_account(
        words in prop::collection::vec(select(&KEY_WORDS[..]), 1..6),
        index in any::<bool>(),
    ) {
        thread_local!(static DOOR: Door = filled());
        let text = words.join(" ");
        let mut body = placeholders(json!({ "KeyConditionExpression": text }));
        if index {
            body["IndexName"] = json!("gsi1");
        }
        if let Some(answer) = DOOR.with(|door| run(door, "Query", &used(body, &text))) {
            prop_assert!(!answer["Items"].to_string().contains(THEIRS), "{}", text);
        }
    }

    #[test]
    fn no_update_puts_an_item_into_another_accounts_index(
        words in prop::collection::vec(select(&UPDATE_WORDS[..]), 1..8),
    ) {
        thread_local!(static DOOR: Door = filled());
        let text = words.join(" ");
        let body = json!({
            "Key": key(&clients(MINE), "2"),
            "UpdateExpression": text,
            "ReturnValues": "ALL_NEW",
        });
        if let Some(answer) = DOOR.with(|door| run(door, "UpdateItem", &used(placeholders(body), &text))) {
            let theirs = json!({ "S": clients(THEIRS) });
            prop_assert_ne!(&answer["Attributes"]["gsi1pk"], &theirs, "{}", text);
        }
    }
}

#[test]
fn the_soup_has_something_in_it() {
    let door = filled();
    let text = "( pk = :m ) AND sk > :m";
    let body = placeholders(json!({ "KeyConditionExpression": text }));
    assert!(run(&door, "Query", &used(body, text)).is_some());
    let text = "SET #g = :m , x = :t";
    let body = placeholders(json!({ "Key": key(&clients(MINE), "2"), "UpdateExpression": text }));
    assert!(run(&door, "UpdateItem", &used(body, text)).is_some());
}
