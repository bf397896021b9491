//! Files that are not what was written.

use std::collections::BTreeMap;

use journal::{
    Found, Journal, Limits, OpenError, Room, SnapshotId, Spool, SpoolReadError, Unfinished,
};
use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position};

use crate::{
    disk::FaultDisk,
    script::{read_all, replid},
};

const START: u64 = 1_000;
const SEGMENT: u64 = 400;

/// Three segments of two histories, seven blocks, and a snapshot of two blocks.
struct Sample {
    disk: FaultDisk,
    bytes: Vec<u8>,
    payload: Vec<u8>,
}

/// What became of a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It was not opened.
    Refused,
    /// Some bytes could not be read.
    Unreadable,
    /// So many bytes came back, and they were right.
    Right { count: usize, forked: bool },
}

impl Sample {
    fn new() -> Self {
        let disk = FaultDisk::new();
        let bytes: Vec<u8> = (0..1_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let payload: Vec<u8> = (0..300u32).map(|n| (n * 11 % 241) as u8).collect();
        let (mut journal, _) = Journal::open(disk.clone(), limits()).unwrap();
        let start = Position::new(replid(1), Offset(START));
        journal.begin(start).unwrap();
        let mut spool = journal
            .begin_snapshot(SnapshotId(3), start, Framing::Length(300))
            .unwrap();
        spool.append(&payload[..100]).unwrap();
        spool.sync().unwrap();
        spool.append(&payload[100..]).unwrap();
        spool.complete().unwrap();
        for (number, piece) in bytes.chunks(150).enumerate() {
            if number == 5 {
                journal.fork(replid(2)).unwrap();
            }
            journal.append(piece, Timestamp(number as u64)).unwrap();
            journal.seal_and_sync().unwrap();
        }
        drop(journal);
        let disk = disk.copy();
        Self {
            disk,
            bytes,
            payload,
        }
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.disk.names().into_iter();
        names
            .map(|name| (name.clone(), self.disk.content(&name)))
            .collect()
    }

    fn named(&self, ending: &str) -> Vec<String> {
        let mut names = self.disk.names();
        names.retain(|name| name.ends_with(ending));
        names
    }

    fn with(&self, name: &str, content: Vec<u8>) -> FaultDisk {
        let disk = self.disk.copy();
        disk.put(name, content);
        disk
    }

    /// Opens and reads everything; nothing that comes back may be wrong.
    fn examine(&self, disk: FaultDisk, what: &str) -> Outcome {
        let Ok((mut journal, _)) = Journal::open(disk, limits()) else {
            return Outcome::Refused;
        };
        let snapshot = self.examine_snapshot(&journal, what);
        let Some((start, end)) = journal.start().zip(journal.end()) else {
            return Outcome::Right {
                count: 0,
                forked: false,
            };
        };
        let (from, to) = (start.offset.0 - START, end.offset.0 - START);
        for id in [1, 2, 3] {
            for place in [
                0, 1, 2, 399, 400, 401, 402, 749, 750, 751, 752, 999, 1_001, 1_002,
            ] {
                let offset = START - 1 + place;
                let covered = journal.covers(&Position::new(replid(id), Offset(offset)));
                let right = match id {
                    1 => (START..=START + 750).contains(&offset),
                    2 => (START + 750..=START + 1_000).contains(&offset),
                    _ => false,
                };
                assert!(covered.is_none() || right, "{what}: covers {id} {offset}");
            }
        }
        match read_all(&mut journal, start.offset.0) {
            Err(_) => Outcome::Unreadable,
            Ok(held) => {
                let expected = &self.bytes[from as usize..to as usize];
                assert_eq!(held, expected, "{what}: other bytes");
                if !snapshot {
                    return Outcome::Unreadable;
                }
                Outcome::Right {
                    count: held.len(),
                    forked: end.replid == replid(2),
                }
            }
        }
    }

    fn examine_snapshot(&self, journal: &Journal<FaultDisk>, what: &str) -> bool {
        let Some((info, mut reader)) = journal.snapshot().zip(journal.snapshot_reader()) else {
            return false;
        };
        assert!(info.complete, "{what}");
        assert_eq!(info.bytes, 300, "{what}");
        assert_eq!(info.position.offset, Offset(START), "{what}");
        let mut held = vec![0; 301];
        let mut filled = 0;
        while filled < 300 {
            match reader.read(filled as u64, &mut held[filled..]) {
                Ok(count) => filled += count,
                Err(SpoolReadError::Corrupt { .. }) => return false,
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert_eq!(held[..300], self.payload, "{what}: another payload");
        true
    }
}

const WHOLE: Outcome = Outcome::Right {
    count: 1_000,
    forked: true,
};

#[test]
fn every_flipped_bit_is_seen() {
    let sample = Sample::new();
    assert_eq!(sample.examine(sample.disk.copy(), "nothing"), WHOLE);
    let newest = sample.named(".stream").len();
    let mut cut = 0;
    for (name, content) in sample.files() {
        for bit in 0..content.len() * 8 {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let what = format!("{name}, bit {bit}");
            let outcome = sample.examine(sample.with(&name, flipped), &what);
            // Only the blocks of the newest segment's last sync can be taken for torn.
            let of_the_newest = name.starts_with(&format!("{newest:016x}."));
            match outcome {
                Outcome::Refused | Outcome::Unreadable => {}
                Outcome::Right { count, .. } => {
                    assert!(of_the_newest && count == 900, "{what}: {outcome:?}");
                    cut += 1;
                }
            }
        }
    }
    assert!(cut > 0, "the newest block was never torn");
}

#[test]
fn every_truncation_is_seen_or_leaves_a_prefix() {
    let sample = Sample::new();
    let newest = sample.named(".stream").len();
    for (name, content) in sample.files() {
        for length in 0..content.len() {
            let what = format!("{name}, cut to {length}");
            let outcome = sample.examine(sample.with(&name, content[..length].to_vec()), &what);
            let of_the_newest = name.starts_with(&format!("{newest:016x}."));
            if let Outcome::Right { count, .. } = outcome {
                assert!(of_the_newest && count < 1_000, "{what}: {outcome:?}");
            }
        }
        let mut longer = content.clone();
        longer.extend_from_slice(&[0; 41]);
        sample.examine(sample.with(&name, longer), &format!("{name}, longer"));
        let disk = sample.disk.copy();
        disk.lose(&name);
        let outcome = sample.examine(disk, &format!("{name}, lost"));
        assert_ne!(outcome, WHOLE, "{name}, lost");
    }
}

#[test]
fn swapped_duplicated_and_zeroed_blocks_are_seen() {
    let sample = Sample::new();
    let header = 128;
    for name in sample.named(".stream") {
        let content = sample.disk.content(&name);
        let records = name.replace(".stream", ".index");
        let index = sample.disk.content(&records);
        let data = content.len() - header;
        for (block, length) in [(0usize, 150usize), (1, 150)] {
            let (one, two) = (header, header + 150);
            if data < two - header + length {
                continue;
            }
            let mut swapped = content.clone();
            swapped[one..one + 150].copy_from_slice(&content[two..two + 150]);
            swapped[two..two + 150].copy_from_slice(&content[one..one + 150]);
            let disk = sample.with(&name, swapped.clone());
            assert_ne!(
                sample.examine(disk, "swapped data"),
                WHOLE,
                "{name} {block}"
            );
            let mut turned = index.clone();
            turned[..40].copy_from_slice(&index[40..80]);
            turned[40..80].copy_from_slice(&index[..40]);
            let disk = sample.with(&records, turned.clone());
            assert_ne!(sample.examine(disk, "swapped records"), WHOLE, "{name}");
            let disk = sample.with(&name, swapped);
            disk.put(&records, turned);
            assert_ne!(sample.examine(disk, "swapped blocks"), WHOLE, "{name}");
            let mut doubled = content.clone();
            doubled[two..two + 150].copy_from_slice(&content[one..one + 150]);
            let disk = sample.with(&name, doubled);
            assert_ne!(sample.examine(disk, "doubled data"), WHOLE, "{name}");
            let mut doubled = index.clone();
            doubled[40..80].copy_from_slice(&index[..40]);
            let disk = sample.with(&records, doubled);
            assert_ne!(sample.examine(disk, "doubled record"), WHOLE, "{name}");
        }
        // A block again behind the last one.
        let mut longer = content.clone();
        longer.extend_from_slice(&content[header..]);
        let mut more = index.clone();
        more.extend_from_slice(&index);
        let disk = sample.with(&name, longer);
        disk.put(&records, more);
        sample.examine(disk, "repeated segment");
    }
    for (name, content) in sample.files() {
        for page in (0..content.len()).step_by(64) {
            let mut zeroed = content.clone();
            let end = (page + 64).min(content.len());
            zeroed[page..end].fill(0);
            let what = format!("{name}, zeros at {page}");
            assert_ne!(sample.examine(sample.with(&name, zeroed), &what), WHOLE);
        }
    }
}

#[test]
fn segments_under_other_names_are_refused() {
    let sample = Sample::new();
    let count = sample.named(".stream").len() as u64;
    assert_eq!(count, 3);
    let file = |number: u64, kind: &str| format!("{number:016x}.{kind}");
    for from in 1..=count {
        for to in 1..=count + 1 {
            if from == to {
                continue;
            }
            for kinds in [&["stream", "index"][..], &["stream"], &["index"]] {
                let disk = sample.disk.copy();
                for kind in kinds {
                    disk.put(&file(to, kind), sample.disk.content(&file(from, kind)));
                }
                let outcome = sample.examine(disk, &format!("{from} as {to}, {kinds:?}"));
                // Half a segment behind the newest is one that was not made to its end.
                let unused = to == count + 1 && kinds.len() == 1;
                assert!(outcome != WHOLE || unused, "{from} as {to}, {kinds:?}");
            }
        }
    }
    // Of another journal of the same history, data with our index.
    let other = FaultDisk::new();
    let (mut journal, _) = Journal::open(other.clone(), limits()).unwrap();
    journal
        .begin(Position::new(replid(1), Offset(START)))
        .unwrap();
    journal.append(&[9; 1_000], Timestamp(0)).unwrap();
    journal.seal_and_sync().unwrap();
    let mixed = sample.with(&file(2, "stream"), other.content(&file(2, "stream")));
    assert_eq!(sample.examine(mixed, "a stranger's data"), Outcome::Refused);
}

#[test]
fn a_later_version_is_told_from_damage() {
    let sample = Sample::new();
    let name = sample.named(".stream").pop().unwrap();
    let mut content = sample.disk.content(&name);
    content[8] = 2;
    let error = Journal::open(sample.with(&name, content), limits()).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { version: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_part_of_a_snapshot_goes_on_only_behind_whole_blocks() {
    let disk = FaultDisk::new();
    let payload: Vec<u8> = (0..700_000u32).map(|n| (n * 13 % 239) as u8).collect();
    let position = Position::new(replid(1), Offset(START));
    let spool = || {
        let disk = std::sync::Arc::new(disk.copy());
        Spool::reopen(disk, Room::default(), Unfinished::Keep).unwrap()
    };
    let mut writer = Spool::create(
        std::sync::Arc::new(disk.clone()),
        Room::default(),
        SnapshotId(1),
        position,
        Framing::Length(700_000),
    )
    .unwrap();
    writer.append(&payload).unwrap();
    drop(writer);
    let part = |reopened: journal::Reopened<FaultDisk>| match reopened.found {
        Some(Found::Part(writer)) => writer.written(),
        other => panic!("{other:?}"),
    };
    assert_eq!(part(spool()), 524_288);
    let name = "snapshot-0000000000000001.payload";
    let mut content = disk.content(name);
    content[300_000] ^= 1;
    disk.put(name, content);
    assert_eq!(part(spool()), 262_144);
    let meta = "snapshot-0000000000000001.meta";
    let mut content = disk.content(meta);
    content[20] ^= 1;
    disk.put(meta, content);
    let reopened = spool();
    assert!(reopened.found.is_none());
    assert_eq!(reopened.dropped.len(), 1);
}

fn limits() -> Limits {
    Limits {
        segment_bytes: SEGMENT,
        retention: Retention::Unlimited,
        ..Limits::default()
    }
}
