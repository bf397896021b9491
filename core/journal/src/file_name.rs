//! Names of files: made and read here alone.

/// Shown in failures where a file's name would stand.
pub(crate) const DIRECTORY: &str = "the journal's directory";

/// A file that belongs to a journal or spool. Every other one in its directory is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileName {
    /// Stream bytes of a segment.
    Stream(u64),
    /// A segment's block records.
    Index(u64),
    /// A snapshot's payload.
    Payload(u64),
    /// A snapshot's block records.
    Blocks(u64),
    /// What a snapshot is.
    Meta(u64),
    /// The same, not in force yet.
    NewMeta(u64),
}

/// Digits of a number in a name.
const DIGITS: usize = 16;

impl FileName {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Stream(number) => format!("{number:016x}.stream"),
            Self::Index(number) => format!("{number:016x}.index"),
            Self::Payload(id) => format!("snapshot-{id:016x}.payload"),
            Self::Blocks(id) => format!("snapshot-{id:016x}.blocks"),
            Self::Meta(id) => format!("snapshot-{id:016x}.meta"),
            Self::NewMeta(id) => format!("snapshot-{id:016x}.meta.new"),
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (rest, in_snapshot) = match text.strip_prefix("snapshot-") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (digits, kind) = rest.split_once('.')?;
        let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if digits.len() != DIGITS || !digits.chars().all(lower) {
            return None;
        }
        let number = u64::from_str_radix(digits, 16).ok()?;
        match (in_snapshot, kind) {
            (false, "stream") => Some(Self::Stream(number)),
            (false, "index") => Some(Self::Index(number)),
            (true, "payload") => Some(Self::Payload(number)),
            (true, "blocks") => Some(Self::Blocks(number)),
            (true, "meta") => Some(Self::Meta(number)),
            (true, "meta.new") => Some(Self::NewMeta(number)),
            _ => None,
        }
    }

    pub(crate) fn is_snapshots(self) -> bool {
        match self {
            Self::Stream(_) | Self::Index(_) => false,
            Self::Payload(_) | Self::Blocks(_) | Self::Meta(_) | Self::NewMeta(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_left_alone() {
        for number in [0, 1, u64::MAX] {
            for name in [
                FileName::Stream(number),
                FileName::Index(number),
                FileName::Payload(number),
                FileName::Blocks(number),
                FileName::Meta(number),
                FileName::NewMeta(number),
            ] {
                assert_eq!(FileName::parse(&name.text()), Some(name));
            }
        }
        for other in [
            "lock",
            "1.stream",
            "000000000000000A.stream",
            "+00000000000000a.stream",
            "0000000000000001.streams",
            "snapshot-0000000000000001.stream",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
