//! kill -9 of anything: the same end state, and no data lost that an engine still holds.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use rustix::process::Signal;
use system::{Cache, World, processes, scoring, waiting, with_both_engines};

with_both_engines! {
    a_dead_primary_is_replaced_by_its_replica => primary_dies;
    a_dead_node_of_the_secondary_is_replaced => secondary_dies;
    a_killed_agent_finds_its_engines_again => agents_die;
    a_killed_control_plane_changes_nothing => control_dies;
    a_failover_survives_kills_at_any_moment => kills_during_failover;
    an_orderly_stop_keeps_everything => stop_and_start;
    a_killed_process_tree_leaves_nothing_behind => tree_dies;
    engines_of_a_tree_that_was_killed_as_a_whole_are_adopted => orphans;
    a_primary_that_lost_every_node_never_wipes_the_secondary => source_lost;
}

fn put(cache: &Cache<'_>, key: &str, value: &str) {
    redis::cmd("SET")
        .arg(key)
        .arg(value)
        .exec(&mut cache.connect())
        .unwrap();
}

fn get(cache: &Cache<'_>, key: &str) -> Option<String> {
    redis::cmd("GET")
        .arg(key)
        .query(&mut cache.connect())
        .unwrap()
}

fn until_equal(east: &Cache<'_>, west: &Cache<'_>) {
    waiting::until_true("both sides hold the same", || {
        east.try_contents()
            .is_some_and(|there| Some(there) == west.try_contents())
    });
}

fn primary_dies(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    put(&east, "before", "1");
    until_equal(&east, &west);
    let before = east.until_whole();
    processes::signal(before[0], Signal::KILL);
    let after = waiting::until(
        "the replica has taken over and the dead one is back",
        || {
            let now = east.until_whole();
            (now[0] == before[1] && now[1] != before[0]).then_some(now)
        },
    );
    assert_eq!(get(&east, "before").as_deref(), Some("1"));
    put(&east, "after", "2");
    until_equal(&east, &west);
    world.until_healthy();
    // And once more, the other way round.
    processes::signal(after[0], Signal::KILL);
    waiting::until_true("the second replica has taken over", || {
        east.until_whole()[0] == after[1]
    });
    assert_eq!(get(&east, "after").as_deref(), Some("2"));
    until_equal(&east, &west);
}

fn secondary_dies(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    put(&east, "k", "1");
    until_equal(&east, &west);
    let before = west.until_whole();
    processes::signal(before[0], Signal::KILL);
    waiting::until_true("the replica leads", || west.until_whole()[0] == before[1]);
    put(&east, "k", "2");
    until_equal(&east, &west);
    world.until_healthy();
    assert_eq!(
        east.info("sync_full"),
        "1",
        "its own replica's; the link's snapshot came from there: {}",
        world.logs()
    );
    // Both at once: it comes back empty and gets everything again.
    for pid in west.until_whole() {
        processes::signal(pid, Signal::KILL);
    }
    world.until_healthy();
    until_equal(&east, &west);
}

fn agents_die(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    put(&east, "k", "1");
    let nodes = (east.until_whole(), west.until_whole());
    for region in ["eastus", "westus"] {
        world.kill_agent(region);
        put(&east, "k", region);
        world.until_healthy();
        until_equal(&east, &west);
    }
    assert_eq!(
        (east.until_whole(), west.until_whole()),
        nodes,
        "the engines live on"
    );
    world.ok(&["failover", "west"]);
    put(&west, "k", "3");
    until_equal(&east, &west);
}

fn control_dies(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let nodes = (east.until_whole(), west.until_whole());
    world.kill_control();
    put(&east, "k", "1");
    world.until_healthy();
    until_equal(&east, &west);
    assert_eq!((east.until_whole(), west.until_whole()), nodes);
    world.ok(&["failover", "west"]);
}

fn kills_during_failover(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let ledger = scoring::start(6, &[east, west]);
    for round in 0..6 {
        world.until_healthy();
        let to = if world.primary() == "east" {
            &west
        } else {
            &east
        };
        world.run(&["failover", to.name(), "--no-wait"]);
        match round % 3 {
            0 => world.kill_agent("eastus"),
            1 => world.kill_agent("westus"),
            _ => world.kill_control(),
        }
        waiting::until_true("the link is made again, whichever way", || {
            world
                .link()
                .is_some_and(|link| link["provisioningState"] == "Succeeded")
        });
    }
    world.until_healthy();
    let primary = if world.primary() == "east" {
        &east
    } else {
        &west
    };
    scoring::assert_nothing_lost(&scoring::settle(ledger, primary));
    until_equal(&east, &west);
}

fn stop_and_start(engine: &str) {
    let mut world = World::with(engine);
    {
        let (east, west) = world.linked_pair();
        put(&east, "k", "1");
        world.ok(&["failover", "west"]);
        put(&west, "k", "2");
        until_equal(&east, &west);
        world.create("alone", "eastus");
        put(&world.cache("alone"), "solo", "1");
    }
    let endpoint = world.cache("west").endpoint();
    world.down();
    world.up();
    let (east, west, alone) = (
        world.cache("east"),
        world.cache("west"),
        world.cache("alone"),
    );
    world.until_healthy();
    assert_eq!(west.endpoint(), endpoint);
    assert_eq!(get(&west, "k").as_deref(), Some("2"));
    assert_eq!(get(&alone, "solo").as_deref(), Some("1"));
    put(&west, "k", "3");
    until_equal(&east, &west);
    assert_eq!(world.primary(), "west");
}

fn tree_dies(engine: &str) {
    let mut world = World::with(engine);
    {
        let (east, west) = world.linked_pair();
        put(&east, "k", "1");
        until_equal(&east, &west);
    }
    world.kill_up();
    waiting::until_true("the children notice and stop their engines", || {
        processes::working_below(&world.data()).is_empty()
            && processes::children(1, world.data().to_str().unwrap()).is_empty()
    });
    world.up();
    world.until_healthy();
    assert_eq!(get(&world.cache("east"), "k").as_deref(), Some("1"));
}

fn orphans(engine: &str) {
    let mut world = World::with(engine);
    let nodes = {
        let (east, west) = world.linked_pair();
        put(&east, "k", "1");
        until_equal(&east, &west);
        (east.until_whole(), west.until_whole())
    };
    world.kill_everybody_but_the_engines();
    for pid in nodes.0.iter().chain(&nodes.1) {
        assert!(processes::is_alive(*pid), "engines serve on");
    }
    world.up();
    world.until_healthy();
    let (east, west) = (world.cache("east"), world.cache("west"));
    assert_eq!(
        (east.until_whole(), west.until_whole()),
        nodes,
        "{}",
        world.logs()
    );
    put(&east, "k", "2");
    until_equal(&east, &west);
}

fn source_lost(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    put(&east, "precious", "1");
    until_equal(&east, &west);
    for pid in east.until_whole() {
        processes::signal(pid, Signal::KILL);
    }
    let reason = waiting::until("the link says what happened", || {
        let link = world.link()?;
        let reasons = link["reasons"].to_string();
        (link["healthy"] == false && reasons.contains("still has 1 keys")).then_some(reasons)
    });
    assert!(reason.contains("east"), "{reason}");
    assert_eq!(
        get(&west, "precious").as_deref(),
        Some("1"),
        "it goes on serving its data"
    );
    world.ok(&["failover", "west"]);
    put(&west, "next", "2");
    until_equal(&east, &west);
    assert_eq!(get(&east, "precious").as_deref(), Some("1"));
}
