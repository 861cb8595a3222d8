//! Where keys come from and how often they are read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_identity::{
    Clock, KEY_COPY_SECONDS, KEY_PERIOD_SECONDS, LONGEST_KEY_COPY_SECONDS, PublicKey, SignError, Signer,
};
use serde_json::Value;
use sha2::Sha256;

use crate::world::{ISSUER, PROOF, World, principal, public};

fn unknown_key() -> Result<nexo_identity::Verified<nexo_identity::Principal>, String> {
    Err("invalid access token: unknown key".to_owned())
}

#[test]
fn the_signing_keys_follow_from_the_secret_and_the_period() {
    let secret = b"a stack's generated secret of 44 characters.";
    let clock = Clock::system();
    let signer = Signer::from_secret(secret, ISSUER, clock.clone()).unwrap();
    let derived = |period: i64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("nexo access token ed25519 2 {period}").as_bytes());
        public(&SigningKey::from_bytes(&mac.finalize().into_bytes().into()))
    };
    for _ in 0..3 {
        let period = clock.now_seconds() / (30 * 24 * 3600);
        assert_eq!(signer.public_keys(), [period - 1, period, period + 1].map(derived));
        clock.advance(KEY_PERIOD_SECONDS * 1000);
    }
    let other = Signer::from_secret(&[1; 32], ISSUER, clock).unwrap();
    assert!(other.public_keys().iter().all(|key| !signer.public_keys().contains(key)));
}

