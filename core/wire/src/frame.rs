//! Frames: a 16-byte header, then the payload that it checks.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Data bytes of one snapshot or stream frame, at most.
pub const DATA_BYTES: usize = 256 * 1024;
/// Payload bytes of any other frame, at most.
const MESSAGE_BYTES: usize = 4096;
/// Before the data of a frame stands where they belong.
pub(crate) const PLACE_BYTES: usize = 8;
/// Before compressed data stands how many they are.
pub(crate) const RAW_LENGTH_BYTES: usize = 4;
/// What zstd adds to data that it cannot compress, at most.
const COMPRESSION_BYTES: usize = 1024;
/// The flag of data that are compressed.
const COMPRESSED: u8 = 0x01;

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

    /// Flags that a frame of this kind may have.
    fn flags(self) -> u8 {
        match self {
            Self::SnapshotData | Self::Stream => COMPRESSED,
            Self::Hello
            | Self::Continue
            | Self::Snapshot
            | Self::SnapshotEnd
            | Self::Barrier
            | Self::Heartbeat
            | Self::Refused
            | Self::Received
            | Self::Applied
            | Self::Promoted => 0,
        }
    }

    fn limit(self, compressed: bool) -> usize {
        match self {
            Self::SnapshotData | Self::Stream if compressed => {
                PLACE_BYTES + RAW_LENGTH_BYTES + DATA_BYTES + COMPRESSION_BYTES
            }
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

/// A whole frame whose checksum was right. One that is compressed has to go through
/// [`crate::Decompressor::open`] before it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
    pub(crate) compressed: bool,
}

impl Frame {
    /// The kind and the fields, when the payload is not compressed any more.
    pub(crate) fn opened(self) -> Result<(Kind, Bytes), FrameError> {
        if self.compressed {
            return Err(FrameError::BadPayload {
                kind: self.kind.name(),
                problem: "it is compressed and was not opened",
            });
        }
        Ok((self.kind, self.payload))
    }
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
    if (flags & !kind.flags(), reserved, reserved_too) != (0, 0, 0) {
        return Err(FrameError::ReservedSet { kind: name });
    }
    let compressed = flags & COMPRESSED != 0;
    let limit = kind.limit(compressed);
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
    Ok(Some(Frame {
        kind,
        payload,
        compressed,
    }))
}

/// The two kinds of frame that carry data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// Bytes of a snapshot's payload.
    Snapshot,
    /// Bytes of the stream.
    Stream,
}

impl DataKind {
    fn kind(self) -> Kind {
        match self {
            Self::Snapshot => Kind::SnapshotData,
            Self::Stream => Kind::Stream,
        }
    }
}

/// What stands before `data` on the wire, so that the data need not be copied: the header, then
/// the place of the first byte (its index in the snapshot, or the stream offset before it).
/// `data` has at most [`DATA_BYTES`] bytes.
#[must_use]
pub fn data_header(kind: DataKind, place: u64, data: &[u8]) -> [u8; HEADER_BYTES + PLACE_BYTES] {
    debug_assert!(data.len() <= DATA_BYTES, "callers cut data into frames");
    let place = place.to_le_bytes();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&place), data);
    let header = header(kind.kind(), 0, PLACE_BYTES + data.len(), checksum);
    let mut out = [0; HEADER_BYTES + PLACE_BYTES];
    for (to, from) in out.iter_mut().zip(header.into_iter().chain(place)) {
        *to = from;
    }
    out
}

/// Appends a data frame that is not compressed.
pub(crate) fn put_raw(kind: DataKind, place: u64, data: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_BYTES + PLACE_BYTES + data.len());
    out.extend_from_slice(&data_header(kind, place, data));
    out.extend_from_slice(data);
}

/// Appends what stands before compressed data; [`finish_compressed`] fills the header in.
pub(crate) fn start_compressed(place: u64, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(data.len() <= DATA_BYTES, "callers cut data into frames");
    let raw_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&[0; HEADER_BYTES]);
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(&raw_length.to_le_bytes());
}

/// The compressed data are whole, in the frame that begins at `start` and ends with `out`.
pub(crate) fn finish_compressed(kind: DataKind, start: usize, out: &mut [u8]) {
    let frame = out.get_mut(start..).unwrap_or_default();
    if let Some((head, payload)) = frame.split_first_chunk_mut() {
        debug_assert!(payload.len() <= kind.kind().limit(true), "zstd adds little");
        let checksum = crc32c::crc32c(payload);
        *head = header(kind.kind(), COMPRESSED, payload.len(), checksum);
    }
}

/// A frame with a small payload, whole.
pub(crate) fn encode(kind: Kind, payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= MESSAGE_BYTES, "messages are small");
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.extend_from_slice(&header(kind, 0, payload.len(), crc32c::crc32c(payload)));
    out.extend_from_slice(payload);
    out.into()
}

fn header(kind: Kind, flags: u8, length: usize, checksum: u32) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let [l0, l1, l2, l3] = length.to_le_bytes();
    let [c0, c1, c2, c3] = checksum.to_le_bytes();
    let kind = kind as u8;
    [
        l0, l1, l2, l3, kind, flags, 0, 0, c0, c1, c2, c3, 0, 0, 0, 0,
    ]
}

#[cfg(test)]
mod tests;
