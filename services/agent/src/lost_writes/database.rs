//! Finds out which database was selected at a place of the stream, from what stands before it.

use memchr::memmem;
use psync::Offset;
use relay::{KeptError, KeptStream};
use resp::{Piece, StreamLimits, StreamReader};

/// As the engines write it.
const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$";
/// Bytes that are read at once.
const WINDOW: u64 = 1 << 20;
/// Bytes that are read first to see whether what looks like a `SELECT` is one: most that are part
/// of a value are seen at once not to be.
const GLANCE: u64 = 4 << 10;
/// After so many that are none, no more are looked at.
const FALSE_ONES: u32 = 1 << 20;

/// Searches backwards for the last `SELECT` before `place`, and verifies it: from there the stream
/// has to read as commands exactly up to `place`. `None`: there is none as far as `start`, or what
/// is kept there cannot be read.
pub(super) fn selected_at<E: From<KeptError>>(
    stream: &mut KeptStream,
    start: Offset,
    place: Offset,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<Option<u32>, E> {
    let mut buffer = vec![0; to_usize(WINDOW)];
    let mut window = vec![0; to_usize(WINDOW) + SELECT.len()];
    let mut to = place;
    let mut false_ones = 0;
    let mut last_false = None;
    while to > start {
        go_on()?;
        let from = Offset(to.0.saturating_sub(WINDOW).max(start.0));
        // One that begins in this window may end in the next.
        let end = to.advanced(SELECT.len() as u64).min(place);
        let Some(bytes) = window.get_mut(..to_usize(end.since(from))) else {
            return Ok(None);
        };
        if !fill(stream, from, bytes)? {
            return Ok(None);
        }
        for at in memmem::rfind_iter(bytes, SELECT) {
            let found = from.advanced(at as u64);
            if found >= to {
                continue;
            }
            if let Some(database) = verify(stream, (found, place), last_false, &mut buffer, go_on)?
            {
                return Ok(Some(database));
            }
            last_false = Some(found);
            false_ones += 1;
            if false_ones >= FALSE_ONES {
                return Ok(None);
            }
        }
        to = from;
    }
    Ok(None)
}

/// Reads as commands from `from` exactly up to `to`; tells which database is selected then. From
/// `wrong` it does not, so that a value full of commands is not gone through for each of them.
fn verify<E: From<KeptError>>(
    stream: &mut KeptStream,
    (from, to): (Offset, Offset),
    wrong: Option<Offset>,
    buffer: &mut [u8],
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<Option<u32>, E> {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    let mut at = from;
    while at < to {
        go_on()?;
        let most = if at == from { GLANCE } else { WINDOW };
        let wanted = to.since(at).min(most);
        let Some(bytes) = buffer.get_mut(..to_usize(wanted)) else {
            return Ok(None);
        };
        if !fill(stream, at, bytes)? {
            return Ok(None);
        }
        let mut rest = &*bytes;
        loop {
            match reader.next(&mut rest) {
                Ok(Some(Piece::Command(command))) => {
                    if Some(from.advanced(command.end)) == wrong {
                        return Ok(None);
                    }
                }
                Ok(Some(Piece::Touch(_))) => {}
                Ok(None) => break,
                Err(_not_a_command) => return Ok(None),
            }
        }
        at = at.advanced(wanted);
    }
    let whole = reader.whole_to() == to.since(from) && !reader.in_transaction();
    Ok(reader.database().filter(|_| whole))
}

/// Reads exactly these bytes; `false`: they cannot be had.
fn fill(stream: &mut KeptStream, from: Offset, bytes: &mut [u8]) -> Result<bool, KeptError> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(from.advanced(filled as u64), rest) {
            Ok(0) => return Ok(false),
            Ok(count) => filled += count,
            // What is damaged here was sent long ago.
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
