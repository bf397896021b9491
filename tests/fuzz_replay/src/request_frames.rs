//! Requests of clients: what is passed on to an engine, beside how the engine would read it.

use resp::{Framed, Request, RequestError, RequestFramer, RequestLimits};

use crate::{
    engine_reader::{EngineReader, Read},
    take_byte,
};

/// A line's limit at both; small, so that inputs reach it.
const LINE_BYTES: usize = 96;

/// What is passed on is what an engine reads, argument by argument, with the same ends; what is
/// refused, an engine refuses with the same words, or reads in a way that nobody can rely on; and
/// cuts do not matter. The first byte chooses limits and pieces.
pub fn request_frames(data: &[u8]) {
    let mut input = data;
    let mode = take_byte(&mut input);
    let limits = RequestLimits {
        line: LINE_BYTES,
        whole: if mode & 1 == 0 { 65_536 } else { 64 },
        ..if mode & 2 == 0 {
            RequestLimits::AFTER_LOGIN
        } else {
            RequestLimits::BEFORE_LOGIN
        }
    };
    let whole = frames(limits, input, input.len());
    let piece = usize::from(mode >> 2) + 1;
    assert_eq!(whole, frames(limits, input, piece), "cut into {piece}");
    compare(&whole, limits, input);
}

/// What was read, and where it ended; what ended the connection, if anything did.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    read: Vec<Read>,
    failure: Option<RequestError>,
}

fn frames(limits: RequestLimits, input: &[u8], piece: usize) -> Seen {
    let mut framer = RequestFramer::new(limits);
    let mut seen = Seen {
        read: Vec::new(),
        failure: None,
    };
    // Of `input`, what is there, and what of it was handed out.
    let mut there = 0;
    let mut end = 0;
    let mut large = None;
    while there < input.len() {
        there = (there + piece.max(1)).min(input.len());
        loop {
            let front = &input[end..there];
            match framer.next(front) {
                Ok(Framed::More) => {
                    assert!(front.len() < limits.buffer());
                    break;
                }
                Ok(Framed::Nothing { bytes }) => {
                    end += bytes;
                    seen.read.push(Read::Empty { end });
                }
                Ok(Framed::Inline { bytes, words }) => {
                    end += bytes;
                    let mut again = Vec::new();
                    let views: Vec<_> = words.iter().map(Vec::as_slice).collect();
                    resp::write_command(&mut again, &views);
                    assert_eq!(words_of(&again), Some(words.clone()));
                    seen.read.push(Read::Command { argv: words, end });
                }
                Ok(Framed::Request(request)) => {
                    assert!(request.bytes().len() <= limits.whole);
                    end += request.bytes().len();
                    let argv = canonical(request.bytes());
                    seen.read.push(Read::Command { argv, end });
                }
                Ok(Framed::Head(head)) => {
                    large = Some(end);
                    end += head.bytes().len();
                    assert!(head.arguments().count() < head.count());
                    assert_eq!(head.argument(0), Some(head.name()));
                }
                Ok(Framed::Rest { bytes, last }) => {
                    assert!(bytes > 0 && bytes <= front.len());
                    end += bytes;
                    if last {
                        let begin = large.take().expect("a rest follows a head");
                        assert!(end - begin > limits.whole);
                        let argv = canonical(&input[begin..end]);
                        seen.read.push(Read::Command { argv, end });
                    }
                }
                Err(error) => {
                    assert_eq!(framer.next(b"*1\r\n$4\r\nPING\r\n"), Err(error));
                    seen.failure = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

/// The arguments of what is passed on, which is their one encoding.
fn canonical(bytes: &[u8]) -> Vec<Vec<u8>> {
    let argv = words_of(bytes).expect("what is passed on is a request");
    let views: Vec<_> = argv.iter().map(Vec::as_slice).collect();
    let mut again = Vec::new();
    resp::write_command(&mut again, &views);
    assert_eq!(again, bytes);
    argv
}

fn words_of(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let request = Request::parse(bytes)?;
    let words: Vec<_> = request.arguments().map(<[u8]>::to_vec).collect();
    assert_eq!(words.len(), request.count());
    Some(words)
}

fn compare(seen: &Seen, limits: RequestLimits, input: &[u8]) {
    let mut engine = EngineReader::new(limits.unauthenticated, LINE_BYTES);
    let mut read = Vec::new();
    for byte in input {
        engine.read(*byte, &mut read);
    }
    let (same, behind) = read.split_at(seen.read.len().min(read.len()));
    assert_eq!(seen.read, same);
    let end = match seen.read.last() {
        Some(Read::Command { end, .. } | Read::Empty { end }) => *end,
        Some(Read::Refused(_) | Read::Closed) | None => 0,
    };
    let Some(error) = seen.failure else {
        // A CR behind a NUL, which the engine does not see, was the last byte.
        let hidden = input[end..].contains(&0) && input.ends_with(b"\r") && waits(behind.first());
        assert!(
            behind.is_empty() || hidden,
            "the engine still reads {behind:?}"
        );
        return;
    };
    let mut answer = Vec::new();
    error.write_answer(&mut answer);
    let equal = match behind.first() {
        Some(Read::Refused(words)) => *words == answer,
        Some(Read::Closed) => answer.is_empty(),
        Some(Read::Command { .. } | Read::Empty { .. }) | None => false,
    };
    let listed = is_stricter(error, &input[end..], behind.first());
    assert!(equal || listed, "{error:?} where the engine has {behind:?}");
}

/// What is refused although an engine does not, or says something else.
fn is_stricter(error: RequestError, request: &[u8], engine: Option<&Read>) -> bool {
    let nul = request.contains(&0) && waits(engine);
    match error {
        // They skip two bytes behind an argument, and know no name of 64 KiB.
        RequestError::NoLineEnd | RequestError::EndlessName => true,
        RequestError::InlineNul | RequestError::NotABulk(_) => nul,
        // They skip the byte behind a CR, and take 2^31 - 1 arguments.
        RequestError::InvalidCount => nul || odd_cr(request) || counts_many(request),
        RequestError::InvalidLength => nul || odd_cr(request),
        RequestError::UnauthenticatedCount
        | RequestError::EndlessCount
        | RequestError::UnauthenticatedLength
        | RequestError::EndlessLength
        | RequestError::EndlessInline
        | RequestError::UnbalancedQuotes
        | RequestError::CrossProtocol => false,
    }
}

/// The engines wait behind a NUL until the line is too long.
fn waits(engine: Option<&Read>) -> bool {
    match engine {
        None => true,
        Some(Read::Refused(words)) => words.starts_with(b"-ERR Protocol error: too big "),
        Some(Read::Command { .. } | Read::Empty { .. } | Read::Closed) => false,
    }
}

fn odd_cr(request: &[u8]) -> bool {
    request
        .windows(2)
        .any(|pair| matches!(pair, [b'\r', other] if *other != b'\n'))
}

fn counts_many(request: &[u8]) -> bool {
    let digits = request.get(1..).unwrap_or_default();
    let digits = digits
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    resp::number(digits).is_some_and(|count| count > 1_048_576)
}
