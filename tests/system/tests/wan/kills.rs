//! kill -9 of either agent: in a full sync, in the stream, and while the WAN is away.

use std::time::Duration;

use system::{World, scoring, waiting, with_both_engines};

use crate::{
    data::{fill, until_arrived, until_linked, until_same},
    size,
};

with_both_engines! {
    agents_killed_in_a_full_sync_go_on_with_it => in_full_sync;
    agents_killed_in_the_stream_go_on_with_it => in_stream;
}

const BYTES: u64 = size(32 << 20, 500 << 20);

fn in_full_sync(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    fill(&east, "before", BYTES);
    let wan = world.wan_to("eastus");
    wan.set(5, 2, Some(BYTES / 6));
    world.ok(&["link", "create", "east", "west", "--yes", "--no-wait"]);
    for (at, region) in [(4, "westus"), (2, "eastus")] {
        waiting::within(Duration::from_secs(60), "a part has arrived", || {
            (wan.count("toClientBytes") > BYTES / at).then_some(())
        });
        world.kill_agent(region);
    }
    fill(&east, "meanwhile", 2 << 20);
    until_linked(&world);
    until_same(&world, &east, &west);
    assert_eq!(world.events("SnapshotTaken").len(), 1, "{}", world.logs());
    let carried = wan.count("toClientBytes");
    assert!(carried < BYTES + BYTES / 2, "{carried}");
}

fn in_stream(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    let wan = world.wan_to("eastus");
    wan.set(5, 2, None);
    fill(&east, "before", 4 << 20);
    let ledger = scoring::start(6, &[east]);
    for region in ["eastus", "westus"] {
        world.kill_agent(region);
        fill(&east, region, 2 << 20);
        until_arrived(&east, &west);
    }
    for region in ["eastus", "westus"] {
        wan.go_down();
        fill(&east, region, 8 << 20);
        world.kill_agent(region);
        fill(&east, region, 2 << 20);
        wan.act("/accept");
    }
    until_linked(&world);
    let score = scoring::settle(ledger, &east);
    scoring::assert_nothing_lost(&score);
    assert!(score.total().acknowledged > 0);
    until_same(&world, &east, &west);
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
    world.ok(&["failover", "west"]);
    until_same(&world, &west, &east);
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
}
