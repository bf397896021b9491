//! Replies: what comes out, and that cuts do not matter.

mod kinds;
mod pushes;

use proptest::prelude::*;

use super::*;

/// What was framed of a reply, with what its division leaves alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: ReplyKind,
    bytes: Vec<u8>,
    head: Vec<u8>,
}

/// Frames `input` as a caller does that reads pieces of these sizes, the last over and over. With
/// the bytes of a reply that has not ended.
fn replies(input: &[u8], cuts: &[usize]) -> (Vec<Seen>, Vec<u8>, Option<ReplyError>) {
    let mut framer = ReplyFramer::new();
    let mut seen = Vec::new();
    let mut buffer = Vec::new();
    let mut passed = Vec::new();
    let mut rest = input;
    let mut cuts = cuts.iter();
    let mut cut = 1;
    while !rest.is_empty() {
        cut = cuts.next().copied().unwrap_or(cut).clamp(1, rest.len());
        let (now, later) = rest.split_at(cut);
        rest = later;
        buffer.extend_from_slice(now);
        loop {
            let streaming = framer.is_streaming();
            let used = match framer.next(&buffer) {
                Ok(Replied::More) => break,
                Ok(Replied::Part(reply)) => {
                    assert!(!reply.is_in_one());
                    assert!(reply.bytes() > 0);
                    passed.extend_from_slice(&buffer[..reply.bytes()]);
                    reply.bytes()
                }
                Ok(Replied::Whole(reply)) => {
                    assert_eq!(reply.is_in_one(), !streaming);
                    passed.extend_from_slice(&buffer[..reply.bytes()]);
                    assert!(reply.is_in_one() || passed.len() > HEAD_BYTES);
                    seen.push(Seen {
                        kind: reply.kind(),
                        bytes: std::mem::take(&mut passed),
                        head: reply.head.to_vec(),
                    });
                    reply.bytes()
                }
                Err(error) => {
                    assert_eq!(framer.next(b"+OK\r\n"), Err(error));
                    return (seen, passed, Some(error));
                }
            };
            buffer.drain(..used);
        }
        assert!(buffer.len() < 1_024, "{} bytes are kept", buffer.len());
    }
    passed.extend_from_slice(&buffer);
    (seen, passed, None)
}

/// Frames one reply that is there at once.
fn one(input: &[u8], check: impl FnOnce(Reply<'_>)) {
    let mut framer = ReplyFramer::new();
    let Ok(Replied::Whole(reply)) = framer.next(input) else {
        panic!("no reply: {}", input.escape_ascii());
    };
    assert_eq!(reply.bytes(), input.len());
    check(reply);
}

fn error(input: &[u8]) -> ReplyError {
    let (seen, _, error) = replies(input, &[1]);
    assert_eq!(replies(input, &[input.len()]).2, error);
    assert_eq!(seen, []);
    error.unwrap()
}

#[test]
fn a_large_reply_is_passed_on_while_it_arrives() {
    let mut input = b"*2\r\n$100000\r\n".to_vec();
    input.extend_from_slice(&[b'x'; 100_000]);
    input.extend_from_slice(b"\r\n:1\r\n");
    let mut framer = ReplyFramer::new();
    assert_eq!(framer.next(&input[..512]), Ok(Replied::More));
    let Ok(Replied::Part(part)) = framer.next(&input[..600]) else {
        panic!("no part");
    };
    assert_eq!(part.bytes(), 600);
    assert_eq!(part.kind(), ReplyKind::Array);
    assert_eq!(part.first_line(), b"2");
    assert_eq!(framer.next(&[]), Ok(Replied::More));
    let Ok(Replied::Whole(reply)) = framer.next(&input[600..]) else {
        panic!("no end");
    };
    assert_eq!(reply.bytes(), input.len() - 600);
    assert_eq!(reply.kind(), ReplyKind::Array);
    assert!(!reply.is_in_one());
    assert_eq!(reply.element(0), None);
    assert_eq!(reply.head.len(), HEAD_BYTES);
}

#[test]
fn a_large_reply_that_is_there_comes_at_once() {
    let mut input = b"$100000\r\n".to_vec();
    input.extend_from_slice(&[b'x'; 100_000]);
    input.extend_from_slice(b"\r\n");
    one(&input, |reply| {
        assert!(reply.is_in_one());
        assert_eq!(reply.kind(), ReplyKind::Bulk);
        assert_eq!(reply.text(), None);
        assert_eq!(reply.first_line(), b"100000");
    });
}

#[test]
fn a_reply_of_the_size_that_can_be_read_is_not_divided() {
    // Of a larger one that comes in single bytes, all but its line end is there first.
    for (length, divided) in [(HEAD_BYTES, false), (HEAD_BYTES + 3, true)] {
        let mut input = vec![b'+'];
        input.resize(length - 2, b'x');
        input.extend_from_slice(b"\r\n");
        let mut framer = ReplyFramer::new();
        let mut parts = 0;
        let mut from = 0;
        for to in 1..=length {
            match framer.next(&input[from..to]).unwrap() {
                Replied::More => {}
                Replied::Part(part) => {
                    parts += 1;
                    from += part.bytes();
                }
                Replied::Whole(reply) => {
                    from += reply.bytes();
                    assert_ne!(reply.is_in_one(), divided);
                }
            }
        }
        assert_eq!(from, length);
        assert_eq!(parts > 0, divided);
    }
}

/// A script's reply may nest as deep as its stack is.
#[test]
fn replies_nest_as_deep_as_the_engines_nest_them() {
    let nested = |depth| [b"*1\r\n".repeat(depth), b"*0\r\n".to_vec()].concat();
    let deepest = nested(DEPTH);
    assert_eq!(replies(&deepest, &[7]).0.len(), 1);
    assert_eq!(
        replies(&nested(DEPTH + 1), &[700]).2,
        Some(ReplyError::TooDeep)
    );
    let mut framer = ReplyFramer::new();
    assert!(matches!(framer.next(&deepest), Ok(Replied::Whole(_))));
    assert_eq!(framer.around.capacity(), 0);
}

#[test]
fn a_count_reserves_nothing() {
    let mut framer = ReplyFramer::new();
    let huge = b"*999999999999999999\r\n%999999999999999999\r\n";
    assert_eq!(framer.next(huge), Ok(Replied::More));
    assert!(framer.around.capacity() < 16);
    assert!(size_of::<ReplyFramer>() < 700);
}

/// A value with everything inside it.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let line = "[ -~]{0,12}";
    let leaf = prop_oneof![
        line.prop_map(|text| format!("+{text}\r\n").into_bytes()),
        line.prop_map(|text| format!("-{text}\r\n").into_bytes()),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        any::<f64>().prop_map(|number| format!(",{number}\r\n").into_bytes()),
        "-?[0-9]{1,40}".prop_map(|number| format!("({number}\r\n").into_bytes()),
        prop::sample::select(vec![
            "$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "#f\r\n", "*0\r\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        (
            prop::sample::select(b"$!=".to_vec()),
            prop::collection::vec(any::<u8>(), 0..300)
        )
            .prop_map(|(kind, text)| {
                let mut out = vec![kind];
                out.extend_from_slice(format!("{}\r\n", text.len()).as_bytes());
                out.extend_from_slice(&text);
                out.extend_from_slice(b"\r\n");
                out
            }),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let values = prop::collection::vec(inner.clone(), 0..5);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..3);
        let pairs = pairs.prop_map(|pairs| {
            let count = pairs.len();
            let values = pairs.into_iter().flat_map(|(key, value)| [key, value]);
            (count, values.collect::<Vec<_>>().concat())
        });
        prop_oneof![
            (prop::sample::select(b"*~".to_vec()), values).prop_map(|(kind, values)| {
                let head = format!("{}{}\r\n", char::from(kind), values.len());
                [head.as_bytes(), &values.concat()].concat()
            }),
            pairs.clone().prop_map(|(count, values)| {
                [format!("%{count}\r\n").as_bytes(), &values].concat()
            }),
            (pairs, inner).prop_map(|((count, values), value)| {
                [format!("|{count}\r\n").as_bytes(), &values, &value].concat()
            }),
        ]
    })
}

