//! How a snapshot's end is told: by its length, or by a mark behind it.

use std::{fmt, str::FromStr};

use memchr::memmem;

/// Bytes of a mark.
const MARK: usize = 40;

/// The 40 characters that a primary draws for one snapshot and sends again behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EofMark([u8; MARK]);

/// The text is not 40 letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the mark of a snapshot's end (40 letters and digits)")]
pub struct ParseEofMarkError(String);

impl EofMark {
    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for EofMark {
    type Err = ParseEofMarkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseEofMarkError(text.chars().take(80).collect());
        let bytes: [u8; MARK] = text.as_bytes().try_into().map_err(|_not_40| bad())?;
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(bad());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for EofMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the end of a snapshot's payload is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `$<bytes>`: the payload has that many bytes.
    Length(u64),
    /// `$EOF:<mark>`: the payload ends with the mark, which belongs to the payload here.
    Eof(EofMark),
}

impl Framing {
    /// Bytes of the payload, when they are known ahead.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        match self {
            Self::Length(bytes) => Some(*bytes),
            Self::Eof(_) => None,
        }
    }

    /// The line that announces the payload, with its end.
    #[must_use]
    pub fn announcement(&self) -> String {
        match self {
            Self::Length(bytes) => format!("${bytes}\r\n"),
            Self::Eof(mark) => format!("$EOF:{}\r\n", mark.as_str()),
        }
    }

    /// Reads an announcement without its line end.
    #[must_use]
    pub(crate) fn from_announcement(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"$")?;
        match rest.strip_prefix(b"EOF:") {
            Some(mark) => Some(Self::Eof(str::from_utf8(mark).ok()?.parse().ok()?)),
            None => resp::number(rest).map(Self::Length),
        }
    }
}

/// Finds where a payload ends in bytes that are cut anywhere.
#[derive(Debug, Clone)]
pub(crate) enum PayloadEnd {
    /// So many bytes are missing.
    After(u64),
    /// The mark has not come; its beginning may be in the bytes seen last.
    Behind { mark: EofMark, seen: Vec<u8> },
}

impl PayloadEnd {
    pub(crate) fn of(framing: Framing) -> Self {
        match framing {
            Framing::Length(bytes) => Self::After(bytes),
            Framing::Eof(mark) => Self::Behind {
                mark,
                seen: Vec::with_capacity(2 * MARK),
            },
        }
    }

    /// Tells how many bytes of `input` belong to the payload, and whether it ends with them.
    pub(crate) fn take(&mut self, input: &[u8]) -> (usize, bool) {
        match self {
            Self::After(missing) => {
                let here = usize::try_from(*missing).map_or(input.len(), |m| m.min(input.len()));
                *missing = missing.saturating_sub(here as u64);
                (here, *missing == 0)
            }
            Self::Behind { mark, seen } => match find_end(mark, seen, input) {
                Some(end) => (end, true),
                None => {
                    remember(seen, input);
                    (input.len(), false)
                }
            },
        }
    }
}

/// Where in `input` the payload ends, given the (at most 39) bytes seen before it.
fn find_end(mark: &EofMark, seen: &[u8], input: &[u8]) -> Option<usize> {
    let head = input.get(..MARK - 1).unwrap_or(input);
    let seam: Vec<u8> = seen.iter().chain(head).copied().collect();
    if let Some(at) = memmem::find(&seam, &mark.0) {
        // `seen` is shorter than the mark, so the mark ends within `input`.
        return Some((at + MARK).saturating_sub(seen.len()));
    }
    memmem::find(input, &mark.0).map(|at| at + MARK)
}

fn remember(seen: &mut Vec<u8>, input: &[u8]) {
    let tail = input.len().saturating_sub(MARK - 1);
    seen.extend_from_slice(input.get(tail..).unwrap_or_default());
    let surplus = seen.len().saturating_sub(MARK - 1);
    seen.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn announcements_come_back() {
        for framing in [
            Framing::Length(0),
            Framing::Length(176),
            Framing::Eof(TEXT.parse().unwrap()),
        ] {
            let line = framing.announcement();
            let read = Framing::from_announcement(line.trim_end().as_bytes());
            assert_eq!(read, Some(framing));
        }
        for bad in ["", "$", "$-1", "$EOF:", "$EOF:short", "+OK", "$01"] {
            assert_eq!(Framing::from_announcement(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_mark_is_found_wherever_reads_are_cut(
            // Few letters, and pieces of the mark itself, so that false beginnings are frequent.
            body in prop::collection::vec(0usize..41, 0..6),
            cuts in prop::collection::vec(1usize..50, 1..30),
            rest in 0usize..50,
        ) {
            let payload: String = body.iter().map(|n| &TEXT[..(*n).min(39)]).collect::<String>() + "|" + TEXT;
            let bytes = payload + &"z".repeat(rest);
            let mut end = PayloadEnd::of(Framing::Eof(TEXT.parse().unwrap()));
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            loop {
                let stop = (at + cuts.next().unwrap()).min(bytes.len());
                let (taken, ended) = end.take(&bytes.as_bytes()[at..stop]);
                at += taken;
                if ended {
                    break;
                }
                prop_assert!(at < bytes.len(), "the mark was missed");
            }
            let first = bytes.find(TEXT).unwrap() + TEXT.len();
            prop_assert_eq!(at, first);
        }
    }
}
