//! A full sync that is cut again and again.

use std::time::Duration;

use system::{World, waiting, with_both_engines};

use crate::{
    data::{Dice, fill, until_linked, until_same},
    size,
};

with_both_engines! {
    a_full_sync_goes_on_after_every_cut => goes_on;
}

const BYTES: u64 = size(48 << 20, 500 << 20);
const CUTS: u64 = size(24, 60);
const MEANWHILE: u64 = 2 << 20;
/// What a cut may take away, of what had crossed.
const LOST: u64 = 512 << 10;

fn goes_on(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = (
        world.create("east", "eastus"),
        world.create("west", "westus"),
    );
    fill(&east, "before", BYTES);
    let wan = world.wan_to("eastus");
    wan.set(5, 2, None);
    world.ok(&["link", "create", "east", "west", "--yes", "--no-wait"]);
    let mut dice = Dice::new(CUTS);
    for cut in 1..=CUTS {
        // All of them together are fewer bytes than the snapshot has.
        let bytes = 1 + dice.below(BYTES * 15 / CUTS / 10);
        wan.act(&format!("/cut-after?direction=to-client&bytes={bytes}"));
        waiting::within(Duration::from_secs(60), "the cut comes", || {
            (wan.count("cuts") == cut).then_some(())
        });
    }
    fill(&east, "meanwhile", MEANWHILE);
    until_linked(&world);
    until_same(&world, &east, &west);
    assert_eq!(wan.count("cuts"), CUTS);
    for kind in ["SnapshotTaken", "FullSyncStarted", "FullSyncFinished"] {
        assert_eq!(world.events(kind).len(), 1, "{kind}: {}", world.logs());
    }
    // Every byte crosses once, but for those that had arrived in the other side's kernel when a cut
    // threw them away.
    let carried = wan.count("toClientBytes");
    assert!(carried > BYTES, "{carried} of {BYTES}");
    assert!(
        carried < BYTES + MEANWHILE + CUTS * LOST,
        "{carried} of {BYTES}"
    );
}
