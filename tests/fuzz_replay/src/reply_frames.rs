//! Replies of engines: where each ends, beside a reader that has all bytes and calls itself for
//! what is inside.

use resp::{HEAD_BYTES, Replied, ReplyError, ReplyFramer, ReplyKind};

use crate::take_byte;

/// Replies end where they end however they are cut, their kinds and fronts are the same, and of a
/// small one nothing is passed on before it is whole. The first byte chooses pieces.
pub fn reply_frames(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    let whole = frames(input, input.len());
    let piece = if mode == 255 {
        1_000
    } else {
        usize::from(mode) + 1
    };
    assert_eq!(whole, frames(input, piece), "cut into {piece}");
    let mut rest = input;
    for reply in &whole.0 {
        let length = value_end(rest, true).expect("a framed reply can be read");
        assert_eq!(reply.bytes, rest[..length]);
        assert_eq!(reply.kind, kind(rest));
        rest = &rest[length..];
    }
    match (whole.1, value_end(rest, true)) {
        (None, Err(Unread::Partial)) => {}
        (Some(_), Err(_)) | (Some(ReplyError::BadScalar), Ok(_)) => {}
        (failure, read) => panic!("{failure:?} where the reader has {read:?}"),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: ReplyKind,
    bytes: Vec<u8>,
    first_line: Vec<u8>,
    text: Option<Vec<u8>>,
    elements: Vec<Option<Vec<u8>>>,
}

fn frames(input: &[u8], piece: usize) -> (Vec<Seen>, Option<ReplyError>) {
    let mut framer = ReplyFramer::new();
    let mut seen = Vec::new();
    let mut there = 0;
    let mut begin = 0;
    let mut end = 0;
    while there < input.len() {
        there = (there + piece.max(1)).min(input.len());
        loop {
            let front = &input[end..there];
            let streaming = framer.is_streaming();
            match framer.next(front) {
                Ok(Replied::More) => {
                    assert!(front.len() < 1_024);
                    break;
                }
                Ok(Replied::Part(part)) => {
                    assert!(part.bytes() > 0 && part.bytes() <= front.len());
                    end += part.bytes();
                    assert!(end - begin > HEAD_BYTES);
                }
                Ok(Replied::Whole(reply)) => {
                    end += reply.bytes();
                    assert_eq!(reply.is_in_one(), !streaming);
                    seen.push(Seen {
                        kind: reply.kind(),
                        bytes: input[begin..end].to_vec(),
                        first_line: reply.first_line().to_vec(),
                        text: reply.text().map(<[u8]>::to_vec),
                        elements: (0..6)
                            .map(|index| reply.element(index).map(<[u8]>::to_vec))
                            .collect(),
                    });
                    begin = end;
                }
                Err(error) => {
                    assert_eq!(framer.next(b"+OK\r\n"), Err(error));
                    return (seen, Some(error));
                }
            }
        }
    }
    (seen, None)
}

#[derive(Debug)]
enum Unread {
    Partial,
    Other,
}

/// The length of the value at the front.
fn value_end(bytes: &[u8], top: bool) -> Result<usize, Unread> {
    let kind = *bytes.first().ok_or(Unread::Partial)?;
    if !b"+-:$*!=_#,(%~>|".contains(&kind) {
        return Err(Unread::Other);
    }
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .ok_or(Unread::Partial)?;
    match bytes.get(end..end + 2) {
        Some(b"\r\n") => {}
        Some(_) => return Err(Unread::Other),
        None if bytes[end] == b'\r' => return Err(Unread::Partial),
        None => return Err(Unread::Other),
    }
    let line = &bytes[1..end];
    let mut at = end + 2;
    if b"+-:_#,(".contains(&kind) || (matches!(kind, b'$' | b'*') && line == b"-1") {
        return Ok(at);
    }
    let number = resp::number(line).ok_or(Unread::Other)?;
    let Ok(number) = usize::try_from(number) else {
        return Err(Unread::Other);
    };
    if matches!(kind, b'$' | b'!' | b'=') {
        at += number;
        return match bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => Ok(at + 2),
            Some([] | [_]) | None => Err(Unread::Partial),
            Some(_) => Err(Unread::Other),
        };
    }
    let mut values = number;
    if matches!(kind, b'%' | b'|') {
        values *= 2;
    }
    let beside = kind == b'|' || (kind == b'>' && !top && is_message(&bytes[at..])?);
    for _ in 0..values {
        at += value_end(&bytes[at..], false)?;
    }
    if beside {
        // The value that it stands before.
        at += value_end(&bytes[at..], top)?;
    }
    Ok(at)
}

/// Whether a push confirms no subscription.
fn is_message(bytes: &[u8]) -> Result<bool, Unread> {
    match bytes.first() {
        Some(b'$') => {}
        Some(_) => return Err(Unread::Other),
        None => return Err(Unread::Partial),
    }
    let end = value_end(bytes, false)?;
    let name = bytes[..end - 2].split(|byte| *byte == b'\n').nth(1);
    match name {
        Some(name) if end <= 71 => Ok(!name.ends_with(b"subscribe")),
        Some(_) | None => Err(Unread::Other),
    }
}

/// The kind of a reply, behind its attributes.
fn kind(bytes: &[u8]) -> ReplyKind {
    match bytes.first() {
        Some(b'+') => ReplyKind::Simple,
        Some(b'-') => ReplyKind::Error,
        Some(b':') => ReplyKind::Integer,
        Some(b'$' | b'*') if bytes[1..].starts_with(b"-1") => ReplyKind::Null,
        Some(b'$') => ReplyKind::Bulk,
        Some(b'*') => ReplyKind::Array,
        Some(b'!') => ReplyKind::BulkError,
        Some(b'=') => ReplyKind::Verbatim,
        Some(b'#') => ReplyKind::Boolean,
        Some(b',') => ReplyKind::Double,
        Some(b'(') => ReplyKind::BigNumber,
        Some(b'%') => ReplyKind::Map,
        Some(b'~') => ReplyKind::Set,
        Some(b'>') => ReplyKind::Push,
        Some(b'|') => kind(behind_attributes(bytes)),
        _ => ReplyKind::Null,
    }
}

fn behind_attributes(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == b'\r');
    let end = end.expect("a framed header ends");
    let pairs = resp::number(&bytes[1..end]).expect("a framed header has a number");
    let mut rest = &bytes[end + 2..];
    for _ in 0..pairs * 2 {
        let length = value_end(rest, false).expect("a framed value can be read");
        rest = &rest[length..];
    }
    rest
}
