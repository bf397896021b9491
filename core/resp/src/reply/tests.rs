//! Replies.

use super::*;

#[test]
fn a_reply_is_read_to_its_end() {
    let input = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n+OK\r\n";
    let mut framer = ReplyFramer::new();
    let Ok(Replied::Whole(reply)) = framer.next(input) else {
        panic!("no reply");
    };
    assert_eq!(reply.bytes(), input.len() - 5);
    assert_eq!(reply.kind(), ReplyKind::Array);
    assert_eq!(reply.first_line(), b"3");
    assert_eq!(reply.element(0), Some(&b"subscribe"[..]));
    assert_eq!(reply.element(2), Some(&b"1"[..]));
    assert_eq!(reply.element(3), None);
}
