//! Every target over the inputs that are checked in, and over as many changes of them each time the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use nexo_fuzz::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngSeed, TestRunner};

/// Changed inputs that each target is run with.
const CHANGED: u32 = 3000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder of `fuzz/`, sorted.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("corpus/{target}");
    names(&folder).iter().map(|name| fs::read(fuzz().join(&folder).join(name)).unwrap()).collect()
}

/// What is done to an input at a place.
#[derive(Clone, Debug)]
enum Change {
    Flip(u8),
    Set(u8),
    Insert(Vec<u8>),
    Remove(Index),
    Repeat(Index),
    /// Goes on as another input does.
    Splice(Vec<u8>),
}

fn any_change(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = (Index, Change)> {
    // What JSON, base64url and our own formats are made of, and what they are not.
    let byte =
        || prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\",:.-_=+/ 019eE\\unAZaz\n\0\x1f\xff"[..])];
    let change = prop_oneof![
        (0..8_u8).prop_map(|bit| Change::Flip(1 << bit)),
        byte().prop_map(Change::Set),
        prop::collection::vec(byte(), 1..8).prop_map(Change::Insert),
        any::<Index>().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::Repeat),
        prop::sample::select(corpus).prop_map(Change::Splice),
    ];
    (any::<Index>(), change)
}

fn apply(mut input: Vec<u8>, changes: Vec<(Index, Change)>) -> Vec<u8> {
    for (place, change) in changes {
        let place = place.index(input.len() + 1);
        let to = |end: Index| place + end.index(input.len() - place + 1);
        match change {
            Change::Flip(bits) => input.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= bits),
            Change::Set(value) => input.iter_mut().skip(place).take(1).for_each(|byte| *byte = value),
            Change::Insert(bytes) => drop(input.splice(place..place, bytes)),
            Change::Remove(end) => drop(input.drain(place..to(end))),
            Change::Repeat(end) => input.splice(place..place, input[place..to(end)].to_vec()).for_each(drop),
            Change::Splice(other) => {
                input.truncate(place);
                input.extend(other.into_iter().skip(place));
            }
        }
    }
    input
}

fn run((name, body): Target) {
    let corpus = corpus(name);
    for input in &corpus {
        body(input);
    }
    let changes = prop::collection::vec(any_change(corpus.clone()), 1..6);
    let inputs = (prop::sample::select(corpus), changes).prop_map(|(input, changes)| apply(input, changes));
    let config = ProptestConfig {
        cases: CHANGED,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let found = TestRunner::new(config).run(&inputs, |input| {
        body(&input);
        Ok(())
    });
    found.unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

#[test]
fn nobody_without_the_key_makes_an_access_token() {
    run(TARGETS[0]);
}

#[test]
fn an_api_key_reads_back_as_it_was_made() {
    run(TARGETS[1]);
}

#[test]
fn a_cursor_opens_where_it_was_sealed_and_nowhere_else() {
    run(TARGETS[2]);
}

#[test]
fn nobody_without_the_key_makes_a_link() {
    run(TARGETS[3]);
}

#[test]
fn nobody_without_the_key_makes_a_refresh_token() {
    run(TARGETS[4]);
}

#[test]
fn signed_claims_are_accepted_exactly_when_they_are_in_order() {
    run(TARGETS[5]);
}

#[test]
fn every_target_has_a_corpus_and_is_known_to_cargo_fuzz() {
    let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets.iter().map(|name| format!("{name}.rs")).collect::<Vec<_>>());
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in targets {
        let file = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"{file}\"\n")), "{name}");
        let expected =
            format!("#![no_main]\nlibfuzzer_sys::fuzz_target!(|input: &[u8]| nexo_fuzz::{name}(input));\n");
        assert_eq!(fs::read_to_string(fuzz().join(file)).unwrap(), expected);
    }
}
