use nexo_domain::{ClientId, Permission};
use nexo_identity::Clock;

use crate::world::{principal, to_the_start_of_a_second};

#[test]
fn the_clones_of_a_clock_move_together() {
    let clock = Clock::system();
    let clone = clock.clone();
    to_the_start_of_a_second(&clock);
    let before = clock.now_seconds();
    clone.advance(3_600_000);
    assert_eq!(clock.now_seconds(), before + 3600);
    assert_eq!(clock.now().as_seconds(), before + 3600);
    clone.advance(-3_600_000);
    assert_eq!(clock.now_seconds(), before);
}

#[test]
fn a_clock_that_stands_still_moves_when_it_is_told_to() {
    let before = Clock::system().now_ms();
    let clock = Clock::standing_still();
    let at = clock.now_ms();
    assert!((before..=Clock::system().now_ms()).contains(&at));
    while Clock::system().now_ms() <= at {}
    assert_eq!(clock.now_ms(), at);
    clock.clone().advance(1500);
    assert_eq!(clock.now_ms(), at + 1500);
}

#[test]
fn ids_sort_by_the_time_they_were_made() {
    let clock = Clock::system();
    let mut minted: Vec<ClientId> = Vec::new();
    for _ in 0..100 {
        minted.push(clock.mint().unwrap());
        clock.advance(1);
    }
    assert!(minted.is_sorted(), "{minted:?}");
    let last = i64::try_from(minted[99].timestamp_ms()).unwrap();
    assert!((0..1000).contains(&(clock.now_ms() - last)));
}

#[test]
fn two_ids_of_one_millisecond_differ() {
    let clock = Clock::system();
    let (one, other): (ClientId, ClientId) = (clock.mint().unwrap(), clock.mint().unwrap());
    assert_ne!(one, other);
}

#[test]
fn an_owner_may_do_everything() {
    let refused: Vec<_> = Permission::ALL
        .iter()
        .filter(|it| nexo_identity::Principal::from(principal(1)).reach(**it).is_none())
        .collect();
    assert_eq!(refused, Vec::<&Permission>::new());
}
