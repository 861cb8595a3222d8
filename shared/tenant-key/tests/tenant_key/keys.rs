//! Keys of an account's data.

use nexo_domain::{AccountId, ClientId, Kind, TeamId, UserId};
use nexo_tenant_key::{Key, Principal, TenantScope, Verified, WrongAccount};
use proptest::prelude::*;

use crate::world::{any_id, any_scope, client, credentials, scope, scope_of, verified};

const KINDS: [Kind; 4] = [Kind::Account, Kind::User, Kind::Session, Kind::Client];

fn text(key: &Key) -> (&str, &str) {
    (key.partition().as_str(), key.sort())
}

/// The partition of everything a scope has a key for.
fn partitions(scope: &TenantScope, client: &ClientId, typed: &str) -> Vec<String> {
    let mut all: Vec<_> = KINDS.iter().map(|kind| scope.partition(*kind).as_str().to_owned()).collect();
    let keys = [
        scope.record(client),
        scope.unique(Kind::Client, "taxId", typed),
        scope.unique(Kind::Client, typed, typed),
        scope.idempotency(Kind::Client, typed),
        scope.account_record(),
        scope.organization(),
        scope.access(&UserId::from_parts(1, [2; 10])),
        scope.team(&TeamId::from_parts(1, [4; 10])),
    ];
    all.extend(keys.iter().map(|key| key.partition().as_str().to_owned()));
    all
}

