//! Headers and short values of replies.

use memchr::memchr2;

use super::{ReplyError, ReplyKind};
use crate::request::{Header, read_header};

/// The longest name of a push, in bytes.
const NAME_BYTES: usize = 64;

/// The longest line that is read as a whole, in bytes.
const LINE_BYTES: usize = 128;

pub(super) const NULL_BYTES: usize = b"$-1\r\n".len();

/// Whether RESP2's null stands at the front. `None`: it may.
pub(super) fn is_null(front: &[u8]) -> Option<bool> {
    let text = front
        .get(1..NULL_BYTES.min(front.len()))
        .unwrap_or_default();
    let null = b"-1\r\n";
    if text == null {
        Some(true)
    } else if text.is_empty() || !null.starts_with(text) {
        Some(false)
    } else {
        None
    }
}

/// Reads a header: its number, which is below 10^18, and its length.
pub(super) fn number(kind: u8, front: &[u8]) -> Result<Option<(u64, usize)>, ReplyError> {
    match read_header(front, kind) {
        Header::Is { number, bytes } => Ok(Some((number, bytes))),
        Header::Partial => Ok(None),
        Header::Other => Err(ReplyError::BadNumber),
    }
}

/// Whether a push inside another reply answers a command: it confirms that a subscription began or
/// ended.
pub(super) fn confirms(behind: &[u8]) -> Result<Option<bool>, ReplyError> {
    let Some((length, header)) = number(b'$', behind)? else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let name = behind.get(header..).unwrap_or_default();
    if length > NAME_BYTES {
        return Err(ReplyError::NamelessPush);
    }
    Ok(name.get(..length).map(|name| name.ends_with(b"subscribe")))
}

/// Reads a value that is a short line. Its length is `None` while it is not whole.
pub(super) fn scalar(byte: u8, front: &[u8]) -> Result<(ReplyKind, Option<usize>), ReplyError> {
    let line = front.get(1..).unwrap_or_default();
    let kind = match byte {
        b':' => ReplyKind::Integer,
        b'#' => ReplyKind::Boolean,
        _ => ReplyKind::Null,
    };
    let within = line.get(..=LINE_BYTES).unwrap_or(line);
    let Some(end) = memchr2(b'\r', b'\n', within) else {
        if line.len() > LINE_BYTES {
            return Err(ReplyError::BadScalar);
        }
        return Ok((kind, None));
    };
    let text = line.get(..end).unwrap_or_default();
    let fits = match byte {
        b':' => is_i64(text),
        b'#' => matches!(text, b"t" | b"f"),
        _ => text.is_empty(),
    };
    if !fits {
        return Err(ReplyError::BadScalar);
    }
    match line.get(end..) {
        Some([b'\r', b'\n', ..]) => Ok((kind, Some(1 + end + 2))),
        Some([b'\r']) => Ok((kind, None)),
        Some(_) | None => Err(ReplyError::NoLineEnd),
    }
}

/// A number of 64 bits with its sign, without leading zeros.
fn is_i64(text: &[u8]) -> bool {
    match text {
        b"0" => true,
        [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => {
            str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
        }
        _ => false,
    }
}

pub(super) const fn line_kind(byte: u8) -> ReplyKind {
    match byte {
        b'+' => ReplyKind::Simple,
        b'-' => ReplyKind::Error,
        b',' => ReplyKind::Double,
        _ => ReplyKind::BigNumber,
    }
}

pub(super) const fn text_kind(byte: u8) -> ReplyKind {
    match byte {
        b'$' => ReplyKind::Bulk,
        b'!' => ReplyKind::BulkError,
        _ => ReplyKind::Verbatim,
    }
}

pub(super) const fn aggregate_kind(byte: u8) -> ReplyKind {
    match byte {
        b'*' => ReplyKind::Array,
        b'~' => ReplyKind::Set,
        b'%' => ReplyKind::Map,
        b'>' => ReplyKind::Push,
        _ => ReplyKind::Attribute,
    }
}
