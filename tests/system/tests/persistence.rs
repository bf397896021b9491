//! Persistent caches: what is left after everything was killed at once, and after an orderly stop.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use rustix::process::Signal;
use serde_json::{Value, json};
use system::{Cache, World, processes, waiting, with_both_engines};

with_both_engines! {
    snapshots_bring_a_cache_back_to_the_last_one => snapshots;
    an_append_only_file_brings_everything_back => append_only;
    without_persistence_a_cache_that_was_killed_starts_empty => switched_off;
    what_a_promoted_replica_took_is_brought_back => promoted;
    an_intact_file_is_waited_for_and_nothing_starts_empty_meanwhile => damaged;
    persistent_caches_and_links_exclude_each_other => exclusive;
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

/// Kills every process of the deployment, and starts it again.
fn kill_everything(world: &mut World) {
    world.kill_everybody_but_the_engines();
    for region in ["eastus", "westus"] {
        world.kill_engines(region);
    }
    world.up();
}

fn kept(cache: &Cache<'_>) -> Value {
    cache.status()["persistence"].clone()
}

fn until_in_force(cache: &Cache<'_>) {
    waiting::until_true("what is kept is in force", || {
        kept(cache)["inForce"] == true && cache.status()["settled"] == true
    });
}

fn snapshots(engine: &str) {
    let mut world = World::with(engine);
    let cache = world.create("c", "eastus");
    put(&cache, "before", "1");
    world.ok(&[
        "cache",
        "persistence",
        "rdb",
        "c",
        "--every",
        "15",
        "--keep",
        "2",
    ]);
    let told = kept(&cache);
    assert_eq!(
        (&told["kind"], &told["inForce"]),
        (&json!("RDB"), &json!(true)),
        "{told}"
    );
    assert_eq!(told["shards"][0]["snapshots"], 1);
    put(&cache, "behind", "2");
    kill_everything(&mut world);
    let cache = world.cache("c");
    assert_eq!(
        get(&cache, "before").as_deref(),
        Some("1"),
        "{}",
        world.logs()
    );
    assert_eq!(get(&cache, "behind"), None, "it goes back to the snapshot");
    cache.until_whole();

    // An orderly stop is a snapshot, too.
    put(&cache, "stopped", "3");
    world.down();
    world.up();
    let cache = world.cache("c");
    assert_eq!(get(&cache, "stopped").as_deref(), Some("3"));
    cache.until_whole();
    put(&cache, "behind", "4");
    kill_everything(&mut world);
    let cache = world.cache("c");
    assert_eq!(
        get(&cache, "stopped").as_deref(),
        Some("3"),
        "{}",
        world.logs()
    );
    assert_eq!(get(&cache, "behind"), None);
    until_in_force(&cache);
    assert_eq!(kept(&cache)["shards"][0]["snapshots"], 2);

    // The leading node alone: its replica has everything.
    put(&cache, "behind", "5");
    let nodes = cache.until_whole();
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica leads", || cache.until_whole()[0] == nodes[1]);
    assert_eq!(get(&cache, "behind").as_deref(), Some("5"));
}

fn append_only(engine: &str) {
    let mut world = World::with(engine);
    let cache = world.create("c", "eastus");
    put(&cache, "before", "1");
    world.ok(&["cache", "persistence", "aof", "c"]);
    let told = kept(&cache);
    assert_eq!(
        (&told["kind"], &told["inForce"]),
        (&json!("AOF"), &json!(true)),
        "{told}"
    );
    let mut connection = cache.connect();
    for n in 0..200 {
        redis::cmd("SET")
            .arg(n)
            .arg(n)
            .exec(&mut connection)
            .unwrap();
    }
    kill_everything(&mut world);
    let cache = world.cache("c");
    // The kernel has what a process wrote: only a machine that loses its power costs a second.
    assert_eq!(
        get(&cache, "199").as_deref(),
        Some("199"),
        "{}",
        world.logs()
    );
    assert_eq!(get(&cache, "before").as_deref(), Some("1"));
    until_in_force(&cache);
    put(&cache, "stopped", "2");
    world.down();
    world.up();
    let cache = world.cache("c");
    assert_eq!(get(&cache, "stopped").as_deref(), Some("2"));
    put(&cache, "at once", "3");
    kill_everything(&mut world);
    assert_eq!(get(&world.cache("c"), "at once").as_deref(), Some("3"));
}

fn switched_off(engine: &str) {
    let mut world = World::with(engine);
    let cache = world.create("c", "eastus");
    put(&cache, "k", "1");
    world.ok(&["cache", "persistence", "rdb", "c"]);
    // From one kind to the other, and to none.
    world.ok(&["cache", "persistence", "aof", "c"]);
    put(&cache, "k", "2");
    kill_everything(&mut world);
    let cache = world.cache("c");
    assert_eq!(get(&cache, "k").as_deref(), Some("2"), "{}", world.logs());
    until_in_force(&cache);
    world.ok(&["cache", "persistence", "off", "c", "--yes"]);
    assert_eq!(kept(&cache), Value::Null);
    assert_eq!(
        get(&cache, "k").as_deref(),
        Some("2"),
        "the data stay where they are"
    );
    kill_everything(&mut world);
    let cache = world.cache("c");
    assert_eq!(get(&cache, "k"), None);
    let left = std::fs::read_dir(world.data().join("agents/eastus/caches")).unwrap();
    for directory in left.flatten() {
        assert!(!directory.path().join("s0snapshots").exists());
    }
}

fn promoted(engine: &str) {
    let mut world = World::with(engine);
    let cache = world.create("c", "eastus");
    world.ok(&["cache", "persistence", "aof", "c"]);
    put(&cache, "k", "1");
    let nodes = cache.until_whole();
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica leads", || cache.until_whole()[0] == nodes[1]);
    put(&cache, "k", "2");
    until_in_force(&cache);
    kill_everything(&mut world);
    assert_eq!(
        get(&world.cache("c"), "k").as_deref(),
        Some("2"),
        "{}",
        world.logs()
    );
}

fn damaged(engine: &str) {
    let mut world = World::with(engine);
    let cache = world.create("c", "eastus");
    put(&cache, "k", "1");
    world.ok(&["cache", "persistence", "rdb", "c"]);
    world.kill_everybody_but_the_engines();
    world.kill_engines("eastus");
    let caches = std::fs::read_dir(world.data().join("agents/eastus/caches")).unwrap();
    let directory = caches.flatten().next().unwrap().path().join("s0snapshots");
    let snapshot = std::fs::read_dir(&directory)
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    let good = std::fs::read(snapshot.path()).unwrap();
    std::fs::remove_file(snapshot.path()).unwrap();
    world.up();
    let cache = world.cache("c");
    let told = waiting::until("it says what is missing", || {
        cache.status()["problem"].as_str().map(str::to_owned)
    });
    assert!(told.contains("nothing is started empty"), "{told}");
    let mut file = std::fs::File::create(snapshot.path()).unwrap();
    std::io::Write::write_all(&mut file, &good).unwrap();
    assert_eq!(get(&cache, "k").as_deref(), Some("1"), "{}", world.logs());
}

fn exclusive(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    world.create("west", "westus");
    put(&east, "k", "1");
    for kind in ["rdb", "aof"] {
        world.ok(&["cache", "persistence", kind, "east"]);
        for (one, other) in [("east", "west"), ("west", "east")] {
            let said = world.refused(&["link", "create", one, other, "--yes"]);
            assert!(said.contains("persistence is enabled"), "{said}");
        }
    }
    world.ok(&["cache", "persistence", "off", "east", "--yes"]);
    world.ok(&["link", "create", "east", "west", "--yes"]);
    for name in ["east", "west"] {
        for kind in ["rdb", "aof"] {
            let said = world.refused(&["cache", "persistence", kind, name]);
            assert!(said.contains("persistence cannot be enabled"), "{said}");
        }
    }
    let west = world.cache("west");
    waiting::until_true("it follows", || get(&west, "k").as_deref() == Some("1"));
}
