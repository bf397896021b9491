//! Steps in any order, with or without a power cut.

use proptest::prelude::*;

use crate::{
    disk::{Dice, Fault, FaultDisk, Survival},
    power::{large, small},
    script::{Run, Step},
};

fn step(longest: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..longest).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::SyncBeside),
        1 => (1u8..4).prop_map(Step::Fork),
        1 => Just(Step::Trim),
        1 => Just(Step::BeginSnapshot),
        2 => (0..longest).prop_map(Step::AppendSnapshot),
        1 => Just(Step::SyncSnapshot),
        1 => Just(Step::CompleteSnapshot),
        1 => Just(Step::DropSnapshot),
        1 => (1u8..4, prop_oneof![Just(0u64), Just(100), 0..1_000u64])
            .prop_map(|(id, offset)| Step::Begin { id, offset }),
        2 => Just(Step::Reopen),
    ]
}

/// Steps after a beginning; IDs of forks are ones that were not in force before.
fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(longest), 1..40).prop_map(|steps| {
        let mut out = vec![Step::Begin { id: 0, offset: 100 }];
        let mut fresh = 10;
        for step in steps {
            fresh += 1;
            let forks = matches!(step, Step::Fork(_));
            out.push(if forks { Step::Fork(fresh) } else { step });
        }
        out
    })
}

fn run(limits: journal::Limits, steps: &[Step], cut: Option<u64>, seed: u64) {
    let disk = FaultDisk::new();
    let mut dice = Dice::new(seed);
    if let Some(at) = cut {
        disk.fail_at(at, Fault::PowerCut);
    }
    let mut run = Run::new(disk.clone(), limits);
    let done = run.steps(steps);
    let reopen = [Step::Reopen, Step::Append(100), Step::Sync, Step::Reopen];
    if done.is_ok() {
        disk.heal();
        run.steps(&reopen).unwrap();
        return;
    }
    let disk = disk.after_power_cut(Survival::Random, &mut dice);
    let mut run = run.moved_to(disk);
    run.open().unwrap();
    run.verify();
    run.settle();
    run.steps(&reopen).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_held_is_what_was_appended(steps in steps(400)) {
        run(small(), &steps, None, 0);
    }

    #[test]
    fn what_is_held_after_a_power_cut_is_a_prefix(
        steps in steps(400),
        cut in 1u64..150,
        seed: u64,
    ) {
        run(small(), &steps, Some(cut), seed);
    }

}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn both_hold_for_blocks_of_the_full_size(
        steps in steps(150_000),
        cut in prop::option::of(1u64..100),
        seed: u64,
    ) {
        run(large(), &steps, cut, seed);
    }
}
