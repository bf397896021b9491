//! Writes and syncs fail, one at a time.

use std::io::ErrorKind;

use crate::{
    disk::{Dice, Fault, FaultDisk, Survival},
    power::{operations, small, workload},
    script::{Run, Step},
};

const FAULTS: [Fault; 4] = [
    Fault::Error(ErrorKind::Other),
    Fault::Error(ErrorKind::StorageFull),
    Fault::Short(ErrorKind::StorageFull),
    Fault::Short(ErrorKind::Other),
];

#[test]
fn a_failure_stops_the_journal_and_opening_it_anew_finds_everything_before_it() {
    let steps = workload();
    let mut dice = Dice::new(3);
    for fault in FAULTS {
        let mut failed = 0;
        for at in 1.. {
            let disk = FaultDisk::new();
            disk.fail_at(at, fault);
            let mut run = Run::new(disk.clone(), small());
            let result = run.steps(&steps);
            if disk.operations() < at {
                break;
            }
            disk.heal();
            let Err(step) = result else {
                panic!("operation {at} failed and nobody noticed");
            };
            failed += 1;
            if !is_of_the_snapshot(step) {
                run.verify_stopped();
            }
            reopen_here_and_after_a_power_cut(run, &mut dice);
        }
        assert!(failed > 250, "{failed} operations");
    }
}

/// What was left in memory by a sync that failed is not taken for durable.
fn reopen_here_and_after_a_power_cut(mut run: Run, dice: &mut Dice) {
    run.open().unwrap();
    run.verify();
    run.settle();
    // From here on all that is there counts as durable.
    run.steps(&[Step::Sync]).unwrap();
    let disk = run.disk.after_power_cut(Survival::Nothing, dice);
    let mut run = run.moved_to(disk);
    run.open().unwrap();
    run.verify();
    run.settle();
    run.steps(&[Step::Append(700), Step::Sync, Step::Reopen])
        .unwrap();
}

#[test]
fn a_beginning_is_a_way_on_after_a_failure() {
    let mut dice = Dice::new(4);
    let steps = workload();
    for at in (20..=operations(&steps, small())).step_by(7) {
        let disk = FaultDisk::new();
        disk.fail_at(at, Fault::Error(ErrorKind::Other));
        let mut run = Run::new(disk.clone(), small());
        let failed = run.steps(&steps).unwrap_err();
        disk.heal();
        if failed == Step::Reopen {
            run.open().unwrap();
        }
        let again = [
            Step::Begin { id: 5, offset: 50 },
            Step::Append(1_000),
            Step::Sync,
            Step::BeginSnapshot,
            Step::AppendSnapshot(10),
            Step::CompleteSnapshot,
        ];
        run.steps(&again).unwrap();
        let disk = disk.after_power_cut(Survival::Nothing, &mut dice);
        let mut run = run.moved_to(disk);
        run.open().unwrap();
        run.verify();
        assert_eq!(run.held(), Some((50, 1_050)));
    }
}

fn is_of_the_snapshot(step: Step) -> bool {
    matches!(
        step,
        Step::AppendSnapshot(_) | Step::SyncSnapshot | Step::CompleteSnapshot
    )
}
