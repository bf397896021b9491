//! Forced failover: what the new geo-primary does not have is saved beside the former one, exactly,
//! before that one follows.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, fs};

use redis::Connection;
use serde_json::Value;
use system::{Cache, World, processes, waiting, with_both_engines};

with_both_engines! {
    a_region_that_lost_its_power_gives_back_what_is_in_its_journal => power_lost;
    an_agent_that_was_away_reads_what_its_engine_took_meanwhile => agent_away;
    a_primary_behind_a_cut_network_is_told_and_saves => network_cut;
    a_former_primary_with_nothing_of_its_own_resyncs_partially => nothing_lost;
    a_return_that_is_killed_again_and_again_ends_well => killed_on_the_way;
}

/// The writes that an application was told to be done and that crossed to nobody.
#[derive(Default)]
struct Missing(BTreeSet<(String, String)>);

impl Missing {
    /// Writes what is going to be missing: in two databases, and in a transaction.
    fn write(&mut self, connection: &mut Connection, count: usize) {
        let select = |database: &str, connection: &mut Connection| {
            redis::cmd("SELECT").arg(database).exec(connection).unwrap();
        };
        for n in 0..count {
            let key = format!("missing:{n}");
            redis::cmd("SET").arg(&key).arg(n).exec(connection).unwrap();
            self.0.insert(("0".to_owned(), key));
        }
        select("3", connection);
        let both = ["missing:a", "missing:b"];
        redis::pipe()
            .atomic()
            .cmd("RPUSH")
            .arg(both[0])
            .arg("x")
            .cmd("INCR")
            .arg(both[1])
            .exec(connection)
            .unwrap();
        for key in both {
            self.0.insert(("3".to_owned(), key.to_owned()));
        }
        select("0", connection);
    }

    /// The receipt says exactly this, and so does the list of keys beside it.
    fn check(&self, world: &World, cache: &Cache<'_>) -> Value {
        let receipts = receipts(world, cache);
        let [receipt] = &receipts[..] else {
            panic!("{receipts:?}\n{}", world.logs())
        };
        let count = self.0.len() as u64;
        assert_eq!(receipt["commands"], count, "{receipt}");
        assert_eq!(receipt["keys"], count, "{receipt}");
        assert_eq!(receipt["transactions"], 1, "{receipt}");
        assert_eq!(receipt["missing"], Value::Null, "{receipt}");
        let told = keys_of(world, receipt["name"].as_str().unwrap());
        assert_eq!(told, self.0);
        receipt.clone()
    }
}

fn receipts(world: &World, cache: &Cache<'_>) -> Vec<Value> {
    let path = format!("{}/lostWrites", cache.id());
    let answer = waiting::until("the receipts", || world.get(&path));
    answer["value"].as_array().unwrap().clone()
}

/// The keys of a receipt: RESP arrays of a database and a name.
fn keys_of(world: &World, receipt: &str) -> BTreeSet<(String, String)> {
    let caches = world.data().join("agents/eastus/caches");
    let mut found = fs::read_dir(caches).unwrap().flatten();
    let text = found
        .find_map(|cache| {
            let path = cache.path().join("lost").join(format!("{receipt}.keys"));
            fs::read_to_string(path).ok()
        })
        .unwrap();
    let words: Vec<&str> = text.split("\r\n").collect();
    let arrays = words.chunks_exact(5);
    let pair = |array: &[&str]| (array[2].to_owned(), array[4].to_owned());
    arrays.map(pair).collect()
}

/// A linked pair over a network that can be cut, with something in it that has crossed.
fn pair(world: &World) -> (Cache<'_>, Cache<'_>) {
    let (east, west) = world.linked_pair();
    east.until_whole();
    west.until_whole();
    let mut connection = east.connect();
    for n in 0..50 {
        let set = redis::cmd("SET").arg(format!("there:{n}")).arg(n).clone();
        set.exec(&mut connection).unwrap();
    }
    waiting::until_true("it has crossed", || {
        west.try_contents().is_some_and(|all| all.len() == 50)
    });
    waiting::until_true("that is reported", || {
        west.status()["shards"][0]["keys"] == 50
    });
    world.until_healthy();
    (east, west)
}

