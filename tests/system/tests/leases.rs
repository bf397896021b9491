//! Leases: a geo-primary takes writes only while one is held, and its engine refuses by itself when
//! its agent cannot.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use redis::{Connection, RedisResult};
use rustix::process::Signal;
use serde_json::json;
use system::{Cache, World, processes, scoring, waiting, with_both_engines};

with_both_engines! {
    writes_and_failovers_go_on_under_a_lease => under_a_lease;
    without_the_control_plane_writes_are_refused_when_the_lease_is_over => control_away;
    an_engine_whose_agent_is_stopped_refuses_by_itself => agent_stopped;
    without_leases_nothing_waits_for_the_control_plane => no_leases;
    wait_counts_the_other_region_only_when_it_has_applied => wait_is_honest;
    a_lease_outlives_the_death_of_engines_and_agents => deaths;
}

/// The lease of these tests, in seconds: long enough for a busy machine to renew it in time.
const LEASE: u64 = 16;
/// As `model::DEAD_MAN`, and a second for this test's own part.
const DEAD_MAN: Duration = Duration::from_secs(5);

fn with_a_lease(world: &World) -> (Cache<'_>, Cache<'_>) {
    let pair = world.linked_pair();
    world.until_healthy();
    world.set_replication(&json!({ "fencing": "lease", "leaseSeconds": LEASE }));
    waiting::until_true("the lease is held, and the engine knows", || {
        world.events("LeaseHeld").len() == 1 && is_gated(&pair.0)
    });
    pair
}

/// Whether the leading engine asks for acknowledgements before it takes a write.
fn is_gated(cache: &Cache<'_>) -> bool {
    !cache.info("min_slaves_good_slaves").is_empty()
}

fn set(connection: &mut Connection, value: u64) -> RedisResult<()> {
    redis::cmd("SET").arg("k").arg(value).exec(connection)
}

fn is_refused(outcome: &RedisResult<()>) -> bool {
    outcome
        .as_ref()
        .is_err_and(|error| error.code() == Some("NOREPLICAS"))
}

/// Writes until it is refused; gives how long that took.
#[expect(clippy::disallowed_methods, reason = "a lease is a promise about time")]
fn until_refused(connection: &mut Connection) -> Duration {
    let began = Instant::now();
    waiting::until_true("writes are refused", || {
        let outcome = set(connection, 1);
        assert!(outcome.is_ok() || is_refused(&outcome), "{outcome:?}");
        is_refused(&outcome)
    });
    began.elapsed()
}

fn until_taken(connection: &mut Connection) {
    waiting::until_true("writes are taken", || set(connection, 2).is_ok());
}

fn until_equal(east: &Cache<'_>, west: &Cache<'_>) {
    waiting::until_true("both sides hold the same", || {
        east.try_contents()
            .is_some_and(|there| Some(there) == west.try_contents())
    });
}

fn under_a_lease(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    // Switched on under load: nobody is refused.
    let mut e = east.connect();
    world.set_replication(&json!({ "fencing": "lease", "leaseSeconds": LEASE }));
    waiting::until_true("the engine asks for acknowledgements", || {
        set(&mut e, 1).unwrap();
        is_gated(&east)
    });
    let ledger = scoring::start(4, &[east, west]);
    for round in 0..4 {
        let to = if round % 2 == 0 { &west } else { &east };
        world.ok(&["failover", to.name()]);
        waiting::until_true("the new primary is under the lease", || is_gated(to));
        world.until_healthy();
    }
    scoring::assert_nothing_lost(&scoring::settle(ledger, &east));
    until_equal(&east, &west);
    assert_eq!(world.events("LeaseLost"), Vec::<String>::new());
    // Out of the link, whatever the control plane does.
    world.ok(&["link", "delete", "east", "west"]);
    for cache in [&east, &west] {
        waiting::until_true("the gate is open", || !is_gated(cache));
        until_taken(&mut cache.connect());
    }
}

fn control_away(engine: &str) {
    let world = World::with(engine);
    let (east, west) = with_a_lease(&world);
    let mut e = east.connect();
    let mut w = west.connect();
    let control = world.control_pid();
    set(&mut e, 1).unwrap();
    processes::freeze(control);
    let lasted = until_refused(&mut e);
    let lease = Duration::from_secs(LEASE);
    assert!(lasted < lease, "writes after the lease: {lasted:?}");
    assert!(lasted > lease / 2, "hardly a lease: {lasted:?}");
    waiting::until_true("what was taken is there", || {
        let value = redis::cmd("GET").arg("k").query::<u64>(&mut w);
        value.is_ok_and(|value| value == 1)
    });
    processes::signal(control, Signal::CONT);
    until_taken(&mut e);
    world.until_healthy();
    waiting::until_true("both changes are told, once each", || {
        world.events("LeaseLost").len() == 1 && world.events("LeaseHeld").len() == 2
    });
}

fn agent_stopped(engine: &str) {
    let world = World::with(engine);
    let (east, west) = with_a_lease(&world);
    let mut e = east.connect_to_engine();
    let agent = world.agent_pid("eastus");
    set(&mut e, 1).unwrap();
    processes::freeze(agent);
    let lasted = until_refused(&mut e);
    assert!(lasted < DEAD_MAN, "the engine went on alone: {lasted:?}");
    processes::signal(agent, Signal::CONT);
    until_taken(&mut e);
    until_equal(&east, &west);
}

fn no_leases(engine: &str) {
    let world = World::with(engine);
    let (east, west) = with_a_lease(&world);
    world.set_replication(&json!({ "fencing": "none" }));
    waiting::until_true("the gate is open", || !is_gated(&east));
    let (mut e, mut w) = (east.connect(), west.connect());
    let control = world.control_pid();
    processes::freeze(control);
    for n in 10..20 {
        set(&mut e, n).unwrap();
        waiting::until_true("the write is there", || {
            let value = redis::cmd("GET").arg("k").query::<u64>(&mut w);
            value.is_ok_and(|value| value == n)
        });
    }
    processes::signal(control, Signal::CONT);
    world.until_healthy();
    assert_eq!(world.events("LeaseLost"), Vec::<String>::new());
}

fn wait_is_honest(engine: &str) {
    let world = World::with(engine);
    let (east, _west) = with_a_lease(&world);
    east.until_whole();
    let mut e = east.connect();
    let mut wait = |value: u64, ms: u64| {
        set(&mut e, value).unwrap();
        redis::cmd("WAIT")
            .arg(9)
            .arg(ms)
            .query::<u64>(&mut e)
            .unwrap()
    };
    waiting::until_true("its own replica and the other region", || wait(1, 500) == 2);
    let west = world.agent_pid("westus");
    processes::freeze(west);
    assert_eq!(wait(2, 500), 1, "its own replica alone");
    processes::signal(west, Signal::CONT);
    waiting::until_true("the other region again", || wait(3, 500) == 2);
}

fn deaths(engine: &str) {
    let world = World::with(engine);
    let (east, west) = with_a_lease(&world);
    let nodes = east.until_whole();
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica takes writes under the lease", || {
        east.nodes().is_some_and(|now| now[0] == nodes[1]) && is_gated(&east)
    });
    until_taken(&mut east.connect());
    world.kill_agent("eastus");
    let mut e = east.connect();
    until_taken(&mut e);
    waiting::until_true("the next agent keeps it", || is_gated(&east));
    until_taken(&mut e);
    world.until_healthy();
    until_equal(&east, &west);
}
