//! Nodes are restarted one after another under a load: nothing that was acknowledged is lost, clients
//! stay connected, and a link goes on without a full sync.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use system::{Cache, Package, Start, World, scoring, waiting, with_both_engines};

with_both_engines! {
    reboots_of_a_linked_pair_are_not_noticed => reboots_while_linked;
    reboots_of_a_cache_that_is_not_linked_are_not_noticed => reboots_alone;
    the_only_node_of_a_cache_comes_back_with_its_data => reboots_of_one_node;
    a_newer_engine_is_brought_to_a_linked_pair_under_load => upgrades_a_pair;
    a_newer_engine_that_does_not_run_changes_nothing => broken_engine;
    a_killed_agent_goes_on_with_a_reboot => kills;
}

fn full_syncs(world: &World) -> usize {
    world.events("FullSyncStarted").len()
}

/// Reboots nodes and waits for the end; gives the nodes before and after, the leading one first.
fn reboot(world: &World, cache: &Cache<'_>, nodes: &str) -> ([u32; 2], [u32; 2]) {
    let before = cache.until_whole();
    world.ok(&["cache", "reboot", cache.name(), "--nodes", nodes, "--yes"]);
    (before, cache.until_whole())
}

/// What each kind of reboot does to a cache's two processes.
fn reboot_each(world: &World, cache: &Cache<'_>) {
    let (before, after) = reboot(world, cache, "replica");
    assert_eq!(after[0], before[0], "the primary is left alone");
    assert_ne!(after[1], before[1]);
    let (before, after) = reboot(world, cache, "primary");
    assert_eq!(after[0], before[1], "the replica takes its place");
    assert_ne!(after[1], before[0]);
    let (before, after) = reboot(world, cache, "all");
    assert!(!before.contains(&after[0]) && !before.contains(&after[1]));
}

fn reboots_while_linked(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let load = scoring::start_at(&scoring::workload(4), vec![east.login(), west.geo_login()]);
    scoring::until_more(&load, 200);
    for cache in [&east, &west] {
        reboot_each(&world, cache);
        scoring::until_more(&load, 200);
    }
    world.until_healthy();
    let score = scoring::settle(load, &east);
    scoring::assert_nothing_lost(&score);
    assert_eq!(scoring::errors(&score), 0, "{score:#?}\n{}", world.logs());
    assert_eq!(full_syncs(&world), 1, "{}", world.logs());
    assert!(world.events("NodeRestarted").len() >= 8);
    waiting::until_true("both sides hold the same", || {
        let there = east.try_contents();
        there.is_some() && there == west.try_contents()
    });
}

fn reboots_alone(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    let load = scoring::start(4, &[east]);
    scoring::until_more(&load, 200);
    reboot_each(&world, &east);
    scoring::until_more(&load, 200);
    let score = scoring::settle(load, &east);
    scoring::assert_nothing_lost(&score);
    assert_eq!(scoring::errors(&score), 0, "{score:#?}\n{}", world.logs());
    assert_eq!(east.info("master_replid2").len(), 40);
}

fn reboots_of_one_node(engine: &str) {
    let world = World::with(engine);
    world.ok(&[
        "cache",
        "create",
        "east",
        "--location",
        "eastus",
        "--sku",
        "C0",
        "--tier",
        "basic",
    ]);
    let east = world.cache("east");
    east.set(&serde_json::json!({"enableNonSslPort": true}));
    let mut connection = east.connect();
    redis::cmd("SET")
        .arg("k")
        .arg("v")
        .exec(&mut connection)
        .unwrap();
    let pid = node_pid(&east);
    let refused = world.refused(&["cache", "reboot", "east", "--nodes", "replica", "--yes"]);
    assert!(refused.contains("has one node"), "{refused}");
    world.ok(&["cache", "reboot", "east", "--nodes", "primary", "--yes"]);
    assert_ne!(node_pid(&east), pid);
    let kept: Option<String> = redis::cmd("GET")
        .arg("k")
        .query(&mut east.connect())
        .unwrap();
    assert_eq!(kept.as_deref(), Some("v"));
}

fn node_pid(cache: &Cache<'_>) -> u64 {
    waiting::until("the node runs", || {
        cache.status()["shards"][0]["nodes"][0]["pid"].as_u64()
    })
}

/// The engine of each node of a cache, as its agent sees it.
fn engines(cache: &Cache<'_>) -> Vec<String> {
    let status = cache.status();
    let nodes = status["maintenance"]["engines"][0]["nodes"]
        .as_array()
        .cloned();
    let engine = |node: &Value| node["engine"].as_str().unwrap_or_default().to_owned();
    nodes.unwrap_or_default().iter().map(engine).collect()
}