/// The key that a token names.
fn kid(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_change_of_period_logs_nobody_out() {
    let world = World::new();
    world.approach_the_next_period(30);
    world.directory.open_session(&principal(1), world.now() + 3600);
    world.publish_the_signers_keys();
    let [_, current, next] = world.signer.public_keys();
    let old = world.signer.sign(&principal(1), PROOF).unwrap();
    assert_eq!(kid(&old), current.kid);
    assert!(world.verify(&old).is_ok());
    world.advance(29);
    assert_eq!(kid(&world.signer.sign(&principal(1), PROOF).unwrap()), current.kid);
    world.advance(1);
    let new = world.signer.sign(&principal(1), PROOF).unwrap();
    assert_eq!(kid(&new), next.kid);
    // Neither needs what has not been read before, nor anybody to have published anything since.
    assert!(world.verify(&new).is_ok());
    assert!(world.verify(&old).is_ok());
    assert_eq!(world.directory.key_reads(), 1);
    world.publish_the_signers_keys();
    world.advance(800);
    assert!(world.verify(&old).is_ok());
    assert_eq!(world.signer.public_keys()[..2], [current, next]);
}

#[test]
fn a_key_is_published_for_a_period_before_it_signs_and_for_one_after() {
    let world = World::new();
    let first = world.signer.public_keys();
    world.approach_the_next_period(0);
    let second = world.signer.public_keys();
    assert_eq!(second[..2], first[1..]);
    world.approach_the_next_period(0);
    let third = world.signer.public_keys();
    assert_eq!(third[..2], second[1..]);
    assert!(!third.contains(&first[1]), "two periods old");
}

#[test]
fn a_sandbox_whose_clock_is_behind_signs_with_what_the_other_published() {
    let world = World::new();
    world.approach_the_next_period(-1);
    world.publish_the_signers_keys();
    world.advance(-3);
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    assert!(world.verify(&token).is_ok());
    // And the other way round.
    world.publish_the_signers_keys();
    world.advance(3 + KEY_COPY_SECONDS);
    assert!(world.verify(&world.signer.sign(&principal(1), PROOF).unwrap()).is_ok());
    assert_eq!(world.directory.key_reads(), 2);
}

#[test]
fn a_withdrawn_key_is_refused_within_the_hour() {
    let world = World::new();
    let stolen = |world: &World| world.draft().signed(&world.key);
    let early = stolen(&world);
    assert!(world.verify(&early).is_ok());
    world.publish_the_signers_keys();
    world.advance(KEY_COPY_SECONDS - 1);
    assert!(world.verify(&stolen(&world)).is_ok());
    assert_eq!(world.directory.key_reads(), 1);
    let late = stolen(&world);
    assert!(world.verify(&late).is_ok());
    world.advance(1);
    // One that was found good before is not good for longer.
    assert_eq!(world.verify(&late), unknown_key());
    assert_eq!(world.verify(&stolen(&world)), unknown_key());
    assert_eq!(world.directory.key_reads(), 2);
    assert!(world.verify(&world.signer.sign(&principal(1), PROOF).unwrap()).is_ok());
}

#[test]
fn a_copy_is_read_again_once_an_hour() {
    let world = World::new();
    for reads in 1..=5 {
        for _ in 0..6 {
            assert!(world.verify(&world.draft().signed(&world.key)).is_ok());
            assert_eq!(world.directory.key_reads(), reads);
            world.advance(KEY_COPY_SECONDS / 6);
        }
    }
}

#[test]
fn while_keys_cannot_be_read_a_copy_is_good_for_a_day() {
    assert_eq!(LONGEST_KEY_COPY_SECONDS, 86_400);
    let world = World::new();
    let fresh = |world: &World| world.signer.sign(&principal(1), PROOF).unwrap();
    assert!(world.verify(&fresh(&world)).is_ok());
    world.directory.go_down();
    world.advance(KEY_COPY_SECONDS);
    // Not each request waits for a read that fails: one in ten seconds does.
    for reads in 2..5 {
        for _ in 0..5 {
            assert!(world.verify(&fresh(&world)).is_ok());
            assert_eq!(world.directory.key_reads(), reads);
        }
        // What cannot be told now is not the caller's fault.
        let unknown = world.draft().header("kid", "made up").signed(&world.key);
        let untold = "the directory could not be read: the public keys could not be read just now";
        assert_eq!(world.verify(&unknown), Err(untold.to_owned()));
        world.advance(10);
    }
    world.advance(LONGEST_KEY_COPY_SECONDS - KEY_COPY_SECONDS - 31);
    assert!(world.verify(&fresh(&world)).is_ok());
    world.advance(1);
    let late = fresh(&world);
    assert!(world.verify(&late).unwrap_err().contains("just now"));
    world.advance(9);
    assert_eq!(world.verify(&late), Err("the directory could not be read: it is down".to_owned()));
    world.directory.come_back();
    world.advance(10);
    assert!(world.verify(&late).is_ok());
}

#[test]
fn a_short_secret_makes_no_key() {
    for length in [0, 1, 31] {
        let refused = Signer::from_secret(&vec![7; length], ISSUER, Clock::system()).err().unwrap();
        assert!(matches!(refused, SignError::ShortSecret(given) if given == length), "{refused}");
    }
}

#[test]
fn a_published_key_reads_back() {
    let key = public(&SigningKey::from_bytes(&[9; 32]));
    assert_eq!(PublicKey::from_base64url(&key.x_base64url()), Some(key.clone()));
    let x = key.x_base64url();
    for text in ["", "AAAA", &x[1..], &format!("{x}="), &format!("{x}AAAA"), &x.replace(&x[..1], "+")] {
        assert_eq!(PublicKey::from_base64url(text), None, "{text}");
    }
}

#[test]
fn made_up_key_names_cost_one_read_in_ten_seconds() {
    let world = World::new();
    world.signer.sign(&principal(1), PROOF).map(|token| world.verify(&token)).unwrap().unwrap();
    assert_eq!(world.directory.key_reads(), 1);
    for expected in [1, 2, 3] {
        for number in 0..50 {
            let token = world.draft().header("kid", format!("made up {number}")).signed(&world.key);
            assert_eq!(world.verify(&token), unknown_key());
        }
        assert_eq!(world.directory.key_reads(), expected);
        world.advance(10);
    }
    assert!(world.verify(&world.draft().signed(&world.key)).is_ok());
}

#[test]
fn known_keys_are_not_read_again() {
    let world = World::new();
    for _ in 0..10 {
        assert!(world.verify(&world.draft().signed(&world.key)).is_ok());
        world.advance(20);
    }
    assert_eq!(world.directory.key_reads(), 1);
}

#[test]
fn a_new_key_is_found_and_takes_the_place_of_the_old() {
    let world = World::new();
    let old = world.draft().signed(&world.key);
    assert!(world.verify(&old).is_ok());
    let next = SigningKey::from_bytes(&[10; 32]);
    world.directory.publish(&[&public(&next)]);
    let token = world.draft().header("kid", public(&next).kid).signed(&next);
    assert_eq!(world.verify(&token), unknown_key(), "read again too early");
    world.advance(10);
    assert!(world.verify(&token).is_ok());
    assert_eq!(world.verify(&old), unknown_key());
}

#[test]
fn the_first_key_is_found_at_once() {
    let world = World::new();
    world.directory.publish(&[]);
    let token = world.draft().signed(&world.key);
    assert_eq!(world.verify(&token), unknown_key());
    world.directory.publish(&[&public(&world.key)]);
    assert!(world.verify(&token).is_ok());
}

#[test]
fn warming_reads_the_keys_before_the_first_token() {
    let world = World::new();
    crate::world::now(world.verifier.warm(world.directory.as_ref())).unwrap();
    assert!(world.verify(&world.draft().signed(&world.key)).is_ok());
    assert_eq!(world.directory.key_reads(), 1);
}

#[test]
fn without_keys_nothing_is_accepted() {
    let world = World::new();
    world.directory.go_down();
    let token = world.draft().signed(&world.key);
    assert_eq!(world.verify(&token), Err("the directory could not be read: it is down".to_owned()));
    world.directory.come_back();
    assert!(world.verify(&token).is_ok());
}
