//! Retention, the cap, the floor, and a disk that is full.

use journal::{
    AppendError, Journal, Lack, Limits, ReadError, ReaderId, Room, SnapshotId, SpoolAppendError,
    SpoolReadError, Stats,
};
use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position};

use crate::{disk::FaultDisk, script::replid};

const NOW: Timestamp = Timestamp(5_000);

fn begun(disk: &FaultDisk, limits: Limits) -> Journal<FaultDisk> {
    let (mut journal, _) = Journal::open(disk.clone(), limits).unwrap();
    journal.begin(at(0)).unwrap();
    journal
}

fn at(offset: u64) -> Position {
    Position::new(replid(1), Offset(offset))
}

fn limits(retention: Retention, room: Room) -> Limits {
    Limits {
        segment_bytes: 1_000,
        retention,
        room,
    }
}

fn fill(journal: &mut Journal<FaultDisk>, bytes: u64) -> Result<(), AppendError> {
    for _ in 0..bytes / 100 {
        journal.append(&[1; 100], NOW)?;
    }
    Ok(())
}

#[test]
fn retention_keeps_at_least_its_bytes_in_whole_segments() {
    for (retention, appended, start) in [
        (Retention::Bytes(1), 5_500, 5_000),
        (Retention::Bytes(500), 5_500, 5_000),
        (Retention::Bytes(501), 5_500, 4_000),
        (Retention::Bytes(2_500), 5_500, 3_000),
        (Retention::Bytes(5_500), 5_500, 0),
        (Retention::Bytes(1 << 40), 5_500, 0),
        (Retention::Unlimited, 5_500, 0),
    ] {
        let disk = FaultDisk::new();
        let mut journal = begun(&disk, limits(retention, Room::default()));
        fill(&mut journal, appended).unwrap();
        journal.seal_and_sync().unwrap();
        let trimmed = journal.trim().unwrap();
        assert_eq!(journal.start(), Some(at(start)), "{retention}");
        assert_eq!((trimmed.segments, trimmed.bytes), (start / 1_000, start));
        if start > 0 {
            let gone = journal.read(Offset(start - 1), &mut [0]);
            assert!(matches!(gone, Err(ReadError::Gone { .. })));
        }
        assert_eq!(journal.read(Offset(start), &mut [0]).unwrap(), 1);
        // Nothing comes back by opening it again.
        drop(journal);
        let (journal, _) = Journal::open(disk, limits(retention, Room::default())).unwrap();
        assert_eq!(journal.start(), Some(at(start)), "{retention}");
    }
}

#[test]
fn a_smaller_retention_takes_effect_at_the_next_trim() {
    let disk = FaultDisk::new();
    let mut journal = begun(&disk, limits(Retention::Unlimited, Room::default()));
    fill(&mut journal, 5_500).unwrap();
    journal.seal_and_sync().unwrap();
    assert!(journal.trim().unwrap().is_empty());
    journal.set_retention(Retention::Bytes(1_000));
    assert_eq!(journal.start(), Some(at(0)));
    assert_eq!(journal.trim().unwrap().segments, 4);
    assert_eq!(journal.start(), Some(at(4_000)));
}

#[test]
fn a_snapshot_goes_with_the_stream_behind_it() {
    let disk = FaultDisk::new();
    let mut journal = begun(&disk, limits(Retention::Bytes(1_500), Room::default()));
    let mut writer = journal
        .begin_snapshot(SnapshotId(4), at(0), Framing::Length(2))
        .unwrap();
    let mut reader = journal.snapshot_reader().unwrap();
    fill(&mut journal, 2_000).unwrap();
    assert!(journal.trim().unwrap().is_empty());
    writer.append(b"r").unwrap();
    fill(&mut journal, 1_000).unwrap();
    journal.seal_and_sync().unwrap();
    let trimmed = journal.trim().unwrap();
    assert_eq!(
        (trimmed.segments, trimmed.snapshot),
        (1, Some(SnapshotId(4)))
    );
    assert_eq!(journal.snapshot(), None);
    assert!(matches!(
        reader.read(0, &mut [0]),
        Err(SpoolReadError::Removed)
    ));
    assert!(matches!(
        writer.append(b"d"),
        Err(SpoolAppendError::Removed)
    ));
    let late = journal.begin_snapshot(SnapshotId(5), at(0), Framing::Length(2));
    assert!(late.unwrap_err().to_string().contains("begins at"));
}

