use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;

/// Passwords of the sources, as they stand there.
const KNOWN: [&str; 9] = [
    "nemvxyheqdd5oqxyxyzi",
    "friend of emily",
    "john!20130605at1753",
    "hd764nw5d7e1vb1",
    "gsx1300rhayabusa",
    "passion4fashion",
    "marshallmg50dfx",
    "professorlivre1",
    "doomsayer.2.7mords.v",
];

fn of(password: &str, about: &[&str]) -> Option<Weakness> {
    Weakness::of(password, 15, about, &Blocklist::embedded())
}

#[test]
fn sentences_are_no_weakness() {
    for password in [
        "correct horse battery staple",
        "a new sentence to remember",
        "another sentence to remember",
        "demo account of nexo",
        "fifteen chars !",
        "пароль из 15 букв",
        "café au lait chaud",
        "我的密码是一个很长的句子没有人知道",
        "Mississippi steamboat whistle",
        "vK3!pQ9zR7&mW2xT",
        "550e8400-e29b-41d4-a716-446655440000",
    ] {
        assert_eq!(of(password, &["demo@nexo", "NEXO Demo", "Ada", "Lovelace"]), None, "{password}");
    }
}

#[test]
fn repetitions_and_runs_are_predictable() {
    for password in [
        "aaaaaaaaaaaaaaa",
        "aaaaaaaabbbbbbbb",
        "!!!!!!!!!!!!!!!!!!",
        "passwordpassword",
        "PasswordPasswor",
        "xkqvbnwm xkqvbnwm",
        "password-password",
        "abcabcabcabcabcabc",
        "123456789012345",
        "987654321098765",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "QWERTYUIOP 12345",
        "1q2w3e4r5t6y7u8i",
        "1qaz2wsx3edc4rfv",
        "qazwsxedcrfvtgb",
        "zaq12wsxcde34rfv",
        "12345qwertasdfgzxcvb",
        "!@#$%^&*()!@#$%",
        "112233445566778899",
        "                    ",
        "x              q",
        "йцукенгшщзфывапр",
        "1-2-3-4-5-6-7-8-9",
        "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀",
    ] {
        assert_eq!(of(password, &[]), Some(Weakness::Predictable), "{password}");
    }
}

#[test]
fn what_is_long_enough_may_come_twice() {
    assert_eq!(of("a new sentence to remember a new sentence to remember", &[]), None);
}

#[test]
fn one_common_word_with_digits_is_common() {
    for password in [
        "dragon837460192",
        "Sunshine!!2024!?",
        "2024-07-13 football",
        "password1password2",
        "1password22password3",
        "P@ssw0rd27182818",
        "p4$$w0rd_31415926",
        "correct horse battery staple 1",
        "gloucestershire!",
        "qwertyuiop1985!",
        "147258369147258",
    ] {
        assert_eq!(of(password, &[]), Some(Weakness::Common), "{password}");
    }
}

#[test]
fn the_context_is_no_password() {
    let about = ["ada@acme", "Acme GmbH", "Ada", "Lovelace"];
    for password in [
        "Acme GmbH 20262026",
        "ada.lovelace@acme",
        "lovelace-ada-1815",
        "NEXO nexo! Acme 77",
        "nexo 4711 password",
        "AcmeGmbH is great",
    ] {
        assert!(of(password, &about) == Some(Weakness::Similar), "{password}");
    }
    assert_eq!(of("ada.lovelace@acme", &[]), None);
    assert_eq!(of("Acme pays for the lunch of Ada", &about), None);
    assert_eq!(of("ab cd 1 ef 2 gh 3", &["ab", "cd", "ef", "gh"]), None, "two letters are in any word");
}

#[test]
fn a_refusal_says_what_to_do() {
    for (weakness, code) in [
        (Weakness::Predictable, "too_predictable"),
        (Weakness::Common, "too_common"),
        (Weakness::Similar, "too_similar"),
    ] {
        let refusal = weakness.refusal();
        assert_eq!(refusal.code(), code);
        assert!(refusal.message().contains("words"), "{}", refusal.message());
    }
}

proptest! {
    // The list takes one word in eleven thousand for its own: the same passwords each time.
    #![proptest_config(Config { cases: 2_000, rng_seed: RngSeed::Fixed(15), ..Config::default() })]

    #[test]
    fn twenty_random_characters_are_accepted(password in "[ -~]{20}") {
        prop_assert_eq!(of(&password, &["ada@acme", "Acme GmbH", "Ada", "Lovelace"]), None);
    }

    #[test]
    fn fifteen_random_letters_are_accepted(password in "[a-z]{15}") {
        prop_assert_eq!(of(&password, &[]), None);
    }

    #[test]
    fn whatever_is_typed_is_judged(password in "\\PC{0,300}", about in "\\PC{0,40}") {
        let _ = of(&password, &[&about]);
    }
}

proptest! {
    #[test]
    fn a_known_password_is_refused_in_any_case_and_spacing(
        which in 0..KNOWN.len(),
        upper in proptest::collection::vec(any::<bool>(), 21),
        spaces in proptest::collection::vec(0..3_usize, 21),
    ) {
        let mut varied = String::new();
        for ((c, upper), spaces) in KNOWN[which].chars().zip(upper).zip(spaces) {
            varied.push(if upper { c.to_ascii_uppercase() } else { c });
            varied.push_str(&" ".repeat(spaces));
        }
        prop_assert_eq!(of(&varied, &[]), Some(Weakness::Common));
    }

    #[test]
    fn what_repeats_is_refused(unit in "[a-z0-9 ]{1,14}", times in 2..20_usize) {
        prop_assert_eq!(of(&unit.repeat(times), &[]), Some(Weakness::Predictable));
    }
}
