//! Requests: what comes out, and that cuts do not matter.

mod engines;
mod inline;

use proptest::prelude::*;

use super::*;
use crate::write_command;

/// What was framed, with what a division of large requests leaves alike.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Nothing(usize),
    Request(Vec<Vec<u8>>, Vec<u8>),
    Inline(usize, Vec<Vec<u8>>),
    Head(usize, Vec<Vec<u8>>),
    Rest(Vec<u8>, bool),
    Failed(RequestError),
}

/// Frames `input` as a caller does that reads pieces of these sizes, the last over and over.
fn frames(limits: RequestLimits, input: &[u8], cuts: &[usize]) -> Vec<Seen> {
    let mut framer = RequestFramer::new(limits);
    let mut seen = Vec::new();
    let mut buffer = Vec::new();
    let mut rest = input;
    let mut cuts = cuts.iter();
    let mut cut = 1;
    while !rest.is_empty() {
        cut = cuts.next().copied().unwrap_or(cut).clamp(1, rest.len());
        let (now, later) = rest.split_at(cut);
        rest = later;
        buffer.extend_from_slice(now);
        while let Some(used) = step(&mut framer, &buffer, &mut seen) {
            buffer.drain(..used);
        }
        if matches!(seen.last(), Some(Seen::Failed(_))) {
            break;
        }
        assert!(
            buffer.len() < limits.buffer(),
            "{} bytes are kept",
            buffer.len()
        );
    }
    seen
}

fn step(framer: &mut RequestFramer, buffer: &[u8], seen: &mut Vec<Seen>) -> Option<usize> {
    let owned = |request: &Request<'_>| request.arguments().map(<[u8]>::to_vec).collect::<Vec<_>>();
    match framer.next(buffer) {
        Ok(Framed::More) => None,
        Ok(Framed::Nothing { bytes }) => {
            seen.push(Seen::Nothing(bytes));
            Some(bytes)
        }
        Ok(Framed::Request(request)) => {
            let arguments = owned(&request);
            assert_eq!(arguments.len(), request.count());
            assert_eq!(arguments[0], request.name());
            let bytes = request.bytes();
            seen.push(Seen::Request(arguments, bytes.to_vec()));
            Some(bytes.len())
        }
        Ok(Framed::Inline { bytes, words }) => {
            seen.push(Seen::Inline(bytes, words));
            Some(bytes)
        }
        Ok(Framed::Head(request)) => {
            assert!(framer.is_streaming());
            seen.push(Seen::Head(request.count(), owned(&request)));
            Some(request.bytes().len())
        }
        Ok(Framed::Rest { bytes, last }) => {
            assert!(bytes > 0);
            assert_ne!(framer.is_streaming(), last);
            let passed = &buffer[..bytes];
            if let Some(Seen::Rest(before, ended @ false)) = seen.last_mut() {
                before.extend_from_slice(passed);
                *ended = last;
            } else {
                seen.push(Seen::Rest(passed.to_vec(), last));
            }
            Some(bytes)
        }
        Err(error) => {
            assert_eq!(framer.next(b"*1\r\n$4\r\nPING\r\n"), Err(error));
            seen.push(Seen::Failed(error));
            None
        }
    }
}

/// Small limits, so that a few bytes reach them.
const SMALL: RequestLimits = RequestLimits {
    arguments: 6,
    bulk: 40,
    line: 30,
    whole: 48,
    unauthenticated: false,
};

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_command(&mut out, words);
    out
}

#[test]
fn a_request_is_handed_out_as_it_came() {
    let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n";
    let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
    let Ok(Framed::Request(request)) = framer.next(input) else {
        panic!("no request");
    };
    assert_eq!(request.bytes(), &input[..20]);
    assert!(std::ptr::eq(request.bytes().as_ptr(), input.as_ptr()));
    assert_eq!(request.name(), b"GET");
    assert_eq!(request.count(), 2);
    assert_eq!(request.argument(1), Some(&b"k"[..]));
    assert_eq!(request.argument(2), None);
    assert_eq!(Request::parse(&input[..20]), Some(request));
    assert_eq!(Request::parse(input), None);
    assert_eq!(Request::parse(&input[..19]), None);
}

#[test]
fn a_large_request_is_passed_on_while_it_arrives() {
    let input = command(&[b"SET", b"k", &vec![b'x'; 100_000], b"KEEPTTL"]);
    let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
    let Ok(Framed::Head(head)) = framer.next(&input[..1_000]) else {
        panic!("no head");
    };
    let at = head.bytes().len();
    assert_eq!(head.count(), 4);
    assert_eq!(head.arguments().collect::<Vec<_>>(), [&b"SET"[..], b"k"]);
    let part = |bytes| Ok(Framed::Rest { bytes, last: false });
    assert_eq!(framer.next(&input[at..50_000]), part(50_000 - at));
    assert_eq!(framer.next(&[]), Ok(Framed::More));
    let last = Framed::Rest {
        bytes: input.len() - 50_000,
        last: true,
    };
    assert_eq!(framer.next(&input[50_000..]), Ok(last));
    assert_eq!(framer.next(&[]), Ok(Framed::More));
}

#[test]
fn a_request_of_exactly_the_largest_size_is_whole() {
    let fixed = command(&[b"ECHO", &[b'x'; 10_000]]).len() - 10_000;
    let largest = RequestLimits::AFTER_LOGIN.whole - fixed;
    for (length, whole) in [(largest, true), (largest + 1, false)] {
        let input = command(&[b"ECHO", &vec![b'x'; length]]);
        let framed = RequestFramer::new(RequestLimits::AFTER_LOGIN)
            .next(&input)
            .unwrap();
        assert_eq!(matches!(framed, Framed::Request(_)), whole);
        assert_eq!(matches!(framed, Framed::Head(_)), !whole);
    }
}

