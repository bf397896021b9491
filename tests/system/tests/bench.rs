//! `godwit bench`: what it finds out while failovers go on beside it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::thread;

use system::{Answer, Cache, World, waiting, with_both_engines};

with_both_engines! {
    failovers_beside_a_bench_cost_no_write => failovers;
    a_write_that_is_taken_away_fails_a_bench => taken_away;
}

fn bench_keys(cache: &Cache<'_>) -> Vec<String> {
    let asked = redis::cmd("KEYS")
        .arg("godwit-bench:*")
        .query(&mut cache.connect());
    asked.unwrap()
}

/// Runs a bench of six clients, and `meanwhile` once it writes.
fn bench(world: &World, cache: &Cache<'_>, more: &[&str], meanwhile: impl FnOnce()) -> Answer {
    let mut words = vec!["bench", cache.name(), "--clients", "6", "--pause", "1"];
    words.extend(more);
    thread::scope(|scope| {
        let running = scope.spawn(|| world.run(&words));
        waiting::until_true("the clients write", || bench_keys(cache).len() >= 6);
        meanwhile();
        running.join().unwrap()
    })
}

fn failovers(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    let mut own = east.connect();
    redis::cmd("SET")
        .arg("mine")
        .arg("1")
        .exec(&mut own)
        .unwrap();
    let answer = bench(&world, &east, &["--seconds", "6"], || {
        world.ok(&["failover", "west"]);
        world.ok(&["failover", "east"]);
    });
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(json["clean"], true);
    assert_eq!(json["total"]["lost"], 0);
    assert!(json["total"]["refused"].as_u64().unwrap() > 0, "{json}");
    assert!(
        json["score"]["outage"]["ms"].as_f64().unwrap() > 0.0,
        "{json}"
    );
    // It leaves what was there before, and nothing else.
    waiting::until_true("its keys are removed from both", || {
        let keys = |cache: &Cache<'_>| -> Vec<String> {
            let asked = redis::cmd("KEYS").arg("*").query(&mut cache.connect());
            asked.unwrap()
        };
        keys(&east) == ["mine"] && keys(&west) == ["mine"]
    });
}

fn taken_away(engine: &str) {
    let world = World::with(engine);
    let alone = world.create("alone", "eastus");
    let more = ["--seconds", "3", "--keep", "--mix", "sequence"];
    let answer = bench(&world, &alone, &more, || {
        let keys = bench_keys(&alone);
        let mut taken = redis::cmd("LPOP");
        taken.arg(&keys[0]).exec(&mut alone.connect()).unwrap();
    });
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.talk.contains("1 of "), "{answer:?}");
    let json = answer.json();
    assert_eq!(json["total"]["lost"], 1);
    assert_eq!(json["total"]["holes"], 1);
    assert_eq!(bench_keys(&alone).len(), 6, "--keep keeps them");
}
