//! Caches that grow, shrink, and get and lose replicas while clients use them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use ledger::{Mix, Workload, blocking::Ledger};
use runtime::dice::Dice;
use serde_json::Value;
use system::{Cache, World, scoring, waiting, with_both_engines};

with_both_engines! {
    a_cache_grows_under_a_load_without_an_error => grows;
    a_cache_shrinks_only_when_its_data_fit => shrinks;
    a_cache_goes_from_basic_to_premium_with_its_data => tiers;
    replicas_come_and_go => replicas;
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

/// Its nodes, all of them up and in step.
fn in_step(cache: &Cache<'_>, wanted: usize) -> Vec<Value> {
    waiting::until("all nodes are in step", || {
        let nodes = cache.status()["shards"][0]["nodes"].as_array()?.clone();
        let whole = nodes.iter().all(|node| node["inStep"] == true);
        (whole && nodes.len() == wanted).then_some(nodes)
    })
}

fn start(seed: u64, endpoint: ledger::Endpoint) -> Ledger {
    let mix: Mix = "sequence,counter,register,pipeline".parse().unwrap();
    let workload = Workload {
        mix,
        pace: Duration::from_millis(10),
        prefix: format!("ledger{seed}:"),
        ..Workload::new(4, Dice::from_seed(seed))
    };
    Ledger::start(&workload, vec![endpoint]).unwrap()
}

fn configured(cache: &Cache<'_>, option: &str) -> String {
    let found: Vec<String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg(option)
        .query(&mut cache.connect_to_engine())
        .unwrap();
    found[1].clone()
}

fn grows(engine: &str) {
    let world = World::with(engine);
    let cache = world.create("c", "eastus");
    put(&cache, "k", "1");
    let ledgers = [
        start(1, cache.login()),
        start(2, cache.geo_login()),
        start(3, cache.login_over_tls()),
    ];
    for ledger in &ledgers {
        scoring::until_more(ledger, 50);
    }
    world.ok(&["cache", "scale", "c", "--sku", "P2"]);
    assert_eq!(configured(&cache, "databases"), "32");
    let maxmemory: u64 = configured(&cache, "maxmemory").parse().unwrap();
    assert_eq!(maxmemory, (13 * 1_024 - 1_391) << 20);
    for ledger in ledgers {
        scoring::until_more(&ledger, 50);
        let trouble = ledger.sight().trouble;
        let score = scoring::settle(ledger, &cache);
        scoring::assert_nothing_lost(&score);
        assert_eq!(scoring::errors(&score), 0, "{trouble:?} {}", world.logs());
    }
    assert_eq!(get(&cache, "k").as_deref(), Some("1"));
    in_step(&cache, 2);
}

/// About 32 MiB.
fn fill(cache: &Cache<'_>, key: &str) {
    redis::cmd("SETRANGE")
        .arg(key)
        .arg((32 << 20) - 1)
        .arg("x")
        .exec(&mut cache.connect())
        .unwrap();
}

fn shrinks(engine: &str) {
    let world = World::with(engine);
    world.ok(&[
        "cache",
        "create",
        "c",
        "--location",
        "eastus",
        "--sku",
        "C1",
        "--tier",
        "basic",
        "--enable-non-ssl-port",
    ]);
    let cache = world.cache("c");
    for n in 0..8 {
        fill(&cache, &format!("big{n}"));
    }
    put(&cache, "k", "1");
    let said = waiting::until("the agent tells what is used", || {
        let used = cache.status()["shards"][0]["usedMemory"].as_u64()?;
        (used > 256 << 20)
            .then(|| world.refused(&["cache", "scale", "c", "--sku", "C0", "--tier", "basic"]))
    });
    assert!(
        said.contains("224 MB") && said.contains("delete or expire"),
        "{said}"
    );
    assert_eq!(
        configured(&cache, "maxmemory"),
        ((1_024_u64 - 107) << 20).to_string()
    );
    for n in 0..4 {
        redis::cmd("DEL")
            .arg(format!("big{n}"))
            .exec(&mut cache.connect())
            .unwrap();
    }
    waiting::until_true("it fits by now", || {
        world
            .run(&["cache", "scale", "c", "--sku", "C0", "--tier", "basic"])
            .code
            == 0
    });
    assert_eq!(get(&cache, "k").as_deref(), Some("1"));
    let kept: usize = redis::cmd("DBSIZE").query(&mut cache.connect()).unwrap();
    assert_eq!(kept, 5, "nothing was evicted");
}

fn tiers(engine: &str) {
    let world = World::with(engine);
    world.ok(&[
        "cache",
        "create",
        "c",
        "--location",
        "eastus",
        "--sku",
        "C0",
        "--tier",
        "basic",
        "--enable-non-ssl-port",
    ]);
    let cache = world.cache("c");
    put(&cache, "k", "1");
    let mut held = cache.connect();
    in_step(&cache, 1);
    world.ok(&["cache", "scale", "c", "--sku", "C0", "--tier", "standard"]);
    // The operation ends when the replica is in step.
    let nodes = cache.status()["shards"][0]["nodes"].clone();
    assert_eq!(nodes.as_array().map(Vec::len), Some(2), "{nodes}");
    assert!(
        nodes
            .as_array()
            .unwrap()
            .iter()
            .all(|node| node["inStep"] == true)
    );
    world.ok(&["cache", "scale", "c", "--sku", "P1"]);
    let value: String = redis::cmd("GET").arg("k").query(&mut held).unwrap();
    assert_eq!(value, "1", "the connection was there all the time");
    let said = world.refused(&["cache", "scale", "c", "--sku", "C6"]);
    assert!(said.contains("cannot become Standard"), "{said}");
}

fn replicas(engine: &str) {
    let world = World::with(engine);
    let cache = world.create("c", "eastus");
    let mut held = cache.connect();
    put(&cache, "k", "1");
    world.ok(&["cache", "scale", "c", "--replicas", "2"]);
    let nodes = in_step(&cache, 3);
    let of: Vec<String> = redis::cmd("INFO")
        .arg("replication")
        .query::<String>(&mut held)
        .map(|text| {
            text.lines()
                .filter(|line| line.contains("state=online"))
                .map(str::to_owned)
                .collect()
        })
        .unwrap();
    assert_eq!(of.len(), 2, "{nodes:?}");
    world.ok(&["cache", "scale", "c", "--replicas", "1"]);
    assert_eq!(
        cache.status()["shards"][0]["nodes"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let value: String = redis::cmd("GET").arg("k").query(&mut held).unwrap();
    assert_eq!(value, "1");
}