/// The reply buffer of a client is not needed: what an argument holds is never looked at.
#[test]
fn half_a_gigabyte_passes_without_being_kept() {
    let length = 536_870_912;
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\n");
    let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
    let Ok(Framed::Head(front)) = framer.next(head.as_bytes()) else {
        panic!("no head");
    };
    let behind = &head.as_bytes()[front.bytes().len()..];
    let part = |bytes| Ok(Framed::Rest { bytes, last: false });
    assert_eq!(framer.next(behind), part(behind.len()));
    let piece = vec![b'\r'; 1 << 20];
    for _ in 0..512 {
        assert_eq!(framer.next(&piece), part(piece.len()));
    }
    assert_eq!(framer.next(b"\r"), Ok(Framed::More));
    let last = Framed::Rest {
        bytes: 2,
        last: true,
    };
    assert_eq!(framer.next(b"\r\n*1\r\n"), Ok(last));
}

#[test]
fn what_was_checked_goes_on_its_way_before_an_error() {
    let mut input = command(&[b"SET", b"k", &[b'x'; 40]]);
    let length = input.len();
    input.splice(length - 2.., *b"XX");
    let seen = frames(SMALL, &input, &[length]);
    assert_eq!(
        seen,
        [
            Seen::Head(3, vec![b"SET".to_vec(), b"k".to_vec()]),
            Seen::Rest([&b"$40\r\n"[..], &[b'x'; 40]].concat(), false),
            Seen::Failed(RequestError::NoLineEnd),
        ]
    );
}

#[test]
fn new_limits_hold_from_the_next_request_on() {
    let eleven = command(&[&b"x"[..]; 11]);
    let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
    assert_eq!(framer.next(&eleven[..40]), Ok(Framed::More));
    framer.set_limits(RequestLimits::BEFORE_LOGIN);
    assert!(matches!(framer.next(&eleven), Ok(Framed::Request(_))));
    let refused = Err(RequestError::UnauthenticatedCount);
    assert_eq!(framer.next(&eleven), refused);
}

/// 64 KiB in single bytes, of each shape that is kept until it is whole. Were it read from its
/// front for each byte, this would be 2^31 steps each.
#[test]
fn single_bytes_are_not_read_over_and_over() {
    let half = 32_000;
    let shapes = [
        command(&vec![&b"x"[..]; half / 7]),
        command(&[b"ECHO", &vec![b'x'; 2 * half]]),
        [&vec![b'x'; 2 * half][..], b"\r\n"].concat(),
        [b"*", &vec![b'1'; 2 * half][..], b"\r\n"].concat(),
        [b"*2\r\n$1\r\nx\r\n$", &vec![b'1'; 2 * half][..], b"\r\n"].concat(),
    ];
    for shape in shapes {
        let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
        for length in 1..shape.len() {
            assert_eq!(framer.next(&shape[..length]), Ok(Framed::More));
        }
        assert_ne!(framer.next(&shape), Ok(Framed::More));
    }
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..8),
        1 => prop::collection::vec(any::<u8>(), 30..41),
        1 => Just(b"\r\n$1\r\n".to_vec()),
    ]
}

/// Bytes that are nearly requests.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(argument(), 1..6).prop_map(|words| {
            let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
            command(&words)
        }),
        2 => "[*$][-+0-9]{0,3}(\r|\n|\r\n|\r\n\r\n)".prop_map(String::into_bytes),
        1 => "[ a-z\"'\\\\x0-9]{0,12}\r?\n".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_request_comes_back_whatever_the_cuts(
        commands in prop::collection::vec(prop::collection::vec(argument(), 1..6), 0..5),
        cuts in prop::collection::vec(1usize..40, 0..20),
    ) {
        let limits = RequestLimits { whole: 1_000, ..SMALL };
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for words in commands {
            let one = command(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            bytes.extend_from_slice(&one);
            expected.push(Seen::Request(words, one));
        }
        prop_assert_eq!(frames(limits, &bytes, &cuts), expected);
    }

    #[test]
    fn every_split_of_any_bytes_gives_the_same(bytes in nearly()) {
        let whole = frames(SMALL, &bytes, &[bytes.len()]);
        for at in 1..bytes.len() {
            prop_assert_eq!(&frames(SMALL, &bytes, &[at, bytes.len()]), &whole);
        }
        prop_assert_eq!(&frames(SMALL, &bytes, &[1]), &whole);
        prop_assert_eq!(&frames(SMALL, &bytes, &[3]), &whole);
    }

    #[test]
    fn every_byte_is_counted_once(bytes in nearly(), cut in 1usize..50) {
        let mut out = Vec::new();
        for seen in frames(SMALL, &bytes, &[cut]) {
            match seen {
                Seen::Nothing(length) | Seen::Inline(length, _) => {
                    out.extend_from_slice(&bytes[out.len()..][..length]);
                }
                Seen::Request(words, one) => {
                    let again: Vec<_> = words.iter().map(Vec::as_slice).collect();
                    prop_assert_eq!(command(&again), one.clone());
                    out.extend_from_slice(&one);
                }
                Seen::Head(count, words) => {
                    out.extend_from_slice(format!("*{count}\r\n").as_bytes());
                    for word in words {
                        crate::write_bulk(&mut out, &word);
                    }
                }
                Seen::Rest(passed, _) => out.extend_from_slice(&passed),
                Seen::Failed(_) => {}
            }
        }
        prop_assert!(bytes.starts_with(&out));
    }
}
