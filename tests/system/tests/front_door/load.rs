//! Planned failovers under load, over TLS and without, through both caches' geo endpoints.

use std::time::Duration;

use ledger::{Mix, Workload, blocking::Ledger};
use runtime::dice::Dice;
use system::{Cache, World, scoring, with_both_engines};

with_both_engines! {
    planned_failovers_cost_nobody_an_error_at_the_geo_endpoint => unnoticed;
    connections_that_another_region_carries_cost_nobody_an_error => over_a_wan;
    transactions_in_a_failover_are_refused_as_a_whole => transactions;
}

const FAILOVERS: usize = 10;
/// Half a round trip between the regions.
const LATENCY_MS: u64 = 15;

/// Clients of one kind of door.
fn start(mix: &str, seed: u64, endpoint: ledger::Endpoint) -> Ledger {
    let mix: Mix = mix.parse().unwrap();
    // A machine that is busy with the clients alone has no time for a handoff.
    let clients = 4;
    let workload = Workload {
        pace: Duration::from_millis(10),
        mix,
        prefix: format!("ledger{seed}:"),
        ..Workload::new(clients, Dice::from_seed(seed))
    };
    Ledger::start(&workload, vec![endpoint]).unwrap()
}

/// Clients at every geo door, with and without TLS.
fn everywhere(mix: &str, caches: [&Cache<'_>; 2]) -> Vec<Ledger> {
    let endpoints = caches
        .into_iter()
        .flat_map(|cache| [cache.geo_login(), cache.geo_login_over_tls()]);
    (1..)
        .zip(endpoints)
        .map(|(seed, endpoint)| start(mix, seed, endpoint))
        .collect()
}

fn fail_over(world: &World, ledgers: &[Ledger], pair: [&Cache<'_>; 2], rounds: usize) {
    for round in 0..rounds {
        for ledger in ledgers {
            scoring::until_more(ledger, 50);
        }
        let to = pair[(round + 1) % 2];
        world.ok(&["failover", to.name()]);
        world.until_healthy();
    }
    for ledger in ledgers {
        scoring::until_more(ledger, 50);
    }
}

fn unnoticed(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let ledgers = everywhere("sequence,counter,register,pipeline", [&east, &west]);
    fail_over(&world, &ledgers, [&east, &west], FAILOVERS);
    for ledger in ledgers {
        settle_without_an_error(&world, ledger, &east);
    }
}

fn over_a_wan(engine: &str) {
    let world = World::over_a_wan(engine);
    for region in ["eastus", "westus"] {
        world.wan_to(region).set(LATENCY_MS, 0, None);
    }
    let (east, west) = world.linked_pair();
    let ledgers = everywhere("sequence,counter,pipeline", [&east, &west]);
    fail_over(&world, &ledgers, [&east, &west], 4);
    for ledger in ledgers {
        settle_without_an_error(&world, ledger, &east);
    }
}

fn settle_without_an_error(world: &World, ledger: Ledger, survivor: &Cache<'_>) {
    let trouble = ledger.sight().trouble;
    let score = scoring::settle(ledger, survivor);
    scoring::assert_nothing_lost(&score);
    assert_eq!(scoring::errors(&score), 0, "{trouble:?} {}", world.logs());
    assert!(score.total().acknowledged > 300);
}

/// A transaction that a handoff meets is refused with `EXECABORT`, and never half of it is done.
fn transactions(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let ledgers = everywhere("transfer", [&east, &west]);
    fail_over(&world, &ledgers, [&east, &west], 4);
    for ledger in ledgers {
        let score = scoring::settle(ledger, &east);
        scoring::assert_nothing_lost(&score);
        assert_eq!(score.total().unknown(), 0, "{}", world.logs());
    }
}
