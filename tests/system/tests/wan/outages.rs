//! The WAN is away: nothing gets through, nobody is let in, or one direction is lost.

use system::{World, waiting, with_both_engines};

use crate::{
    data::{fill, until_linked, until_same},
    size,
};

with_both_engines! {
    an_outage_costs_no_full_sync => costs_disk;
    one_lost_direction_costs_no_full_sync => one_way;
}

/// More than the engines' own backlogs, which have 64 MiB.
const OUTAGE: u64 = size(72 << 20, 200 << 20);

fn costs_disk(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    let wan = world.wan_to("eastus");
    wan.set(5, 2, None);
    fill(&east, "before", 1 << 20);
    until_same(&world, &east, &west);
    wan.go_down();
    fill(&east, "meanwhile", OUTAGE);
    let link = waiting::until("the link says that it is cut", || {
        world.link().filter(|link| {
            let shard = &link["shards"][0];
            let kept = shard["journal"]["bytes"].as_u64() > Some(OUTAGE);
            link["healthy"] == false && kept && shard["bytesBehind"].as_u64() > Some(OUTAGE)
        })
    });
    assert_ne!(link["reasons"].to_string(), "[]", "{link}");
    // A short one is nobody's business.
    waiting::until_true("the outage is told", || {
        !world.events("Disconnected").is_empty()
    });
    wan.act("/accept");
    until_linked(&world);
    until_same(&world, &east, &west);
    assert!(wan.count("connectionsRefused") > 0);
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
    assert_eq!(world.events("SnapshotTaken").len(), 1, "{}", world.logs());
    waiting::until_true("its end is told", || !world.events("Connected").is_empty());
}

fn one_way(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    until_same(&world, &east, &west);
    let wan = world.wan_to("eastus");
    for direction in ["to-client", "to-server"] {
        let connections = wan.count("connections");
        wan.act(&format!("/one-way?direction={direction}"));
        fill(&east, direction, 4 << 20);
        // Both halves give up what stands still, and try again.
        waiting::until("the halves notice", || {
            (wan.count("connections") > connections).then_some(())
        });
        wan.act("/release");
        until_same(&world, &east, &west);
    }
    until_linked(&world);
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
}
