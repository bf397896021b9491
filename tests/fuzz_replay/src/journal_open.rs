//! A journal in files that anybody may have made.

use std::collections::BTreeMap;

use journal::{
    Found, Journal, Limits, Room, SnapshotId, Spool, SpoolReadError, SpoolReader, Unfinished,
};
use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position, ReplicationId};

use crate::{memory_disk::MemoryDisk, take, take_byte};

/// Set in the first byte: make every checksum right.
const FIX: u8 = 1;
/// Set in the first byte: the rest changes bytes of a journal that is whole.
const EDIT: u8 = 2;

const START: u64 = 1_000;

/// Files are opened or refused, what opens can be read or not, and what is read stays the same; a
/// journal that was whole before some bytes were changed gives right bytes or none.
///
/// The first byte chooses between files that are given whole (kind, number, length, bytes) and
/// changes of good ones (file, place, mask).
pub fn journal_open(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    if mode & EDIT != 0 {
        edited(input);
    } else {
        made(input, mode & FIX != 0);
    }
}

fn limits() -> Limits {
    Limits {
        segment_bytes: 400,
        retention: Retention::Unlimited,
        room: Room::default(),
    }
}

fn made(mut input: &[u8], fix: bool) {
    let mut files = BTreeMap::new();
    while !input.is_empty() {
        let kind = take_byte(&mut input);
        let number = take_byte(&mut input);
        let length = u16::from_le_bytes([take_byte(&mut input), take_byte(&mut input)]);
        let bytes = take(&mut input, usize::from(length)).to_vec();
        files.insert(name(kind, number), bytes);
    }
    if fix {
        fix_checksums(&mut files);
    }
    let disk = MemoryDisk::default();
    for (name, bytes) in files {
        disk.put(&name, bytes);
    }
    let alone = MemoryDisk::default();
    for (name, bytes) in disk.files() {
        alone.put(&name, bytes);
    }
    reopen_spool(alone);
    let Ok((mut journal, _)) = Journal::open(disk.clone(), limits()) else {
        Journal::discard(&disk).expect("a disk in memory");
        assert!(disk.files().keys().all(|name| name == "stranger"));
        return;
    };
    if let Some(mut reader) = journal.snapshot_reader() {
        read_snapshot(&mut reader);
    }
    let Some((start, end)) = journal.start().zip(journal.end()) else {
        return;
    };
    assert!(start.offset <= end.offset, "{start} {end}");
    assert!(journal.covers(&end).is_some());
    let held = read_all(&mut journal, start.offset, 8_191);
    assert_eq!(held, read_all(&mut journal, start.offset, 7));
    // It goes on, and comes back.
    let appended = journal.append(b"more", Timestamp(1));
    appended.expect("there is room in memory");
    journal.seal_and_sync().expect("a disk in memory");
    drop(journal);
    let (mut journal, recovery) = Journal::open(disk, limits()).expect("it was opened before");
    assert_eq!(recovery.torn_bytes, 0);
    assert_eq!(journal.start(), Some(start));
    assert_eq!(
        journal.end().map(|p| p.offset),
        Some(end.offset.advanced(4))
    );
    let again = read_all(&mut journal, start.offset, 8_191);
    if let Some(mut held) = held {
        held.extend_from_slice(b"more");
        assert_eq!(again, Some(held));
    }
}

/// Reads what is held; `None`: a part of it cannot be read.
fn read_all(journal: &mut Journal<MemoryDisk>, from: Offset, step: usize) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        let after = from.advanced(held.len() as u64);
        match journal.read(after, &mut buffer).ok()? {
            0 => break,
            count => held.extend_from_slice(&buffer[..count]),
        }
    }
    let end = journal.end()?.offset;
    assert_eq!(end.since(from), held.len() as u64);
    Some(held)
}

fn reopen_spool(disk: MemoryDisk) {
    let disk = std::sync::Arc::new(disk);
    let Ok(reopened) = Spool::reopen(disk, Room::default(), Unfinished::Keep) else {
        return;
    };
    match reopened.found {
        Some(Found::Whole(spool)) => drop(read_snapshot(&mut spool.reader())),
        Some(Found::Part(mut writer)) => {
            let before = writer.written();
            drop(read_snapshot(&mut writer.spool().reader()));
            if writer.append(b"x").is_ok() {
                assert_eq!(writer.sync().expect("a disk in memory"), before + 1);
            }
        }
        None => {}
    }
}

