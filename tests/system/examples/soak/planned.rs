//! Planned failovers, back and forth, under a mixed workload.

use std::time::Instant;

use ledger::Score;
use system::{World, scoring};

use crate::{now, table::Row};

/// The workload is checked, and goes on with new keys, after so many.
const CHECKED: usize = 25;
const CLIENTS: usize = 8;

pub(crate) fn run(engine: &str, times: usize, until: Instant) -> Row {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    east.until_whole();
    west.until_whole();
    let mut row = Row {
        what: "planned".to_owned(),
        engine: engine.to_owned(),
        ..Row::default()
    };
    let mut ledger = scoring::start(CLIENTS, &[east, west]);
    while row.failovers < times && now() < until {
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
            add(&mut row, &scoring::checkpoint(&mut ledger, survivor));
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
    add(&mut row, &scoring::settle(ledger, survivor));
    row
}

/// A score counts from the last checkpoint.
pub(crate) fn add(row: &mut Row, score: &Score) {
    let total = score.total();
    row.acknowledged += total.acknowledged;
    row.lost += total.lost;
    row.violations += total.violations();
    row.unaccounted += total.lost;
    let marks = score.marks.iter().map(|mark| mark.outage.ms);
    row.outages.extend(marks);
    if !score.is_clean() {
        println!("{}: {:?} {:#?}", row.engine, score.lost, score.violations);
    }
}
