//! Requests.

use super::*;
use crate::write_command;

fn frame(input: &[u8]) -> Result<Framed<'_>, RequestError> {
    RequestFramer::new(RequestLimits::AFTER_LOGIN).next(input)
}

#[test]
fn a_request_is_handed_out_as_it_came() {
    let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n";
    let Ok(Framed::Request(request)) = frame(input) else {
        panic!("no request");
    };
    assert_eq!(request.bytes(), &input[..20]);
    assert_eq!(request.name(), b"GET");
    assert_eq!(request.count(), 2);
    assert_eq!(request.argument(1), Some(&b"k"[..]));
    assert_eq!(request.argument(2), None);
}

#[test]
fn a_large_request_is_passed_on_while_it_arrives() {
    let mut input = Vec::new();
    write_command(&mut input, &[b"SET", b"k", &vec![b'x'; 100_000]]);
    let mut framer = RequestFramer::new(RequestLimits::AFTER_LOGIN);
    let Ok(Framed::Head(head)) = framer.next(&input[..1_000]) else {
        panic!("no head");
    };
    let at = head.bytes().len();
    assert_eq!(head.count(), 3);
    assert_eq!(head.arguments().collect::<Vec<_>>(), [&b"SET"[..], b"k"]);
    assert_eq!(
        framer.next(&input[at..50_000]),
        Ok(Framed::Rest {
            bytes: 50_000 - at,
            last: false
        })
    );
    assert_eq!(
        framer.next(&input[50_000..]),
        Ok(Framed::Rest {
            bytes: input.len() - 50_000,
            last: true
        })
    );
}