/// Bytes that are nearly replies.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => value(),
        2 => r"[-+:$*!=_#,(%~>|][-0-9a-z]{0,3}(\r|\n|\r\n)".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_reply_comes_back_whatever_the_cuts(
        values in prop::collection::vec(value(), 0..4),
        cuts in prop::collection::vec(1usize..700, 0..20),
    ) {
        let (seen, rest, error) = replies(&values.concat(), &cuts);
        prop_assert_eq!(error, None);
        prop_assert_eq!(rest, Vec::<u8>::new());
        let bytes: Vec<_> = seen.into_iter().map(|seen| seen.bytes).collect();
        prop_assert_eq!(bytes, values);
    }

    #[test]
    fn every_split_of_any_bytes_gives_the_same(bytes in nearly()) {
        let whole = replies(&bytes, &[bytes.len()]);
        let accounted: Vec<_> = whole.0.iter().flat_map(|seen| seen.bytes.clone()).collect();
        prop_assert!(bytes.starts_with(&accounted));
        for at in (1..bytes.len()).step_by(1 + bytes.len() / 200) {
            let split = replies(&bytes, &[at, bytes.len()]);
            prop_assert_eq!((&split.0, split.2), (&whole.0, whole.2));
        }
        for cut in [1, 3, 600] {
            let split = replies(&bytes, &[cut]);
            prop_assert_eq!((&split.0, split.2), (&whole.0, whole.2));
        }
    }

    #[test]
    fn elements_are_what_was_put_in(
        texts in prop::collection::vec("[a-z\r\n]{0,12}", 1..12),
        kind in prop::sample::select(b"*~>".to_vec()),
    ) {
        let mut bytes = format!("{}{}\r\n", char::from(kind), 2 * texts.len()).into_bytes();
        for text in &texts {
            bytes.extend_from_slice(b"%1\r\n+k\r\n*2\r\n_\r\n:1\r\n");
            crate::write_bulk(&mut bytes, text.as_bytes());
        }
        one(&bytes, |reply| {
            for (index, text) in texts.iter().enumerate() {
                assert_eq!(reply.element(2 * index), None);
                let found = reply.element(2 * index + 1);
                assert!(found.is_none_or(|found| found == text.as_bytes()));
                assert!(found.is_some() || bytes.len() > HEAD_BYTES);
            }
            assert_eq!(reply.element(2 * texts.len()), None);
        });
    }
}
