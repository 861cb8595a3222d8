//! When a session's end is in force.

use std::sync::Arc;

use nexo_domain::{Grants, Permission, Role, RoleId, RoleRef};
use nexo_identity::{Demand, Principal, ProofState, SessionPrincipal, Standing, Verified};
use serde_json::json;

use crate::world::{PROOF, World, principal};

type Outcome = Result<Verified<Principal>, String>;

fn over() -> Outcome {
    Err("the session is over".to_owned())
}

#[test]
fn a_revoked_session_is_refused_after_sixty_seconds_at_the_latest() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    assert!(world.verify(&token).is_ok());
    world.directory.revoke(&principal(1));
    world.advance(59);
    assert!(world.verify(&token).is_ok(), "the session was seen 59 seconds ago");
    world.advance(1);
    assert_eq!(world.verify(&token), over());
    world.advance(1);
    assert_eq!(world.verify(&token), over());
}

#[test]
fn a_session_is_looked_at_once_a_minute() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    for expected in [0, 1, 2, 3] {
        for _ in 0..3 {
            assert!(world.verify(&token).is_ok());
        }
        assert_eq!(world.directory.session_reads(), expected);
        world.advance(60);
    }
}

#[test]
fn where_it_is_always_looked_at_a_revoked_session_is_refused_at_once() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    assert!(world.verify(&token).is_ok());
    world.directory.revoke(&principal(1));
    assert_eq!(world.verify(&token), over());
    assert_eq!(world.directory.session_reads(), 2);
}

/// The clock of the sandbox that signed may be ahead of the one that verifies.
#[test]
fn it_is_looked_at_also_for_a_token_from_a_clock_ahead() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let ahead = world.now() + 5;
    let token = world.draft().claim("iat", ahead).signed(&world.key);
    assert!(world.verify(&token).is_ok());
    world.directory.revoke(&principal(1));
    assert_eq!(world.verify(&token), over());
}

#[test]
fn a_clock_ahead_does_not_put_a_revocation_off() {
    let world = World::new();
    let token = world.draft().claim("iat", world.now() + 5).signed(&world.key);
    assert!(world.verify(&token).is_ok());
    world.directory.revoke(&principal(1));
    world.advance(65);
    assert_eq!(world.verify(&token), over());
}

#[test]
fn a_session_that_has_ended_is_over() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    world.directory.open_session(&principal(1), world.now() + 30);
    world.advance(29);
    assert!(world.verify(&token).is_ok());
    world.advance(1);
    assert_eq!(world.verify(&token), over());
}

#[test]
fn a_session_belongs_to_its_account_and_user() {
    let world = World::new();
    let genuine = world.signer.sign(&principal(1), PROOF).unwrap();
    let draft = world.draft();
    let others = [
        draft.clone().claim("acc", json!(principal(2).account)),
        draft.clone().claim("sub", json!(principal(2).user)),
        draft.clone().claim("sid", json!(principal(2).session)),
    ];
    world.advance(60);
    // Seen just now, for the account and user it belongs to.
    assert!(world.verify(&genuine).is_ok());
    for other in others {
        assert_eq!(world.verify(&other.signed(&world.key)), over());
    }
    assert!(world.verify(&genuine).is_ok());
}

#[test]
fn a_session_that_cannot_be_read_is_not_believed() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    assert!(world.verify(&token).is_ok());
    world.directory.go_down();
    assert_eq!(world.verify(&token), Err("the directory could not be read: it is down".to_owned()));
    world.directory.come_back();
    assert!(world.verify(&token).is_ok());
}

#[test]
fn a_session_that_comes_back_is_accepted_again() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    world.directory.revoke(&principal(1));
    assert_eq!(world.verify(&token), over());
    world.directory.open_session(&principal(1), world.now() + 1000);
    assert!(world.verify(&token).is_ok());
}

#[test]
fn a_new_role_is_in_force_after_sixty_seconds_at_the_latest() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    let role = |token: &str| world.verify(token).map(|principal| principal.standing.roles.clone());
    world.directory.give(&principal(1), Role::Viewer);
    world.advance(59);
    assert_eq!(role(&token), Ok(vec![RoleRef::System(Role::Owner)]), "not looked at yet");
    world.advance(1);
    assert_eq!(role(&token), Ok(vec![RoleRef::System(Role::Viewer)]));
    // What was seen counts until the next look, also for a token that was made before.
    world.directory.give(&principal(1), Role::Admin);
    assert_eq!(role(&token), Ok(vec![RoleRef::System(Role::Viewer)]));
    // A token that is made later knows better.
    world.advance(1);
    let later = world
        .signer
        .sign(&SessionPrincipal { standing: Arc::new(Role::Admin.into()), ..principal(1) }, PROOF)
        .unwrap();
    assert_eq!(
        (role(&later), role(&token)),
        (Ok(vec![RoleRef::System(Role::Admin)]), Ok(vec![RoleRef::System(Role::Viewer)]))
    );
    world.advance(60);
    assert_eq!(role(&token), Ok(vec![RoleRef::System(Role::Admin)]));
}