#[test]
fn a_snapshot_beyond_a_fork_is_not_of_the_new_history() {
    let disk = FaultDisk::new();
    let mut journal = begun(&disk, limits(Retention::Unlimited, Room::default()));
    for (end, kept) in [(1_000, true), (1_001, false)] {
        journal.begin(at(1_000)).unwrap();
        let writer = journal.begin_snapshot(SnapshotId(end), at(end), Framing::Length(0));
        writer.unwrap().complete().unwrap();
        journal.fork(replid(2)).unwrap();
        assert_eq!(journal.snapshot().is_some(), kept, "{end}");
        let removed = journal.trim().unwrap().snapshot;
        assert_eq!(removed, (!kept).then_some(SnapshotId(end)));
    }
}

#[test]
fn the_cap_removes_the_oldest_and_tells_who_needed_it() {
    let disk = FaultDisk::new();
    let cap = Room {
        cap_bytes: Some(400_000),
        free_floor: 0,
    };
    let wide = Limits {
        segment_bytes: 100_000,
        retention: Retention::Unlimited,
        room: cap,
    };
    let mut journal = begun(&disk, wide);
    journal.pin(ReaderId(1), Offset(150_000));
    journal.pin(ReaderId(2), Offset(0));
    journal.unpin(ReaderId(2));
    for step in 1..=40u64 {
        journal.append(&[3; 20_000], NOW).unwrap();
        assert!(disk.used() <= 400_000, "{} at {step}", disk.used());
        if step == 20 {
            // The first segment was not needed.
            let trimmed = journal.trim().unwrap();
            assert_eq!((trimmed.segments, trimmed.readers), (1, vec![]));
        }
    }
    let trimmed = journal.trim().unwrap();
    assert_eq!(trimmed.readers, [ReaderId(1)]);
    assert!(journal.start().unwrap().offset > Offset(400_000));
    // One write that is larger than the cap is refused, and nothing of it is written.
    let before = journal.end();
    let refused = journal.append(&vec![3; 500_000], NOW).unwrap_err();
    assert!(refused.is_disk_full(), "{refused}");
    assert!(matches!(
        refused,
        AppendError::Full {
            lack: Lack::Cap { cap: 400_000, .. },
            ..
        }
    ));
    assert_eq!(journal.end(), before);
    journal.append(&[3; 20_000], NOW).unwrap();
}

#[test]
fn a_segment_is_at_most_a_quarter_of_the_cap() {
    let disk = FaultDisk::new();
    let room = Room {
        cap_bytes: Some(1_000_000),
        free_floor: 0,
    };
    let mut journal = begun(
        &disk,
        Limits {
            retention: Retention::Unlimited,
            room,
            ..Limits::default()
        },
    );
    for _ in 0..40 {
        journal.append(&[1; 100_000], NOW).unwrap();
    }
    let stats = journal.stats(NOW);
    assert!(stats.segments >= 3 && disk.used() <= 1_000_000, "{stats:?}");
}

#[test]
fn a_snapshot_counts_into_the_cap() {
    let disk = FaultDisk::new();
    let room = Room {
        cap_bytes: Some(300_000),
        free_floor: 0,
    };
    let mut journal = begun(&disk, limits(Retention::Unlimited, room));
    let mut writer = journal
        .begin_snapshot(SnapshotId(1), at(0), Framing::Length(1 << 20))
        .unwrap();
    writer.append(&[0; 262_144]).unwrap();
    let full = writer.append(&[0; 262_144]).unwrap_err();
    assert!(matches!(full, SpoolAppendError::Full { .. }), "{full}");
    // Nothing was written of what did not fit.
    assert_eq!(writer.written(), 262_144);
    assert_eq!(journal.stats(NOW).snapshot_bytes, 262_144);
    fill(&mut journal, 20_000).unwrap();
    journal.drop_snapshot().unwrap();
    fill(&mut journal, 200_000).unwrap();
    assert_eq!(journal.start(), Some(at(0)));
}

