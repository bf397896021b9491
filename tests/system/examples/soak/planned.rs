//! Planned failovers, back and forth, under a mixed workload.

use ledger::Score;
use system::{Start, World, scoring};

use crate::{Plan, now, table::Row};

/// The workload is checked, and goes on with new keys, after so many.
const CHECKED: usize = 25;
const CLIENTS: usize = 8;

pub(crate) fn run(engine: &str, times: usize, plan: &Plan) -> Row {
    let world = World::start(Start {
        engine: engine.to_owned(),
        wan: plan.rtt_ms > 0,
        ..Start::default()
    });
    if plan.rtt_ms > 0 {
        for region in ["eastus", "westus"] {
            world.wan_to(region).set(plan.rtt_ms / 2, 0, None);
        }
    }
    let (east, west) = world.linked_pair();
    east.until_whole();
    west.until_whole();
    let mut row = Row {
        what: format!("planned, RTT {} ms", plan.rtt_ms),
        engine: engine.to_owned(),
        ..Row::default()
    };
    let mut ledger = scoring::start(CLIENTS, &[east, west]);
    while row.failovers < times && now() < plan.until {
        let to = if row.failovers.is_multiple_of(2) {
            &west
        } else {
            &east
        };
        ledger.mark("failover");
        world.ok(&["failover", to.name()]);
        row.failovers += 1;
        if row.failovers.is_multiple_of(CHECKED) {
            let survivor = if row.failovers.is_multiple_of(2) {
                &east
            } else {
                &west
            };
            note(&mut row, &scoring::checkpoint(&mut ledger, survivor));
            println!(
                "{engine}: {} planned failovers, {} lost",
                row.failovers, row.lost
            );
        }
    }
    let survivor = if row.failovers.is_multiple_of(2) {
        &east
    } else {
        &west
    };
    note(&mut row, &scoring::settle(ledger, survivor));
    row
}

/// A score counts from the start of the workload.
fn note(row: &mut Row, score: &Score) {
    let total = score.total();
    row.acknowledged = total.acknowledged;
    row.lost = total.lost;
    row.violations = total.violations();
    row.unaccounted = total.lost;
    row.outages = score.marks.iter().map(|mark| mark.outage.ms).collect();
    if !score.is_clean() {
        println!("{}: {:?} {:#?}", row.engine, score.lost, score.violations);
    }
}
