//! How an inbound introduces itself.

use bytes::Bytes;
use model::{Epoch, LinkId, ShardIndex};
use psync::Position;

use crate::{
    FrameError,
    cursor::{Fields, put_optional, put_position, put_text},
};

/// The version of the protocol. A side answers every other one with a refusal.
pub const VERSION: u16 = 2;
/// Bytes of a link's ID, at most.
const LINK_BYTES: u16 = 256;

/// How far a snapshot got in an earlier session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The snapshot, as the outbound named it.
    pub snapshot: u64,
    /// Its first bytes, which the inbound has.
    pub bytes: u64,
}

/// The first message: what the inbound wants, and where its engine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The protocol's version, first in every version of this message.
    pub version: u16,
    /// The link.
    pub link: LinkId,
    /// The shard.
    pub shard: ShardIndex,
    /// The link's epoch as the inbound knows it.
    pub epoch: Epoch,
    /// What the geo-secondary's engine holds; `None` asks for a full sync.
    pub have: Option<Position>,
    /// The snapshot that was under way; the outbound goes on behind these bytes if it still has it.
    pub partial: Option<Partial>,
    /// Keys in the geo-secondary, so that an empty primary does not wipe them unasked.
    pub keys_held: u64,
}

impl Hello {
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        out.extend_from_slice(&self.epoch.0.to_le_bytes());
        out.extend_from_slice(&self.keys_held.to_le_bytes());
        put_optional(&mut out, self.have.as_ref(), put_position);
        put_optional(&mut out, self.partial.as_ref(), |out, partial| {
            out.extend_from_slice(&partial.snapshot.to_le_bytes());
            out.extend_from_slice(&partial.bytes.to_le_bytes());
        });
        put_text(&mut out, self.link.as_str(), LINK_BYTES);
        out
    }

    pub(crate) fn read(payload: Bytes) -> Result<Self, FrameError> {
        let mut fields = Fields::of("hello", payload);
        let hello = Self {
            version: fields.u16()?,
            shard: ShardIndex(fields.u16()?),
            epoch: Epoch(fields.u64()?),
            keys_held: fields.u64()?,
            have: fields.optional(Fields::position)?,
            partial: fields.optional(|fields| {
                Ok(Partial {
                    snapshot: fields.u64()?,
                    bytes: fields.u64()?,
                })
            })?,
            link: LinkId::new(fields.text(usize::from(LINK_BYTES))?),
        };
        fields.end()?;
        Ok(hello)
    }
}
