use proptest::prelude::*;

use super::*;

const TABLE: &str = "arn:aws:dynamodb:local:000000000000:table/nexo";
/// Operator, key and values.
type Conditions<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];

const MINE: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn statement(effect: Effect, action: &str, conditions: Conditions<'_>) -> Statement {
    Statement {
        effect,
        actions: vec![Pattern::new(action)],
        resources: vec![Pattern::new(TABLE), Pattern::new(&format!("{TABLE}/index/*"))],
        conditions: conditions
            .iter()
            .map(|(operator, key, values)| Condition {
                operator: Operator::parse(operator),
                key: (*key).to_owned(),
                values: values.iter().map(|value| Pattern::new(value)).collect(),
            })
            .collect(),
    }
}

fn tenant() -> Vec<Statement> {
    let own = "A#${aws:PrincipalTag/account}#*";
    vec![
        statement(
            Effect::Allow,
            "dynamodb:*Item",
            &[
                ("ForAllValues:StringLike", "dynamodb:LeadingKeys", &[own]),
                ("Null", "dynamodb:LeadingKeys", &["false"]),
            ],
        ),
        statement(
            Effect::Deny,
            "dynamodb:*",
            &[("ForAnyValue:StringLike", "dynamodb:LeadingKeys", &["A#*#SES#*", "A#*#USR", "A#*#ACC"])],
        ),
    ]
}

fn ask(statements: &[Statement], action: &str, keys: &[&str], account: Option<&str>) -> Decision {
    ask_on(statements, action, keys, account, TABLE)
}

fn ask_on(
    statements: &[Statement],
    action: &str,
    keys: &[&str],
    account: Option<&str>,
    resource: &str,
) -> Decision {
    let context = BTreeMap::from([("dynamodb:LeadingKeys", keys.to_vec())]);
    let tags = account.map(|account| ("account".to_owned(), account.to_owned())).into_iter().collect();
    evaluate(
        statements,
        &Request { action, resources: &[resource.to_owned()], context: &context, tags: &tags },
    )
}

fn refused(decision: &Decision, because: &str) -> bool {
    matches!(decision, Decision::Denied(reason) if reason.contains(because))
}

#[test]
fn an_account_reaches_its_own_partitions_only() {
    let mine = format!("A#{MINE}#CLI");
    let theirs = "A#01BX5ZZKBKACTAV9WEVGEMMVRZ#CLI";
    let answer = |keys: &[&str]| ask(&tenant(), "dynamodb:GetItem", keys, Some(MINE));

    assert_eq!(answer(&[&mine]), Decision::Allowed);
    assert!(refused(&answer(&[theirs]), "no statement allows"));
    assert!(refused(&answer(&[&mine, theirs]), "no statement allows"));
}

#[test]
fn an_explicit_deny_wins() {
    for kind in ["SES#01BX5ZZKBKACTAV9WEVGEMMVRZ", "USR", "ACC"] {
        let key = format!("A#{MINE}#{kind}");
        let answer = ask(&tenant(), "dynamodb:PutItem", &[&key], Some(MINE));
        assert!(refused(&answer, "explicit deny"), "{key}: {answer:?}");
    }
}

#[test]
fn a_request_without_leading_keys_needs_the_null_condition_to_be_refused() {
    let answer = ask(&tenant(), "dynamodb:GetItem", &[], Some(MINE));
    assert!(refused(&answer, "no statement allows"));

    let careless = [statement(
        Effect::Allow,
        "dynamodb:*",
        &[("ForAllValues:StringLike", "dynamodb:LeadingKeys", &["A#*"])],
    )];
    assert_eq!(
        ask(&careless, "dynamodb:Scan", &[], None),
        Decision::Allowed,
        "as in AWS: ForAllValues is true when the key is absent"
    );
}

#[test]
fn a_tag_is_never_a_wildcard() {
    let key = format!("A#{MINE}#CLI");
    for tag in ["*", "??????????????????????????", "01ARZ3*"] {
        let answer = ask(&tenant(), "dynamodb:GetItem", &[&key], Some(tag));
        assert!(refused(&answer, "no statement allows"), "{tag}");
    }
}

