use proptest::prelude::*;

use super::*;

#[test]
fn a_name_sorts_in_lower_case() {
    assert_eq!(name_key("  ACME Gmbh "), "acme gmbh");
    assert_eq!(name_key(""), " ");
}

#[test]
fn a_name_comes_before_the_longer_one_it_begins() {
    assert!(name_key("Acme") < name_key("Acme Ltd"));
}

#[test]
fn a_prefix_finds_its_name_whatever_the_case_of_either() {
    for (prefix, name) in
        [("acme g", "ACME GmbH"), ("ÉLA", "Élan"), ("ΚΩΣ", "Κωστας"), ("Κως", "ΚΩΣΤΑΣ"), ("İst", "İSTANBUL")]
    {
        assert!(name_key(name).starts_with(&fold(prefix)), "{prefix} {name}");
    }
}

#[test]
fn the_longest_name_fits_into_a_sort_key() {
    for character in ["a", "é", "€", "𐍈", "İ"] {
        let key = name_key(&character.repeat(1000));
        assert!((990..=1024).contains(&key.len()), "{character}: {}", key.len());
    }
}

#[test]
fn what_is_null_or_an_empty_list_is_not_stored() {
    #[derive(Serialize)]
    struct Fields {
        name: &'static str,
        note: Option<&'static str>,
        tags: Vec<&'static str>,
        kept: Vec<&'static str>,
        off: bool,
    }
    let fields = Fields { name: "", note: None, tags: vec![], kept: vec!["a"], off: false };
    let expected = Item::from([
        ("name".into(), AttributeValue::S(String::new())),
        ("kept".into(), AttributeValue::L(vec![AttributeValue::S("a".into())])),
        ("off".into(), AttributeValue::Bool(false)),
    ]);
    assert_eq!(attributes(&fields).unwrap(), expected);
}

#[test]
fn a_claim_names_its_field() {
    let unique = Unique { field: "taxId", value: "DE:123".into() };
    assert_eq!(unique.claim(), "taxId=DE:123");
}

/// What a name can be: no control characters, which are kept out where it is parsed.
fn any_name() -> impl Strategy<Value = String> {
    "\\PC{0,300}"
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis)
}

proptest! {
    #[test]
    fn keys_sort_as_names_do(one in any_name(), other in any_name()) {
        prop_assume!(fold(&one).len().max(fold(&other).len()) <= LONGEST_SORT_KEY);
        prop_assume!(!fold(&one).is_empty() && !fold(&other).is_empty());
        prop_assert_eq!(name_key(&one).cmp(&name_key(&other)), fold(&one).cmp(&fold(&other)));
    }

    #[test]
    fn any_name_makes_a_key_that_fits(name in any::<String>(), times in 1..100_usize) {
        let key = name_key(&name.repeat(times));
        prop_assert!((1..=LONGEST_SORT_KEY).contains(&key.len()));
    }

    #[test]
    fn folding_twice_is_folding_once(name in any_name()) {
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
    }

    #[test]
    fn times_sort_as_their_texts_do(one in any_time(), other in any_time()) {
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
    }
}
