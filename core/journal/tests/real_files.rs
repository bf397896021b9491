//! The journal and the spool on a real file system.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use journal::{
    Disk as _, Found, FsDisk, Journal, Limits, ReadError, ReaderId, Room, SnapshotId, Spool,
    SpoolReadError, Unfinished,
};
use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position, ReplicationId};

const NOW: Timestamp = Timestamp(1_000_000);

#[test]
fn a_stream_comes_back_after_reopening_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = noise(300_000);
    let (mut journal, _) = Journal::open(disk(dir.path()), small()).unwrap();
    journal.begin(at('a', 1_000)).unwrap();
    for piece in bytes.chunks(7_001) {
        journal.append(piece, NOW).unwrap();
    }
    assert_eq!(read_all(&mut journal, 1_000), bytes);
    journal.seal_and_sync().unwrap();
    drop(journal);

    let (mut journal, recovery) = Journal::open(disk(dir.path()), small()).unwrap();
    assert_eq!(recovery, journal::Recovery::default());
    assert_eq!(journal.start(), Some(at('a', 1_000)));
    assert_eq!(journal.end(), Some(at('a', 301_000)));
    assert_eq!(journal.durable(), Some(Offset(301_000)));
    journal.fork(id('b')).unwrap();
    journal.append(b"more", NOW).unwrap();
    assert_eq!(journal.covers(&at('a', 1_000)), Some(at('b', 1_000)));
    assert_eq!(journal.covers(&at('a', 301_000)), Some(at('b', 301_000)));
    assert_eq!(journal.covers(&at('a', 301_001)), None);
    assert_eq!(journal.covers(&at('b', 300_999)), None);
    assert_eq!(journal.covers(&at('b', 301_004)), Some(at('b', 301_004)));
    let mut expected = bytes;
    expected.extend_from_slice(b"more");
    assert_eq!(read_all(&mut journal, 1_000), expected);
    assert!(matches!(
        journal.read(Offset(999), &mut [0]),
        Err(ReadError::Gone { .. })
    ));
    assert!(matches!(
        journal.read(Offset(301_005), &mut [0]),
        Err(ReadError::Ahead { .. })
    ));
}

#[test]
fn files_are_private_and_a_beginning_removes_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("deep/inside");
    let (mut journal, _) = Journal::open(disk(&inside), small()).unwrap();
    journal.begin(at('a', 0)).unwrap();
    journal.append(&noise(200_000), NOW).unwrap();
    let mut spool = journal
        .begin_snapshot(SnapshotId(1), at('a', 0), Framing::Length(3))
        .unwrap();
    spool.append(b"rdb").unwrap();
    spool.complete().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    let files = || -> Vec<_> {
        let entries = std::fs::read_dir(&inside).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert!(files().len() > 5);
    assert!(files().iter().all(|path| mode(path) == 0o600));
    journal.begin(at('c', 7)).unwrap();
    assert_eq!(files().len(), 2, "{:?}", files());
    assert_eq!(journal.snapshot(), None);
    drop(journal);
    Journal::discard(&disk(&inside)).unwrap();
    assert_eq!(files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_sync_is_waited_for_beside_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(disk(dir.path()), small()).unwrap();
    journal.begin(at('a', 0)).unwrap();
    assert!(journal.prepare_sync().unwrap().is_none());
    journal.append(b"first", NOW).unwrap();
    let work = journal.prepare_sync().unwrap().unwrap();
    journal.append(b"second", NOW).unwrap();
    assert_eq!(journal.durable(), Some(Offset(0)));
    let durable = journal.finish_sync(work.run()).unwrap();
    assert_eq!(durable, Some(Offset(5)));
    // Of a history that is forgotten meanwhile, nothing counts.
    let work = journal.prepare_sync().unwrap().unwrap();
    journal.begin(at('b', 3)).unwrap();
    assert_eq!(journal.finish_sync(work.run()).unwrap(), Some(Offset(3)));
}

#[test]
fn a_snapshot_is_read_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let payload = noise(2_000_000);
    let (mut journal, _) = Journal::open(disk(dir.path()), small()).unwrap();
    journal.begin(at('a', 5)).unwrap();
    let mark = "m".repeat(40).parse().unwrap();
    let mut writer = journal
        .begin_snapshot(SnapshotId(7), at('a', 5), Framing::Eof(mark))
        .unwrap();
    let reader = journal.snapshot_reader().unwrap();
    let mut held = Vec::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut reader = reader.clone();
            let mut held = Vec::new();
            let mut buffer = vec![0; 100_000];
            loop {
                let complete = reader.info().complete;
                let count = reader.read(held.len() as u64, &mut buffer).unwrap();
                held.extend_from_slice(&buffer[..count]);
                if complete && count == 0 {
                    return held;
                }
                std::thread::yield_now();
            }
        });
        for piece in payload.chunks(33_333) {
            writer.append(piece).unwrap();
        }
        writer.complete().unwrap();
        held = reading.join().unwrap();
    });
    assert_eq!(held, payload);
    let info = journal.snapshot().unwrap();
    assert_eq!((info.bytes, info.complete), (2_000_000, true));
    journal.drop_snapshot().unwrap();
    let mut reader = reader;
    assert!(matches!(
        reader.read(0, &mut [0]),
        Err(SpoolReadError::Removed)
    ));
}

