//! Cursors open where they were sealed, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_tenant_key::{CursorKey, InvalidCursor, Position};
use proptest::prelude::*;

use crate::world::{any_scope, scope};

const ROUTE: &str = "/api/clients";
const FILTER: &str = "-createdAt\u{1f}status=lead";

fn key() -> CursorKey {
    CursorKey::from_secret(b"the stack's cursor secret")
}

fn position() -> Position {
    Position {
        record: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
        sorted_by: Some("acme gmbh\u{1f}01ARZ3NDEKTSV4RRFFQ69G5FAV".into()),
    }
}

fn any_position() -> impl Strategy<Value = Position> {
    ("[0-9A-Z]{26}", any::<Option<String>>()).prop_map(|(record, sorted_by)| Position { record, sorted_by })
}

fn sealed() -> String {
    key().seal(&scope(1), ROUTE, FILTER, &position()).unwrap()
}

#[test]
fn two_cursors_of_one_place_differ() {
    assert_ne!(sealed(), sealed());
}

#[test]
fn a_cursor_does_not_open_for_another_account_route_or_filter() {
    let cursor = sealed();
    let open = |number, route, filter| key().open(&scope(number), route, filter, &cursor);
    assert_eq!(open(1, ROUTE, FILTER), Ok(position()));
    assert_eq!(open(2, ROUTE, FILTER), Err(InvalidCursor));
    for (route, filter) in [
        ("/api/employees", FILTER),
        (ROUTE, "-createdAt"),
        (ROUTE, ""),
        ("", FILTER),
        ("/api/client", "s-createdAt\u{1f}status=lead"),
        ("/api/clients-", "createdAt\u{1f}status=lead"),
    ] {
        assert_eq!(open(1, route, filter), Err(InvalidCursor), "{route} {filter}");
    }
}

#[test]
fn another_stacks_key_does_not_open_it() {
    let other = CursorKey::from_secret(b"another stack's cursor secret");
    assert_eq!(other.open(&scope(1), ROUTE, FILTER, &sealed()), Err(InvalidCursor));
}

#[test]
fn no_bit_of_a_cursor_can_be_changed() {
    let (cursor, scope, key) = (sealed(), scope(1), key());
    let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = URL_SAFE_NO_PAD.encode(changed);
        assert_eq!(key.open(&scope, ROUTE, FILTER, &changed), Err(InvalidCursor), "bit {bit}");
    }
    for length in 0..cursor.len() {
        assert_eq!(key.open(&scope, ROUTE, FILTER, &cursor[..length]), Err(InvalidCursor), "{length}");
    }
    for longer in [format!("{cursor}A"), format!("{cursor}AAAA"), format!("{cursor}="), format!(" {cursor}")]
    {
        assert_eq!(key.open(&scope, ROUTE, FILTER, &longer), Err(InvalidCursor));
    }
}

#[test]
fn a_cursor_does_not_show_the_place_it_holds() {
    let cursor = sealed();
    let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    let shows = |part: &str| {
        cursor.contains(part) || bytes.windows(part.len()).any(|window| window == part.as_bytes())
    };
    assert!(!shows("01ARZ3ND") && !shows("acme"));
}

#[test]
fn the_longest_sort_key_fits_into_a_cursor() {
    let position = Position { sorted_by: Some("é".repeat(512)), ..position() };
    let cursor = key().seal(&scope(1), ROUTE, FILTER, &position).unwrap();
    assert_eq!(key().open(&scope(1), ROUTE, FILTER, &cursor), Ok(position));
}

#[test]
fn a_cursor_of_more_than_4096_characters_is_not_looked_at() {
    let opened = |length: usize| {
        let position = Position { record: "0".repeat(length), sorted_by: None };
        let cursor = key().seal(&scope(1), ROUTE, FILTER, &position).unwrap();
        (cursor.len(), key().open(&scope(1), ROUTE, FILTER, &cursor) == Ok(position))
    };
    assert_eq!(opened(3032), (4096, true));
    assert_eq!(opened(3033), (4098, false));
}

proptest! {
    #[test]
    fn a_cursor_opens_to_what_was_sealed(
        scope in any_scope(),
        position in any_position(),
        route in any::<String>(),
        filter in any::<String>(),
    ) {
        let cursor = key().seal(&scope, &route, &filter, &position).unwrap();
        prop_assert_eq!(key().open(&scope, &route, &filter, &cursor), Ok(position));
    }

    #[test]
    fn it_opens_only_for_the_same_route_and_filter(
        one in ("[ab]{0,2}", "[ab]{0,2}"),
        other in ("[ab]{0,2}", "[ab]{0,2}"),
    ) {
        let scope = scope(1);
        let cursor = key().seal(&scope, &one.0, &one.1, &position()).unwrap();
        prop_assert_eq!(key().open(&scope, &other.0, &other.1, &cursor).is_ok(), one == other);
    }

    #[test]
    fn no_text_is_a_cursor(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let scope = scope(1);
        prop_assert_eq!(key().open(&scope, ROUTE, FILTER, &text), Err(InvalidCursor));
        prop_assert_eq!(key().open(&scope, ROUTE, FILTER, &URL_SAFE_NO_PAD.encode(bytes)), Err(InvalidCursor));
    }
}
