//! Refresh tokens say only what their key wrote.

use nexo_domain::{AccountId, SessionId, UserId};
use nexo_identity::{Clock, RefreshToken, Signer};
use proptest::prelude::*;

use crate::world::{ISSUER, PROOF, encode, principal};

fn signer(byte: u8) -> Signer {
    Signer::from_secret(&[byte; 32], ISSUER, Clock::system()).unwrap()
}

fn any_token() -> impl Strategy<Value = RefreshToken> {
    let id = || (0..1_u64 << 48, any::<[u8; 10]>());
    (id(), id(), id(), any::<u32>()).prop_map(|(account, user, session, generation)| RefreshToken {
        account: AccountId::from_parts(account.0, account.1),
        user: UserId::from_parts(user.0, user.1),
        session: SessionId::from_parts(session.0, session.1),
        generation,
    })
}

fn a_token() -> RefreshToken {
    let principal = principal(1);
    RefreshToken {
        account: principal.account,
        user: principal.user,
        session: principal.session,
        generation: 3,
    }
}

#[test]
fn a_token_is_the_same_each_time_it_is_made() {
    assert_eq!(signer(7).refresh_key().seal(&a_token()), signer(7).refresh_key().seal(&a_token()));
}

#[test]
fn a_token_is_marked_for_secret_scanners() {
    let sealed = signer(7).refresh_key().seal(&a_token());
    assert_eq!((&sealed[..9], sealed.len()), ("nexo_rt1_", 161));
}

#[test]
fn no_character_can_be_changed() {
    let key = signer(7);
    let sealed = key.refresh_key().seal(&a_token());
    for (index, was) in sealed.char_indices() {
        for change in ['A', 'B', '=', ' '] {
            let mut changed = sealed.clone();
            changed.replace_range(index..=index, &change.to_string());
            let expected = (change == was).then(a_token);
            assert_eq!(key.refresh_key().open(&changed), expected, "{change} at {index}");
        }
        assert_eq!(key.refresh_key().open(&sealed[..index]), None, "cut at {index}");
    }
    for longer in [format!("{sealed}A"), format!("{sealed}AAAA"), format!("{sealed}=="), format!(" {sealed}")]
    {
        assert_eq!(key.refresh_key().open(&longer), None);
    }
}

#[test]
fn an_access_token_is_no_refresh_token() {
    let key = signer(7);
    let access = key.sign(&principal(1), PROOF).unwrap();
    assert_eq!(key.refresh_key().open(&access), None);
    assert_eq!(key.refresh_key().open(&format!("nexo_rt1_{access}")), None);
}

proptest! {
    #[test]
    fn a_token_opens_to_what_was_sealed(token in any_token()) {
        let key = signer(7);
        prop_assert_eq!(key.refresh_key().open(&key.refresh_key().seal(&token)), Some(token));
    }

    #[test]
    fn another_key_does_not_open_it(token in any_token(), byte in any::<u8>()) {
        prop_assume!(byte != 7);
        let sealed = signer(7).refresh_key().seal(&token);
        prop_assert_eq!(signer(byte).refresh_key().open(&sealed), None);
    }

    #[test]
    fn different_tokens_have_different_texts(one in any_token(), generation in any::<u32>()) {
        prop_assume!(one.generation != generation);
        let key = signer(7);
        let other = RefreshToken { generation, ..one.clone() };
        prop_assert_ne!(key.refresh_key().seal(&one), key.refresh_key().seal(&other));
    }

    #[test]
    fn no_text_is_a_token(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = signer(7);
        prop_assert_eq!(key.refresh_key().open(&text), None);
        prop_assert_eq!(key.refresh_key().open(&format!("nexo_rt1_{text}")), None);
        prop_assert_eq!(key.refresh_key().open(&format!("nexo_rt1_{}", encode(bytes))), None);
    }
}
