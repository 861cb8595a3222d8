use nexo_domain::{Email, Text};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    name: Text<5>,
    email: Email,
    #[serde(default, alias = "sort")]
    kind: Option<Kind>,
    #[serde(default)]
    urgent: bool,
    #[serde(default)]
    count: u8,
    #[serde(default)]
    share: f64,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    delivery: Option<Delivery>,
    #[serde(default)]
    label: Option<Label>,
    #[serde(default, rename = "a/b~c")]
    odd: Option<Text<3>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Small,
    VeryLarge,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: Text<3>,
    #[serde(default)]
    tags: Vec<Text<3>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    city: Text<10>,
    #[serde(default)]
    delivery: Option<Box<Delivery>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    label: Text<3>,
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

fn sample() -> Map<String, Value> {
    object(json!({ "name": "Ana", "email": "ana@nexo.test" }))
}

fn read(document: Value) -> Result<Order, FieldErrors> {
    parse(object(document), &sample())
}

/// The sample with these members.
fn with(members: Value) -> Result<Order, FieldErrors> {
    let mut document = sample();
    document.extend(object(members));
    parse(document, &sample())
}

/// Pointer, code and message of all that is wrong.
fn wrong<T: std::fmt::Debug>(outcome: Result<T, FieldErrors>) -> Vec<[String; 3]> {
    let errors = outcome.unwrap_err().into_vec();
    errors.into_iter().map(|error| [error.pointer, error.code.into_owned(), error.message]).collect()
}

fn errors<const N: usize>(expected: [[&str; 3]; N]) -> Vec<[String; 3]> {
    expected.map(|error| error.map(str::to_owned)).into()
}

#[test]
fn a_document_without_errors_is_read() {
    let order =
        with(json!({ "kind": "very_large", "lines": [{ "sku": " a1 " }], "delivery": null })).unwrap();
    assert_eq!(order.kind, Some(Kind::VeryLarge));
    assert_eq!(order.lines, [Line { sku: Text::parse("a1").unwrap(), tags: vec![] }]);
    assert_eq!(order.delivery, None);
}

#[test]
fn all_errors_are_reported_at_once() {
    let outcome = read(json!({
        "name": "too long",
        "kind": "huge",
        "urgent": "yes",
        "count": 256,
        "share": "half",
        "lines": [{ "sku": "" }, { "sku": "ok", "colour": "red" }, 7],
        "delivery": { "city": 5 },
        "password": "secret",
    }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/count", "invalid_type", "must be a whole number, not negative"],
            ["/delivery/city", "invalid_type", "must be a string"],
            ["/email", "required", "is required"],
            ["/kind", "invalid_choice", "must be one of small, very_large"],
            ["/lines/0/sku", "empty", "must not be empty"],
            ["/lines/1/colour", "unknown_field", "is not a field here"],
            ["/lines/2", "invalid_type", "must be an object"],
            ["/name", "too_long", "must be at most 5 characters long"],
            ["/password", "unknown_field", "is not a field here"],
            ["/share", "invalid_type", "must be a number"],
            ["/urgent", "invalid_type", "must be true or false"],
        ])
    );
}

#[test]
fn an_empty_document_lacks_every_required_field() {
    let expected = errors([["/email", "required", "is required"], ["/name", "required", "is required"]]);
    assert_eq!(wrong(read(json!({}))), expected);
}

#[test]
fn a_required_field_that_is_null_has_the_wrong_type() {
    let outcome = read(json!({ "name": null, "email": "x" }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/email", "invalid_email", "must be an e-mail address such as name@example.com"],
            ["/name", "invalid_type", "must be a string"],
        ])
    );
}

#[test]
fn values_of_another_type_are_named_in_the_words_of_json() {
    let outcome = with(json!({ "lines": {}, "delivery": "Bonn", "kind": 3, "count": -1, "urgent": null }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/count", "invalid_type", "must be a whole number, not negative"],
            ["/delivery", "invalid_type", "must be an object"],
            ["/kind", "invalid_type", "must be a string"],
            ["/lines", "invalid_type", "must be an array"],
            ["/urgent", "invalid_type", "must be true or false"],
        ])
    );
}