#[test]
fn where_the_session_is_always_looked_at_a_new_role_is_in_force_at_once() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    world.directory.give(&principal(1), Role::Member);
    assert_eq!(
        world.verify(&token).map(|principal| principal.standing.roles.clone()),
        Ok(vec![RoleRef::System(Role::Member)])
    );
}

#[test]
fn roles_of_the_accounts_own_are_looked_up_at_once() {
    let world = World::new();
    let custom = RoleRef::Custom(RoleId::from_parts(1, [1; 10]));
    let standing = |grants: Grants| Standing { roles: vec![custom], grants, team: vec![principal(1).user] };
    let caller = SessionPrincipal { standing: Arc::new(standing(Grants::default())), ..principal(1) };
    let token = world.signer.sign(&caller, PROOF).unwrap();
    // What the token's role grants stands nowhere in it.
    let granted = Role::Member.grants();
    world.directory.give(&caller, standing(granted));
    let seen = world.verify(&token).unwrap();
    assert_eq!(*seen.standing, standing(granted));
    assert_eq!(world.directory.session_reads(), 1);
    world.advance(59);
    assert!(world.verify(&token).is_ok());
    assert_eq!(world.directory.session_reads(), 1);
    world.directory.give(&caller, standing(Grants::default()));
    assert!(world.verify(&token).unwrap().reach(Permission::ClientRead).is_some(), "not looked at yet");
    // A token that is made later knows better.
    let later = world.signer.sign(&caller, PROOF).unwrap();
    assert_eq!(world.verify(&later).unwrap().reach(Permission::ClientRead), None);
    world.advance(1);
    assert_eq!(world.verify(&token).unwrap().reach(Permission::ClientRead), None);
}

#[test]
fn a_clock_that_steps_back_puts_no_look_off() {
    let world = World::with(|verifier| verifier.always_checking_the_session());
    let token = world.signer.sign(&principal(1), PROOF).unwrap();
    world.advance(5);
    assert!(world.verify(&token).is_ok());
    world.directory.revoke(&principal(1));
    world.advance(-1);
    assert_eq!(world.verify(&token), over());
}

const RECENT: Demand = Demand { recent: true, enrolled: true };

fn proof(at: i64) -> ProofState {
    ProofState { at, is_for_setup: false }
}

#[test]
fn a_proof_is_recent_for_ten_minutes() {
    let world = World::new();
    let begun = proof(world.now());
    world.directory.prove(&principal(1), begun);
    let token = world.signer.sign(&principal(1), begun).unwrap();
    for (seconds, is_recent) in [(0, true), (600, true), (1, false)] {
        world.advance(seconds);
        let outcome = world.verify_for(&token, RECENT).map(drop);
        let wanted = if is_recent { Ok(()) } else { Err("the proof is not recent".to_owned()) };
        assert_eq!(outcome, wanted);
        assert!(world.verify(&token).is_ok());
    }
}

#[test]
fn a_new_proof_is_in_force_at_once() {
    let world = World::new();
    let token = world.signer.sign(&principal(1), proof(0)).unwrap();
    world.directory.prove(&principal(1), proof(0));
    assert!(world.verify_for(&token, RECENT).is_err());
    world.directory.prove(&principal(1), proof(world.now()));
    assert!(world.verify_for(&token, RECENT).is_ok(), "what is remembered does not refuse");
    let reads = world.directory.session_reads();
    assert!(world.verify_for(&token, RECENT).is_ok());
    assert_eq!(world.directory.session_reads(), reads, "but it admits");
}

#[test]
fn a_session_for_setting_up_a_second_factor_does_for_nothing_else() {
    let world = World::new();
    let setup = ProofState { at: world.now(), is_for_setup: true };
    world.directory.prove(&principal(1), setup);
    let token = world.signer.sign(&principal(1), setup).unwrap();
    let enrolled = Demand { enrolled: true, ..Demand::default() };
    assert!(world.verify_for(&token, Demand { recent: true, enrolled: false }).is_ok());
    let refused = world.verify_for(&token, enrolled);
    assert_eq!(refused, Err("a second factor is not set up yet".to_owned()));
    world.directory.prove(&principal(1), proof(world.now()));
    assert!(world.verify_for(&token, enrolled).is_ok());
}
