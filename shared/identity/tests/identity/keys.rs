//! Where keys come from and how often they are read.

use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_identity::{Clock, PublicKey, SignError, Signer};
use sha2::Sha256;

use crate::world::{ISSUER, World, principal, public};

fn unknown_key() -> Result<nexo_identity::Verified<nexo_identity::Principal>, String> {
    Err("invalid access token: unknown key".to_owned())
}

#[test]
fn the_signing_key_follows_from_the_secret() {
    let secret = b"a stack's generated secret of 44 characters.";
    let signer = Signer::from_secret(secret, ISSUER, Clock::system()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(b"nexo access token ed25519 1");
    let key = SigningKey::from_bytes(&mac.finalize().into_bytes().into());
    assert_eq!(signer.public_key(), &public(&key));
    let other = Signer::from_secret(&[1; 32], ISSUER, Clock::system()).unwrap();
    assert_ne!(signer.public_key(), other.public_key());
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
    world.signer.sign(&principal(1)).map(|token| world.verify(&token)).unwrap().unwrap();
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
