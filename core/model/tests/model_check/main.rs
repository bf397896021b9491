//! The handoff under every order of events, exhaustively.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod handoff;
mod intern;
mod search;

use handoff::{
    model::{Bounds, Handoff},
    mutation::Mutation,
    promises,
    state::Left,
};
use search::{COMES_TO_REST, search};

const LIMIT: usize = 3_000_000;

const fn left(writes: u8, attempts: u8, crashes: u8, late: u8, cuts: u8) -> Left {
    Left {
        writes,
        attempts,
        forces: 0,
        crashes,
        late,
        cuts,
    }
}

const fn bounds(shards: usize, left: Left) -> Bounds {
    Bounds {
        shards,
        left,
        plans_apart: false,
        looks_apart: false,
    }
}

/// The search finds a planted mistake, by the promise that it breaks.
fn found(mutation: Mutation, bounds: Bounds, promise: &str) {
    match search(&Handoff::new(bounds, Some(mutation)), LIMIT) {
        Ok(searched) => panic!("{mutation:?} is not found: {searched:?}"),
        Err(found) => {
            println!("{mutation:?} breaks \"{}\":\n{}", found.promise, found.path);
            assert_eq!(found.promise, promise, "{mutation:?}");
        }
    }
}

#[test]
fn a_decision_whatever_the_attempt_is_found() {
    found(
        Mutation::DecidesAnyAttempt,
        bounds(1, left(1, 2, 0, 1, 0)),
        promises::NOTHING_LOST,
    );
}

#[test]
fn a_commit_over_the_decision_is_found() {
    let bounds = Bounds {
        plans_apart: true,
        ..bounds(1, left(0, 1, 0, 0, 0))
    };
    found(Mutation::CommitsBlindly, bounds, promises::FORWARD);
}

#[test]
fn a_planner_that_lifts_its_fence_is_found() {
    found(
        Mutation::LiftsItsFence,
        bounds(1, left(0, 1, 0, 0, 1)),
        promises::FENCED,
    );
}

#[test]
fn a_barrier_of_an_engine_that_is_only_paused_is_found() {
    found(
        Mutation::DeclaresUnfenced,
        bounds(1, left(1, 1, 0, 0, 0)),
        promises::NOTHING_LOST,
    );
}

#[test]
fn a_barrier_that_is_not_on_disk_is_found() {
    found(
        Mutation::ForgetsTheBarrier,
        bounds(1, left(0, 1, 0, 0, 1)),
        promises::FENCED,
    );
}

#[test]
fn a_decision_by_one_shard_of_two_is_found() {
    found(
        Mutation::ReadyWithOneShard,
        bounds(2, left(1, 1, 0, 0, 0)),
        promises::NOTHING_LOST,
    );
}

#[test]
fn readiness_behind_the_barrier_is_found() {
    found(
        Mutation::ReadyBehindTheBarrier,
        bounds(1, left(1, 1, 0, 0, 0)),
        promises::FENCED,
    );
}

#[test]
fn readiness_at_the_barrier_of_another_attempt_is_found() {
    found(
        Mutation::ReadyAtAnyBarrier,
        bounds(1, left(1, 2, 0, 0, 0)),
        promises::NOTHING_LOST,
    );
}

#[test]
fn a_promotion_without_the_decision_is_found() {
    found(
        Mutation::PromotesUndecided,
        bounds(1, left(0, 1, 0, 0, 0)),
        promises::DECIDED,
    );
}

#[test]
fn an_agent_that_takes_an_older_order_is_found() {
    found(
        Mutation::TakesOlderOrders,
        bounds(1, left(0, 1, 0, 1, 0)),
        promises::FORWARD,
    );
}

#[test]
fn try_it() {
    let args: Vec<u8> = std::env::var("B")
        .unwrap()
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect();
    let bounds = Bounds {
        shards: args[0].into(),
        left: Left {
            forces: args[8],
            ..left(args[1], args[2], args[3], args[4], args[5])
        },
        plans_apart: args[6] != 0,
        looks_apart: args[7] != 0,
    };
    match search(&Handoff::new(bounds, None), 20_000_000) {
        Ok(x) => eprintln!("{x:?}"),
        Err(e) => panic!("{}\n{}", e.promise, e.path),
    }
}