#[test]
fn an_error_after_bad_elements_points_into_the_array_as_it_was_sent() {
    let outcome = with(json!({
        "lines": [{ "sku": "long" }, { "sku": "a" }, 5, {}, { "sku": "b" }, { "sku": "" }, { "sku": "c", "x": 1 }],
    }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/lines/0/sku", "too_long", "must be at most 3 characters long"],
            ["/lines/2", "invalid_type", "must be an object"],
            ["/lines/3/sku", "required", "is required"],
            ["/lines/5/sku", "empty", "must not be empty"],
            ["/lines/6/x", "unknown_field", "is not a field here"],
        ])
    );
}

#[test]
fn arrays_in_elements_that_were_taken_out_do_not_shift_those_after_them() {
    let outcome = with(json!({
        "lines": [
            { "tags": ["long", "a", "long"] },
            { "sku": "b", "tags": ["a", "long", "b", 7] },
            { "sku": "c", "tags": ["long"] },
        ],
    }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/lines/0/sku", "required", "is required"],
            ["/lines/0/tags/0", "too_long", "must be at most 3 characters long"],
            ["/lines/0/tags/2", "too_long", "must be at most 3 characters long"],
            ["/lines/1/tags/1", "too_long", "must be at most 3 characters long"],
            ["/lines/1/tags/3", "invalid_type", "must be a string"],
            ["/lines/2/tags/0", "too_long", "must be at most 3 characters long"],
        ])
    );
}

#[test]
fn a_missing_member_of_a_nested_object_is_named() {
    let missing = |pointer| errors([[pointer, "required", "is required"]]);
    assert_eq!(wrong(with(json!({ "delivery": {} }))), missing("/delivery/city"));
    assert_eq!(wrong(with(json!({ "lines": [{}] }))), missing("/lines/0/sku"));
    let inner = json!({ "delivery": { "city": "Bonn", "delivery": {} } });
    assert_eq!(wrong(with(inner)), missing("/delivery/delivery/city"));
    assert_eq!(wrong(with(json!({ "label": {} }))), missing("/label/label"));
}

#[test]
fn an_unknown_member_is_named_whatever_it_is_called() {
    for name in ["nam", "", " ", "a`b", "`", "`, expected `name", "name", "é", "\u{1}code\u{1}text", "0"] {
        let unknown = |pointer: String| errors([[&pointer, "unknown_field", "is not a field here"]]);
        if name != "name" {
            assert_eq!(wrong(with(json!({ name: 1 }))), unknown(format!("/{name}")), "{name}");
        }
        let nested = json!({ "delivery": { "city": "Bonn", name: 1 } });
        assert_eq!(wrong(with(nested)), unknown(format!("/delivery/{name}")), "{name}");
    }
}

#[test]
fn several_unknown_members_are_all_named() {
    let outcome = with(json!({ "a`b": 1, "c": 2, "d": { "e": 3 }, "count": "many" }));
    assert_eq!(
        wrong(outcome),
        errors([
            ["/a`b", "unknown_field", "is not a field here"],
            ["/c", "unknown_field", "is not a field here"],
            ["/count", "invalid_type", "must be a whole number, not negative"],
            ["/d", "unknown_field", "is not a field here"],
        ])
    );
}

#[test]
fn a_member_given_under_both_of_its_names_is_given_twice() {
    let outcome = with(json!({ "kind": "small", "sort": "small" }));
    assert_eq!(wrong(outcome), errors([["/kind", "duplicate", "is given twice"]]));
}

#[test]
fn the_choices_are_ours_whatever_was_sent() {
    for sent in ["", "huge", "`", "`small`", "x`, expected `evil", "unknown field `x`"] {
        let expected = errors([["/kind", "invalid_choice", "must be one of small, very_large"]]);
        assert_eq!(wrong(with(json!({ "kind": sent }))), expected, "{sent}");
    }
}

