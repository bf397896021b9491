//! Fields in little-endian order, written and read in one place.

use bytes::{Buf as _, Bytes};
use psync::{Offset, Position, ReplicationId};

use crate::FrameError;

/// Bytes of a replication ID.
const REPLICATION_ID: usize = 40;

/// Reads a payload field by field; each method is an error when the payload is too short.
pub(crate) struct Fields {
    kind: &'static str,
    rest: Bytes,
}

impl Fields {
    pub(crate) fn of(kind: &'static str, payload: Bytes) -> Self {
        let rest = payload;
        Self { kind, rest }
    }

    pub(crate) fn bad(&self, problem: &'static str) -> FrameError {
        let kind = self.kind;
        FrameError::BadPayload { kind, problem }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes, FrameError> {
        if self.rest.len() < count {
            return Err(self.bad("it is too short"));
        }
        Ok(self.rest.split_to(count))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FrameError> {
        Ok(self.bytes(1)?.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FrameError> {
        Ok(self.bytes(2)?.get_u16_le())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FrameError> {
        Ok(self.bytes(8)?.get_u64_le())
    }

    pub(crate) fn position(&mut self) -> Result<Position, FrameError> {
        let text = self.bytes(REPLICATION_ID)?;
        let replid = str::from_utf8(&text).ok().and_then(|id| id.parse().ok());
        let replid: ReplicationId =
            replid.ok_or_else(|| self.bad("its replication ID is not 40 hexadecimal digits"))?;
        Ok(Position::new(replid, Offset(self.u64()?)))
    }

    /// A value behind a byte that says whether there is one; an absent value has no bytes.
    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, FrameError>,
    ) -> Result<Option<T>, FrameError> {
        match self.u8()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(self.bad("a presence byte is neither 0 nor 1")),
        }
    }

    /// A text behind its length.
    pub(crate) fn text(&mut self, limit: usize) -> Result<String, FrameError> {
        let length = usize::from(self.u16()?);
        if length > limit {
            return Err(self.bad("a text is too long"));
        }
        let bytes = self.bytes(length)?;
        let text = str::from_utf8(&bytes);
        Ok(text
            .map_err(|_not_utf8| self.bad("a text is not UTF-8"))?
            .to_owned())
    }

    /// Everything that is left.
    pub(crate) fn remainder(self) -> Bytes {
        self.rest
    }

    pub(crate) fn end(self) -> Result<(), FrameError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.bad("it is too long"))
    }
}

pub(crate) fn put_position(out: &mut Vec<u8>, position: &Position) {
    out.extend_from_slice(position.replid.as_str().as_bytes());
    out.extend_from_slice(&position.offset.0.to_le_bytes());
}

pub(crate) fn put_optional<T>(
    out: &mut Vec<u8>,
    value: Option<&T>,
    put: impl FnOnce(&mut Vec<u8>, &T),
) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Writes at most `limit` bytes of `text`, cut between characters.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str, limit: u16) {
    let mut length = text.len().min(usize::from(limit));
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    let (text, _rest) = text.split_at(length);
    let counted = u16::try_from(text.len()).unwrap_or(limit);
    out.extend_from_slice(&counted.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