/// Reads a payload; `None`: a part of it cannot be read.
fn read_snapshot(reader: &mut SpoolReader<MemoryDisk>) -> Option<Vec<u8>> {
    let bytes = reader.info().bytes;
    let mut held = Vec::new();
    let mut buffer = [0; 77];
    while (held.len() as u64) < bytes {
        match reader.read(held.len() as u64, &mut buffer) {
            Ok(0) => panic!("nothing at {} of {bytes}", held.len()),
            Ok(count) => held.extend_from_slice(&buffer[..count]),
            Err(SpoolReadError::Corrupt { .. }) => return None,
            Err(error) => panic!("{error}"),
        }
    }
    Some(held)
}

fn edited(mut input: &[u8]) {
    let (disk, bytes, payload) = sample();
    let files = disk.files();
    while input.len() >= 4 {
        let file = usize::from(take_byte(&mut input)) % files.len();
        let place = u16::from_le_bytes([take_byte(&mut input), take_byte(&mut input)]);
        let mask = take_byte(&mut input);
        let (name, _) = files.iter().nth(file).expect("a file of that number");
        let mut content = disk.files().remove(name).expect("it was there before");
        let place = usize::from(place) % (content.len() + 1);
        match content.get_mut(place) {
            Some(byte) => *byte ^= mask,
            // Behind the end.
            None => content.push(mask),
        }
        disk.put(name, content);
    }
    let Ok((mut journal, _)) = Journal::open(disk, limits()) else {
        return;
    };
    if let Some(mut reader) = journal.snapshot_reader()
        && let Some(held) = read_snapshot(&mut reader)
    {
        assert_eq!(held, payload);
    }
    let Some((start, end)) = journal.start().zip(journal.end()) else {
        return;
    };
    for (id, low, high) in [(1, 0, 450), (2, 450, 900)] {
        for place in [0, 1, 399, 450, 451, 900] {
            let position = Position::new(replid(id), Offset(START + place));
            let right = (low..=high).contains(&place);
            assert!(right || journal.covers(&position).is_none(), "{position}");
        }
    }
    let mut after = start.offset;
    let mut buffer = [0; 100];
    while let Ok(count @ 1..) = journal.read(after, &mut buffer) {
        let from = usize::try_from(after.0 - START).expect("a small offset");
        assert_eq!(buffer[..count], bytes[from..from + count]);
        after = after.advanced(count as u64);
    }
    assert!(after <= end.offset);
}

/// A journal of three segments, a fork and a snapshot, with what is in them.
fn sample() -> (MemoryDisk, Vec<u8>, Vec<u8>) {
    let disk = MemoryDisk::default();
    let bytes: Vec<u8> = (0..900u32)
        .map(|n| (n * 7 % 251).to_le_bytes()[0])
        .collect();
    let payload = b"a payload of no great length".to_vec();
    let opened = Journal::open(disk.clone(), limits());
    let (mut journal, _) = opened.expect("an empty disk");
    let start = Position::new(replid(1), Offset(START));
    journal.begin(start).expect("a disk in memory");
    let framing = Framing::Length(payload.len() as u64);
    let spool = journal.begin_snapshot(SnapshotId(1), start, framing);
    let mut spool = spool.expect("a disk in memory");
    spool.append(&payload).expect("its length was announced");
    spool.complete().expect("it is whole");
    for (number, piece) in bytes.chunks(150).enumerate() {
        if number == 3 {
            journal.fork(replid(2)).expect("a disk in memory");
        }
        let now = Timestamp(number as u64);
        journal.append(piece, now).expect("a disk in memory");
        journal.seal_and_sync().expect("a disk in memory");
    }
    drop(journal);
    (disk, bytes, payload)
}

