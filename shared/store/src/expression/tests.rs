use super::*;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn names<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
    pairs.map(|(placeholder, name)| (placeholder.into(), name.into())).into()
}

fn values<const N: usize>(pairs: [(&str, AttributeValue); N]) -> HashMap<String, AttributeValue> {
    pairs.map(|(placeholder, value)| (placeholder.into(), value)).into()
}

#[test]
fn an_empty_expression_says_nothing() {
    let empty = Expression::new();
    assert_eq!(empty.update(), "");
    assert_eq!(empty.condition(), None);
    assert_eq!(empty.names(), None);
    assert_eq!(empty.values(), None);
}

#[test]
fn an_update_sets_and_removes_under_placeholders() {
    let mut change = Expression::new();
    change.set("status", text("active")).set("name", text("Acme")).increment("version");
    change.remove("deletedAt").remove("unique");
    assert_eq!(
        change.update(),
        "SET #status = :status, #name = :name, #version = #version + :plus_version REMOVE #deletedAt, #unique"
    );
    assert_eq!(change.condition(), None);
    assert_eq!(
        change.names(),
        Some(names([
            ("#status", "status"),
            ("#name", "name"),
            ("#version", "version"),
            ("#deletedAt", "deletedAt"),
            ("#unique", "unique"),
        ]))
    );
    assert_eq!(
        change.values(),
        Some(values([(":status", text("active")), (":name", text("Acme")), (":plus_version", number(1))]))
    );
}

#[test]
fn an_update_may_only_remove() {
    let mut change = Expression::new();
    change.remove("expiresAt");
    assert_eq!(change.update(), "REMOVE #expiresAt");
    assert_eq!(change.values(), None);
}

#[test]
fn an_attribute_that_fits_no_placeholder_is_set_under_another_name() {
    let mut change = Expression::new();
    change.set_named("key1", "a-b.c d", text("x"));
    assert_eq!(change.update(), "SET #key1 = :key1");
    assert_eq!(change.names(), Some(names([("#key1", "a-b.c d")])));
    assert_eq!(change.values(), Some(values([(":key1", text("x"))])));
}

#[test]
fn a_number_is_added_or_taken_away() {
    let mut change = Expression::new();
    change.add("count", -1).increment("version");
    assert_eq!(change.update(), "SET #count = #count + :plus_count, #version = #version + :plus_version");
    assert_eq!(change.values(), Some(values([(":plus_count", number(-1)), (":plus_version", number(1))])));
}

#[test]
fn conditions_hold_together() {
    let mut change = Expression::new();
    change.set("version", number(4)).if_exists("pk").if_absent("deletedAt");
    change.if_equal("version", number(3)).if_not_equal("status", text("archived"));
    let ends = change.greater_number("expiresAt", "now", 1000);
    change.when(ends);
    assert_eq!(
        change.condition().as_deref(),
        Some(
            "attribute_exists(#pk) AND attribute_not_exists(#deletedAt) AND #version = :if_version \
             AND #status <> :not_status AND #expiresAt > :now"
        )
    );
    // The value that is set and the value that is expected do not share a placeholder.
    assert_eq!(
        change.values(),
        Some(values([
            (":version", number(4)),
            (":if_version", number(3)),
            (":not_status", text("archived")),
            (":now", number(1000)),
        ]))
    );
}

#[test]
fn tests_are_texts_to_be_combined() {
    let mut expression = Expression::new();
    let texts = [
        expression.equals("pk", "partition", "A#1#CLI"),
        expression.equals_number("version", "expected", 3),
        expression.greater_number("expiresAt", "now", -5),
        expression.function("begins_with", "gsi1sk", "prefix", "ac"),
        expression.absent("deletedAt"),
        expression.exists("kind"),
        expression.less("until", "limit", number(7)),
    ];
    assert_eq!(
        texts,
        [
            "#pk = :partition",
            "#version = :expected",
            "#expiresAt > :now",
            "begins_with(#gsi1sk, :prefix)",
            "attribute_not_exists(#deletedAt)",
            "attribute_exists(#kind)",
            "#until < :limit",
        ]
    );
    assert_eq!((expression.update(), expression.condition()), (String::new(), None));
    assert_eq!(
        expression.values(),
        Some(values([
            (":partition", text("A#1#CLI")),
            (":expected", number(3)),
            (":now", number(-5)),
            (":prefix", text("ac")),
            (":limit", number(7)),
        ]))
    );
}

#[test]
fn what_users_type_stands_in_values_only() {
    let typed = "x) OR attribute_exists(#pk";
    let mut change = Expression::new();
    change.set("name", text(typed)).if_equal("name", text(typed));
    let filter = change.function("contains", "tags", "filter0", typed);
    for text in [change.update(), change.condition().unwrap(), filter] {
        assert!(!text.contains("OR"), "{text}");
    }
}

#[test]
fn two_values_asked_for_under_one_name_are_both_kept() {
    let mut change = Expression::new();
    change.if_equal("ownerId", text("me")).if_equal("ownerId", text("you")).if_equal("ownerId", text("me"));
    let condition = "#ownerId = :if_ownerId AND #ownerId = :if_ownerId_ AND #ownerId = :if_ownerId";
    assert_eq!(change.condition().as_deref(), Some(condition));
    let kept = change.values().unwrap();
    assert_eq!((&kept[":if_ownerId"], &kept[":if_ownerId_"]), (&text("me"), &text("you")));
}
