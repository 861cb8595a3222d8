use nexo_domain::ClientId;
use proptest::prelude::*;

use super::*;

const ULID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// The most bytes of a sort key.
const LONGEST_SORT_KEY: usize = 1024;

#[test]
fn a_name_sorts_in_lower_case_before_its_ulid() {
    assert_eq!(name_key("  ACME Gmbh ", ULID), format!("acme gmbh\u{1f}{ULID}"));
    assert_eq!(name_key("", ULID), format!("\u{1f}{ULID}"));
}

#[test]
fn a_name_comes_before_the_longer_one_it_begins() {
    let (short, longer) = (name_key("Acme", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), name_key("Acme Ltd", ULID));
    assert!(short < longer);
}

#[test]
fn a_prefix_finds_its_name_whatever_the_case_of_either() {
    for (prefix, name) in
        [("acme g", "ACME GmbH"), ("ÉLA", "Élan"), ("ΚΩΣ", "Κωστας"), ("Κως", "ΚΩΣΤΑΣ"), ("İst", "İSTANBUL")]
    {
        assert!(name_key(name, ULID).starts_with(&fold(prefix)), "{prefix} {name}");
    }
}

#[test]
fn the_longest_name_fits_into_a_sort_key() {
    for character in ["a", "é", "€", "𐍈", "İ"] {
        let key = name_key(&character.repeat(1000), ULID);
        assert!(key.len() <= LONGEST_SORT_KEY, "{character}: {}", key.len());
        assert!(key.ends_with(&format!("\u{1f}{ULID}")), "{character}");
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

fn any_ulid() -> impl Strategy<Value = String> {
    (0..1_u64 << 48, any::<[u8; 10]>())
        .prop_map(|(millis, random)| ClientId::from_parts(millis, random).ulid().to_owned())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis)
}

fn short(name: &str) -> String {
    let folded = fold(name);
    folded[..folded.floor_char_boundary(LONGEST_NAME_KEY)].to_owned()
}

proptest! {
    #[test]
    fn keys_sort_as_names_do_and_then_as_records(
        one in any_name(),
        other in any_name(),
        ones in any_ulid(),
        others in any_ulid(),
    ) {
        let expected = (short(&one), &ones).cmp(&(short(&other), &others));
        prop_assert_eq!(name_key(&one, &ones).cmp(&name_key(&other, &others)), expected);
        let (alike, key) = (name_key(&one, &others), name_key(&one, &ones));
        prop_assert_eq!(key.cmp(&alike), ones.cmp(&others));
    }

    #[test]
    fn any_name_makes_a_key_that_fits(name in any::<String>(), times in 1..100_usize) {
        let key = name_key(&name.repeat(times), ULID);
        prop_assert!(key.len() <= LONGEST_SORT_KEY);
        let end = format!("\u{1f}{ULID}");
        prop_assert!(key.ends_with(&end));
    }

    #[test]
    fn folding_twice_is_folding_once(name in any_name()) {
        prop_assert_eq!(fold(&fold(&name)), fold(&name));
    }

    #[test]
    fn keys_sort_as_times_do_and_then_as_records(
        one in any_time(),
        other in any_time(),
        ones in any_ulid(),
        others in any_ulid(),
    ) {
        let expected = (one, &ones).cmp(&(other, &others));
        prop_assert_eq!(updated_key(one, &ones).cmp(&updated_key(other, &others)), expected);
        prop_assert_eq!(updated_key(one, &ones).cmp(&updated_key(one, &others)), ones.cmp(&others));
    }

    #[test]
    fn the_next_millisecond_sorts_later(at in any_time()) {
        prop_assume!(at < Timestamp::MAX);
        let next = Timestamp::from_millis(at.as_millis() + 1);
        prop_assert!(updated_key(at, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ") < updated_key(next, ULID));
    }
}