fn until_available(cache: &Cache<'_>, version: &str) {
    waiting::until_true("the newer engine is noticed", || {
        let available = cache.status()["maintenance"]["available"].clone();
        available
            .as_str()
            .is_some_and(|available| available.ends_with(version))
    });
}

fn upgrades_a_pair(engine: &str) {
    let package = Package::install(engine);
    let world = World::with_package(&package);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let load = scoring::start_at(&scoring::workload(4), vec![east.login(), west.geo_login()]);
    scoring::until_more(&load, 200);
    let next = package.upgrade();
    until_available(&east, &next);
    until_available(&west, &next);
    let old = format!("{engine} {}", package.version());
    assert_eq!(engines(&east), [old.clone(), old]);

    let first = world.refused(&["cache", "upgrade", "east"]);
    assert!(first.contains("`west` goes first"), "{first}");
    for cache in ["west", "east"] {
        world.ok(&["cache", "upgrade", cache]);
        scoring::until_more(&load, 200);
    }
    let new = format!("{engine} {next}");
    for cache in [&west, &east] {
        cache.until_whole();
        assert_eq!(engines(cache), [new.clone(), new.clone()]);
    }
    world.until_healthy();
    let score = scoring::settle(load, &east);
    scoring::assert_nothing_lost(&score);
    assert_eq!(scoring::errors(&score), 0, "{score:#?}\n{}", world.logs());
    assert_eq!(full_syncs(&world), 1, "{}", world.logs());
    let path = format!("{}/listUpgradeNotifications", east.id());
    let told = waiting::until("what happened is told", || world.get(&path));
    assert_eq!(told["value"][0]["upsellNotification"]["state"], "Succeeded");
    // A node that dies is started with what its cache runs now.
    system::processes::signal(east.until_whole()[1], rustix::process::Signal::KILL);
    let restarted = waiting::until("it is back", || {
        let engines = engines(&east);
        (engines.len() == 2).then_some(engines)
    });
    assert_eq!(restarted, [new.clone(), new]);
}

fn broken_engine(engine: &str) {
    let package = Package::install(engine);
    let world = World::with_package(&package);
    let east = world.create("east", "eastus");
    let before = east.until_whole();
    let load = scoring::start(2, &[east]);
    let next = package.break_it();
    until_available(&east, &next);
    let refused = world.refused(&["cache", "upgrade", "east"]);
    assert!(refused.contains("does not run with"), "{refused}");
    let after = east.until_whole();
    assert_eq!(after[0], before[0], "the primary was not touched");
    let old = format!("{engine} {}", package.version());
    assert_eq!(engines(&east), [old.clone(), old.clone()]);
    // The installed program is of no use, and a node that dies comes back all the same.
    system::processes::signal(after[1], rustix::process::Signal::KILL);
    waiting::until_true("it is back with the engine of before", || {
        let now = east.until_whole();
        now[1] != after[1] && engines(&east) == [old.clone(), old.clone()]
    });
    let score = scoring::settle(load, &east);
    scoring::assert_nothing_lost(&score);
}

/// Wherever the agent is killed, the next one ends what was begun, once.
fn kills(engine: &str) {
    let world = World::start(Start {
        engine: engine.to_owned(),
        points: true,
        ..Start::default()
    });
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let load = scoring::start(2, &[east]);
    for point in [
        "NoteRoll:after",
        "Stop:before",
        "Stop:after",
        "Remember:after",
        "MoveService:before",
        "StandAlone:after",
    ] {
        let armed = format!("agent-eastus:{point}");
        east.until_whole();
        world.until_healthy();
        world.points().arm(&armed);
        let (before, after) = reboot(&world, &east, "primary");
        assert!(!world.points().is_armed(&armed), "{point} was never passed");
        assert_eq!(after[0], before[1], "{point}: the replica leads");
        assert_ne!(
            after[1], before[0],
            "{point}: the former primary is another process"
        );
        scoring::until_more(&load, 50);
    }
    world.until_healthy();
    let score = scoring::settle(load, &east);
    scoring::assert_nothing_lost(&score);
    assert_eq!(full_syncs(&world), 1, "{}", world.logs());
    waiting::until_true("both sides hold the same", || {
        let there = east.try_contents();
        there.is_some() && there == west.try_contents()
    });
}
