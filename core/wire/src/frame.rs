//! Frames: a 16-byte header, then the payload that it checks.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Data bytes of one snapshot or stream frame, at most.
pub const DATA_BYTES: usize = 256 * 1024;
/// Payload bytes of any other frame, at most.
const MESSAGE_BYTES: usize = 4096;
/// Before the data of a frame stands where they belong.
const PLACE_BYTES: usize = 8;

/// Every kind of frame there is, in both directions. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hello = 1,
    Continue = 2,
    Snapshot = 3,
    SnapshotData = 4,
    SnapshotEnd = 5,
    Stream = 6,
    Barrier = 7,
    Heartbeat = 8,
    Refused = 9,
    Received = 10,
    Applied = 11,
    Promoted = 12,
}

const KINDS: [Kind; 12] = [
    Kind::Hello,
    Kind::Continue,
    Kind::Snapshot,
    Kind::SnapshotData,
    Kind::SnapshotEnd,
    Kind::Stream,
    Kind::Barrier,
    Kind::Heartbeat,
    Kind::Refused,
    Kind::Received,
    Kind::Applied,
    Kind::Promoted,
];

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        KINDS.into_iter().find(|kind| *kind as u8 == number)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Continue => "continue",
            Self::Snapshot => "snapshot",
            Self::SnapshotData => "snapshot data",
            Self::SnapshotEnd => "snapshot end",
            Self::Stream => "stream",
            Self::Barrier => "barrier",
            Self::Heartbeat => "heartbeat",
            Self::Refused => "refused",
            Self::Received => "received",
            Self::Applied => "applied",
            Self::Promoted => "promoted",
        }
    }

    fn limit(self) -> usize {
        match self {
            Self::SnapshotData | Self::Stream => PLACE_BYTES + DATA_BYTES,
            Self::Hello
            | Self::Continue
            | Self::Snapshot
            | Self::SnapshotEnd
            | Self::Barrier
            | Self::Heartbeat
            | Self::Refused
            | Self::Received
            | Self::Applied
            | Self::Promoted => MESSAGE_BYTES,
        }
    }
}

/// A whole frame whose checksum was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
}

/// The bytes are not the WAN protocol, or were damaged. Nothing more can be read from them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A kind that this version does not know.
    #[error("frame of unknown kind {0}")]
    UnknownKind(u8),
    /// A header field that must be zero is not.
    #[error("{kind} frame with reserved header bits set")]
    ReservedSet {
        /// The frame's kind.
        kind: &'static str,
    },
    /// Longer than its kind may be.
    #[error("{kind} frame of {length} bytes, at most {limit} are allowed")]
    TooLong {
        /// The frame's kind.
        kind: &'static str,
        /// The announced payload.
        length: u32,
        /// The longest payload of that kind.
        limit: usize,
    },
    /// The payload is not what was sent.
    #[error("{kind} frame with checksum {found:08x}, its payload has {computed:08x}")]
    BadChecksum {
        /// The frame's kind.
        kind: &'static str,
        /// What the header says.
        found: u32,
        /// What the payload says.
        computed: u32,
    },
    /// A payload that is not its kind's.
    #[error("{kind} frame: {problem}")]
    BadPayload {
        /// The frame's kind.
        kind: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A kind that only the other side sends.
    #[error("{kind} frame from the side that receives it")]
    WrongDirection {
        /// The frame's kind.
        kind: &'static str,
    },
}

/// Takes the first frame off `buffer`. `Ok(None)`: it is not whole yet, and the buffer needs room
/// for no more than one frame of the largest size.
pub fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(mut header) = buffer.get(..HEADER_BYTES) else {
        return Ok(None);
    };
    let length = header.get_u32_le();
    let number = header.get_u8();
    let flags = header.get_u8();
    let reserved = header.get_u16_le();
    let found = header.get_u32_le();
    let reserved_too = header.get_u32_le();
    let kind = Kind::from_number(number).ok_or(FrameError::UnknownKind(number))?;
    let name = kind.name();
    if (flags, reserved, reserved_too) != (0, 0, 0) {
        return Err(FrameError::ReservedSet { kind: name });
    }
    let limit = kind.limit();
    let size = match usize::try_from(length) {
        Ok(size) if size <= limit => size,
        Ok(_) | Err(_) => {
            return Err(FrameError::TooLong {
                kind: name,
                length,
                limit,
            });
        }
    };
    if buffer.len() < HEADER_BYTES + size {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    let payload = buffer.split_to(size).freeze();
    let computed = crc32c::crc32c(&payload);
    if computed != found {
        return Err(FrameError::BadChecksum {
            kind: name,
            found,
            computed,
        });
    }
    Ok(Some(Frame { kind, payload }))
}

/// The two kinds of frame that carry data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// Bytes of a snapshot's payload.
    Snapshot,
    /// Bytes of the stream.
    Stream,
}

/// What stands before `data` on the wire, so that the data need not be copied: the header, then
/// the place of the first byte (its index in the snapshot, or the stream offset before it).
/// `data` has at most [`DATA_BYTES`] bytes.
#[must_use]
pub fn data_header(kind: DataKind, place: u64, data: &[u8]) -> [u8; HEADER_BYTES + PLACE_BYTES] {
    debug_assert!(data.len() <= DATA_BYTES, "callers cut data into frames");
    let kind = match kind {
        DataKind::Snapshot => Kind::SnapshotData,
        DataKind::Stream => Kind::Stream,
    };
    let place = place.to_le_bytes();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&place), data);
    let header = header(kind, PLACE_BYTES + data.len(), checksum);
    let mut out = [0; HEADER_BYTES + PLACE_BYTES];
    for (to, from) in out.iter_mut().zip(header.into_iter().chain(place)) {
        *to = from;
    }
    out
}

/// A frame with a small payload, whole.
pub(crate) fn encode(kind: Kind, payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= MESSAGE_BYTES, "messages are small");
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(&header(kind, payload.len(), crc32c::crc32c(payload)));
    out.extend_from_slice(payload);
    out.into()
}

fn header(kind: Kind, length: usize, checksum: u32) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let [l0, l1, l2, l3] = length.to_le_bytes();
    let [c0, c1, c2, c3] = checksum.to_le_bytes();
    let kind = kind as u8;
    [l0, l1, l2, l3, kind, 0, 0, 0, c0, c1, c2, c3, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests;
