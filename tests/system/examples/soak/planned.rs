//! Planned failovers, back and forth, under a mixed workload.

use std::time::Duration;

use ledger::{Score, Workload};
use runtime::dice::Dice;
use system::{Cache, Start, World, scoring};

use crate::{Plan, Through, now, table::Row};

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
        what: format!("planned, RTT {} ms, {}", plan.rtt_ms, plan.through.word()),
        engine: engine.to_owned(),
        ..Row::default()
    };
    let workload = Workload {
        pace: Duration::from_millis(1),
        ..Workload::new(CLIENTS, Dice::from_seed(1))
    };
    let both = [east, west];
    let endpoints = match plan.through {
        Through::Direct => both.iter().map(Cache::login).collect(),
        Through::Geo => vec![east.geo_login()],
        Through::GeoTls => vec![east.geo_login_over_tls()],
    };
    let mut ledger = scoring::start_at(&workload, endpoints);
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
            note(&mut row, &scoring::checkpoint(&mut ledger, survivor), plan);
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
    let trouble = ledger.sight().trouble;
    note(&mut row, &scoring::settle(ledger, survivor), plan);
    if row.errors.is_some_and(|errors| errors > 0) {
        println!(
            "{engine}: {} errors, the last: {trouble:?}",
            row.errors.unwrap_or_default()
        );
    }
    row
}

/// A score counts from the start of the workload.
fn note(row: &mut Row, score: &Score, plan: &Plan) {
    let total = score.total();
    row.acknowledged = total.acknowledged;
    row.lost = total.lost;
    row.violations = total.violations();
    row.unaccounted = total.lost;
    row.errors = match plan.through {
        // Whoever connects to the cache that yields has to look for the other one.
        Through::Direct => None,
        Through::Geo | Through::GeoTls => Some(scoring::errors(score)),
    };
    row.outages = score.marks.iter().map(|mark| mark.outage.ms).collect();
    if !score.is_clean() {
        println!("{}: {:?} {:#?}", row.engine, score.lost, score.violations);
    }
}
