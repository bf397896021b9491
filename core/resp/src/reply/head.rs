//! What a reply is, and what stands at its front.

use memchr::memchr;

use super::value::confirms;

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

    /// The text of an element of an aggregate; of a map, keys and values count each, and messages
    /// between the elements do not. Walks from the front. `None`: there is no such element, it is
    /// null or an aggregate itself, or it does not end within the first
    /// [`HEAD_BYTES`](super::HEAD_BYTES).
    #[must_use]
    pub fn element(&self, index: usize) -> Option<&'a [u8]> {
        let aggregate = value(self.head)?;
        let index = u64::try_from(index).ok()?;
        if index >= aggregate.values {
            return None;
        }
        let mut rest = skip(aggregate.behind, index)?;
        loop {
            let found = value(rest)?;
            if !found.is_beside() {
                return found.text;
            }
            rest = skip(found.behind, found.values)?;
        }
    }
}

/// A value at the front of some bytes.
struct Value<'a> {
    kind: u8,
    text: Option<&'a [u8]>,
    /// Values inside it, which follow.
    values: u64,
    behind: &'a [u8],
}

impl Value<'_> {
    /// Whether it is no element of the aggregate that it stands in.
    fn is_beside(&self) -> bool {
        match self.kind {
            b'|' => true,
            b'>' => confirms(self.behind) == Ok(Some(false)),
            _ => false,
        }
    }
}

/// Reads a value of a reply whose framing was checked.
fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let end = memchr(b'\r', rest)?;
    let line = rest.get(..end)?;
    let mut behind = rest.get(end.checked_add(2)?..)?;
    let number = crate::number(line);
    let mut text = None;
    let mut values = 0;
    match kind {
        b'$' | b'!' | b'=' => {
            if let Some(length) = number {
                let (now, later) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                text = Some(now);
                behind = later.get(2..)?;
            }
        }
        b'*' | b'~' | b'>' => values = number.unwrap_or(0),
        b'%' | b'|' => values = number?.saturating_mul(2),
        b'_' => {}
        _ => text = Some(line),
    }
    Some(Value {
        kind: *kind,
        text,
        values,
        behind,
    })
}

/// Passes over so many values with everything inside and between them.
fn skip(bytes: &[u8], values: u64) -> Option<&[u8]> {
    let mut rest = bytes;
    let mut missing = values;
    while missing > 0 {
        let value = value(rest)?;
        rest = value.behind;
        if !value.is_beside() {
            missing -= 1;
        }
        missing = missing.saturating_add(value.values);
    }
    Some(rest)
}
