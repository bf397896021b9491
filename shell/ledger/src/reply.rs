//! Answers of an engine, as RESP2 has them.

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Status(String),
    Integer(i64),
    /// A bulk string.
    Text(Vec<u8>),
    Array(Vec<Self>),
    Nil,
    /// The engine refuses.
    Error(String),
}

/// Bytes that are no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine answers something that is not RESP2")]
pub(crate) struct Malformed;

/// Answers are no deeper than this: `EXEC` has arrays in an array.
const DEPTH: u32 = 4;

impl Reply {
    /// Takes the first answer in `bytes`, with its length; `None` while it is not whole.
    pub(crate) fn take(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        take(bytes, DEPTH)
    }

    /// A count, as `RPUSH` and `INCR` answer it.
    pub(crate) fn count(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Status(_) | Self::Text(_) | Self::Array(_) | Self::Nil | Self::Error(_) => None,
        }
    }
}

fn take(bytes: &[u8], depth: u32) -> Result<Option<(Reply, usize)>, Malformed> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let (kind, text) = line.and_then(<[u8]>::split_first).ok_or(Malformed)?;
    let after = end + 1;
    let words = || String::from_utf8_lossy(text).into_owned();
    let number = || -> Result<i64, Malformed> {
        let text = std::str::from_utf8(text).map_err(|_not_ascii| Malformed)?;
        text.parse().map_err(|_no_number| Malformed)
    };
    let reply = match kind {
        b'+' => Reply::Status(words()),
        b'-' => Reply::Error(words()),
        b':' => Reply::Integer(number()?),
        b'$' | b'*' if text == b"-1" => Reply::Nil,
        b'$' => {
            let length = usize::try_from(number()?).map_err(|_negative| Malformed)?;
            let (Some(body), true) = (
                bytes.get(after..after.saturating_add(length)),
                bytes.len() >= after.saturating_add(length).saturating_add(2),
            ) else {
                return Ok(None);
            };
            return Ok(Some((Reply::Text(body.to_vec()), after + length + 2)));
        }
        b'*' => {
            let depth = depth.checked_sub(1).ok_or(Malformed)?;
            let count = usize::try_from(number()?).map_err(|_negative| Malformed)?;
            return array(bytes, after, count, depth);
        }
        _ => return Err(Malformed),
    };
    Ok(Some((reply, after)))
}

fn array(
    bytes: &[u8],
    mut at: usize,
    count: usize,
    depth: u32,
) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut all = Vec::new();
    for _ in 0..count {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((one, length)) = take(rest, depth)? else {
            return Ok(None);
        };
        all.push(one);
        at += length;
    }
    Ok(Some((Reply::Array(all), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_one_by_one_and_only_when_whole() {
        let bytes = b"+OK\r\n$5\r\nhe\r\no\r\n$-1\r\n-ERR no\r\n*2\r\n:12\r\n*1\r\n-BAD\r\n*-1\r\n";
        let expected = [
            (Reply::Status("OK".to_owned()), 5),
            (Reply::Text(b"he\r\no".to_vec()), 11),
            (Reply::Nil, 5),
            (Reply::Error("ERR no".to_owned()), 9),
            (
                Reply::Array(vec![
                    Reply::Integer(12),
                    Reply::Array(vec![Reply::Error("BAD".to_owned())]),
                ]),
                19,
            ),
            (Reply::Nil, 5),
        ];
        let mut at = 0;
        for (reply, length) in expected {
            for cut in at..at + length {
                assert_eq!(Reply::take(&bytes[at..cut]), Ok(None));
            }
            assert_eq!(Reply::take(&bytes[at..]), Ok(Some((reply, length))));
            at += length;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn nonsense_is_no_answer() {
        for bad in [
            "\r\n",
            "OK\r\n",
            ":x\r\n",
            "$-2\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        ] {
            assert_eq!(Reply::take(bad.as_bytes()), Err(Malformed), "{bad}");
        }
    }
}