/// The new geo-primary takes writes.
fn until_taken_over(cache: &Cache<'_>) {
    let mut connection = cache.connect();
    waiting::until_true("the new geo-primary takes writes", || {
        let set = redis::cmd("SET").arg("after").arg("1").clone();
        set.exec(&mut connection).is_ok()
    });
}

/// The former geo-primary follows, and both hold the same.
fn until_back(world: &World, east: &Cache<'_>, west: &Cache<'_>) {
    waiting::until_true("the former primary is back", || {
        world.link().is_some_and(|link| {
            link["healthy"] == true
                && link["provisioningState"] == "Succeeded"
                && link["primary"] == west.name()
        })
    });
    waiting::until_true("both hold the same", || {
        let there = west.contents();
        east.try_contents().is_some_and(|here| here == there)
    });
    east.until_whole();
}

fn power_lost(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = pair(&world);
    let mut missing = Missing::default();
    world.wan_to("eastus").go_down();
    missing.write(&mut east.connect(), 200);
    world.until_journaled(&east);
    world.hold_up();
    world.take_region_away("eastus");
    world.force(&west, &east);
    until_taken_over(&west);
    world.wan_to("eastus").act("/accept");
    world.release_up();
    until_back(&world, &east, &west);
    let receipt = missing.check(&world, &east);
    assert_eq!(receipt["endIsKnown"], false, "{receipt}");
    assert_eq!(world.events("LostWritesSaved").len(), 1);
}

fn agent_away(engine: &str) {
    let world = World::with(engine);
    let (east, west) = pair(&world);
    let mut missing = Missing::default();
    let mut connection = east.connect_to_engine();
    world.hold_up();
    world.take_agent_away("eastus");
    missing.write(&mut connection, 200);
    world.force(&west, &east);
    until_taken_over(&west);
    world.release_up();
    until_back(&world, &east, &west);
    let receipt = missing.check(&world, &east);
    assert_eq!(receipt["endIsKnown"], true, "{receipt}");
    let refused = redis::cmd("SET").arg("late").arg("1").exec(&mut connection);
    assert!(refused.is_err(), "a geo-secondary takes no write");
    assert_eq!(world.events("WritesRefused").len(), 1);
}

fn network_cut(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = pair(&world);
    let mut missing = Missing::default();
    world.wan_to("eastus").go_down();
    let mut connection = east.connect();
    missing.write(&mut connection, 200);
    world.force(&west, &east);
    until_taken_over(&west);
    waiting::until_true("the former primary takes no writes", || {
        let set = redis::cmd("SET").arg("missing:late").arg("1").clone();
        match set.exec(&mut connection) {
            Ok(()) => {
                missing
                    .0
                    .insert(("0".to_owned(), "missing:late".to_owned()));
                false
            }
            Err(_) => true,
        }
    });
    until_back(&world, &east, &west);
    let receipts = receipts(&world, &east);
    let told = keys_of(&world, receipts[0]["name"].as_str().unwrap());
    assert_eq!(told, missing.0);
}

fn nothing_lost(engine: &str) {
    let world = World::with(engine);
    let (east, west) = pair(&world);
    // A sign of life from the engine, one in ten seconds, may come in between.
    let partial = (0..6).any(|round| {
        let (old, new) = if round % 2 == 0 {
            (&east, &west)
        } else {
            (&west, &east)
        };
        let before = world.events("FullSyncStarted").len();
        world.force(new, old);
        until_back(&world, old, new);
        assert_eq!(receipts(&world, old).len(), 0);
        world.events("FullSyncStarted").len() == before
    });
    assert!(partial, "{}", world.logs());
    assert!(!world.events("NothingLost").is_empty());
}

fn killed_on_the_way(engine: &str) {
    let world = World::with(engine);
    let (east, west) = pair(&world);
    let mut missing = Missing::default();
    let [leader, _] = east.until_whole();
    let mut connection = east.connect_to_engine();
    world.hold_up();
    world.take_agent_away("eastus");
    missing.write(&mut connection, 200);
    world.force(&west, &east);
    until_taken_over(&west);
    world.release_up();
    for _ in 0..3 {
        world.kill_agent("eastus");
    }
    processes::signal(leader, rustix::process::Signal::KILL);
    world.kill_agent("eastus");
    until_back(&world, &east, &west);
    missing.check(&world, &east);
}