#[test]
fn a_spool_without_a_journal_goes_on_where_it_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let payload = noise(1_000_000);
    let framing = Framing::Length(1_000_000);
    let fs = || Arc::new(disk(dir.path()));
    let mut writer =
        Spool::create(fs(), Room::default(), SnapshotId(9), at('a', 1), framing).unwrap();
    writer.append(&payload[..700_000]).unwrap();
    drop(writer);

    let reopened = Spool::reopen(fs(), Room::default(), Unfinished::Keep).unwrap();
    let Some(Found::Part(mut writer)) = reopened.found else {
        panic!("{reopened:?}");
    };
    let have = writer.written();
    assert_eq!(have, 2 * 262_144, "whole blocks");
    writer.append(&payload[524_288..]).unwrap();
    let spool = writer.complete().unwrap();
    let mut buffer = vec![0; 1_000_001];
    assert_eq!(spool.reader().read(0, &mut buffer).unwrap(), 1_000_000);
    assert_eq!(buffer[..1_000_000], payload);

    let reopened = Spool::reopen(fs(), Room::default(), Unfinished::Remove).unwrap();
    let Some(Found::Whole(spool)) = reopened.found else {
        panic!("{reopened:?}");
    };
    assert_eq!(spool.info().position, at('a', 1));
    assert_eq!(spool.reader().read(999_999, &mut buffer).unwrap(), 1);
    spool.remove().unwrap();
    assert_eq!(fs().list().unwrap(), Vec::<String>::new());
}

#[test]
fn retention_removes_whole_segments_and_tells_who_needed_them() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        segment_bytes: 1_000,
        retention: Retention::Bytes(2_500),
        ..Limits::default()
    };
    let (mut journal, _) = Journal::open(disk(dir.path()), limits).unwrap();
    journal.begin(at('a', 0)).unwrap();
    journal.pin(ReaderId(1), Offset(0));
    journal.pin(ReaderId(2), Offset(3_000));
    for step in 0..50 {
        journal.append(&[7; 100], Timestamp(1_000 + step)).unwrap();
    }
    journal.seal_and_sync().unwrap();
    let trimmed = journal.trim().unwrap();
    assert_eq!((trimmed.segments, trimmed.bytes), (2, 2_000));
    assert_eq!(trimmed.readers, [ReaderId(1)]);
    assert!(journal.trim().unwrap().is_empty());
    assert_eq!(journal.start(), Some(at('a', 2_000)));
    let stats = journal.stats(Timestamp(2_000));
    assert_eq!((stats.bytes, stats.segments), (3_000, 3));
    assert_eq!(stats.oldest_ms, Some(980));
}

fn disk(path: &Path) -> FsDisk {
    FsDisk::new(path).unwrap()
}

fn small() -> Limits {
    Limits {
        segment_bytes: 70_000,
        ..Limits::default()
    }
}

fn id(letter: char) -> ReplicationId {
    letter.to_string().repeat(40).parse().unwrap()
}

fn at(letter: char, offset: u64) -> Position {
    Position::new(id(letter), Offset(offset))
}

fn read_all(journal: &mut Journal, from: u64) -> Vec<u8> {
    let mut held = Vec::new();
    let mut buffer = vec![0; 10_000];
    loop {
        let after = Offset(from + held.len() as u64);
        let count = journal.read(after, &mut buffer).unwrap();
        if count == 0 {
            return held;
        }
        held.extend_from_slice(&buffer[..count]);
    }
}

/// Bytes that do not repeat.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(count + 8);
    while out.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(count);
    out
}
