//! Finds where a command begins in a stream that was cut anywhere.

use std::collections::BTreeSet;

use memchr::memmem;
use psync::Offset;
use relay::{KeptError, KeptStream};
use resp::{Kind, Piece, StreamLimits, StreamReader};

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;
/// Bytes that are read of a place first: most that are none are seen at once not to be.
const GLANCE: usize = 4 << 10;
/// So many bytes have to read as commands.
const PROOF: u64 = 8 << 20;

/// The first place at or behind `start` from which the stream reads as commands: for a good while,
/// or up to `end`. `None`: there is none.
pub(super) fn find<E: From<KeptError>>(
    stream: &mut KeptStream,
    start: Offset,
    end: Offset,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<Option<Offset>, E> {
    let mut proof = vec![0; WINDOW];
    // A value full of commands is not gone through for each of them.
    let mut wrong = BTreeSet::new();
    if start < end && reads(stream, (start, end), &mut proof, &mut wrong, go_on)? {
        return Ok(Some(start));
    }
    let pattern = b"\r\n*";
    let mut buffer = vec![0; WINDOW];
    let mut at = start;
    while at < end {
        go_on()?;
        let count = stream.read(at, &mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        for found in memmem::find_iter(bytes, pattern) {
            let place = at.advanced(found as u64 + 2);
            wrong = wrong.split_off(&place);
            if place >= end || wrong.contains(&place) {
                continue;
            }
            if reads(stream, (place, end), &mut proof, &mut wrong, go_on)? {
                return Ok(Some(place));
            }
        }
        if count < pattern.len() {
            break;
        }
        // A pattern may be cut by the window's end.
        at = at.advanced((count - pattern.len() + 1) as u64);
    }
    Ok(None)
}

/// Places that are found to be none together with `from` are added to `wrong`.
fn reads<E: From<KeptError>>(
    stream: &mut KeptStream,
    (from, end): (Offset, Offset),
    buffer: &mut [u8],
    wrong: &mut BTreeSet<Offset>,
    go_on: &impl Fn() -> Result<(), E>,
) -> Result<bool, E> {
    let mut reader = StreamReader::new(StreamLimits::default(), None);
    let mut at = from;
    let mut known = false;
    let mut ends = Vec::new();
    while at < end && at.since(from) < PROOF {
        go_on()?;
        let most = if at == from { GLANCE } else { WINDOW };
        let piece = buffer.get_mut(..most).unwrap_or_default();
        let count = match stream.read(at, piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.is_damage() => break,
            Err(error) => return Err(error.into()),
        };
        let mut rest = buffer.get(..count).unwrap_or_default();
        loop {
            match reader.next(&mut rest) {
                Ok(Some(Piece::Command(command))) => {
                    known |= command.kind != Kind::Unknown;
                    ends.push(from.advanced(command.end));
                }
                Ok(Some(Piece::Touch(_))) => {}
                Ok(None) => break,
                Err(_not_a_command) => {
                    wrong.extend(ends);
                    return Ok(false);
                }
            }
        }
        at = at.advanced(count as u64);
    }
    // A value may have anything in it; what engines propagate has commands that are known.
    Ok(known)
}
