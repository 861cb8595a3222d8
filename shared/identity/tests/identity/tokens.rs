//! Which tokens are accepted, and why the others are not.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use nexo_domain::Role;
use nexo_identity::{SessionPrincipal, Signer};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{
    ISSUER, PROOF, World, encode, message, principal, public, sign, text, text_with_repeated,
};

type Outcome = Result<SessionPrincipal, String>;

fn outcome(world: &World, token: &str) -> Outcome {
    world.verify(token).map(|verified| SessionPrincipal::clone(&verified.in_session().unwrap()))
}

fn refused(reason: &str) -> Outcome {
    Err(format!("invalid access token: {reason}"))
}

#[test]
fn a_token_of_the_signer_names_its_principal() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    assert_eq!(outcome(&world, &token), Ok(principal(1)));
}

#[test]
fn no_two_tokens_are_the_same() {
    let world = World::new();
    assert_ne!(
        world.signer.sign(&principal(1), PROOF).unwrap(),
        world.signer.sign(&principal(1), PROOF).unwrap()
    );
}

/// What the tests below change in one place is accepted as it is.
#[test]
fn a_token_made_by_hand_with_a_published_key_is_accepted() {
    let world = World::new();
    let token = world.draft().signed(&world.key);
    let expected = SessionPrincipal { standing: Arc::new(Role::Owner.into()), ..principal(1) };
    assert_eq!(outcome(&world, &token), Ok(expected));
}

#[test]
fn another_algorithm_is_refused_before_a_key_is_looked_for() {
    let world = World::new();
    for alg in ["none", "None", "NONE", "HS256", "HS512", "RS256", "PS256", "ES256", "Ed25519", "eddsa", ""] {
        let token = world.draft().header("alg", alg).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("algorithm"), "{alg}");
    }
    assert_eq!(world.directory.key_reads(), 0);
}

#[test]
fn the_public_key_is_no_secret_to_sign_with() {
    let world = World::new();
    let public = public(&world.key);
    let hmac = |secret: &[u8], message: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(message.as_bytes());
        encode(mac.finalize().into_bytes())
    };
    let secrets =
        [public.x.to_vec(), public.x_base64url().into_bytes(), public.kid.clone().into_bytes(), vec![]];
    for secret in secrets {
        for (alg, expected) in [("HS256", "algorithm"), ("EdDSA", "signature")] {
            let draft = world.draft().header("alg", alg);
            let message = message(&text(&draft.header), &text(&draft.claims));
            let token = format!("{message}.{}", hmac(&secret, &message));
            assert_eq!(outcome(&world, &token), refused(expected), "{alg}");
        }
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let world = World::new();
    for (alg, expected) in [("none", "algorithm"), ("EdDSA", "signature")] {
        let draft = world.draft().header("alg", alg);
        let message = message(&text(&draft.header), &text(&draft.claims));
        assert_eq!(outcome(&world, &format!("{message}.")), refused(expected), "{alg}");
        let zeros = encode([0; 64]);
        assert_eq!(outcome(&world, &format!("{message}.{zeros}")), refused(expected), "{alg}");
    }
}

#[test]
fn another_kind_of_jwt_is_no_access_token() {
    let world = World::new();
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "rt+jwt", ""] {
        let token = world.draft().header("typ", typ).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("type"), "{typ}");
    }
}

#[test]
fn a_header_has_its_three_members_and_no_other() {
    let world = World::new();
    let draft = world.draft();
    for name in ["alg", "typ", "kid"] {
        let mut lacking = draft.clone();
        lacking.header.remove(name);
        assert_eq!(outcome(&world, &lacking.signed(&world.key)), refused("header"), "without {name}");
        let null = draft.clone().header(name, Value::Null);
        assert_eq!(outcome(&world, &null.signed(&world.key)), refused("header"), "{name} is null");
        let repeated = sign(&text_with_repeated(&draft.header, name), &text(&draft.claims), &world.key);
        assert_eq!(outcome(&world, &repeated), refused("header"), "{name} twice");
    }
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": public(&world.key).x_base64url() });
    let foreign = [
        ("jwk", jwk),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("", json!("")),
    ];
    for (name, value) in foreign {
        let token = draft.clone().header(name, value).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("header"), "{name}");
    }
}