/// `A#<account>#<tag>#<43 characters of base64url>`
fn is_marker(key: &Key, account: &AccountId, tag: &str) -> bool {
    let digest = key.partition().as_str().strip_prefix(&format!("A#{}#{tag}#", account.ulid()));
    key.sort() == tag
        && digest.is_some_and(|digest| {
            digest.len() == 43
                && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[test]
fn keys_have_the_form_the_policies_are_written_for() {
    let account: AccountId = "acc_01BX5ZZKBKACTAV9WEVGEMMVRZ".parse().unwrap();
    let user: UserId = "usr_01BX5ZZKBKACTAV9WEVGEMMVS0".parse().unwrap();
    let scope = scope_of(account, user);
    assert_eq!(
        KINDS.map(|kind| scope.partition(kind).as_str().to_owned()),
        ["ACC", "USR", "SES", "CLI"].map(|tag| format!("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#{tag}"))
    );
    assert_eq!(
        text(&scope.record(&client())),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#CLI", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    );
    assert_eq!(
        text(&scope.unique(Kind::Client, "taxId", "DE:123")),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#UNQ#GIDw5nLpHvWgh-LG0BqrwKOBfPN2gtjwIkjbtw0OnX0", "UNQ")
    );
    assert_eq!(
        text(&scope.idempotency(Kind::Client, "5f2c")),
        ("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#IDM#dQ-83k-xzP1YYk6xyvDNGsWnmZDriJAYxEPEIga-ou0", "IDM")
    );
    let own = |rest: &str| format!("A#01BX5ZZKBKACTAV9WEVGEMMVRZ#{rest}");
    let team: TeamId = "tea_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    for (key, partition, sort) in [
        (scope.account_record(), own("ACC"), "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        (scope.access(&user), own("SES#01BX5ZZKBKACTAV9WEVGEMMVS0"), "ACCESS"),
        (scope.organization(), own("SES#ORG"), "ORG"),
        (scope.team(&team), own("SES#01ARZ3NDEKTSV4RRFFQ69G5FAV"), "TEAM"),
    ] {
        assert_eq!(text(&key), (partition.as_str(), sort));
    }
    assert_eq!(scope.object(&client()).as_str(), "a/01BX5ZZKBKACTAV9WEVGEMMVRZ/01ARZ3NDEKTSV4RRFFQ69G5FAV");
}

/// What the forgeries leave out.
#[test]
fn the_way_to_a_key_is_a_verified_token_and_credentials_of_its_account() {
    let (account, user) = (AccountId::from_parts(1, [1; 10]), UserId::from_parts(1, [2; 10]));
    let principal: Verified<Principal> = verified(account, user);
    let scope = TenantScope::new(principal, credentials(account)).unwrap();
    let key = scope.record(&client());
    assert_eq!(*key.partition(), scope.partition(Kind::Client));
}

#[test]
fn a_scope_holds_the_account_of_its_principal_and_credentials() {
    let scope = scope(1);
    let account = AccountId::from_parts(1, [1; 10]);
    assert_eq!(*scope.account(), account);
    assert_eq!(scope.principal().account, account);
    assert_eq!(scope.credentials().account, account);
}

#[test]
fn credentials_of_another_account_make_no_scope() {
    let [one, other] = [1, 2].map(|number| AccountId::from_parts(number, [1; 10]));
    let principal = verified(one, UserId::from_parts(1, [2; 10]));
    assert_eq!(TenantScope::new(principal, credentials(other)).err(), Some(WrongAccount));
}

#[test]
fn a_scope_in_a_log_line_shows_no_secret() {
    let line = format!("{:?}", scope(1));
    for secret in ["key id", "secret", "token"] {
        assert!(!line.contains(secret), "{line}");
    }
}

#[test]
fn parts_of_a_marker_do_not_run_together() {
    let scope = scope(1);
    let key = |field, value| scope.unique(Kind::Client, field, value);
    assert_ne!(key("ab", "c"), key("a", "bc"));
    assert_ne!(key("a", ""), key("", "a"));
    assert_ne!(key("", ""), key("", "\0"));
    assert_ne!(scope.unique(Kind::Client, "a", "b"), scope.unique(Kind::User, "a", "b"));
}

#[test]
fn an_idempotency_key_belongs_to_a_user_and_a_kind() {
    let account = AccountId::from_parts(1, [1; 10]);
    let [one, other] = [1, 2].map(|number| scope_of(account, UserId::from_parts(number, [2; 10])));
    let key = one.idempotency(Kind::Client, "5f2c");
    assert_eq!(one.idempotency(Kind::Client, "5f2c"), key);
    assert_ne!(other.idempotency(Kind::Client, "5f2c"), key);
    assert_ne!(one.idempotency(Kind::User, "5f2c"), key);
    assert_ne!(one.idempotency(Kind::Client, "5f2d"), key);
}

proptest! {
    #[test]
    fn no_partition_of_one_account_begins_one_of_another(
        one in any_scope(),
        other in any_scope(),
        client in any_id(),
        typed in any::<String>(),
    ) {
        prop_assume!(one.account() != other.account());
        let (ones, others) = (partitions(&one, &client, &typed), partitions(&other, &client, &typed));
        let start = format!("A#{}#", one.account().ulid());
        for left in &ones {
            prop_assert!(left.starts_with(&start));
            for right in &others {
                prop_assert!(!left.starts_with(right) && !right.starts_with(left), "{left} {right}");
            }
        }
        let (left, right) = (one.object(&client), other.object(&client));
        let start = format!("a/{}/", one.account().ulid());
        prop_assert!(left.as_str().starts_with(&start));
        prop_assert_ne!(left, right);
    }

    #[test]
    fn markers_are_alike_only_for_the_same_parts(
        one in ("[ab\0#]{0,3}", "[ab\0#]{0,3}"),
        other in ("[ab\0#]{0,3}", "[ab\0#]{0,3}"),
    ) {
        let scope = scope(1);
        let key = |parts: &(String, String)| scope.unique(Kind::Client, &parts.0, &parts.1);
        prop_assert_eq!(key(&one) == key(&other), one == other);
        let (unique, idempotency) = (key(&one), scope.idempotency(Kind::Client, &one.1));
        prop_assert_ne!(unique.partition(), idempotency.partition());
    }

    #[test]
    fn nothing_that_a_user_typed_is_in_a_key(scope in any_scope(), typed in any::<String>()) {
        prop_assert!(is_marker(&scope.unique(Kind::Client, "taxId", &typed), scope.account(), "UNQ"));
        prop_assert!(is_marker(&scope.unique(Kind::Client, &typed, ""), scope.account(), "UNQ"));
        prop_assert!(is_marker(&scope.idempotency(Kind::Client, &typed), scope.account(), "IDM"));
    }
}
