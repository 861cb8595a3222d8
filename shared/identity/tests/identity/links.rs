//! Links say only what their key wrote, and only for what it wrote it.

use nexo_domain::LinkId;
use nexo_identity::{Link, LinkKey, Purpose};
use proptest::prelude::*;

const ID: &str = "lnk_01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn key(byte: u8) -> LinkKey {
    LinkKey::from_secret(&[byte; 32]).unwrap()
}

fn a_link() -> Link {
    Link::new(&["password-reset", "ada@acme.example"], ID.parse().unwrap())
}

/// Made with Python's hmac and hashlib, from the description in the module.
#[test]
fn a_token_is_that_of_another_implementation() {
    let token = "nexo_lt1_jFomUvJ7C56OmagwHMJxA8Idg2fIsXykSjRCOPmO2LwwMUFSWjNOREVLVFNWNFJSRkZRNjlHNUZBVvv9daPDTpgas683TgeWRfH7WkXnIDZYkLtMB2z6mNZP";
    assert_eq!(key(7).seal(Purpose::PasswordReset, &a_link()), token);
    assert_eq!(key(7).open(Purpose::PasswordReset, token), Some(a_link()));
}

#[test]
fn a_token_opens_for_its_purpose_only() {
    let tokens = Purpose::ALL.map(|purpose| key(7).seal(purpose, &a_link()));
    for (made_for, token) in Purpose::ALL.iter().zip(&tokens) {
        for purpose in Purpose::ALL {
            let expected = (purpose == *made_for).then(a_link);
            assert_eq!(key(7).open(purpose, token), expected, "{made_for:?} as {purpose:?}");
            assert_eq!(key(8).open(purpose, token), None, "{made_for:?} of another key");
        }
    }
    let words = Purpose::ALL.map(Purpose::word);
    for word in words {
        assert_eq!(words.iter().filter(|other| other.starts_with(word)).count(), 1, "{word}");
    }
}

#[test]
fn no_character_can_be_changed() {
    let sealed = key(7).seal(Purpose::Register, &a_link());
    for (index, was) in sealed.char_indices() {
        for change in ['A', 'B', '=', ' '] {
            let mut changed = sealed.clone();
            changed.replace_range(index..=index, &change.to_string());
            let expected = (change == was).then(a_link);
            assert_eq!(key(7).open(Purpose::Register, &changed), expected, "{change} at {index}");
        }
        assert_eq!(key(7).open(Purpose::Register, &sealed[..index]), None, "cut at {index}");
    }
    for longer in [format!("{sealed}A"), format!("{sealed}AAAA"), format!("{sealed}=="), format!(" {sealed}")]
    {
        assert_eq!(key(7).open(Purpose::Register, &longer), None);
    }
}

#[test]
fn what_is_stored_of_a_link_opens_nothing() {
    let stored = serde_json::to_value(a_link()).unwrap();
    assert_eq!(stored, serde_json::json!({"place": a_link().place(), "id": ID}));
    assert_eq!(serde_json::from_value::<Link>(stored).unwrap(), a_link());
    for guess in [a_link().place(), ID.to_owned(), format!("nexo_lt1_{}{}", a_link().place(), &ID[4..])] {
        assert!(Purpose::ALL.iter().all(|purpose| key(7).open(*purpose, &guess).is_none()));
    }
    for wrong in [r#"{"place":"AA","id":"lnk_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#, r#"{"place":"","id":"x"}"#] {
        assert!(serde_json::from_str::<Link>(wrong).is_err());
    }
}

#[test]
fn a_short_secret_makes_no_key() {
    assert!(LinkKey::from_secret(&[1; 31]).is_err());
}

proptest! {
    #[test]
    fn a_link_comes_back_as_it_was(
        what in proptest::collection::vec(any::<String>(), 0..3),
        millis in 0..1_u64 << 48,
        random: [u8; 10],
    ) {
        let what: Vec<_> = what.iter().map(String::as_str).collect();
        let link = Link::new(&what, LinkId::from_parts(millis, random));
        let token = key(1).seal(Purpose::Invitation, &link);
        prop_assert_eq!(key(1).open(Purpose::Invitation, &token), Some(link));
        // Fits in the line of a mail and in an address.
        prop_assert!(token.len() < 140 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    }

    #[test]
    fn what_has_another_name_waits_in_another_place(
        one in proptest::collection::vec("[ab]{0,2}", 0..3),
        other in proptest::collection::vec("[ab]{0,2}", 0..3),
    ) {
        let place = |what: &[String]| {
            Link::new(&what.iter().map(String::as_str).collect::<Vec<_>>(), ID.parse().unwrap()).place()
        };
        prop_assert_eq!(place(&one) == place(&other), one == other);
    }

    #[test]
    fn no_text_is_taken_for_a_token(text in "(nexo_lt1_)?[A-Za-z0-9_-]{0,130}") {
        prop_assert_eq!(key(1).open(Purpose::Register, &text), None);
    }
}
