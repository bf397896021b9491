//! Every kind of reply, as the engines send it, and as they do not.

use super::*;

#[test]
fn every_kind_is_told_by_its_first_byte() {
    for (input, kind, text) in [
        (&b"+OK\r\n"[..], ReplyKind::Simple, Some(&b"OK"[..])),
        (b"+\r\n", ReplyKind::Simple, Some(b"")),
        (b"-ERR a  b\r\n", ReplyKind::Error, Some(b"ERR a  b")),
        (b":-5\r\n", ReplyKind::Integer, Some(b"-5")),
        (
            b":-9223372036854775808\r\n",
            ReplyKind::Integer,
            Some(b"-9223372036854775808"),
        ),
        (
            b"$4\r\n\r\n\0\xff\r\n",
            ReplyKind::Bulk,
            Some(b"\r\n\0\xff"),
        ),
        (b"$0\r\n\r\n", ReplyKind::Bulk, Some(b"")),
        (b"$-1\r\n", ReplyKind::Null, None),
        (b"*-1\r\n", ReplyKind::Null, None),
        (b"_\r\n", ReplyKind::Null, None),
        (b"*0\r\n", ReplyKind::Array, None),
        (b"*2\r\n:1\r\n*1\r\n$-1\r\n", ReplyKind::Array, None),
        (b"#t\r\n", ReplyKind::Boolean, Some(b"t")),
        (
            b",1.5000000000000001e+300\r\n",
            ReplyKind::Double,
            Some(b"1.5000000000000001e+300"),
        ),
        (b",-nan\r\n", ReplyKind::Double, Some(b"-nan")),
        (b",-inf\r\n", ReplyKind::Double, Some(b"-inf")),
        (b"(12  3\r\n", ReplyKind::BigNumber, Some(b"12  3")),
        (b"!5\r\nERR x\r\n", ReplyKind::BulkError, Some(b"ERR x")),
        (
            b"=7\r\ntxt:a\nb\r\n",
            ReplyKind::Verbatim,
            Some(b"txt:a\nb"),
        ),
        (b"%1\r\n+a\r\n:1\r\n", ReplyKind::Map, None),
        (b"%0\r\n", ReplyKind::Map, None),
        (b"~2\r\n:1\r\n:2\r\n", ReplyKind::Set, None),
        (b">2\r\n+a\r\n:1\r\n", ReplyKind::Push, None),
        (
            b"|1\r\n+a\r\n*1\r\n:1\r\n$2\r\nhi\r\n",
            ReplyKind::Bulk,
            Some(b"hi"),
        ),
        (b"|0\r\n:1\r\n", ReplyKind::Integer, Some(b"1")),
        (b"*1\r\n|1\r\n+a\r\n:1\r\n:2\r\n", ReplyKind::Array, None),
    ] {
        one(input, |reply| {
            assert_eq!(reply.kind(), kind, "{}", input.escape_ascii());
            assert_eq!(reply.text(), text, "{}", input.escape_ascii());
            assert!(reply.is_in_one());
            let failed = [ReplyKind::Error, ReplyKind::BulkError].contains(&kind);
            assert_eq!(kind.is_error(), failed);
        });
    }
}

/// Telling where it ends would be guessing.
#[test]
fn what_no_engine_sends_is_refused() {
    for (input, expected) in [
        (&b"*?\r\n"[..], ReplyError::BadNumber),
        (b"$?\r\n", ReplyError::BadNumber),
        (b";4\r\n", ReplyError::UnknownKind(b';')),
        (b".\r\n", ReplyError::UnknownKind(b'.')),
        (b"PONG\r\n", ReplyError::UnknownKind(b'P')),
        (b"\r\n", ReplyError::UnknownKind(b'\r')),
        (b"$-2\r\n", ReplyError::BadNumber),
        (b"$-1\rx", ReplyError::BadNumber),
        (b"*-2\r\n", ReplyError::BadNumber),
        (b"%-1\r\n", ReplyError::BadNumber),
        (b"$+1\r\n", ReplyError::BadNumber),
        (b"*01\r\n", ReplyError::BadNumber),
        (b"$9999999999999999999\r\n", ReplyError::BadNumber),
        (b"$1\r\nxx\r\n", ReplyError::NoLineEnd),
        (b"$1\r\nx\n\r", ReplyError::NoLineEnd),
        (b"+a\nb\r\n", ReplyError::NoLineEnd),
        (b"+a\rb\r\n", ReplyError::NoLineEnd),
        (b":1\n", ReplyError::NoLineEnd),
        (b":01\r\n", ReplyError::BadScalar),
        (b":\r\n", ReplyError::BadScalar),
        (b":-0\r\n", ReplyError::BadScalar),
        (b":9223372036854775808\r\n", ReplyError::BadScalar),
        (b"#x\r\n", ReplyError::BadScalar),
        (b"_x\r\n", ReplyError::BadScalar),
        (&[b':'; 200], ReplyError::BadScalar),
    ] {
        assert_eq!(error(input), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn a_line_may_be_longer_than_what_is_kept() {
    let text = vec![b'1'; 100_000];
    for (front, kind) in [
        (b"+", ReplyKind::Simple),
        (b"-", ReplyKind::Error),
        (b"(", ReplyKind::BigNumber),
        (b",", ReplyKind::Double),
    ] {
        let input = [front, &text[..], b"\r\n"].concat();
        let (seen, ..) = replies(&input, &[1_000]);
        let [seen] = seen.as_slice() else {
            panic!("{} replies", seen.len());
        };
        assert_eq!(seen.kind, kind);
        assert_eq!(seen.head, &input[..HEAD_BYTES]);
    }
}

#[test]
fn the_reply_to_hello_can_be_read() {
    let input = b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n\
        $5\r\nproto\r\n:3\r\n$2\r\nid\r\n:3\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n\
        $4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
    one(input, |reply| {
        assert_eq!(reply.element(4), Some(&b"proto"[..]));
        assert_eq!(reply.element(5), Some(&b"3"[..]));
        assert_eq!(reply.element(12), Some(&b"modules"[..]));
        assert_eq!(reply.element(13), None);
        assert_eq!(reply.element(14), None);
    });
}

/// Attributes may be larger than what is kept; the reply behind them is told all the same.
#[test]
fn large_attributes_are_passed_on_before_their_reply() {
    let mut input = b"|1\r\n+a\r\n$2000\r\n".to_vec();
    input.extend_from_slice(&[b'x'; 2_000]);
    input.extend_from_slice(b"\r\n+OK\r\n");
    let mut framer = ReplyFramer::new();
    let Ok(Replied::Part(part)) = framer.next(&input[..600]) else {
        panic!("no part");
    };
    assert_eq!(part.kind(), ReplyKind::Attribute);
    assert_eq!(part.first_line(), b"");
    let (seen, ..) = replies(&input, &[600]);
    assert_eq!(seen, replies(&input, &[input.len()]).0);
    assert_eq!(seen[0].kind, ReplyKind::Simple);
    assert_eq!(seen[0].head, b"+OK\r\n");
}
