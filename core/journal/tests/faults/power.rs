//! The power fails after each operation.

use journal::Limits;
use model::Retention;

use crate::{
    disk::{Dice, Fault, FaultDisk, Survival},
    script::{Run, Step},
};

const SURVIVALS: [Survival; 4] = [
    Survival::Nothing,
    Survival::Everything,
    Survival::Random,
    Survival::Random,
];

/// Everything that a journal does, in small.
pub(crate) fn workload() -> Vec<Step> {
    use Step::*;
    vec![
        Begin { id: 1, offset: 100 },
        Append(150),
        Sync,
        Append(70),
        Append(900),
        Sync,
        BeginSnapshot,
        AppendSnapshot(300),
        SyncSnapshot,
        AppendSnapshot(200),
        CompleteSnapshot,
        Append(333),
        SyncBeside,
        Append(20),
        Fork(2),
        Append(500),
        Fork(3),
        Fork(4),
        Append(1_500),
        Trim,
        Sync,
        BeginSnapshot,
        AppendSnapshot(250),
        BeginSnapshot,
        AppendSnapshot(10),
        CompleteSnapshot,
        Reopen,
        Append(500),
        BeginSnapshot,
        AppendSnapshot(60),
        CompleteSnapshot,
        Append(30),
        BeginSnapshot,
        AppendSnapshot(70),
        CompleteSnapshot,
        Append(200),
        DropSnapshot,
        Append(40),
        // The same position again, with other bytes behind it.
        Begin { id: 1, offset: 100 },
        Append(150),
        Sync,
        BeginSnapshot,
        AppendSnapshot(90),
        CompleteSnapshot,
        Append(1_200),
        Begin { id: 9, offset: 0 },
        Append(100),
        Sync,
        BeginSnapshot,
        AppendSnapshot(30),
        CompleteSnapshot,
        Begin { id: 9, offset: 0 },
        Append(140),
        Sync,
        Append(40),
    ]
}

/// As above, with blocks of the full size.
pub(crate) fn large_workload() -> Vec<Step> {
    use Step::*;
    vec![
        Begin { id: 1, offset: 7 },
        Append(70_000),
        Append(10),
        Append(200_000),
        SyncBeside,
        Append(65_536),
        Append(131_072),
        BeginSnapshot,
        AppendSnapshot(300_000),
        SyncSnapshot,
        AppendSnapshot(262_144),
        CompleteSnapshot,
        Fork(2),
        Append(400_000),
        Reopen,
        Append(65_535),
        Append(2),
        Sync,
    ]
}

pub(crate) fn small() -> Limits {
    Limits {
        segment_bytes: 600,
        retention: Retention::Bytes(1_300),
        ..Limits::default()
    }
}

pub(crate) fn large() -> Limits {
    Limits {
        segment_bytes: 200_000,
        retention: Retention::Unlimited,
        ..Limits::default()
    }
}

/// Operations that the steps make of the disk.
pub(crate) fn operations(steps: &[Step], limits: Limits) -> u64 {
    let disk = FaultDisk::new();
    let mut run = Run::new(disk.clone(), limits);
    run.steps(steps).unwrap();
    let count = disk.operations();
    run.open().unwrap();
    run.verify();
    count
}

/// Cuts at one operation, then cuts the recovery too, then checks and goes on.
fn cut(steps: &[Step], limits: Limits, at: u64, survival: Survival, dice: &mut Dice) {
    let disk = FaultDisk::new();
    disk.fail_at(at, Fault::PowerCut);
    let mut run = Run::new(disk.clone(), limits);
    run.steps(steps).unwrap_err();
    let mut disk = disk.after_power_cut(survival, dice);
    for _ in 0..2 {
        disk.fail_at(1 + dice.below(12) as u64, Fault::PowerCut);
        run = run.moved_to(disk.clone());
        if run.open().is_ok() {
            run.verify();
        }
        disk = disk.after_power_cut(survival, dice);
    }
    let mut run = run.moved_to(disk);
    run.open().unwrap();
    run.verify();
    run.settle();
    let more = [
        Step::Append(100),
        Step::Sync,
        Step::Append(900),
        Step::BeginSnapshot,
        Step::AppendSnapshot(5),
        Step::CompleteSnapshot,
        Step::Fork(200),
        Step::Append(10),
        Step::Reopen,
        Step::Begin { id: 1, offset: 100 },
        Step::Append(10),
        Step::Reopen,
    ];
    run.steps(&more).unwrap();
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_prefix_with_all_that_was_durable() {
    let steps = workload();
    let count = operations(&steps, small());
    assert!(count > 250, "{count} operations");
    let mut dice = Dice::new(1);
    for at in 1..=count {
        for survival in SURVIVALS.into_iter().cycle().take(6) {
            cut(&steps, small(), at, survival, &mut dice);
        }
    }
}

#[test]
fn a_power_cut_among_blocks_of_the_full_size_does_too() {
    let steps = large_workload();
    let count = operations(&steps, large());
    let mut dice = Dice::new(2);
    for at in 1..=count {
        for survival in SURVIVALS {
            cut(&steps, large(), at, survival, &mut dice);
        }
    }
}
