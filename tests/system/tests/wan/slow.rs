//! A WAN that is narrower than what is written.

use std::time::{Duration, Instant};

use system::{Cache, World, with_both_engines};

use crate::{
    data::{Dice, fill, until_linked, until_same},
    size,
};

with_both_engines! {
    a_narrow_link_falls_behind_and_harms_nobody => falls_behind;
}

/// Bytes a second that the WAN carries.
const RATE: u64 = 2_000_000;
/// Bytes a second that are written.
const WRITTEN: u64 = 10_000_000;
const LOAD: Duration = Duration::from_secs(size(8, 300));
/// What the engine keeps of its stream (`repl-backlog-size`).
const BACKLOG: u64 = 64 << 20;
const VALUE: usize = 50_000;
const KEYS: u64 = 200;

fn falls_behind(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    let wan = world.wan_to("eastus");
    wan.set(20, 5, Some(RATE));
    fill(&east, "before", 1 << 20);
    // What the load overwrites, and what fills the engine's backlog, is there before it is looked at.
    write(&east, Duration::from_secs(2));
    while east.info("repl_backlog_histlen").parse::<u64>().unwrap() < BACKLOG {
        write(&east, Duration::from_secs(1));
    }
    let before = memory(&east);
    let written = write(&east, LOAD);
    let after = memory(&east);
    let link = world.link().unwrap();
    let behind = link["shards"][0]["bytesBehind"].as_u64().unwrap();
    assert!(
        behind > written / 2,
        "it is not slow at all: {behind} of {written}"
    );
    assert!(
        after.used < before.used + (16 << 20),
        "{before:?} {after:?}"
    );
    assert!(after.replicas < 8 << 20, "{after:?}");
    wan.set(20, 5, None);
    until_linked(&world);
    until_same(&world, &east, &west);
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
}

/// Overwrites the same keys for a while, at the rate; gives the bytes written.
#[expect(
    clippy::disallowed_methods,
    reason = "a load is so many bytes in so much of real time"
)]
fn write(cache: &Cache<'_>, span: Duration) -> u64 {
    let mut connection = cache.connect();
    let mut dice = Dice::new(7);
    let (begun, mut written) = (Instant::now(), 0);
    while begun.elapsed() < span {
        let due = u64::try_from(begun.elapsed().as_micros()).unwrap() * WRITTEN / 1_000_000;
        if written >= due {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        let key = format!("load:{}", dice.below(KEYS));
        redis::cmd("SET")
            .arg(key)
            .arg(dice.bytes(VALUE))
            .exec(&mut connection)
            .unwrap();
        written += VALUE as u64;
    }
    written
}

#[derive(Debug)]
struct Memory {
    /// All that the engine counts.
    used: u64,
    /// What waits for its replicas beyond the backlog.
    replicas: u64,
}

fn memory(cache: &Cache<'_>) -> Memory {
    let field = |name| cache.info(name).parse().unwrap();
    Memory {
        used: field("used_memory"),
        replicas: field("mem_clients_slaves"),
    }
}
