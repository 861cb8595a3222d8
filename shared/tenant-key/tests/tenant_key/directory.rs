//! Keys of what is known before there is a principal.

use nexo_domain::{AccountId, ApiKeyId, Email, LinkId, MailId, SessionId, UserId};
use nexo_identity::Link;
use nexo_tenant_key::DirectoryKey;
use proptest::prelude::*;

use crate::world::any_id;

fn text(key: &DirectoryKey) -> (&str, &str) {
    (key.partition(), key.sort())
}

#[test]
fn directory_keys_have_the_form_the_policies_are_written_for() {
    let account: AccountId = "acc_01BX5ZZKBKACTAV9WEVGEMMVRZ".parse().unwrap();
    let user: UserId = "usr_01BX5ZZKBKACTAV9WEVGEMMVS0".parse().unwrap();
    let session: SessionId = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert_eq!(text(&DirectoryKey::public_keys()), ("JWKS", "JWKS"));
    assert_eq!(
        text(&DirectoryKey::account(&account)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#ACC", "01BX5ZZKBKACTAV9WEVGEMMVRZ")
    );
    assert_eq!(
        text(&DirectoryKey::user(&account, &user)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#USR", "01BX5ZZKBKACTAV9WEVGEMMVS0")
    );
    assert_eq!(
        text(&DirectoryKey::session(&account, &user, &session)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#SES#01BX5ZZKBKACTAV9WEVGEMMVS0", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    );
    let mail: MailId = "mai_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert_eq!(text(&DirectoryKey::mail(&mail)), ("MAIL#01ARZ3NDEKTSV4RRFFQ69G5FAV", "MAIL"));
    assert_eq!(
        text(&DirectoryKey::account_mail(&account, &mail)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#OUT", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    );
    let key: ApiKeyId = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert_eq!(
        text(&DirectoryKey::api_key(&account, &key)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#KEY", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    );
    assert_eq!(text(&DirectoryKey::api_keys(&account)), ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#KEY", "KEYS"));
    assert_eq!(
        text(&DirectoryKey::api_key_use(&account, &key)),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#USE", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    );
}

#[test]
fn what_waits_for_a_link_is_found_by_any_link_to_it() {
    let link = |what, millis| Link::new(&[what], LinkId::from_parts(millis, [0; 10]));
    let (first, second) = (DirectoryKey::pending(&link("a", 1)), DirectoryKey::pending(&link("a", 2)));
    assert_eq!(first, second);
    assert_ne!(first, DirectoryKey::pending(&link("b", 1)));
    assert_eq!((first.partition().len(), &first.partition()[..5], first.sort()), (48, "LINK#", "LINK"));
}

#[test]
fn a_login_is_found_in_whatever_case_its_address_is_typed() {
    let key = |address: &str| DirectoryKey::login(&Email::parse(address).unwrap());
    assert_eq!(text(&key("ana@nexo.test")), ("EMAIL#ana@nexo.test", "LOGIN"));
    assert_eq!(key(" Ana@NEXO.test "), key("ana@nexo.test"));
}

proptest! {
    #[test]
    fn attempts_are_counted_apart_for_different_callers(
        one in proptest::collection::vec("[ab]{0,2}", 0..3),
        other in proptest::collection::vec("[ab]{0,2}", 0..3),
    ) {
        let key = |who: &[String]| DirectoryKey::attempts(&who.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }

    #[test]
    fn attempts_do_not_say_whose_they_are(who in any::<String>()) {
        let key = DirectoryKey::attempts(&[&who]);
        let digest = key.partition().strip_prefix("TRY#").unwrap();
        prop_assert_eq!((digest.len(), key.sort()), (43, "TRY"));
        prop_assert!(digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn sessions_of_one_user_are_not_among_those_of_another(
        account in any_id(),
        one in any_id(),
        other in any_id(),
        session in any_id(),
    ) {
        prop_assume!(one != other);
        let (left, right) =
            (DirectoryKey::session(&account, &one, &session), DirectoryKey::session(&account, &other, &session));
        prop_assert!(!left.partition().starts_with(right.partition()));
    }
}
