//! A sample of the crash matrix: a case of each scenario, drawn with a seed. All of it is run by
//! `cargo run --release --package system --example crash_matrix`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "a case that failed can be run again")]

use system::{
    crashes::{self, Case, Scenario},
    with_both_engines,
};

/// Another one draws another sample.
const SEED: u64 = 1;

with_both_engines! {
    a_crash_while_caches_are_linked_changes_nothing => linking;
    a_crash_during_a_planned_failover_loses_nothing => planned;
    a_crash_during_a_forced_failover_loses_only_what_the_receipt_holds => forced;
    a_crash_during_the_return_of_the_former_primary_loses_nothing_more => coming_back;
    a_crash_while_caches_are_unlinked_changes_nothing => unlinking;
}

fn sample(engine: &str, scenario: Scenario) {
    let seed = SEED + u64::from(engine == "redis");
    let cases: Vec<Case> = crashes::shuffled(seed);
    let case = cases.into_iter().find(|case| case.scenario == scenario);
    let case = case.unwrap();
    println!("seed {seed}: {case:?}");
    crashes::run(engine, case);
}

fn linking(engine: &str) {
    sample(engine, Scenario::Link);
}

fn planned(engine: &str) {
    sample(engine, Scenario::Planned);
}

fn forced(engine: &str) {
    sample(engine, Scenario::Forced);
}

fn coming_back(engine: &str) {
    sample(engine, Scenario::Return);
}

fn unlinking(engine: &str) {
    sample(engine, Scenario::Unlink);
}
