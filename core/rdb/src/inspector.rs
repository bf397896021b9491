//! Looks at a snapshot's bytes as they pass by.

use crate::{
    crc64::crc64,
    header::{HEADER, Header},
};

/// Bytes of the checksum, and the mark before it.
const CHECKSUM: usize = 8;
const END: u8 = 0xff;
/// Page blobs are made of pages of 512 bytes: up to so many zeros may follow the snapshot.
const PADDING: usize = 511;
/// What is kept of a file's end until it is known to be its end.
const TAIL: usize = CHECKSUM + 1 + PADDING;

/// A file is not a whole snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// It does not begin like one.
    #[error("it is no RDB file: it begins with `{}`", begins.escape_ascii())]
    Foreign {
        /// Its first bytes.
        begins: Vec<u8>,
    },
    /// It does not end like one.
    #[error(
        "it is cut off: its {bytes} bytes do not end as a snapshot does; fetch or export it again"
    )]
    Cut {
        /// Its bytes.
        bytes: u64,
    },
    /// Its bytes are not those that were written.
    #[error(
        "its checksum is wrong ({computed:016x} where it says {stored:016x}): its bytes are not those that were written; fetch or export it again"
    )]
    Checksum {
        /// What its bytes come to.
        computed: u64,
        /// What it says.
        stored: u64,
    },
}

/// A whole snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    /// How it begins.
    pub header: Header,
    /// Its bytes, without what pads the file; where one could say so of the first zeros as well, with
    /// those, which loaders pass over.
    pub bytes: u64,
    /// It has a checksum, which is right. Engines can be told to write none.
    pub has_checksum: bool,
}

/// Looks at a file piece by piece.
#[derive(Debug, Default)]
pub struct Inspector {
    header: Option<Header>,
    bytes: u64,
    /// Of all bytes but those in `tail`.
    crc: u64,
    tail: Vec<u8>,
}

impl Inspector {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the file begins, once that is known.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// The bytes that were seen.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next bytes. The error comes as early as a file can be told not to be a snapshot.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        self.bytes += bytes.len() as u64;
        self.keep(bytes);
        if self.header.is_some() {
            return Ok(());
        }
        // Before that many bytes were seen, all of them are in the tail.
        match self.tail.first_chunk::<HEADER>() {
            Some(first) => {
                self.header = Header::read(first);
                self.header.map(|_known| ()).ok_or_else(|| self.foreign())
            }
            None => Ok(()),
        }
    }

    fn foreign(&self) -> Damaged {
        let begins = self.tail.iter().take(HEADER).copied().collect();
        Damaged::Foreign { begins }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if let Some(split) = bytes.len().checked_sub(TAIL)
            && self.header.is_some()
        {
            let (passed, tail) = bytes.split_at(split);
            self.crc = crc64(crc64(self.crc, &self.tail), passed);
            self.tail.clear();
            self.tail.extend_from_slice(tail);
            return;
        }
        self.tail.extend_from_slice(bytes);
        // Its beginning is looked at before it goes.
        if self.header.is_some() {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        if let Some(excess) = self.tail.len().checked_sub(TAIL) {
            let (passed, _) = self.tail.split_at(excess);
            self.crc = crc64(self.crc, passed);
            self.tail.drain(..excess);
        }
    }

    /// The file is over: says what it was.
    pub fn finish(mut self) -> Result<Inspected, Damaged> {
        let Some(header) = self.header else {
            return Err(self.foreign());
        };
        self.shorten();
        let mut without_checksum = None;
        let mut mismatch = None;
        let mut end = self.tail.len();
        loop {
            let at = self.tail.get(..end).and_then(trailer);
            if let Some((content, stored)) = at {
                let computed = crc64(self.crc, content);
                let padding = (self.tail.len() - end) as u64;
                let inspected = |has_checksum| Inspected {
                    header,
                    bytes: self.bytes - padding,
                    has_checksum,
                };
                if stored == computed {
                    return Ok(inspected(true));
                }
                if stored == 0 && without_checksum.is_none() {
                    without_checksum = Some(inspected(false));
                }
                mismatch.get_or_insert(Damaged::Checksum { computed, stored });
            }
            // Whatever follows the snapshot is zero.
            match end.checked_sub(1).and_then(|last| self.tail.get(last)) {
                Some(0) => end -= 1,
                Some(_) | None => break,
            }
        }
        let bytes = self.bytes;
        without_checksum.ok_or_else(|| mismatch.unwrap_or(Damaged::Cut { bytes }))
    }
}

/// The content before the checksum, and the checksum, of bytes that end as a snapshot does.
fn trailer(bytes: &[u8]) -> Option<(&[u8], u64)> {
    let (content, stored) = bytes.split_last_chunk::<CHECKSUM>()?;
    (content.last() == Some(&END)).then(|| (content, u64::from_le_bytes(*stored)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::Snapshot;

    fn inspect(bytes: &[u8], piece: usize) -> Result<Inspected, Damaged> {
        let mut inspector = Inspector::new();
        for piece in bytes.chunks(piece.max(1)) {
            inspector.handle_bytes(piece)?;
        }
        inspector.finish()
    }

    fn sample(value: &[u8]) -> Vec<u8> {
        Snapshot::new(9).string(b"key", value).finish()
    }

    proptest! {
        #[test]
        fn a_whole_snapshot_is_known_by_its_checksum(
            value in prop::collection::vec(any::<u8>(), 0..3_000),
            piece in 1_usize..2_000,
            padding in 0_usize..=511,
        ) {
            let mut file = sample(&value);
            let bytes = file.len() as u64;
            file.resize(file.len() + padding, 0);
            let inspected = inspect(&file, piece).unwrap();
            prop_assert!(inspected.has_checksum);
            // A checksum that begins with the mark is right with a zero behind it, too.
            let more = inspected.bytes - bytes;
            prop_assert!(more <= 8.min(padding as u64), "{more}");
            prop_assert_eq!(inspected.header.version, 9);
        }

        #[test]
        fn a_changed_byte_is_found(
            value in prop::collection::vec(any::<u8>(), 1..2_000),
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let mut file = sample(&value);
            let at = at.index(file.len() - 9 - 9) + 9;
            file[at] ^= flip;
            prop_assert!(inspect(&file, 700).is_err());
        }
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_not_whole() {
        let file = sample(&[7; 1_500]);
        for length in 0..file.len() {
            assert!(inspect(&file[..length], 64).is_err(), "{length}");
        }
        let cut = inspect(&file[..1_000], 64).unwrap_err().to_string();
        assert!(cut.contains("cut off: its 1000 bytes"), "{cut}");
    }

    #[test]
    fn what_is_no_snapshot_is_refused_with_its_first_piece() {
        let mut inspector = Inspector::new();
        let refused = inspector.handle_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0compressed");
        assert_eq!(
            refused.unwrap_err().to_string(),
            r"it is no RDB file: it begins with `\x1f\x8b\x08\x00\x00\x00\x00\x00\x00`"
        );
        assert!(matches!(
            inspect(b"", 1),
            Err(Damaged::Foreign { begins }) if begins.is_empty()
        ));
    }

    #[test]
    fn a_snapshot_without_a_checksum_is_taken_and_told() {
        let mut file = sample(b"value");
        let checksum = file.len() - 8;
        file[checksum..].fill(0);
        let inspected = inspect(&file, 5).unwrap();
        assert_eq!(
            (inspected.bytes, inspected.has_checksum),
            (file.len() as u64, false)
        );
    }
}