/// Inputs to begin with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let (disk, ..) = sample();
    let files = disk.files();
    for mode in [0, FIX] {
        out.push(listing(mode, &files));
        // Without one of the files, and with one of them cut.
        for name in files.keys() {
            let mut fewer = files.clone();
            fewer.remove(name);
            out.push(listing(mode, &fewer));
            let mut shorter = files.clone();
            if let Some(content) = shorter.get_mut(name) {
                content.truncate(content.len() * 2 / 3);
            }
            out.push(listing(mode, &shorter));
        }
    }
    for file in 0..=u8::MAX >> 4 {
        out.push(vec![EDIT, file, 50 * (file % 3), 0, 1]);
        out.push(vec![EDIT, file, 200, 1, 0x80, file + 1, 10, 0, 2]);
    }
    let alone = MemoryDisk::default();
    for complete in [false, true] {
        let position = Position::new(replid(1), Offset(START));
        let mark = Framing::Eof("m".repeat(40).parse().expect("40 letters and digits"));
        let disk = std::sync::Arc::new(alone.clone());
        let writer = Spool::create(disk, Room::default(), SnapshotId(7), position, mark);
        let mut writer = writer.expect("a disk in memory");
        for piece in [[1; 50], [2; 50]] {
            writer.append(&piece).expect("a disk in memory");
            writer.sync().expect("a disk in memory");
        }
        if complete {
            writer.complete().expect("a disk in memory");
        }
        out.push(listing(0, &alone.files()));
        out.push(listing(FIX, &alone.files()));
    }
    out
}

/// The input that stands for files.
fn listing(mode: u8, files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut out = vec![mode];
    for kind in 0..7 {
        for number in 0..16 {
            if let Some(content) = files.get(&name(kind, number)) {
                out.extend_from_slice(&[kind, number]);
                let length = u16::try_from(content.len()).expect("samples are small");
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(content);
            }
        }
    }
    out
}

fn replid(id: u8) -> ReplicationId {
    let text = format!("{id:02x}").repeat(20);
    text.parse().expect("40 hexadecimal characters")
}

fn name(kind: u8, number: u8) -> String {
    match kind % 7 {
        0 => format!("{number:016x}.stream"),
        1 => format!("{number:016x}.index"),
        2 => format!("snapshot-{number:016x}.meta"),
        3 => format!("snapshot-{number:016x}.payload"),
        4 => format!("snapshot-{number:016x}.blocks"),
        5 => format!("snapshot-{number:016x}.meta.new"),
        _ => "stranger".to_owned(),
    }
}

/// Makes headers, records and blocks fit, as `docs/format/journal.md` says.
fn fix_checksums(files: &mut BTreeMap<String, Vec<u8>>) {
    for number in 0..=u8::MAX {
        fix_pair(files, [0, 0, 1].map(|kind| name(kind, number)), 128, 124);
        fix_pair(files, [2, 3, 4].map(|kind| name(kind, number)), 144, 140);
    }
}

fn fix_pair(
    files: &mut BTreeMap<String, Vec<u8>>,
    [head, data, index]: [String; 3],
    head_bytes: usize,
    checked: usize,
) {
    let Some(header) = files.get_mut(&head) else {
        return;
    };
    if header.len() < head_bytes {
        return;
    }
    let sum = crc32c::crc32c(&header[..checked]);
    header[checked..head_bytes].copy_from_slice(&sum.to_le_bytes());
    let seed = crc32c::crc32c(&header[..124]);
    let (from, start) = if head == data {
        (head_bytes, u64_at(header, 32))
    } else {
        (0, 0)
    };
    let data = files.get(&data).cloned().unwrap_or_default();
    let Some(index) = files.get_mut(&index) else {
        return;
    };
    for record in index.chunks_exact_mut(40) {
        let place = u64_at(record, 0);
        let length = u64_at(record, 24) & 0xffff_ffff;
        let at = place
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| at.checked_add(from));
        let block = at
            .zip(usize::try_from(length).ok())
            .and_then(|(at, length)| data.get(at..at.checked_add(length)?));
        if let Some(block) = block {
            let sum = crc32c::crc32c_append(seed, &place.to_le_bytes());
            let sum = crc32c::crc32c_append(sum, &length.to_le_bytes());
            let sum = crc32c::crc32c_append(sum, block);
            record[28..32].copy_from_slice(&sum.to_le_bytes());
        }
        let sum = crc32c::crc32c_append(seed, &record[..36]);
        record[36..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(field)
}