#[test]
fn a_header_is_a_json_object() {
    let world = World::new();
    let draft = world.draft();
    let kid = public(&world.key).kid;
    let mut headers = ["", "null", "\"EdDSA\"", "{", "\u{feff}{}"].map(str::to_owned).to_vec();
    headers.push(format!(r#"["EdDSA","at+jwt","{kid}"]"#));
    headers.extend(followed_by_more(&text(&draft.header)));
    for header in headers {
        let token = sign(&header, &text(&draft.claims), &world.key);
        assert_eq!(outcome(&world, &token), refused("header"), "{header}");
    }
}

#[test]
fn a_key_that_is_not_published_is_unknown() {
    let world = World::new();
    let other = SigningKey::from_bytes(&[8; 32]);
    for kid in [public(&other).kid.as_str(), "", "../../etc/passwd", "' OR 1=1 --"] {
        let token = world.draft().header("kid", kid).signed(&other);
        assert_eq!(outcome(&world, &token), refused("unknown key"), "{kid}");
    }
}

#[test]
fn the_signature_of_another_key_is_refused() {
    let world = World::new();
    let stranger = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(outcome(&world, &world.draft().signed(&stranger)), refused("signature"));
    // Published, but not the one that is named.
    let [_, signers, _] = world.signer.public_keys().map(|key| key.kid);
    let token = world.draft().header("kid", signers).signed(&world.key);
    assert_eq!(outcome(&world, &token), refused("signature"));
}

/// RFC 8032, section 5.1.7: S must be below the group's order, or anybody could make a second signature.
#[test]
fn a_signature_has_one_form() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let world = World::new();
    let token = world.draft().signed(&world.key);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, more) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0, "it is another number modulo 2^256, and the same modulo the order");
    assert_eq!(outcome(&world, &format!("{message}.{}", encode(&bytes))), refused("signature"));
    for length in [0, 32, 63, 65, 128] {
        bytes.resize(length, 0);
        assert_eq!(
            outcome(&world, &format!("{message}.{}", encode(&bytes))),
            refused("signature"),
            "{length}"
        );
    }
}

#[test]
fn claims_that_were_changed_after_signing_are_refused() {
    let world = World::new();
    let token = world.draft().signed(&world.key);
    let [header, _, signature] = parts(&token);
    let other = world.draft().claim("acc", json!(principal(2).account));
    let claims = encode(text(&other.claims));
    assert_eq!(outcome(&world, &format!("{header}.{claims}.{signature}")), refused("signature"));
}

#[test]
fn no_character_of_a_token_can_be_changed() {
    let world = World::new();
    let token = world.draft().signed(&world.key);
    // Also not of one that was found good before.
    assert_eq!(outcome(&world, &token), Ok(principal(1)));
    for (index, was) in token.char_indices() {
        for change in ['A', 'B', '_', '=', '.'] {
            if change == was {
                continue;
            }
            let mut changed = token.clone();
            changed.replace_range(index..=index, &change.to_string());
            assert!(outcome(&world, &changed).is_err(), "{change} at {index}");
        }
        assert!(outcome(&world, &token[..index]).is_err(), "cut at {index}");
    }
}

#[test]
fn claims_are_ours_alone() {
    let world = World::new();
    let draft = world.draft();
    for name in draft.claims.keys() {
        let mut lacking = draft.clone();
        lacking.claims.remove(name);
        assert_eq!(outcome(&world, &lacking.signed(&world.key)), refused("claims"), "without {name}");
        let null = draft.clone().claim(name, Value::Null);
        assert_eq!(outcome(&world, &null.signed(&world.key)), refused("claims"), "{name} is null");
        let repeated = sign(&text(&draft.header), &text_with_repeated(&draft.claims, name), &world.key);
        assert_eq!(outcome(&world, &repeated), refused("claims"), "{name} twice");
    }
    let foreign: [(&str, Value); 20] = [
        ("nbf", json!(0)),
        ("scope", json!("admin")),
        ("permissions", json!(["client:read"])),
        ("", json!("")),
        ("aud", json!(["nexo-api"])),
        ("roles", json!(["superuser"])),
        ("sub", json!(principal(1).account)),
        ("acc", json!(principal(1).user)),
        ("sid", json!("ses_")),
        ("acc", json!(principal(1).account.ulid())),
        ("exp", json!("9999999999")),
        ("iat", json!(1.5)),
        ("exp", json!(1e300)),
        ("exp", json!([world.now() + 900])),
        ("exp", json!({"value": world.now() + 900})),
        ("iss", json!({"": ISSUER})),
        ("sub", json!([principal(1).user])),
        ("acc", json!({"id": principal(1).account})),
        ("jti", json!(["AAAA"])),
        ("cnf", json!({"jkt": "AAAA"})),
    ];
    for (name, value) in foreign {
        let token = draft.clone().claim(name, value.clone()).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("claims"), "{name}: {value}");
    }
}

