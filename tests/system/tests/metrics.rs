//! Metrics tell what was done, to the last command, and go on telling through deaths.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use redis::Connection;
use rustix::process::Signal;
use serde_json::Value;
use system::{Cache, Start, World, processes, waiting, with_both_engines};

with_both_engines! {
    a_known_load_is_counted_exactly => exact;
}

const SETS: u32 = 100;
const HITS: u32 = 60;
const MISSES: u32 = 40;
/// A value that outweighs everything else in memory.
const LARGE: usize = 24 << 20;

/// Engines are read and the control plane is told every second, so that nobody waits for a minute.
fn quick(engine: &str) -> World {
    let paces = ["--sample-every=1", "--report-samples-every=1"];
    World::start(Start {
        engine: engine.to_owned(),
        more: paces.map(str::to_owned).to_vec(),
        ..Start::default()
    })
}

/// What a metric comes to over the last hour, series by series.
fn metric(world: &World, name: &str, way: &str, split: Option<&str>) -> Vec<f64> {
    let mut arguments = vec!["cache", "metrics", "east", "--metric", name];
    arguments.extend(["--interval", "FULL", "--aggregation", way]);
    arguments.extend(split.into_iter().flat_map(|by| ["--split", by]));
    let answer = world.run(&arguments);
    if answer.code != 0 {
        // The control plane is being started again.
        return Vec::new();
    }
    let answer = answer.json();
    let series = answer["value"][0]["timeseries"].as_array().unwrap();
    let value = |one: &Value| one["data"][0][way.to_lowercase()].as_f64();
    series.iter().filter_map(value).collect()
}

/// Waits until a metric comes to this: one that goes beyond it never does again.
fn until(world: &World, name: &str, wanted: u32) {
    waiting::until_true(&format!("{name} is {wanted}"), || {
        metric(world, name, "Total", None) == [f64::from(wanted)]
    });
}

/// A client that says nothing but what it is told, and its key.
fn connect(cache: &Cache<'_>) -> Connection {
    let (host, port) = cache.endpoint();
    let login = redis::RedisConnectionInfo::default()
        .set_password(cache.key())
        .set_skip_set_lib_name();
    let info = redis::IntoConnectionInfo::into_connection_info((host, port)).unwrap();
    let client = redis::Client::open(info.set_redis_settings(login)).unwrap();
    waiting::until("the cache lets a client in", || {
        client.get_connection().ok()
    })
}

fn say(connection: &mut Connection, words: &[&str]) {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.exec(connection).unwrap();
}

/// A field of `INFO`, by one command.
fn info(connection: &mut Connection, field: &str) -> f64 {
    let text: String = redis::cmd("INFO").query(connection).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap().trim().parse().unwrap()
}

fn exact(engine: &str) {
    let world = quick(engine);
    let east = world.create("east", "eastus");
    let nodes = east.until_whole();
    let mut connection = connect(&east);
    let mut commands = load(&mut connection);
    counted(&world, commands);
    commands += weigh(&world, &mut connection, commands);
    assert_eq!(metric(&world, "errors", "Total", None), [0.0]);
    let of_a_link = metric(&world, "GeoReplicationHealthy", "Total", None);
    assert!(of_a_link.is_empty(), "{of_a_link:?}");
    drop(connection);
    counted_through_deaths(&world, &east, nodes, commands);
}

/// Does what is to be counted, and gives how many commands that took.
fn load(connection: &mut Connection) -> u32 {
    for n in 0..SETS {
        say(connection, &["SET", &format!("k{n}"), "v"]);
    }
    for n in 0..HITS {
        say(connection, &["GET", &format!("k{n}")]);
    }
    for n in 0..MISSES {
        say(connection, &["GET", &format!("none{n}")]);
    }
    say(connection, &["HSET", "hash", "field", "value"]);
    say(connection, &["HGETALL", "hash"]);
    SETS + HITS + MISSES + 2
}

/// It is counted, and by whom.
fn counted(world: &World, commands: u32) {
    for (name, wanted) in [
        ("totalcommandsprocessed", commands),
        ("setcommands", SETS + 1),
        ("getcommands", HITS + MISSES + 1),
        ("cachehits", HITS + 1),
        ("cachemisses", MISSES),
        ("cachehits0", HITS + 1),
        // Replication brings writes to the other node.
        ("allsetcommands", 2 * (SETS + 1)),
    ] {
        until(world, name, wanted);
    }
    let seen = |name, way| metric(world, name, way, None);
    let by_node = |name, way| metric(world, name, way, Some("Primary"));
    // Clients go to the node that leads.
    let all = f64::from(commands);
    assert_eq!(by_node("alltotalcommandsprocessed", "Total"), [all]);
    assert_eq!(seen("connectedclients", "Maximum"), [1.0]);
    let keys = f64::from(SETS + 1);
    waiting::until_true("both nodes have all keys", || {
        by_node("alltotalkeys", "Maximum") == [keys, keys]
    });
    let rate = seen("cachemissrate", "Total")[0];
    let wanted = f64::from(MISSES) * 100.0 / f64::from(MISSES + HITS + 1);
    assert!((rate - wanted).abs() < 1e-9, "{rate} and {wanted}");
}

/// A large value weighs as much as the engine says; gives how many commands that took.
fn weigh(world: &World, connection: &mut Connection, commands: u32) -> u32 {
    let seen = |name, way| metric(world, name, way, None);
    let large = "x".repeat(LARGE);
    say(connection, &["SET", "large", &large]);
    until(world, "totalcommandsprocessed", commands + 1);
    let keys = f64::from(SETS + 1);
    waiting::until_true("the large value is counted", || {
        seen("totalkeys", "Maximum") == [keys + 1.0]
    });
    let shown = seen("usedmemory", "Maximum")[0];
    let most = info(connection, "used_memory_peak");
    let least = f64::from(u32::try_from(LARGE).unwrap());
    assert!((least..=most).contains(&shown), "{shown}, at most {most}");
    let limit = info(connection, "maxmemory");
    let share = seen("usedmemorypercentage", "Maximum")[0];
    assert!((share - shown * 100.0 / limit).abs() < 0.01, "{share}");
    for name in [
        "cacheWrite",
        "cacheRead",
        "serverLoad",
        "percentProcessorTime",
        "cacheLatency",
        "LatencyP99",
        "usedmemoryRss",
    ] {
        let most = seen(name, "Maximum")[0];
        assert!(most > 0.0, "{name}: {most}");
    }
    3
}

/// What is told is kept, and what counts goes on where it was.
fn counted_through_deaths(world: &World, east: &Cache<'_>, nodes: [u32; 2], commands: u32) {
    world.kill_control();
    until(world, "totalcommandsprocessed", commands);
    processes::signal(nodes[0], Signal::KILL);
    waiting::until_true("the replica leads", || {
        east.nodes().is_some_and(|now| now[0] == nodes[1])
    });
    let mut connection = connect(east);
    for n in 0..HITS {
        say(&mut connection, &["GET", &format!("k{n}")]);
    }
    drop(connection);
    until(world, "cachehits", 2 * HITS + 1);
    until(world, "totalcommandsprocessed", commands + HITS);
    waiting::until_true("the failover is counted", || {
        let kinds = metric(world, "errors", "Total", Some("ErrorType"));
        kinds.iter().sum::<f64>() >= 1.0
    });
    world.kill_agent("eastus");
    say(&mut connect(east), &["GET", "k1"]);
    until(world, "totalcommandsprocessed", commands + HITS + 1);
    until(world, "cachehits", 2 * HITS + 2);
}
