//! What is refused, with which words, and that nothing changes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use system::{Start, World, waiting, with_both_engines};

with_both_engines! {
    a_pair_that_cannot_be_linked_is_told_why => unlinkable;
    a_linked_pair_is_protected => protected;
}

/// The resources of the deployment, without what moves by itself.
fn resources(world: &World) -> Value {
    let caches = world.ok(&["cache", "list"]).json();
    let links = world.ok(&["link", "list"]).json();
    json!([caches, links])
}

fn unlinkable(engine: &str) {
    let world = World::with(engine);
    world.create("east", "eastus");
    let make = |name: &str, more: &[&str]| {
        world.ok(&[&["cache", "create", name, "--location", "westus"], more].concat());
    };
    make("basic", &["--sku", "C0", "--tier", "basic"]);
    make("standard", &["--sku", "C0", "--tier", "standard"]);
    make("large", &["--sku", "P2"]);
    make("replicated", &["--sku", "P1", "--replicas", "2"]);
    let before = resources(&world);
    for (primary, secondary, sentence) in [
        ("east", "basic", "only Premium"),
        ("standard", "east", "only Premium"),
        ("large", "east", "at least as large"),
        ("east", "replicated", "exactly one"),
        ("east", "east", "itself"),
        ("east", "nowhere", "nowhere"),
        ("nowhere", "east", "nowhere"),
    ] {
        let said = world.refused(&["link", "create", primary, secondary, "--yes"]);
        assert!(said.contains(sentence), "{primary} {secondary}: {said}");
    }
    for (arguments, sentence) in [
        (
            &["cache", "create", "two--hyphens", "--location", "eastus"][..],
            "hyphens",
        ),
        (&["cache", "create", "mars", "--location", "mars"], "mars"),
        (
            &["cache", "create", "east", "--location", "eastus"],
            "already",
        ),
        (
            &[
                "cache",
                "create",
                "p9",
                "--location",
                "eastus",
                "--sku",
                "P9",
            ],
            "P",
        ),
        (
            &[
                "cache",
                "create",
                "c",
                "--location",
                "eastus",
                "--set",
                "appendonly=yes",
            ],
            "appendonly",
        ),
        (&["failover", "east"], "not linked"),
        (&["failover", "nowhere"], "nowhere"),
        (&["cache", "show", "nowhere"], "nowhere"),
    ] {
        let said = world.refused(arguments);
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    let said = world.refused(&["cache", "list", "--token", "not-the-token"]);
    assert!(said.contains("token"), "{said}");
    assert_eq!(resources(&world), before);

    // A larger secondary can be linked, but not failed over to.
    world.ok(&["link", "create", "east", "large", "--yes"]);
    let said = world.refused(&["failover", "large"]);
    assert!(said.contains("same size"), "{said}");
}

fn protected(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    world.create("third", "westus");
    let before = resources(&world);
    let link = format!("{}/linkedServers", east.id());
    let put = |path: &str, body: &Value| world.send("PUT", path, Some(body)).unwrap();
    let linked_to = |id: &str| json!({"properties": {"linkedRedisCacheId": id, "linkedRedisCacheLocation": "West US", "serverRole": "Secondary"}});
    let third = world.cache("third").id();
    let patch = |body: Value| world.send("PATCH", &west.id(), Some(&body)).unwrap();
    let sku = |capacity: i64| json!({"properties": {"sku": {"name": "Premium", "family": "P", "capacity": capacity}}});
    let refusals = [
        (
            "a third cache",
            put(&format!("{link}/third"), &linked_to(&third)),
            400,
            "already linked",
        ),
        (
            "another name",
            put(&format!("{link}/west"), &linked_to(&third)),
            400,
            "third",
        ),
        (
            "nothing asked",
            put(&format!("{link}/west"), &json!({})),
            400,
            "properties",
        ),
        ("scaling", patch(sku(2)), 400, "link"),
        (
            "replicas",
            patch(json!({"properties": {"replicasPerPrimary": 2}})),
            400,
            "link",
        ),
        (
            "shards",
            patch(json!({"properties": {"shardCount": 2}})),
            400,
            "shard",
        ),
        (
            "an unknown field",
            patch(json!({"properties": {"sise": 2}})),
            400,
            "sise",
        ),
        (
            "a wrong type",
            patch(json!({"properties": {"enableNonSslPort": "maybe"}})),
            400,
            "enableNonSslPort",
        ),
        (
            "deleting",
            world.send("DELETE", &east.id(), None).unwrap(),
            409,
            "link",
        ),
        (
            "persistence",
            patch(json!({"properties": {"redisConfiguration": {"rdb-backup-enabled": "true"}}})),
            400,
            "persist",
        ),
    ];
    for (what, (code, body), want, word) in refusals {
        assert_eq!(code, want, "{what}: {body}");
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{what}: {body}");
    }
    // What is there already may be asked for again.
    let (code, body) = put(&format!("{link}/west"), &linked_to(&west.id()));
    assert_eq!(code, 200, "{body}");
    let (code, body) = patch(sku(1));
    assert!(code == 200 || code == 202, "{code} {body}");
    world.until_healthy();
    waiting::until_true("nothing has changed", || resources(&world) == before);
}

#[test]
fn engines_that_cannot_follow_each_other_are_not_linked() {
    for (east, west) in [("valkey", "redis"), ("redis", "valkey")] {
        let engine = format!("eastus={east},westus={west}");
        let world = World::start(Start {
            engine,
            ..Start::default()
        });
        world.create("east", "eastus");
        world.create("west", "westus");
        let said = world.refused(&["link", "create", "east", "west", "--yes"]);
        assert!(
            said.contains("same engine") && said.contains("7.0"),
            "{said}"
        );
    }
}