#[test]
fn claims_are_a_json_object() {
    let world = World::new();
    let draft = world.draft();
    let names = ["iss", "aud", "sub", "acc", "sid", "roles", "iat", "exp", "jti"];
    let in_order: Vec<_> = names.iter().map(|name| draft.claims[*name].clone()).collect();
    let mut all = ["", "null", "{", "[]", "\u{feff}{}"].map(str::to_owned).to_vec();
    all.push(json!(in_order).to_string());
    all.extend(followed_by_more(&text(&draft.claims)));
    for claims in all {
        let token = sign(&text(&draft.header), &claims, &world.key);
        assert_eq!(outcome(&world, &token), refused("claims"), "{claims}");
    }
}

/// Text that begins with an object, but is not only that.
fn followed_by_more(object: &str) -> [String; 5] {
    ["{}", "x", "\0", ",", "}"].map(|more| format!("{object}{more}"))
}

#[test]
fn the_token_of_another_issuer_or_audience_is_refused() {
    let world = World::new();
    let slash = format!("{ISSUER}/");
    for issuer in ["", "https://nexo.example", &slash, "HTTPS://NEXO.TEST"] {
        let token = world.draft().claim("iss", issuer).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("another issuer"), "{issuer}");
    }
    for audience in ["", "nexo", "nexo-api ", "NEXO-API"] {
        let token = world.draft().claim("aud", audience).signed(&world.key);
        assert_eq!(outcome(&world, &token), refused("another audience"), "{audience}");
    }
    let elsewhere = Signer::from_secret(&[7; 32], "https://staging.nexo.test", world.clock.clone()).unwrap();
    let token = elsewhere.sign(&principal(1), PROOF).unwrap();
    assert_eq!(outcome(&world, &token), refused("another issuer"));
}

#[test]
fn a_token_ends_in_the_second_of_its_exp() {
    let world = World::new();
    let ending = |seconds: i64| {
        let now = world.now();
        world.draft().claim("exp", now + seconds).claim("iat", now - 10).signed(&world.key)
    };
    assert_eq!(outcome(&world, &ending(1)), Ok(principal(1)));
    let expired = Err("expired access token".to_owned());
    assert_eq!(outcome(&world, &ending(0)), expired);
    assert_eq!(outcome(&world, &ending(-1)), expired);
}

#[test]
fn a_token_of_the_signer_is_good_for_fifteen_minutes() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    world.advance(899);
    assert_eq!(outcome(&world, &token), Ok(principal(1)));
    world.advance(1);
    assert_eq!(outcome(&world, &token), Err("expired access token".to_owned()));
}

#[test]
fn a_token_lives_no_longer_than_the_signer_gives() {
    let world = World::new();
    let now = world.now();
    let living = |iat: i64, exp: i64| world.draft().claim("iat", iat).claim("exp", exp).signed(&world.key);
    assert_eq!(outcome(&world, &living(now, now + 900)), Ok(principal(1)));
    for (iat, exp) in [(now, now + 901), (now - 1, now + 900), (0, i64::MAX), (i64::MIN, i64::MAX)] {
        assert_eq!(outcome(&world, &living(iat, exp)), refused("longer life than we give"), "{iat} to {exp}");
    }
}

#[test]
fn a_token_from_the_future_is_refused() {
    let world = World::new();
    let issued_in = |seconds: i64| {
        let iat = world.now() + seconds;
        world.draft().claim("iat", iat).claim("exp", iat + 60).signed(&world.key)
    };
    // As far apart as the clocks of two sandboxes may be.
    assert_eq!(outcome(&world, &issued_in(5)), Ok(principal(1)));
    assert_eq!(outcome(&world, &issued_in(6)), refused("issued in the future"));
    assert_eq!(outcome(&world, &issued_in(86_400)), refused("issued in the future"));
}