#[test]
fn what_is_not_understood_refuses_the_whole_evaluation() {
    let allow = statement(Effect::Allow, "dynamodb:*", &[]);
    let cases: [(Conditions<'_>, &str); 4] = [
        (&[("StringNotLike", "dynamodb:LeadingKeys", &["A#*"])], "operator StringNotLike"),
        (&[("StringLike", "aws:SourceIp", &["*"])], "key aws:SourceIp"),
        (&[("StringLike", "dynamodb:LeadingKeys", &["${aws:username}"])], "variable ${aws:username}"),
        (&[("StringLike", "dynamodb:LeadingKeys", &["${aws:PrincipalTag/account}"])], "has no value"),
    ];
    for (conditions, because) in cases {
        let unclear = statement(Effect::Allow, "dynamodb:GetItem", conditions);
        let answer = ask(&[allow.clone(), unclear], "dynamodb:GetItem", &["A#x"], None);
        assert!(refused(&answer, because), "{because}: {answer:?}");
    }
}

#[test]
fn several_values_need_a_set_operator() {
    let single = [statement(
        Effect::Allow,
        "dynamodb:GetItem",
        &[("StringEquals", "dynamodb:LeadingKeys", &["JWKS"])],
    )];
    let answer = |keys: &[&str]| ask(&single, "dynamodb:GetItem", keys, None);
    assert_eq!(answer(&["JWKS"]), Decision::Allowed);
    assert!(refused(&answer(&["JWKS", "JWKS"]), "several values"));
    assert!(refused(&answer(&[]), "no statement allows"));
}

#[test]
fn string_equals_knows_no_wildcards() {
    let equals = [statement(
        Effect::Allow,
        "dynamodb:GetItem",
        &[("ForAllValues:StringEquals", "dynamodb:LeadingKeys", &["A#*"])],
    )];
    let answer = |key| ask(&equals, "dynamodb:GetItem", &[key], None);
    assert_eq!(answer("A#*"), Decision::Allowed);
    assert!(refused(&answer("A#x"), "no statement allows"));
}

#[test]
fn question_marks_stand_for_one_character_each() {
    let session = [statement(
        Effect::Allow,
        "dynamodb:GetItem",
        &[("ForAllValues:StringLike", "dynamodb:LeadingKeys", &["A#??????????????????????????#SES#*"])],
    )];
    let answer = |key: &str| ask(&session, "dynamodb:GetItem", &[key], None);
    assert_eq!(answer(&format!("A#{MINE}#SES#u")), Decision::Allowed);
    assert!(refused(&answer(&format!("A#{MINE}X#SES#u")), "no statement"));
    assert!(refused(&answer("A#short#SES#u"), "no statement"));
}

#[test]
fn another_table_or_action_is_not_covered() {
    let key = format!("A#{MINE}#CLI");
    let elsewhere = "arn:aws:dynamodb:local:000000000000:table/nexo2";
    let answer = ask_on(&tenant(), "dynamodb:GetItem", &[&key], Some(MINE), elsewhere);
    assert!(refused(&answer, "no statement allows"));
    let answer = ask(&tenant(), "dynamodb:Query", &[&key], Some(MINE));
    assert!(refused(&answer, "no statement allows"));
    let answer = ask(&tenant(), "DynamoDB:getitem", &[&key], Some(MINE));
    assert_eq!(answer, Decision::Allowed, "actions have no case");
}

#[test]
fn escaped_wildcards_are_literal() {
    let tags = BTreeMap::new();
    assert_eq!(Pattern::new("a${*}b").matches("a*b", &tags), Ok(true));
    assert_eq!(Pattern::new("a${*}b").matches("axb", &tags), Ok(false));
    assert_eq!(Pattern::new("a${$}{b}").matches("a${b}", &tags), Ok(true));
}

fn account() -> impl Strategy<Value = String> {
    "[0-7][0-9A-HJKMNP-TV-Z]{25}"
}

proptest! {
    #[test]
    fn no_account_reaches_into_another(mine in account(), other in account(), kind in "[A-Z#a-z0-9*?]{0,12}") {
        prop_assume!(mine != other);
        let key = format!("A#{other}#{kind}");
        let answer = ask(&tenant(), "dynamodb:GetItem", &[&key], Some(&mine));
        prop_assert!(matches!(answer, Decision::Denied(_)));
    }

    #[test]
    fn no_prefix_of_an_account_is_another(mine in account(), length in 1_usize..26) {
        let key = format!("A#{mine}#CLI");
        let answer = ask(&tenant(), "dynamodb:GetItem", &[&key], Some(&mine[..length]));
        prop_assert!(matches!(answer, Decision::Denied(_)));
    }

    #[test]
    fn a_deny_wins_wherever_it_stands(position in 0_usize..4, key in "[ -~]{0,20}") {
        let mut statements = vec![statement(Effect::Allow, "*", &[]); 3];
        statements.insert(position, statement(Effect::Deny, "dynamodb:Query", &[]));
        let denied = ask(&statements, "dynamodb:Query", &[&key], None);
        let allowed = ask(&statements, "dynamodb:GetItem", &[&key], None);
        prop_assert!(refused(&denied, "explicit deny"));
        prop_assert_eq!(allowed, Decision::Allowed);
    }

    #[test]
    fn one_foreign_key_among_many_refuses(mine in account(), other in account(), at in 0_usize..5) {
        prop_assume!(mine != other);
        let own = format!("A#{mine}#CLI");
        let foreign = format!("A#{other}#CLI");
        let mut keys = vec![own.as_str(); 4];
        keys.insert(at, &foreign);
        let answer = ask(&tenant(), "dynamodb:BatchGetItem", &keys, Some(&mine));
        prop_assert!(matches!(answer, Decision::Denied(_)));
    }

    #[test]
    fn a_literal_pattern_matches_only_itself(text in "[a-zA-Z0-9#:/_-]{0,30}", other in "[a-zA-Z0-9#:/_-]{0,30}") {
        let tags = BTreeMap::new();
        prop_assert_eq!(Pattern::new(&text).matches(&text, &tags), Ok(true));
        prop_assert_eq!(Pattern::new(&text).matches(&other, &tags), Ok(text == other));
    }

    #[test]
    fn wildcards_agree_with_a_plain_definition(pattern in "[ab*?]{0,8}", value in "[ab]{0,8}") {
        fn plain(p: &[u8], v: &[u8]) -> bool {
            match p.split_first() {
                None => v.is_empty(),
                Some((b'*', rest)) => (0..=v.len()).any(|n| plain(rest, &v[n..])),
                Some((b'?', rest)) => !v.is_empty() && plain(rest, &v[1..]),
                Some((c, rest)) => v.first() == Some(c) && plain(rest, &v[1..]),
            }
        }
        let expected = plain(pattern.as_bytes(), value.as_bytes());
        prop_assert_eq!(Pattern::new(&pattern).matches(&value, &BTreeMap::new()), Ok(expected));
    }
}
