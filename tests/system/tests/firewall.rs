//! The firewall of a geo-primary holds for its geo-secondary, too.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;
use system::{World, waiting, with_both_engines};

with_both_engines! {
    a_link_obeys_the_geo_primary_s_firewall => obeys;
    a_failover_is_told_of_the_firewall_beyond_it => is_told;
}

const BARRED: &str =
    "the firewall of `east` does not admit 127.0.0.1, from which `west` follows; add a rule for it";
const WOULD: &str = "the firewall of `west` does not admit 127.0.0.1, from which `east` would follow; add a rule for it";

fn allow(world: &World, cache: &str, rule: &str, from: &str, to: &str) -> String {
    let set = ["cache", "firewall", "set", cache, rule, from, to];
    world.ok(&set).talk
}

fn full_syncs(world: &World) -> u64 {
    let link = waiting::until("the link's status", || world.link());
    let half = &link["shards"][0]["primary"]["link"];
    half["fullSyncsStarted"].as_u64().unwrap()
}

fn obeys(engine: &str) {
    let world = World::with(engine);
    let (east, west) = world.linked_pair();
    redis::cmd("SET")
        .arg("k")
        .arg("before")
        .exec(&mut east.connect())
        .unwrap();
    world.until_healthy();

    // Documentation addresses: nobody of this machine has one.
    let said = allow(&world, "east", "office", "192.0.2.1", "192.0.2.9");
    assert!(said.contains(&format!("warning: {BARRED}")), "{said}");
    let reasons = waiting::until("the link says why it is cut", || {
        let link = world.link()?;
        let cut = link["healthy"] == false && link["shards"][0]["secondary"]["standing"] == "Cut";
        cut.then(|| link["reasons"].clone())
    });
    assert_eq!(reasons, json!([BARRED]));
    let shown = world.ok(&["link", "show", "east"]).out;
    assert!(shown.contains(BARRED), "{shown}");
    waiting::until_true("it is an event", || world.events("PeerRefused") == [BARRED]);
    let refused = world.refused(&["failover", "west"]);
    assert!(
        refused.contains("he firewall of `east` does not admit 127.0.0.1"),
        "{refused}"
    );

    let said = allow(&world, "east", "agents", "127.0.0.1", "127.0.0.1");
    assert!(!said.contains("warning"), "{said}");
    world.until_healthy();
    redis::cmd("SET")
        .arg("k")
        .arg("after")
        .exec(&mut east.connect())
        .unwrap();
    waiting::until_true("the write arrives", || {
        let got: String = redis::cmd("GET")
            .arg("k")
            .query(&mut west.connect())
            .unwrap_or_default();
        got == "after"
    });
    assert_eq!(full_syncs(&world), 1, "the journal had what was missed");

    // A cache whose firewall keeps the agent out can be linked, and is not in step before it does.
    world.ok(&["link", "delete", "east"]);
    world.ok(&["cache", "firewall", "delete", "east", "agents"]);
    let begun = world.ok(&["link", "create", "east", "west", "--yes", "--no-wait"]);
    assert!(
        begun.talk.contains(&format!("warning: {BARRED}")),
        "{begun:?}"
    );
    waiting::until_true("the link says why it does not come up", || {
        world
            .link()
            .is_some_and(|link| link["reasons"] == json!([BARRED]))
    });
    world.ok(&["cache", "firewall", "delete", "east", "office"]);
    world.until_healthy();
}

fn is_told(engine: &str) {
    let world = World::with(engine);
    let _pair = world.linked_pair();
    world.until_healthy();
    let said = allow(&world, "west", "office", "192.0.2.1", "192.0.2.9");
    assert!(said.contains(&format!("warning: {WOULD}")), "{said}");
    let link = world.link().unwrap();
    assert_eq!(
        (&link["healthy"], &link["warnings"]),
        (&json!(true), &json!([WOULD]))
    );
    let found = world.ok(&["failover", "west", "--dry-run"]);
    assert!(
        found
            .out
            .contains("he firewall of `west` does not admit 127.0.0.1"),
        "{found:?}"
    );
    allow(&world, "west", "agents", "127.0.0.0", "127.255.255.255");
    assert_eq!(world.link().unwrap()["warnings"], json!([]));
    world.ok(&["failover", "west"]);
    world.until_healthy();
    assert_eq!(world.primary(), "west");
}
