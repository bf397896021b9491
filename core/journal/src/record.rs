//! The record of one block: where it stands, how long it is, what its checksum is.

use bytes::{Buf as _, BufMut as _};

/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 40;
/// Bytes that a record's own checksum covers.
const CHECKED_BYTES: usize = 36;

/// Everything that checksums of one file depend on beside places and bytes: a checksum of what the
/// file is. Blocks and records of another file, or of an earlier file with this name, do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn of(identity: &[u8]) -> Self {
        Self(crc32c::crc32c(identity))
    }

    /// The checksum of a block: its place, its length, its bytes.
    pub(crate) fn checksum(self, start: u64, bytes: &[u8]) -> u32 {
        let length = bytes.len() as u64;
        let crc = crc32c::crc32c_append(self.0, &start.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &length.to_le_bytes());
        crc32c::crc32c_append(crc, bytes)
    }
}

/// One block, as the index file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Place of its first byte: for a stream the offset before it, for a snapshot its index.
    pub(crate) start: u64,
    /// When the first byte came, in milliseconds since the Unix epoch.
    pub(crate) when: u64,
    /// Everything before this place was durable when the record was written.
    pub(crate) synced: u64,
    /// Bytes.
    pub(crate) length: u32,
    /// [`Seed::checksum`].
    pub(crate) checksum: u32,
}

impl Record {
    /// The place behind the block.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(u64::from(self.length))
    }

    pub(crate) fn holds(&self, place: u64) -> bool {
        (self.start..self.end()).contains(&place)
    }

    pub(crate) fn encode(&self, seed: Seed) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD_BYTES);
        out.put_u64_le(self.start);
        out.put_u64_le(self.when);
        out.put_u64_le(self.synced);
        out.put_u32_le(self.length);
        out.put_u32_le(self.checksum);
        out.put_u32_le(0);
        out.put_u32_le(crc32c::crc32c_append(seed.0, &out));
        out
    }

    /// Reads a record; `None` when it is none of this file's.
    pub(crate) fn decode(bytes: &[u8; RECORD_BYTES], seed: Seed) -> Option<Self> {
        let (checked, mut stored) = bytes.split_at_checked(CHECKED_BYTES)?;
        if crc32c::crc32c_append(seed.0, checked) != stored.get_u32_le() {
            return None;
        }
        let mut fields = checked;
        let record = Self {
            start: fields.get_u64_le(),
            when: fields.get_u64_le(),
            synced: fields.get_u64_le(),
            length: fields.get_u32_le(),
            checksum: fields.get_u32_le(),
        };
        let reserved = fields.get_u32_le();
        let ends = record.start.checked_add(u64::from(record.length));
        (reserved == 0 && record.length > 0 && ends.is_some()).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_back_and_fit_no_other_file(
            start in 0..=u64::from(u32::MAX),
            when: u64,
            synced: u64,
            length in 1..=u32::MAX,
            checksum: u32,
            bit in 0usize..320,
        ) {
            let record = Record { start, when, synced, length, checksum };
            let (here, there) = (Seed::of(b"here"), Seed::of(b"there"));
            let bytes: [u8; RECORD_BYTES] = record.encode(here).try_into().unwrap();
            prop_assert_eq!(Record::decode(&bytes, here), Some(record));
            prop_assert_eq!(Record::decode(&bytes, there), None);
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Record::decode(&flipped, here), None);
        }
    }

    #[test]
    fn a_checksum_knows_place_and_length() {
        let seed = Seed::of(b"file");
        let sum = seed.checksum(7, b"abc");
        assert_ne!(sum, seed.checksum(8, b"abc"));
        assert_ne!(sum, seed.checksum(7, b"abc\0"));
        assert_ne!(sum, Seed::of(b"other").checksum(7, b"abc"));
        assert_ne!(seed.checksum(0, &[0; 4]), seed.checksum(0, &[0; 5]));
    }
}
