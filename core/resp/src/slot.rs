//! The hash slots of keys, as the engines' cluster protocol has them.

use std::fmt;

/// One of the 16384 hash slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// How many there are.
    pub const COUNT: u16 = 16_384;

    /// The slot of a key: of what stands between its first `{` and the next `}` when that is not
    /// empty, else of the whole key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(crc16(tag(key)) % Self::COUNT)
    }

    /// Its number, below [`Slot::COUNT`].
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn tag(key: &[u8]) -> &[u8] {
    let behind = |byte: u8, of: &[u8]| of.iter().position(|found| *found == byte);
    let tagged = behind(b'{', key).and_then(|open| {
        let rest = key.get(open + 1..)?;
        rest.get(..behind(b'}', rest)?)
    });
    tagged.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// CRC-16/XMODEM: polynomial 0x1021, from zero, neither reflected nor inverted.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let mixed = crc ^ (u16::from(*byte) << 8);
        (0..8).fold(mixed, |crc, _bit| {
            let carried = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            (crc << 1) ^ carried
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_engines() {
        // As CLUSTER KEYSLOT answers.
        for (key, slot) in [
            (&b"123456789"[..], 12_739),
            (b"", 0),
            (b"foo", 12_182),
            (b"bar", 5_061),
            (b"hello", 866),
        ] {
            assert_eq!(Slot::of(key).number(), slot, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn keys_with_one_tag_share_a_slot() {
        let same = |one: &[u8], other: &[u8]| Slot::of(one) == Slot::of(other);
        assert!(same(b"{user1000}.following", b"{user1000}.followers"));
        assert!(same(b"{user1000}.following", b"user1000"));
        assert!(same(b"foo{bar}{zap}", b"bar"));
        assert!(same(b"foo{{bar}}zap", b"{bar"));
        // An empty tag is none, and neither is one without an end.
        assert_eq!(
            Slot::of(b"foo{}{bar}").number(),
            crc16(b"foo{}{bar}") % Slot::COUNT
        );
        assert_eq!(
            Slot::of(b"foo{bar").number(),
            crc16(b"foo{bar") % Slot::COUNT
        );
    }
}