#[test]
fn space_that_must_stay_free_stays_free_and_it_goes_on_when_there_is_more() {
    let disk = FaultDisk::new();
    disk.set_capacity(50_000);
    let room = Room {
        cap_bytes: None,
        free_floor: 20_000,
    };
    let mut journal = begun(&disk, limits(Retention::Unlimited, room));
    fill(&mut journal, 100_000).unwrap();
    assert!(disk.used() <= 30_000, "{}", disk.used());
    assert!(journal.start().unwrap().offset > Offset(70_000));
    let removed = journal.trim().unwrap();
    assert!(removed.segments > 70, "{removed:?}");

    // Somebody else fills the disk.
    disk.put("somebody's", vec![0; 45_000]);
    let end = loop {
        let end = journal.end();
        match journal.append(&[1; 100], NOW) {
            Ok(()) => {}
            Err(AppendError::Full {
                lack: Lack::Free { floor: 20_000, .. },
                ..
            }) => break end,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(journal.end(), end);
    assert!(journal.append(&[1; 100], NOW).unwrap_err().is_disk_full());
    disk.lose("somebody's");
    journal.append(&[1; 100], NOW).unwrap();
    journal.seal_and_sync().unwrap();
}

#[test]
fn a_disk_that_is_full_stops_the_journal_until_it_is_opened_anew() {
    let disk = FaultDisk::new();
    disk.set_capacity(10_000);
    let mut journal = begun(&disk, limits(Retention::Unlimited, Room::default()));
    // A lease was given before somebody else took the space.
    journal.append(&[1; 100], NOW).unwrap();
    journal.seal_and_sync().unwrap();
    disk.put("somebody's", vec![0; 9_700]);
    journal.append(&[2; 500], NOW).unwrap();
    let full = journal.seal_and_sync().unwrap_err();
    let journal::SyncError::Stopped(stopped) = full;
    assert!(stopped.failure().is_disk_full());
    let after = journal.append(&[3; 1], NOW).unwrap_err();
    assert!(after.is_disk_full(), "{after}");
    let mut buffer = [0; 700];
    assert_eq!(journal.read(Offset(0), &mut buffer).unwrap(), 600);

    disk.lose("somebody's");
    drop(journal);
    let again = limits(Retention::Unlimited, Room::default());
    let (mut journal, recovery) = Journal::open(disk, again).unwrap();
    assert_eq!(journal.end(), Some(at(100)));
    assert!(recovery.torn_bytes > 0);
    journal.append(&[3; 500], NOW).unwrap();
    journal.seal_and_sync().unwrap();
}

#[test]
fn statistics_tell_size_and_age() {
    let disk = FaultDisk::new();
    let (mut journal, _) =
        Journal::open(disk.clone(), limits(Retention::Unlimited, Room::default())).unwrap();
    assert_eq!(journal.stats(NOW), Stats::default());
    journal.begin(at(100)).unwrap();
    assert_eq!(journal.stats(NOW).oldest_ms, None);
    journal.append(&[1; 10], Timestamp(4_000)).unwrap();
    journal.append(&[1; 10], Timestamp(4_500)).unwrap();
    let stats = |durable: u64| Stats {
        bytes: 20,
        segments: 1,
        oldest_ms: Some(1_000),
        snapshot_bytes: 0,
        durable: Some(Offset(durable)),
    };
    assert_eq!(journal.stats(NOW), stats(100));
    assert_eq!(journal.seal_and_sync().unwrap(), Some(Offset(120)));
    assert_eq!(journal.stats(NOW), stats(120));
    drop(journal);
    let again = limits(Retention::Unlimited, Room::default());
    let (journal, _) = Journal::open(disk, again).unwrap();
    assert_eq!(journal.stats(NOW), stats(120));
    // A clock that was set back makes nothing old.
    assert_eq!(journal.stats(Timestamp(1)).oldest_ms, Some(0));
}