#[test]
fn what_was_sent_is_not_repeated() {
    for sent in [json!("expected sesame"), json!({ "expected sesame": 1 }), json!(["expected sesame"])] {
        let outcome = with(json!({ "count": sent, "urgent": sent, "lines": sent, "name": sent }));
        let text = format!("{:?}", wrong(outcome));
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[test]
fn a_pointer_escapes_what_json_pointers_escape() {
    assert_eq!(wrong(with(json!({ "a/b~c": "long" })))[0][0], "/a~1b~0c");
    assert_eq!(wrong(with(json!({ "~1": 1 })))[0][0], "/~01");
    for (name, escaped) in [("plain", "plain"), ("a/b", "a~1b"), ("m~n", "m~0n"), ("~/", "~0~1"), ("", "")] {
        assert_eq!(escape(name), escaped);
    }
}

#[test]
fn fifty_errors_are_enough() {
    let lines: Vec<_> = (0..200).map(|_| json!({ "sku": "long" })).collect();
    assert_eq!(wrong(with(json!({ "lines": lines }))).len(), 50);
}

#[test]
fn errors_are_added_and_ordered_by_pointer() {
    let mut found = FieldErrors::default();
    assert!(found.is_empty());
    found.add("/b", "taken", "is taken");
    found.extend(FieldErrors::one("/a", "empty", "must not be empty"));
    assert!(!found.is_empty());
    let found: Result<(), _> = Err(found);
    assert_eq!(wrong(found), errors([["/a", "empty", "must not be empty"], ["/b", "taken", "is taken"]]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c`/~ ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            any_object(inner).prop_map(Value::from),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof!["[a-c]", "name|email|kind|lines|delivery|sku|tags|city|[`/~]"];
    proptest::collection::vec((name, value), 0..5).prop_map(|members| members.into_iter().collect())
}

proptest! {
    /// It ends, does not panic, and points at what was sent, or at what is missing from it.
    #[test]
    fn whatever_is_sent_each_error_points_somewhere(members in any_object(any_json())) {
        let document = Value::Object(members.clone());
        if let Err(found) = parse::<Order>(members, &sample()) {
            let found = found.into_vec();
            prop_assert!(!found.is_empty());
            for error in found {
                let parent = error.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let place = if error.code == "required" { parent } else { &error.pointer };
                prop_assert!(document.pointer(place).is_some(), "{:?} in {}", error, document);
            }
        }
    }
}

/// RFC 7396, appendix A.
#[test]
fn patches_merge_as_in_the_table_of_the_rfc() {
    let table = [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), Value::Null, Value::Null),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ];
    for (mut target, patch, expected) in table {
        let original = target.clone();
        merge_patch(&mut target, &patch);
        assert_eq!(target, expected, "{original} and {patch}");
    }
}

proptest! {
    #[test]
    fn merging_twice_is_merging_once(mut target in any_json(), patch in any_json()) {
        merge_patch(&mut target, &patch);
        let once = target.clone();
        merge_patch(&mut target, &patch);
        prop_assert_eq!(target, once);
    }

    #[test]
    fn what_a_patch_does_not_name_stays_and_what_it_nulls_goes(
        target in any_object(any_json()),
        patch in any_object(any_json()),
    ) {
        let mut merged = Value::Object(target.clone());
        merge_patch(&mut merged, &Value::Object(patch.clone()));
        let merged = object(merged);
        for (name, value) in &target {
            if !patch.contains_key(name) {
                prop_assert_eq!(merged.get(name), Some(value));
            }
        }
        for (name, change) in &patch {
            prop_assert_eq!(merged.contains_key(name), !change.is_null());
            if !change.is_object() && !change.is_null() {
                prop_assert_eq!(merged.get(name), Some(change));
            }
        }
        prop_assert!(merged.keys().all(|name| target.contains_key(name) || patch.contains_key(name)));
    }

    #[test]
    fn an_empty_patch_changes_nothing(target in any_object(any_json())) {
        let mut merged = Value::Object(target.clone());
        merge_patch(&mut merged, &json!({}));
        prop_assert_eq!(merged, Value::Object(target));
    }
}
