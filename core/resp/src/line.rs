//! Single lines: simple strings, errors, and the headers that the replication protocol sends.

/// A line is longer than the reader takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a line has more than {limit} bytes")]
pub struct LineTooLong {
    /// The longest line taken, in bytes, without its end.
    pub limit: usize,
}

/// Gathers one line at a time out of bytes that are cut anywhere. A line ends with LF; one CR
/// before it belongs to the end.
#[derive(Debug, Clone)]
pub struct LineReader {
    partial: Vec<u8>,
    limit: usize,
}

impl LineReader {
    /// Reads lines of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            limit,
        }
    }

    /// Takes bytes off the front of `input` up to and with the next line end. `Ok(None)`: the line
    /// is not whole yet and `input` is used up.
    pub fn take(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, LineTooLong> {
        let limit = self.limit;
        let whole = input.iter().position(|byte| *byte == b'\n');
        let (now, rest) = input.split_at(whole.map_or(input.len(), |at| at + 1));
        // The line end itself takes two bytes more than the line.
        if self.partial.len() + now.len() > limit + 2 {
            return Err(LineTooLong { limit });
        }
        self.partial.extend_from_slice(now);
        *input = rest;
        if whole.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > limit {
            return Err(LineTooLong { limit });
        }
        Ok(Some(line))
    }
}

/// Reads a number in its one spelling: digits alone, no leading zero, below 10^18.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    let canonical = match text {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"6379"), Some(6379));
        for bad in ["", "-1", "+1", "00", "01", "1 ", "1000000000000000000", "a"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn long_lines_are_refused_before_they_are_kept() {
        let mut reader = LineReader::new(4);
        assert_eq!(
            reader.take(&mut b"four\r\n".as_slice()).unwrap().unwrap(),
            b"four"
        );
        assert!(reader.take(&mut b"fives\n".as_slice()).is_err());
        let mut reader = LineReader::new(4);
        assert!(reader.take(&mut b"no end in sight".as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_cuts(
            lines in prop::collection::vec("[a-z$+-]{0,20}", 0..6),
            cuts in prop::collection::vec(1usize..9, 0..40),
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut rest = text.as_bytes();
            let mut cuts = cuts.into_iter();
            let mut reader = LineReader::new(20);
            let mut found = Vec::new();
            while !rest.is_empty() {
                let at = cuts.next().unwrap_or(rest.len()).min(rest.len());
                let (mut now, later) = rest.split_at(at);
                while let Some(line) = reader.take(&mut now).unwrap() {
                    found.push(String::from_utf8(line).unwrap());
                }
                rest = later;
            }
            prop_assert_eq!(found, lines);
        }
    }
}
