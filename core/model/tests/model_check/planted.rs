//! Planted mistakes: a search that finds none of them would prove nothing.

use super::{
    Handoff,
    handoff::{model::Bounds, mutation::Mutation, promises},
    lease::{self, Leased, Mistake},
    search::{COMES_TO_REST, search},
    searches::{bounds, left},
};

const LIMIT: usize = 1_000_000;

/// The search finds a planted mistake, by the promise that it breaks.
fn found(mutation: Mutation, bounds: Bounds, promise: &str) {
    match search(&Handoff::new(bounds, Some(mutation)), LIMIT) {
        Ok(searched) => panic!("{mutation:?} is not found: {searched}"),
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
fn a_fence_that_stays_is_found() {
    found(
        Mutation::StaysFenced,
        bounds(1, left(0, 1, 0, 0, 0)),
        COMES_TO_REST,
    );
}

fn found_by_force(mutation: Mutation, promise: &str) {
    let left = super::Left {
        forces: 1,
        ..left(1, 1, 0, 0, 0)
    };
    found(mutation, bounds(1, left), promise);
}

#[test]
fn a_return_without_saving_is_found() {
    found_by_force(Mutation::RejoinsWithoutSaving, promises::HELD);
}

#[test]
fn a_gate_that_stays_open_is_found() {
    found_by_force(Mutation::LeavesItsGateOpen, promises::ONE_SIDE);
}

#[test]
fn a_fork_that_is_not_noted_is_found() {
    found_by_force(Mutation::ForgetsTheFork, promises::NOTED);
}

fn found_in_leases(model: &Leased) {
    match search(model, LIMIT) {
        Ok(searched) => panic!("it is not found: {searched}"),
        Err(found) => {
            println!("{}:\n{}", found.promise, found.path);
            assert_eq!(found.promise, lease::ONE_SIDE);
        }
    }
}

#[test]
fn a_lease_that_counts_from_its_answer_is_found() {
    found_in_leases(&Leased::new(1_000, 0, Some(Mistake::CountsFromTheAnswer)));
}

#[test]
fn a_lease_with_nothing_kept_back_is_found() {
    found_in_leases(&Leased::new(1_000, 0, Some(Mistake::KeepsNothingBack)));
}

#[test]
fn a_grantor_that_forgets_earlier_runs_is_found() {
    found_in_leases(&Leased::new(1_000, 1, Some(Mistake::ForgetsEarlierRuns)));
}

#[test]
fn a_failover_that_does_not_wait_for_the_lease_is_found() {
    found_in_leases(&Leased::new(1_000, 0, Some(Mistake::TakesOverAtOnce)));
}

#[test]
fn clocks_that_run_further_apart_than_allowed_are_found() {
    found_in_leases(&Leased::new(800, 0, None));
}
