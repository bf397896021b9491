//! Planned failover: no acknowledged write is lost or doubled, and no full sync is needed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the worst outage is worth a look")]

use ledger::{Kind, Tally};
use system::{Cache, World, scoring, waiting, with_both_engines};

with_both_engines! {
    thirty_failovers_under_load_lose_nothing_and_resync_partially => back_and_forth;
    a_failover_of_the_present_primary_is_refused => wrong_way_round;
    a_primary_that_a_client_paused_fails_over_and_the_new_one_takes_writes => paused;
}

/// Full syncs that a cache's leading engine has given, to anybody.
fn full_syncs(cache: &Cache<'_>) -> u64 {
    cache.info("sync_full").parse().unwrap_or(u64::MAX)
}

fn back_and_forth(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    east.until_whole();
    west.until_whole();
    let before = full_syncs(&east) + full_syncs(&west);
    let ledger = scoring::start(12, &[east, west]);
    for round in 1..=30 {
        let to = if round % 2 == 1 { &west } else { &east };
        ledger.mark(format!("failover {round}"));
        world.ok(&["failover", to.name()]);
        assert_eq!(world.primary(), to.name());
    }
    let score = scoring::settle(ledger, &east);
    println!(
        "{engine}: worst write outage {:?}, {:?}",
        score.worst_outage("failover"),
        score.total()
    );
    scoring::assert_nothing_lost(&score);
    for kind in Kind::ALL {
        let Tally { acknowledged, .. } = score.kinds[&kind];
        assert!(acknowledged > 300, "{kind}: {acknowledged}");
    }
    assert_eq!(
        full_syncs(&east) + full_syncs(&west),
        before,
        "{}",
        world.logs()
    );
    waiting::until_true("both hold the same", || west.contents() == east.contents());
}

fn wrong_way_round(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = world.linked_pair();
    let said = world.refused(&["failover", "east"]);
    assert!(
        said.contains("west"),
        "it names the command to type: {said}"
    );
    let alone = world.create("alone", "eastus");
    let said = world.refused(&["failover", alone.name()]);
    assert!(said.contains("not linked"), "{said}");
    assert_eq!(world.primary(), east.name());
}

/// Users of the managed service are told to pause clients before a failover, and need not end the
/// pause afterwards.
fn paused(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let mut e = east.connect();
    redis::cmd("SET").arg("k").arg("1").exec(&mut e).unwrap();
    redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(1_800_000)
        .exec(&mut e)
        .unwrap();
    world.ok(&["failover", "west"]);
    let mut w = west.connect();
    let value: String = redis::cmd("GET").arg("k").query(&mut w).unwrap();
    assert_eq!(value, "1");
    redis::cmd("SET").arg("k").arg("2").exec(&mut w).unwrap();
    waiting::until_true("the old primary follows", || {
        redis::cmd("GET")
            .arg("k")
            .query::<String>(&mut e)
            .is_ok_and(|value| value == "2")
    });
}
