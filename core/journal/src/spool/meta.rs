//! The meta file: what a snapshot is, and whether it is whole.

use bytes::{Buf as _, BufMut as _};
use psync::{EofMark, Framing, Offset, Position};

use super::SnapshotId;
use crate::{
    Disk, DiskFile, Failure,
    blocks::Shape,
    failure::Attempted as _,
    file_name::{DIRECTORY, FileName},
    record::Seed,
};

/// Bytes of a meta file.
pub(super) const META_BYTES: usize = 144;
/// The format's version.
const VERSION: u16 = 1;
/// Payload bytes of a block, at most.
const BLOCK_BYTES: usize = 256 << 10;
const MAGIC: [u8; 8] = *b"godwit-s";
const CHECKED_BYTES: usize = META_BYTES - 4;
/// Up to here it never changes.
const IDENTITY_BYTES: usize = 124;
const MARK_BYTES: usize = 40;

/// What a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) id: SnapshotId,
    /// The number of the first segment of the journal it belongs to; 0 without a journal.
    pub(super) owner: u64,
    pub(super) position: Position,
    pub(super) framing: Framing,
    /// Bytes of the payload when it is whole.
    pub(super) whole: Option<u64>,
}

/// The bytes are no meta file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMeta {
    /// Too few, too many, or damaged.
    Bad,
    /// Of a version that came after this one.
    Newer(u16),
}

impl Meta {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(META_BYTES);
        out.put_slice(&MAGIC);
        out.put_u16_le(VERSION);
        match self.framing {
            Framing::Length(_) => out.put_u16_le(0),
            Framing::Eof(_) => out.put_u16_le(1),
        }
        out.put_u64_le(self.id.0);
        out.put_u64_le(self.owner);
        out.put_u64_le(self.position.offset.0);
        out.put_slice(self.position.replid.as_str().as_bytes());
        match &self.framing {
            Framing::Length(bytes) => {
                out.put_u64_le(*bytes);
                out.put_bytes(0, MARK_BYTES);
            }
            Framing::Eof(mark) => {
                out.put_u64_le(0);
                out.put_slice(mark.as_str().as_bytes());
            }
        }
        out.put_u64_le(u64::from(self.whole.is_some()));
        out.put_u64_le(self.whole.unwrap_or(0));
        out.put_u32_le(crc32c::crc32c(&out));
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, NoMeta> {
        let (checked, mut stored) = bytes.split_at_checked(CHECKED_BYTES).ok_or(NoMeta::Bad)?;
        let mut fields = checked.strip_prefix(&MAGIC).ok_or(NoMeta::Bad)?;
        let version = fields.get_u16_le();
        if version > VERSION {
            return Err(NoMeta::Newer(version));
        }
        if bytes.len() != META_BYTES || crc32c::crc32c(checked) != stored.get_u32_le() {
            return Err(NoMeta::Bad);
        }
        let framing = fields.get_u16_le();
        let id = SnapshotId(fields.get_u64_le());
        let owner = fields.get_u64_le();
        let offset = Offset(fields.get_u64_le());
        let replid = take_text(&mut fields)?.parse();
        let replid = replid.map_err(|_not_an_id| NoMeta::Bad)?;
        let length = fields.get_u64_le();
        let mark = take_text(&mut fields)?;
        let complete = fields.get_u64_le();
        let bytes_when_whole = fields.get_u64_le();
        let meta = Self {
            id,
            owner,
            position: Position::new(replid, offset),
            framing: match framing {
                0 => Framing::Length(length),
                _ => Framing::Eof(mark.parse::<EofMark>().map_err(|_not_a_mark| NoMeta::Bad)?),
            },
            whole: (complete != 0).then_some(bytes_when_whole),
        };
        // One meta has one encoding.
        (meta.encode() == bytes).then_some(meta).ok_or(NoMeta::Bad)
    }

    pub(super) fn shape(&self) -> Shape {
        let identity = self.encode();
        Shape {
            seed: Seed::of(identity.get(..IDENTITY_BYTES).unwrap_or_default()),
            data_from: 0,
            start: 0,
            block_bytes: BLOCK_BYTES,
        }
    }

    /// Puts the meta file in place, whole and durable.
    pub(super) fn write<D: Disk>(&self, disk: &D) -> Result<(), Failure> {
        let (new, name) = (FileName::NewMeta(self.id.0), FileName::Meta(self.id.0));
        let (new, name) = (new.text(), name.text());
        crate::journal::remove_if_there(disk, &new)?;
        let file = disk.create_new(&new).attempted("create", &new)?;
        file.write_at(0, &self.encode()).attempted("write", &new)?;
        file.sync().attempted("sync", &new)?;
        disk.rename(&new, &name).attempted("rename", &new)?;
        disk.sync_directory().attempted("sync", DIRECTORY)?;
        Ok(())
    }
}

fn take_text<'a>(fields: &mut &'a [u8]) -> Result<&'a str, NoMeta> {
    let (text, rest) = fields.split_at_checked(40).ok_or(NoMeta::Bad)?;
    *fields = rest;
    str::from_utf8(text).map_err(|_not_utf8| NoMeta::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn metas() -> Vec<Meta> {
        let mut out = Vec::new();
        for framing in [Framing::Length(7), Framing::Eof(TEXT.parse().unwrap())] {
            for whole in [None, Some(0), Some(7)] {
                out.push(Meta {
                    id: SnapshotId(3),
                    owner: 2,
                    position: Position::new(TEXT.parse().unwrap(), Offset(99)),
                    framing,
                    whole,
                });
            }
        }
        out
    }

    #[test]
    fn metas_come_back_and_every_flipped_bit_is_seen() {
        for meta in metas() {
            let bytes = meta.encode();
            assert_eq!(bytes.len(), META_BYTES);
            assert_eq!(Meta::decode(&bytes), Ok(meta));
            for bit in 0..META_BYTES * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn the_seed_is_the_snapshot_s_whether_it_is_whole_or_not() {
        let all = metas();
        assert_eq!(all[0].shape().seed, all[2].shape().seed);
        assert_ne!(all[0].shape().seed, all[3].shape().seed);
        let other = Meta {
            id: SnapshotId(4),
            ..all[0]
        };
        assert_ne!(all[0].shape().seed, other.shape().seed);
    }
}
