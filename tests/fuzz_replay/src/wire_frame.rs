//! Frames of the WAN protocol, in both directions.

use bytes::BytesMut;
use wire::{Decompressor, Frame, FrameError, HEADER_BYTES, ToInbound, ToOutbound, take_frame};

use crate::take_byte;

/// Set in the first byte: make every checksum right.
const FIX: u8 = 1;

/// Frames do not depend on how the bytes arrive; a message is of one direction, and comes back
/// from its own bytes. The first byte chooses pieces and checksums.
pub fn wire_frame(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    let mut bytes = input.to_vec();
    if mode & FIX != 0 {
        fix_checksums(&mut bytes);
    }
    let whole = frames(&bytes, bytes.len());
    let piece = usize::from(mode >> 1) + 1;
    assert_eq!(whole, frames(&bytes, piece), "cut into {piece} bytes");
    let mut decompressor = Decompressor::new();
    for (frame, taken) in &whole.0 {
        let Ok(opened) = decompressor.open(frame.clone()) else {
            break;
        };
        let raw = (opened == *frame).then_some(taken.as_slice());
        examine(&opened, raw);
    }
}

/// Frames with their bytes, and what ended them.
type Taken = (Vec<(Frame, Vec<u8>)>, Option<FrameError>);

fn frames(bytes: &[u8], piece: usize) -> Taken {
    let mut buffer = BytesMut::new();
    let mut out = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            let before = buffer.clone();
            match take_frame(&mut buffer) {
                Ok(Some(frame)) => {
                    let length = before.len() - buffer.len();
                    assert!(length >= HEADER_BYTES, "a frame of {length} bytes");
                    out.push((frame, before[..length].to_vec()));
                }
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}

fn examine(frame: &Frame, raw: Option<&[u8]>) {
    let inbound = ToInbound::read(frame.clone());
    let outbound = ToOutbound::read(frame.clone());
    let both = inbound.is_ok() && outbound.is_ok();
    let beat = matches!(inbound, Ok(ToInbound::Heartbeat(_)));
    assert!(!both || beat, "{inbound:?} and {outbound:?}");
    if let Ok(message) = inbound {
        let encoded = message.encode();
        compare(&encoded, raw);
        let mut buffer = BytesMut::from(&encoded[..]);
        let frame = take_frame(&mut buffer);
        let again = frame.map(|frame| frame.map(ToInbound::read));
        assert_eq!(again, Ok(Some(Ok(message))));
    }
    if let Ok(message) = outbound {
        let encoded = message.encode();
        compare(&encoded, raw);
        let mut buffer = BytesMut::from(&encoded[..]);
        let frame = take_frame(&mut buffer);
        let again = frame.map(|frame| frame.map(ToOutbound::read));
        assert_eq!(again, Ok(Some(Ok(message))));
    }
}

/// A message has one encoding, unless it was compressed.
fn compare(encoded: &[u8], raw: Option<&[u8]>) {
    if let Some(raw) = raw {
        assert_eq!(encoded, raw);
    }
}

fn fix_checksums(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.len() >= HEADER_BYTES {
        let (header, behind) = rest.split_at_mut(HEADER_BYTES);
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let Some((payload, next)) = usize::try_from(length)
            .ok()
            .and_then(|length| behind.split_at_mut_checked(length))
        else {
            return;
        };
        header[8..12].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
        rest = next;
    }
}
