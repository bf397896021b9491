//! The header of a segment's stream file: what the segment is.

use bytes::{Buf as _, BufMut as _};
use psync::{Offset, ReplicationId};

use crate::record::Seed;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 128;
/// The format's version.
pub(crate) const VERSION: u16 = 1;
/// Stream bytes of a block, at most.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// Blocks of a segment, at most: an idle stream makes a small block at every sync.
pub(crate) const BLOCKS: u64 = 1 << 16;
/// The highest offset that the engines can count to.
pub(crate) const HIGHEST_OFFSET: Offset = Offset(i64::MAX as u64);

const MAGIC: [u8; 8] = *b"godwit-j";
const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// What a segment is. Histories meet where `before` differs from `replid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its number; each segment has one more than the one before.
    pub(crate) sequence: u64,
    /// The number of the first segment since the journal was begun. What is older is forgotten.
    pub(crate) first: u64,
    /// The offset before its first byte.
    pub(crate) start: Offset,
    /// The replication ID of its bytes.
    pub(crate) replid: ReplicationId,
    /// The replication ID in force up to `start`; [`ReplicationId::UNSET`] where a history begins.
    pub(crate) before: ReplicationId,
}

/// The bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// Too few, or damaged.
    Bad,
    /// Of a version that came after this one.
    Newer(u16),
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.put_slice(&MAGIC);
        out.put_u16_le(VERSION);
        out.put_bytes(0, 6);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.first);
        out.put_u64_le(self.start.0);
        out.put_slice(self.replid.as_str().as_bytes());
        out.put_slice(self.before.as_str().as_bytes());
        out.put_bytes(0, 4);
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NoHeader> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(NoHeader::Bad)?;
        let (checked, mut stored) = bytes.split_at_checked(CHECKED_BYTES).ok_or(NoHeader::Bad)?;
        let mut fields = checked.strip_prefix(&MAGIC).ok_or(NoHeader::Bad)?;
        let version = fields.get_u16_le();
        if version > VERSION {
            return Err(NoHeader::Newer(version));
        }
        if version != VERSION || crc32c::crc32c(checked) != stored.get_u32_le() {
            return Err(NoHeader::Bad);
        }
        fields.advance(6);
        let header = Self {
            sequence: fields.get_u64_le(),
            first: fields.get_u64_le(),
            start: Offset(fields.get_u64_le()),
            replid: take_id(&mut fields)?,
            before: take_id(&mut fields)?,
        };
        if header.start > HIGHEST_OFFSET || header.encode() != bytes {
            return Err(NoHeader::Bad);
        }
        Ok(header)
    }

    /// Of all fields; not of the checksum behind them, with which every header has the same.
    pub(crate) fn seed(&self) -> Seed {
        Seed::of(self.encode().get(..CHECKED_BYTES).unwrap_or_default())
    }
}

fn take_id(fields: &mut &[u8]) -> Result<ReplicationId, NoHeader> {
    let (text, rest) = fields.split_at_checked(40).ok_or(NoHeader::Bad)?;
    *fields = rest;
    let text = str::from_utf8(text).map_err(|_not_utf8| NoHeader::Bad)?;
    text.parse().map_err(|_not_an_id| NoHeader::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_every_flipped_bit_is_seen() {
        let header = Header {
            sequence: 9,
            first: 4,
            start: Offset(1_234_567),
            replid: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            before: ReplicationId::UNSET,
        };
        let bytes = header.encode();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Ok(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..HEADER_BYTES {
            assert_eq!(Header::decode(&bytes[..length]), Err(NoHeader::Bad));
        }
    }

    #[test]
    fn every_field_makes_another_seed() {
        let id = |text: &str| text.repeat(40).parse().unwrap();
        let one = Header {
            sequence: 9,
            first: 4,
            start: Offset(1_234_567),
            replid: id("a"),
            before: id("b"),
        };
        for other in [
            Header {
                sequence: 10,
                ..one
            },
            Header { first: 5, ..one },
            Header {
                start: Offset(1_234_568),
                ..one
            },
            Header {
                replid: id("c"),
                ..one
            },
            Header {
                before: id("c"),
                ..one
            },
        ] {
            assert_ne!(one.seed(), other.seed(), "{other:?}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = Header {
            sequence: 1,
            first: 1,
            start: Offset(0),
            replid: ReplicationId::UNSET,
            before: ReplicationId::UNSET,
        }
        .encode();
        bytes[8] = 2;
        assert_eq!(Header::decode(&bytes), Err(NoHeader::Newer(2)));
    }
}
