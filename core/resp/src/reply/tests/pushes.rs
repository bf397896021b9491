//! Replies that answer nothing, or of which one request has several. The bytes are those of Redis
//! 7.0.15 and Valkey 8.0.1.

use super::*;

fn kinds(input: &[u8]) -> Vec<ReplyKind> {
    let (seen, rest, error) = replies(input, &[1]);
    assert_eq!((rest, error), (Vec::new(), None));
    assert_eq!(replies(input, &[input.len()]).0, seen);
    seen.into_iter().map(|seen| seen.kind).collect()
}

#[test]
fn each_channel_of_a_subscribe_is_confirmed() {
    let one =
        |channel: &str, count| format!("*3\r\n$9\r\nsubscribe\r\n$1\r\n{channel}\r\n:{count}\r\n");
    let input = [one("a", 1), one("b", 2), one("c", 3)].concat();
    let (seen, ..) = replies(input.as_bytes(), &[9]);
    assert_eq!(seen.len(), 3);
    super::one(&seen[2].bytes, |reply| {
        assert_eq!(reply.element(0), Some(&b"subscribe"[..]));
        assert_eq!(reply.element(1), Some(&b"c"[..]));
        assert_eq!(reply.element(2), Some(&b"3"[..]));
    });
    super::one(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n", |reply| {
        assert_eq!(reply.element(1), None);
        assert_eq!(reply.element(2), Some(&b"0"[..]));
    });
}

#[test]
fn a_large_message_is_told_from_a_reply() {
    let mut input = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5000\r\n".to_vec();
    input.extend_from_slice(&[b'x'; 5_000]);
    input.extend_from_slice(b"\r\n");
    let mut framer = ReplyFramer::new();
    let Ok(Replied::Part(part)) = framer.next(&input[..700]) else {
        panic!("no part");
    };
    assert_eq!(part.element(0), Some(&b"message"[..]));
    let Ok(Replied::Whole(reply)) = framer.next(&input[700..]) else {
        panic!("no end");
    };
    assert_eq!(reply.element(0), Some(&b"message"[..]));
    assert_eq!(reply.element(1), Some(&b"c"[..]));
    assert_eq!(reply.element(2), None);
}

/// Redis pushes before the reply to the request that caused it, Valkey behind it.
#[test]
fn pushes_stand_on_either_side_of_a_reply() {
    let push = ">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nhi\r\n";
    let before = format!("{push}:1\r\n");
    let behind = format!(":1\r\n{push}");
    let two = [ReplyKind::Push, ReplyKind::Integer];
    assert_eq!(kinds(before.as_bytes()), two);
    assert_eq!(kinds(behind.as_bytes()), [two[1], two[0]]);
    let invalidated =
        b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n";
    assert_eq!(kinds(invalidated), [ReplyKind::Push; 2]);
}

/// `MULTI`, `PUBLISH` to a channel of its own, `GET`, `EXEC` at Redis: the message stands inside
/// `EXEC`'s reply, which counts two elements without it.
#[test]
fn a_message_inside_a_transactions_reply_is_no_element() {
    let input = b"*2\r\n>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nhi\r\n:1\r\n_\r\n+OK\r\n";
    assert_eq!(kinds(input), [ReplyKind::Array, ReplyKind::Simple]);
    let last = b"*1\r\n>2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$1\r\nx\r\n+OK\r\n";
    assert_eq!(kinds(last), [ReplyKind::Array, ReplyKind::Simple]);
    let (seen, ..) = replies(input, &[5]);
    one(&seen[0].bytes, |reply| {
        assert_eq!(reply.element(0), Some(&b"1"[..]));
        assert_eq!(reply.element(1), None);
    });
}

/// `SUBSCRIBE a` in a transaction: its confirmation is the element.
#[test]
fn a_confirmation_inside_a_transactions_reply_is_an_element() {
    let input = b"*2\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n_\r\n+OK\r\n";
    assert_eq!(kinds(input), [ReplyKind::Array, ReplyKind::Simple]);
    let (seen, ..) = replies(input, &[5]);
    one(&seen[0].bytes, |reply| {
        assert_eq!(reply.element(0), None);
        assert_eq!(reply.element(1), None);
    });
}

/// `SUBSCRIBE a b`, `GET k` in a transaction: `EXEC` counts two elements, and three follow. What
/// comes behind the second is a reply of its own, which nobody asked for.
#[test]
fn two_confirmations_of_one_command_end_the_array_early() {
    let input = b"*2\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n\
        >3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:3\r\n_\r\n";
    assert_eq!(kinds(input), [ReplyKind::Array, ReplyKind::Null]);
}

#[test]
fn a_push_inside_a_reply_has_a_name() {
    assert_eq!(error(b"*1\r\n>1\r\n:1\r\n"), ReplyError::BadNumber);
    assert_eq!(error(b"*1\r\n>1\r\n$65\r\n"), ReplyError::NamelessPush);
}

/// The middle of a script's reply that ran out of stack: an error takes the place of the rest.
#[test]
fn an_error_inside_an_array_is_an_element() {
    let input = b"*1\r\n*2\r\n-ERR reached lua stack limit\r\n:1\r\n+OK\r\n";
    assert_eq!(kinds(input), [ReplyKind::Array, ReplyKind::Simple]);
}
