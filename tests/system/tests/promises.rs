//! What the managed service promises of linked caches, with engines; `docs/behaviour.md` lists every
//! promise with the test that shows it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use redis::{Connection, RedisResult};
use serde_json::{Value, json};
use system::{Cache, World, waiting, with_both_engines};

with_both_engines! {
    the_primary_serves_while_it_is_linked_and_while_it_is_unlinked => primary_serves;
    the_secondary_serves_while_it_is_unlinked => secondary_serves;
    the_new_primary_takes_writes_as_soon_as_the_link_is_being_made_again => writes_early;
    a_group_keeps_linked_caches_running_until_they_are_unlinked => group_waits;
    candidates_are_told_with_every_reason => candidates;
}

fn set(connection: &mut Connection, key: &str) -> RedisResult<()> {
    redis::cmd("SET").arg(key).arg(1).query(connection)
}

fn get(connection: &mut Connection, key: &str) -> RedisResult<Option<String>> {
    redis::cmd("GET").arg(key).query(connection)
}

/// Does something over and over while something else is done; how often.
fn beside(meanwhile: impl FnOnce(), mut again: impl FnMut() + Send) -> u64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                again();
                count += 1;
            }
            count
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        counting.join().unwrap()
    })
}

fn primary_serves(engine: &str) {
    let world = World::with(engine);
    let east = world.create("east", "eastus");
    world.create("west", "westus");
    let mut e = east.connect();
    let mut number = 0;
    let mut write = || {
        number += 1;
        set(&mut e, &format!("k{number}")).unwrap();
        assert!(get(&mut e, &format!("k{number}")).unwrap().is_some());
    };
    let link = || drop(world.ok(&["link", "create", "east", "west", "--yes"]));
    assert!(beside(link, &mut write) > 10);
    world.until_healthy();
    let unlink = || drop(world.ok(&["link", "delete", "east", "west"]));
    assert!(beside(unlink, &mut write) > 10);
}

fn secondary_serves(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    set(&mut east.connect(), "k").unwrap();
    let mut w = west.connect();
    waiting::until_true("the write arrives", || {
        get(&mut w, "k").is_ok_and(|value| value.is_some())
    });
    let unlink = || drop(world.ok(&["link", "delete", "east", "west"]));
    let reads = beside(unlink, || {
        assert_eq!(get(&mut w, "k").unwrap().as_deref(), Some("1"));
    });
    assert!(reads > 10, "{reads}");
    set(&mut w, "own").unwrap();
    assert_eq!(get(&mut east.connect(), "own").unwrap(), None);
}

fn writes_early(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.until_healthy();
    let link = format!("{}/linkedServers/east", west.id());
    let state = || {
        let shown = world.get(&link)?;
        Some(
            shown["properties"]["provisioningState"]
                .as_str()?
                .to_owned(),
        )
    };
    world.begin_failover(&west, &east, &json!({}));
    let seen = waiting::until("the former link is gone", || {
        state().filter(|state| state != "Deleting")
    });
    assert!(
        ["Creating", "Syncing", "Succeeded"].contains(&seen.as_str()),
        "{seen}"
    );
    set(&mut west.connect(), "first").unwrap();
    world.until_healthy();
    assert_eq!(
        get(&mut east.connect(), "first").unwrap().as_deref(),
        Some("1")
    );
}

fn group_waits(engine: &str) {
    let world = World::with(engine);
    world.ok(&["group", "create", "web", "--location", "eastus"]);
    let make = |name: &str, region: &str| {
        let create = [
            "cache",
            "create",
            name,
            "--location",
            region,
            "--group",
            "web",
        ];
        world.ok(&create);
        let cache = world.cache(name);
        cache.set(&json!({"enableNonSslPort": true}));
        cache
    };
    let (east, west) = (make("east", "eastus"), make("west", "westus"));
    make("alone", "eastus");
    world.ok(&["link", "create", "east", "west", "--yes"]);
    let begun = world
        .ok(&["group", "delete", "web", "--yes", "--no-wait"])
        .talk;
    assert!(begun.contains("`east` is linked with `west`"), "{begun}");
    assert!(begun.contains("link delete east"), "{begun}");
    let names = || {
        let listed = world.ok(&["cache", "list"]).json();
        let all = listed.as_array().unwrap().iter();
        all.map(|cache| cache["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    waiting::until_true("the other cache goes", || names() == ["east", "west"]);
    let group = || world.run(&["group", "show", "web"]);
    assert_eq!(
        group().json()["properties"]["provisioningState"],
        "Deleting"
    );
    let refused = world.refused(&[
        "cache",
        "create",
        "late",
        "--location",
        "eastus",
        "--group",
        "web",
    ]);
    assert!(refused.contains("is being deleted"), "{refused}");
    // The two go on as if nothing were.
    set(&mut east.connect(), "k").unwrap();
    world.until_healthy();
    world.ok(&["failover", "west"]);
    set(&mut west.connect(), "l").unwrap();
    world.until_healthy();
    world.ok(&["link", "delete", "west", "east"]);
    waiting::until_true("everything is gone", || {
        names().is_empty() && group().code != 0
    });
}

fn candidates(engine: &str) {
    let world = World::with(engine);
    world.create_closed("east", "eastus");
    world.create_closed("west", "westus");
    let make = |name: &str, more: &[&str]| {
        world.ok(&[&["cache", "create", name, "--location", "eastus"], more].concat());
    };
    make("small", &["--sku", "C0", "--tier", "standard"]);
    make("large", &["--sku", "P2"]);
    let found = world.ok(&["link", "candidates", "east"]);
    assert!(found.talk.contains("West US"), "{found:?}");
    let json = found.json();
    let shown = |field: &str| -> Vec<Value> {
        let all = json.as_array().unwrap().iter();
        all.map(|candidate| candidate[field].clone()).collect()
    };
    assert_eq!(shown("name"), ["west", "large", "small"]);
    assert_eq!(shown("isCompatible"), [true, true, false]);
    assert_eq!(shown("canFailOver"), [true, false, false]);
    let reasons = &json[2]["reasons"];
    assert_eq!(reasons.as_array().unwrap().len(), 2, "{reasons}");
    let first: &Cache<'_> = &world.cache("west");
    world.ok(&["link", "create", "east", first.name(), "--yes"]);
    let json = world.ok(&["link", "candidates", "large"]).json();
    assert_eq!(json[0]["reasons"][0]["code"], "AlreadyLinked", "{json}");
}
