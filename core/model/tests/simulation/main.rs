//! A whole link under every timing: two regions, their agents and engines, a control plane, and
//! everything that can break between two steps of any of them, from one seed.
//!
//! The planner and the link's machine are the real ones; the rest is a model of what carries them
//! out. A run is a few thousand small events in random order, with faults; then the faults stop and
//! the link has to come to rest. See `checks.rs` for what must hold all the time. A failing seed
//! is run again to show its last events.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod agent;
mod calm;
mod checks;
mod control;
mod dice;
mod engine;
mod following;
mod histories;
mod inbound;
mod journal;
mod lost_writes;
mod outbound;
mod weather;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use world::World;

const SEEDS: std::ops::Range<u64> = 0..800;
const EVENTS: usize = 3_000;
/// Of a failing run, so many of the last events are shown.
const SHOWN: usize = 300;

/// What happened, and how often.
type Tally = BTreeMap<&'static str, u64>;

/// Runs one seed; what was wrong, with the last events if they are traced.
fn run(seed: u64, traced: bool) -> Result<Tally, String> {
    let mut world = World::new(seed, traced);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        world.storm(EVENTS);
        world.settle();
    }));
    let Err(panic) = ran else {
        return Ok(world.tally);
    };
    let text = panic.downcast_ref::<String>().cloned();
    let why = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Err(format!(
        "seed {seed}: {}\n{}",
        why.unwrap_or_default(),
        world.last_words(SHOWN)
    ))
}

#[test]
fn whatever_the_timing_nothing_acknowledged_is_lost_and_the_link_comes_to_rest() {
    let mut tally = Tally::new();
    for seed in SEEDS {
        match run(seed, false) {
            Ok(happened) => {
                for (what, times) in happened {
                    *tally.entry(what).or_default() += times;
                }
            }
            Err(_) => panic!("{}", run(seed, true).unwrap_err()),
        }
    }
    for what in [
        "handoffs promoted",
        "handoffs aborted",
        "unlinked",
        "conflicts",
        "full syncs",
        "partial syncs",
        "starts from a saved data set",
        "failovers from a lost primary",
        "failovers forced from a living primary",
        "failovers forced from a dead primary",
        "failovers forced in a handoff",
        "second failovers forced",
        "undisturbed forced failovers",
        "lost writes saved",
        "nothing lost",
        "lost writes saved without an engine",
        "lost writes read from a backlog",
        "lost writes not saved",
        "unsaved writes accepted",
        "former primaries back without a full sync",
        "empty sources accepted",
        "roles given back",
        "undisturbed handoffs",
        "journals forked",
        "histories broken",
        "snapshots from a primary",
        "snapshots from a replica",
        "snapshots from an offer",
        "full syncs gone on with",
        "empty sources refused",
    ] {
        assert!(tally.contains_key(what), "no run had {what}: {tally:?}");
    }
}