#[test]
fn only_the_compact_form_is_a_token() {
    let world = World::new();
    let token = world.draft().signed(&world.key);
    let [header, claims, signature] = parts(&token);
    let padded = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let spelled: [(String, Outcome); 17] = [
        (String::new(), refused("not a JWT")),
        (".".into(), refused("not a JWT")),
        ("..".into(), refused("header")),
        ("...".into(), refused("header")),
        ("Bearer".into(), refused("not a JWT")),
        (format!("{header}.{claims}"), refused("not a JWT")),
        (format!("{token}."), refused("signature")),
        (format!("{token}.AAAA"), refused("signature")),
        (format!(".{token}"), refused("header")),
        (format!("{header}..{claims}.{signature}"), refused("signature")),
        (format!(" {token}"), refused("header encoding")),
        (format!("{token}\n"), refused("signature")),
        (format!("{header}.{claims}.{signature}="), refused("signature")),
        (format!("{header}.{claims}.{}", padded(signature)), refused("signature")),
        (format!("{header}={claims}.{signature}"), refused("not a JWT")),
        (format!("{{\"payload\":\"{claims}\"}}"), refused("not a JWT")),
        ("é.é.é".into(), refused("header encoding")),
    ];
    for (text, expected) in spelled {
        assert_eq!(outcome(&world, &text), expected, "{text}");
    }
}

/// The same bytes, with a last character whose spare bits are not zero (RFC 4648, section 3.5).
fn with_spare_bits(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let next = ALPHABET.find(last).unwrap() + 1;
    format!("{rest}{}", &ALPHABET[next..=next])
}

#[test]
fn parts_in_another_base64_are_refused_though_signed() {
    let world = World::new();
    let sign_parts = |header: String, claims: String| {
        use ed25519_dalek::Signer as _;
        let message = format!("{header}.{claims}");
        let signature = encode(world.key.sign(message.as_bytes()).to_bytes());
        format!("{message}.{signature}")
    };
    // The blanks make lengths that need padding.
    let draft = world.draft();
    let (header, claims) = (unaligned(&draft.header), unaligned(&draft.claims));
    for engine in [URL_SAFE, STANDARD] {
        let token = sign_parts(engine.encode(&header), encode(&claims));
        assert_eq!(outcome(&world, &token), refused("header encoding"));
        let token = sign_parts(encode(&header), engine.encode(&claims));
        assert_eq!(outcome(&world, &token), refused("claims encoding"));
    }
    let token = sign_parts(with_spare_bits(&encode(&header)), encode(&claims));
    assert_eq!(outcome(&world, &token), refused("header encoding"));
    let token = sign_parts(encode(&header), with_spare_bits(&encode(&claims)));
    assert_eq!(outcome(&world, &token), refused("claims encoding"));
    let token = sign_parts(encode(&header), encode(&claims));
    assert_eq!(outcome(&world, &with_spare_bits(&token)), refused("signature"));
    assert_eq!(outcome(&world, &token), Ok(principal(1)));
}

#[test]
fn a_huge_token_is_not_looked_at() {
    let world = World::new();
    let padding = |length: usize| {
        let draft = world.draft();
        let spaced = format!("{}{}", text(&draft.claims), " ".repeat(length));
        sign(&text(&draft.header), &spaced, &world.key)
    };
    let room = (2048 - padding(0).len()) * 3 / 4;
    let longest = (room - 3..=room + 3).map(padding).find(|token| token.len() == 2048);
    assert_eq!(outcome(&world, &longest.unwrap()), Ok(principal(1)));
    let reads = world.directory.key_reads();
    for token in [padding(room + 3), "a".repeat(2049), ".".repeat(1_000_000)] {
        assert_eq!(outcome(&world, &token), refused("too long"));
    }
    assert_eq!(world.directory.key_reads(), reads);
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in any::<String>()) {
        prop_assert!(World::new().verify(&text).is_err());
    }

    #[test]
    fn no_three_parts_are_a_token(header in ".{0,60}", claims in ".{0,60}", signature in any::<[u8; 32]>()) {
        let token = format!("{}.{}", message(&header, &claims), encode(signature));
        prop_assert!(World::new().verify(&token).is_err());
    }

    #[test]
    fn a_genuine_header_makes_no_other_text_a_token(claims in ".{0,200}", stranger in any::<[u8; 32]>()) {
        let world = World::new();
        let header = text(&world.draft().header);
        let token = sign(&header, &claims, &SigningKey::from_bytes(&stranger));
        prop_assert_eq!(outcome(&world, &token), refused("signature"));
        // Not even signed with the right key.
        let token = sign(&header, &claims, &world.key);
        prop_assert_eq!(outcome(&world, &token), refused("claims"));
    }
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

fn unaligned(members: &serde_json::Map<String, Value>) -> String {
    let mut text = text(members);
    while text.len() % 3 != 1 {
        text.push(' ');
    }
    text
}
