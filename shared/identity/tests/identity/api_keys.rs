//! What an API key may do, and when it no longer can.

use nexo_domain::{Grant, Grants, Permission, Reach, Role};
use nexo_identity::{ApiKey, Credential, Principal, Verified};

use crate::world::{PROOF, World, principal};

type Outcome = Result<Verified<Principal>, String>;

fn refused() -> Outcome {
    Err("not an API key that can be used".to_owned())
}

fn grants(texts: &[&str]) -> Grants {
    texts.iter().map(|text| Grant::parse(text).unwrap()).collect()
}

/// A key that may read clients, good for an hour.
fn reader(world: &World) -> String {
    world.directory.make_key(&principal(1), grants(&["client:read"]), world.now() + 3600)
}

#[test]
fn a_key_acts_for_its_user_with_what_it_was_given() {
    let world = World::new();
    let text = reader(&world);
    let verified = world.verify(&text).unwrap();
    assert_eq!((verified.account, verified.user), (principal(1).account, principal(1).user));
    assert_eq!(verified.credential, Credential::ApiKey(*ApiKey::parse(&text).unwrap().id()));
    assert_eq!(verified.standing.grants, grants(&["client:read"]));
    assert!(verified.in_session().is_none());
}

#[test]
fn a_key_may_do_no_more_than_its_user_may_now() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let given = grants(&["client:read:team", "client:write", "user:read"]);
    let text = world.directory.make_key(&principal(1), given, world.now() + 3600);
    let may = || world.verify(&text).map(|principal| principal.standing.grants);
    assert_eq!(may(), Ok(given));
    world.directory.employ(&principal(1), Some(Role::Member.into()));
    assert_eq!(may(), Ok(grants(&["client:read:own", "client:write:own", "user:read"])));
    world.directory.employ(&principal(1), Some(Role::Viewer.into()));
    assert_eq!(may(), Ok(grants(&["client:read:team", "user:read"])));
    world.directory.employ(&principal(1), None);
    assert_eq!(may(), Err("not an API key that can be used".to_owned()));
}

#[test]
fn what_is_for_people_no_key_can_do_whatever_the_table_says() {
    let world = World::new();
    let text = world.directory.make_key(&principal(1), Role::Owner.grants(), world.now() + 3600);
    let verified = world.verify(&text).unwrap();
    for permission in Permission::ALL {
        let expected = permission.suits_api_keys().then_some(Reach::All);
        assert_eq!(verified.reach(*permission), expected, "{permission}");
    }
    let for_people =
        [Permission::UserManage, Permission::RoleManage, Permission::ApiKeyManage, Permission::AccountManage];
    assert!(for_people.iter().all(|permission| verified.reach(*permission).is_none()));
}

#[test]
fn a_key_is_looked_at_once_a_minute() {
    let world = World::new();
    let text = reader(&world);
    for looks in [1, 2, 3] {
        for _ in 0..3 {
            assert!(world.verify(&text).is_ok());
        }
        assert_eq!(world.directory.api_key_reads(), (looks, looks));
        world.advance(60);
    }
}

#[test]
fn a_revoked_key_is_refused_after_sixty_seconds_at_the_latest() {
    let world = World::new();
    let text = reader(&world);
    assert!(world.verify(&text).is_ok());
    world.directory.revoke_keys();
    world.advance(59);
    assert!(world.verify(&text).is_ok());
    world.advance(1);
    assert_eq!(world.verify(&text), refused());
}

#[test]
fn where_it_is_always_looked_at_a_revoked_key_is_refused_at_once() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let text = reader(&world);
    assert!(world.verify(&text).is_ok());
    world.directory.revoke_keys();
    assert_eq!(world.verify(&text), refused());
}

#[test]
fn a_key_ends_to_the_second() {
    let world = World::new();
    let text = world.directory.make_key(&principal(1), grants(&["client:read"]), world.now() + 30);
    world.advance(29);
    assert!(world.verify(&text).is_ok());
    world.advance(1);
    assert_eq!(world.verify(&text), refused(), "although it was seen a second ago");
}

#[test]
fn a_forged_key_costs_one_read_in_a_minute_and_none_of_its_user() {
    let world = World::new();
    let text = reader(&world);
    let key = ApiKey::parse(&text).unwrap();
    // The right account and id, which are no secrets, and another secret.
    let forged = ApiKey::make(key.account(), key.id()).unwrap();
    for _ in 0..3 {
        assert_eq!(world.verify(&forged), refused());
    }
    assert_eq!(world.directory.api_key_reads(), (1, 0));
    let of_another = ApiKey::make(&principal(2).account, key.id()).unwrap();
    assert_eq!(world.verify(&of_another), refused());
    assert_eq!(world.directory.api_key_reads(), (2, 0));
    assert!(world.verify(&text).is_ok());
}

#[test]
fn a_typing_error_costs_no_read() {
    let world = World::new();
    let text = reader(&world);
    let mut typo = text.clone().into_bytes();
    typo.swap(70, 71);
    typo[80] = if typo[80] == b'7' { b'8' } else { b'7' };
    let malformed: Outcome = Err("invalid access token: not a well-formed API key".to_owned());
    for wrong in [String::from_utf8(typo).unwrap(), format!("{text}0"), "nexo_live_".to_owned()] {
        assert_eq!(world.verify(&wrong), malformed);
    }
    assert_eq!(world.directory.api_key_reads(), (0, 0));
}

#[test]
fn a_key_that_cannot_be_read_is_not_believed() {
    let world = World::new();
    let text = reader(&world);
    world.directory.go_down();
    assert_eq!(world.verify(&text), Err("the directory could not be read: it is down".to_owned()));
    world.directory.come_back();
    assert!(world.verify(&text).is_ok());
}

#[test]
fn its_use_is_to_be_noted_once_an_hour() {
    let world = World::new();
    let verified = world.verify(&reader(&world)).unwrap();
    let due = || world.verifier.use_to_note(&verified).is_some();
    assert_eq!([due(), due()], [true, false]);
    world.advance(3599);
    assert!(!due());
    world.advance(1);
    assert_eq!([due(), due()], [true, false]);
    let session = world.verify(&world.signer.sign(&principal(1), PROOF).unwrap()).unwrap();
    assert_eq!(world.verifier.use_to_note(&session), None);
}
