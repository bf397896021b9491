//! Workloads that keep score, for tests: started on caches of a world, settled on one of them.

use std::time::Duration;

use ledger::{Endpoint, Kind, Score, Workload, blocking::Ledger};
use runtime::dice::Dice;

use crate::{Cache, waiting};

/// Starts so many clients of every kind, which write to whichever of the caches takes writes. Each
/// writes now and then only: the engines have others to serve.
pub fn start(clients: usize, caches: &[Cache<'_>]) -> Ledger {
    start_as(&workload(clients), caches)
}

/// The work of [`start`].
pub fn workload(clients: usize) -> Workload {
    Workload {
        pace: Duration::from_millis(1),
        ..Workload::new(clients, Dice::from_seed(1))
    }
}

/// As [`start`], with everything that can be chosen.
pub fn start_as(workload: &Workload, caches: &[Cache<'_>]) -> Ledger {
    start_at(workload, caches.iter().map(Cache::login).collect())
}

/// As [`start_as`], at any endpoints.
pub fn start_at(workload: &Workload, endpoints: Vec<Endpoint>) -> Ledger {
    Ledger::start(workload, endpoints).unwrap()
}

/// Waits until so many more operations have been acknowledged.
pub fn until_more(ledger: &Ledger, more: u64) {
    let enough = ledger.sight().acknowledged + more;
    waiting::until_true("clients write", || ledger.sight().acknowledged >= enough);
}

/// Compares everything so far with what `survivor` holds, and has the clients go on with new keys,
/// so that a long run stays small. Gives the score so far.
pub fn checkpoint(ledger: &mut Ledger, survivor: &Cache<'_>) -> Score {
    ledger.checkpoint(&survivor.login()).unwrap()
}

/// Stops the clients and compares what they remember with what `survivor` holds.
pub fn settle(ledger: Ledger, survivor: &Cache<'_>) -> Score {
    ledger.settle(&survivor.login()).unwrap()
}

/// Operations that were answered with an error, or not at all, but for transactions: a handoff refuses
/// those that it meets.
pub fn errors(score: &Score) -> u64 {
    let kinds = score.kinds.iter();
    let single = kinds.filter(|(kind, _)| **kind != Kind::Transfer);
    single
        .map(|(_, tally)| tally.refused + tally.unknown())
        .sum()
}

/// Nothing that was acknowledged is lost, and nothing is as it must never be.
pub fn assert_nothing_lost(score: &Score) {
    let total = score.total();
    assert!(
        score.is_clean(),
        "{} of {} acknowledged operations are lost, {} violations\nlost: {:?}\n{:?}\n{:#?}",
        total.lost,
        total.acknowledged,
        total.violations(),
        score.lost,
        score.losses,
        score.violations,
    );
}
