//! What a reply is, and what stands at its front.

use memchr::memchr;

/// What a reply is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyKind {
    /// `+`
    Simple,
    /// `-`
    Error,
    /// `:`
    Integer,
    /// `$`
    Bulk,
    /// `*`
    Array,
    /// `_`, and RESP2's `$-1` and `*-1`.
    Null,
    /// `#`
    Boolean,
    /// `,`
    Double,
    /// `(`
    BigNumber,
    /// `!`
    BulkError,
    /// `=`
    Verbatim,
    /// `%`
    Map,
    /// `~`
    Set,
    /// `>`: it answers nothing, except confirmations of (un)subscribing.
    Push,
    /// `|`: belongs to the reply that follows. Only a [`Part`](super::Replied::Part) is of this
    /// kind, when attributes are so large that they are passed on before the reply has begun.
    Attribute,
}

impl ReplyKind {
    /// Whether it says that a command failed.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::BulkError)
    }
}

/// A top-level reply, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    pub(super) bytes: usize,
    pub(super) kind: ReplyKind,
    pub(super) head: &'a [u8],
    pub(super) in_one: bool,
}

impl<'a> Reply<'a> {
    /// Bytes to take off the front of the input and to pass on.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the reply is. Attributes in front of it do not count.
    #[must_use]
    pub const fn kind(&self) -> ReplyKind {
        self.kind
    }

    /// Whether [`bytes`](Self::bytes) are the whole reply, so that it can still be held back. It
    /// always is when the reply has [`HEAD_BYTES`](super::HEAD_BYTES) at most.
    #[must_use]
    pub const fn is_in_one(&self) -> bool {
        self.in_one
    }

    /// The reply's first line without its first byte and its line end: the text of a simple string
    /// or an error, the digits of an integer, the length of a bulk string, the count of an
    /// aggregate. Of a line that is longer than [`HEAD_BYTES`](super::HEAD_BYTES), its front.
    #[must_use]
    pub fn first_line(&self) -> &'a [u8] {
        let text = self.head.get(1..).unwrap_or_default();
        let end = memchr(b'\r', text).unwrap_or(text.len());
        text.get(..end).unwrap_or_default()
    }

    /// The text of the reply itself when it is a bulk string, a bulk error or a verbatim string
    /// (with its `txt:`), and otherwise its first line. `None`: it is null or an aggregate, or too
    /// large.
    #[must_use]
    pub fn text(&self) -> Option<&'a [u8]> {
        value(self.head)?.text
    }

    /// The text of an element of an aggregate; of a map, keys and values count each. Walks from
    /// the front. `None`: there is no such element, it is null or an aggregate itself, or it does
    /// not end within the first [`HEAD_BYTES`](super::HEAD_BYTES).
    #[must_use]
    pub fn element(&self, index: usize) -> Option<&'a [u8]> {
        let aggregate = value(self.head)?;
        if u64::try_from(index).ok()? >= aggregate.values {
            return None;
        }
        let mut rest = aggregate.behind;
        for _ in 0..index {
            rest = skip(rest)?;
        }
        value(rest)?.text
    }
}

/// A value at the front of some bytes.
struct Value<'a> {
    text: Option<&'a [u8]>,
    /// Values inside it, which follow.
    values: u64,
    behind: &'a [u8],
}

/// Reads a value of a reply whose framing was checked.
fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let end = memchr(b'\r', rest)?;
    let line = rest.get(..end)?;
    let behind = rest.get(end + 2..)?;
    let number = || crate::number(line);
    let value = match kind {
        b'$' | b'!' | b'=' => match number() {
            None => Value {
                text: None,
                values: 0,
                behind,
            },
            Some(length) => {
                let length = usize::try_from(length).ok()?;
                Value {
                    text: Some(behind.get(..length)?),
                    values: 0,
                    behind: behind.get(length.checked_add(2)?..)?,
                }
            }
        },
        b'*' | b'~' | b'>' => Value {
            text: None,
            values: number().unwrap_or(0),
            behind,
        },
        b'%' => Value {
            text: None,
            values: number()?.saturating_mul(2),
            behind,
        },
        // Attributes are followed by the value that they belong to.
        b'|' => Value {
            text: None,
            values: number()?.saturating_mul(2).saturating_add(1),
            behind,
        },
        b'_' => Value {
            text: None,
            values: 0,
            behind,
        },
        _ => Value {
            text: Some(line),
            values: 0,
            behind,
        },
    };
    Some(value)
}

/// Passes over a value with everything inside it.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let mut missing = 1u64;
    while missing > 0 {
        let value = value(rest)?;
        rest = value.behind;
        missing = (missing - 1).saturating_add(value.values);
    }
    Some(rest)
}
