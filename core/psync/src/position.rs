//! Where a replica stands: a replication ID and an offset in its history.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A replication ID: 40 hexadecimal characters that name one history of writes
/// (`replid` in the engines' `replication.c`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReplicationId([u8; 40]);

impl ReplicationId {
    /// The engines' "no history" ID: forty zeros, as `INFO` prints an unset `master_replid2`.
    pub const UNSET: Self = Self([b'0'; 40]);

    /// The 40 characters, as the protocol writes them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Tells whether this is [`ReplicationId::UNSET`].
    #[must_use]
    pub fn is_unset(&self) -> bool {
        *self == Self::UNSET
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not 40 hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a replication ID (40 hexadecimal characters)")]
pub struct ParseReplicationIdError(String);

impl FromStr for ReplicationId {
    type Err = ParseReplicationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; 40] = text
            .as_bytes()
            .try_into()
            .map_err(|_not_40| ParseReplicationIdError(text.escape_debug().to_string()))?;
        if !bytes.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParseReplicationIdError(text.escape_debug().to_string()));
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ReplicationId {
    type Error = ParseReplicationIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ReplicationId> for String {
    fn from(id: ReplicationId) -> Self {
        id.as_str().to_owned()
    }
}

/// How many bytes of a history a node has: the offset of the last byte it holds, counted as the
/// engines count (`master_repl_offset`). The next byte it wants is this plus one.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// Moves forward over `bytes` of stream.
    #[must_use]
    pub fn advanced(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// What `PSYNC` asks for: the number of the byte behind the last one held. With
    /// [`Offset::before_wanted`], the only place that knows the difference.
    #[must_use]
    pub fn next_wanted(self) -> u64 {
        self.0.saturating_add(1)
    }

    /// The last byte held by whoever asks for `next`; `None` for zero, which nobody can ask for.
    #[must_use]
    pub fn before_wanted(next: u64) -> Option<Self> {
        next.checked_sub(1).map(Self)
    }

    /// The stream bytes from `earlier` to here; zero when `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in a history. Two nodes at the same position hold the same stream bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The history.
    pub replid: ReplicationId,
    /// How much of it.
    pub offset: Offset,
}

impl Position {
    /// Puts the two together.
    #[must_use]
    pub fn new(replid: ReplicationId, offset: Offset) -> Self {
        Self { replid, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replid, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_id_is_40_hex_characters() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        let id: ReplicationId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for bad in [
            "",
            "?",
            &text[1..],
            "z123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(bad.parse::<ReplicationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_byte_wanted_is_behind_the_byte_held() {
        assert_eq!(Offset(0).next_wanted(), 1);
        assert_eq!(Offset::before_wanted(1), Some(Offset(0)));
        assert_eq!(Offset::before_wanted(0), None);
    }

    #[test]
    fn offsets_never_wrap() {
        assert_eq!(Offset(u64::MAX).advanced(1), Offset(u64::MAX));
        assert_eq!(Offset(3).since(Offset(5)), 0);
    }
}
