//! A journal that was damaged: whatever is wrong with it, the geo-secondary gets nothing but what
//! was written.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use system::{World, waiting, with_both_engines};

use crate::data::{fill, until_linked, until_same};

with_both_engines! {
    a_journal_damaged_while_its_agent_is_dead_is_mended => mended_at_start;
    a_journal_damaged_while_it_is_needed_is_not_sent => not_sent;
}

struct Damage {
    what: &'static str,
    /// Does it, given the newest segment's path without its ending.
    inflict: fn(&Path),
    /// What is told of it, when more is lost than the newest bytes.
    told: Option<&'static str>,
}

const DAMAGES: [Damage; 6] = [
    Damage {
        what: "a byte of the stream is another",
        inflict: |segment| {
            let file = segment.with_extension("stream");
            let middle = length(&file) / 2;
            flip(&file, middle);
        },
        told: None,
    },
    Damage {
        what: "the stream ends early",
        inflict: |segment| {
            let file = segment.with_extension("stream");
            truncate(&file, length(&file) - 100_000);
        },
        told: None,
    },
    Damage {
        what: "the index ends early, in the middle of a record",
        inflict: |segment| {
            let file = segment.with_extension("index");
            truncate(&file, length(&file) - 60);
        },
        told: None,
    },
    Damage {
        what: "the header is not one",
        inflict: |segment| flip(&segment.with_extension("stream"), 3),
        told: Some("the header is damaged"),
    },
    Damage {
        what: "the index is gone",
        inflict: |segment| fs::remove_file(segment.with_extension("index")).unwrap(),
        told: Some("the file is missing"),
    },
    Damage {
        what: "every file is empty",
        inflict: |segment| {
            for entry in fs::read_dir(segment.parent().unwrap()).unwrap() {
                truncate(&entry.unwrap().path(), 0);
            }
        },
        told: None,
    },
];

fn length(file: &Path) -> u64 {
    fs::metadata(file).unwrap().len()
}

fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

fn truncate(file: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(length).unwrap();
}

/// The segments of the only journal of a region, oldest first, without their ending.
fn segments(world: &World, region: &str) -> Vec<PathBuf> {
    let caches = world.data().join("agents").join(region).join("caches");
    let journals = fs::read_dir(caches).unwrap().map(|cache| {
        let journal = cache.unwrap().path().join("s0link").join("journal");
        fs::read_dir(journal).into_iter().flatten()
    });
    let files = journals.flatten().map(|entry| entry.unwrap().path());
    let streams = files.filter(|path| path.extension().is_some_and(|end| end == "stream"));
    let mut segments: Vec<PathBuf> = streams.map(|path| path.with_extension("")).collect();
    segments.sort();
    segments
}

/// Waits until the geo-secondary lacks so many bytes, and all of them are on disk.
fn until_journaled(world: &World, bytes: u64) {
    waiting::until("the journal has it", || {
        let link = world.link()?;
        let shard = &link["shards"][0];
        let behind = shard["bytesBehind"].as_u64() > Some(bytes);
        let offsets = &shard["offsets"];
        (behind && offsets["journaled"] == offsets["received"]).then_some(())
    });
}

fn mended_at_start(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    fill(&east, "before", 1 << 20);
    until_same(&world, &east, &west);
    let wan = world.wan_to("eastus");
    for (number, damage) in (0..).zip(DAMAGES) {
        let told = world.events("JournalFailed").len();
        wan.go_down();
        fill(&east, &format!("meanwhile:{number}"), 4 << 20);
        until_journaled(&world, 4 << 20);
        world.kill_agent_after("eastus", || {
            (damage.inflict)(segments(&world, "eastus").last().unwrap());
        });
        wan.act("/accept");
        until_linked(&world);
        until_same(&world, &east, &west);
        if let Some(what) = damage.told {
            let events = world.events("JournalFailed");
            let new = events.get(told..).unwrap_or_default().concat();
            assert!(new.contains(what), "{}: {events:?}", damage.what);
        }
    }
    // The engine's own backlog had what the journal had lost.
    assert_eq!(world.events("FullSyncStarted").len(), 1, "{}", world.logs());
}

fn not_sent(engine: &str) {
    let world = World::over_a_wan(engine);
    let (east, west) = world.linked_pair();
    until_same(&world, &east, &west);
    let wan = world.wan_to("eastus");
    wan.go_down();
    // More than the engine's backlog: what is damaged is nowhere else in the stream.
    fill(&east, "meanwhile", 72 << 20);
    until_journaled(&world, 72 << 20);
    let segments = segments(&world, "eastus");
    flip(&segments.first().unwrap().with_extension("stream"), 3 << 20);
    wan.act("/accept");
    until_linked(&world);
    until_same(&world, &east, &west);
    let events = world.events("JournalFailed");
    assert!(events.concat().contains("damaged"), "{events:?}");
    assert_eq!(world.events("FullSyncStarted").len(), 2, "{}", world.logs());
}
