//! Where the engines read requests differently than one should think: what goes on to them, and
//! what is refused with which words. Measured on Redis 7.0.15 and Valkey 8.0.1.

use super::{super::*, Seen, command, frames};

const AFTER: RequestLimits = RequestLimits::AFTER_LOGIN;
const BEFORE: RequestLimits = RequestLimits::BEFORE_LOGIN;

/// All that comes out of some bytes, however they are cut.
fn all(limits: RequestLimits, input: &[u8]) -> Vec<Seen> {
    let whole = frames(limits, input, &[input.len()]);
    assert_eq!(frames(limits, input, &[1]), whole, "in single bytes");
    whole
}

/// The answer to bytes that are refused, and to nothing else before.
fn answer(limits: RequestLimits, input: &[u8]) -> String {
    let seen = all(limits, input);
    let [Seen::Failed(error)] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    let mut out = Vec::new();
    error.write_answer(&mut out);
    String::from_utf8(out).unwrap()
}

const COUNT: &str = "-ERR Protocol error: invalid multibulk length\r\n";
const LENGTH: &str = "-ERR Protocol error: invalid bulk length\r\n";
const LINE_END: &str = "-ERR Protocol error: expected CRLF after a bulk\r\n";

/// The engines look for CR and skip two bytes.
#[test]
fn a_cr_without_lf_ends_no_header() {
    assert_eq!(answer(AFTER, b"*1\rX$4\rXPING\r\n"), COUNT);
    assert_eq!(answer(AFTER, b"*1\r\n$4\rXPING\r\n"), LENGTH);
    assert_eq!(answer(AFTER, b"*-1\rX"), COUNT);
    assert_eq!(answer(AFTER, b"*1\r\r\n"), COUNT);
}

/// The engines skip the two bytes behind a bulk, whatever they are.
#[test]
fn nothing_but_crlf_follows_a_bulk() {
    assert_eq!(answer(AFTER, b"*1\r\n$4\r\nPINGXX"), LINE_END);
    let smuggled = b"*1\r\n$4\r\nPING*1\r\n$8\r\nFLUSHALL\r\n";
    assert_eq!(answer(AFTER, smuggled), LINE_END);
    assert_eq!(answer(AFTER, b"*1\r\n$4\r\nPING\n\r"), LINE_END);
    assert_eq!(answer(AFTER, b"*1\r\n$4\r\nPING\r\r"), LINE_END);
}

/// The engines reply nothing, so nothing may be waited for.
#[test]
fn empty_requests_are_nothing() {
    for (input, bytes) in [
        (&b"*0\r\n"[..], 4),
        (b"*-1\r\n", 5),
        (b"*-5\r\n", 5),
        (b"*-9223372036854775808\r\n", 23),
        (b"\r\n", 2),
        (b"\n", 1),
        (b" \t \r\n", 5),
    ] {
        assert_eq!(all(AFTER, input), [Seen::Nothing(bytes)], "{input:?}");
        let behind = [input, &command(&[b"PING"])].concat();
        let request = Seen::Request(vec![b"PING".to_vec()], command(&[b"PING"]));
        assert_eq!(all(AFTER, &behind), [Seen::Nothing(bytes), request]);
    }
}

#[test]
fn numbers_have_one_spelling() {
    for bad in [
        "*+1", "*01", "* 1", "*1 ", "*", "*-0", "*-01", "*00", "*0x1", "*1\0", "*1e0",
    ] {
        assert_eq!(
            answer(AFTER, format!("{bad}\r\n").as_bytes()),
            COUNT,
            "{bad}"
        );
    }
    for bad in [
        "$+4", "$04", "$ 4", "$4 ", "$", "$-1", "$-0", "$-10", "$00", "$blabla",
    ] {
        let input = format!("*1\r\n{bad}\r\nPING\r\n");
        assert_eq!(answer(AFTER, input.as_bytes()), LENGTH, "{bad}");
    }
}

#[test]
fn an_argument_begins_with_a_dollar() {
    let got = |byte: &str| format!("-ERR Protocol error: expected '$', got '{byte}'\r\n");
    assert_eq!(answer(AFTER, b"*1\r\nfoo\r\n"), got("f"));
    let third = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n";
    assert_eq!(answer(AFTER, third), got("f"));
    // No line ends inside an answer.
    assert_eq!(answer(AFTER, b"*1\r\n\r\n"), got(" "));
    assert_eq!(answer(AFTER, b"*1\r\n\nx\r\n"), got(" "));
}

/// The engines take 2^31 - 1 arguments; none of them has room here before it comes.
#[test]
fn a_header_promises_much_and_reserves_nothing() {
    assert_eq!(all(AFTER, b"*1048576\r\n"), []);
    assert_eq!(all(AFTER, b"*1048576\r\n$1\r\nx\r\n"), []);
    assert_eq!(answer(AFTER, b"*1048577\r\n"), COUNT);
    assert_eq!(answer(AFTER, b"*2147483647\r\n"), COUNT);
    assert_eq!(answer(AFTER, b"*2147483648\r\n"), COUNT);
    assert_eq!(answer(AFTER, b"*99999999999999999999\r\n"), COUNT);
    assert!(size_of::<RequestFramer>() <= 160);
}

#[test]
fn an_argument_is_not_larger_than_the_engines_take() {
    let largest = b"*2\r\n$1\r\nx\r\n$536870912\r\n";
    assert!(matches!(
        all(AFTER, largest).as_slice(),
        [Seen::Head(2, _), _]
    ));
    for bad in [
        "536870913",
        "2000000000",
        "9223372036854775807",
        "99999999999999999999",
    ] {
        let input = format!("*1\r\n${bad}\r\n");
        assert_eq!(answer(AFTER, input.as_bytes()), LENGTH, "{bad}");
    }
}

#[test]
fn before_login_requests_are_small() {
    let count = "-ERR Protocol error: unauthenticated multibulk length\r\n";
    let length = "-ERR Protocol error: unauthenticated bulk length\r\n";
    assert_eq!(all(BEFORE, b"*10\r\n"), []);
    assert_eq!(answer(BEFORE, b"*11\r\n"), count);
    assert_eq!(answer(BEFORE, b"*2147483647\r\n"), count);
    assert_eq!(answer(BEFORE, b"*2147483648\r\n"), COUNT);
    assert_eq!(all(BEFORE, b"*1\r\n$16384\r\n"), []);
    assert_eq!(answer(BEFORE, b"*1\r\n$16385\r\n"), length);
    assert_eq!(answer(BEFORE, b"*1\r\n$536870912\r\n"), length);
    assert_eq!(answer(BEFORE, b"*1\r\n$536870913\r\n"), LENGTH);
}

/// What the engines limit a buffer to, no request before login can fill.
#[test]
fn before_login_no_request_has_a_megabyte() {
    let largest = command(&[&[b'x'; 16_384][..]; 10]);
    assert!(largest.len() < 1_048_576);
    assert!(BEFORE.buffer() < 1_048_576);
    let seen = frames(BEFORE, &largest, &[1_000]);
    assert!(matches!(
        seen.as_slice(),
        [Seen::Head(10, _), Seen::Rest(_, true)]
    ));
}

#[test]
fn lines_end_within_64_kib() {
    let fits = vec![b'1'; 65_535];
    let long = vec![b'1'; 65_536];
    for (front, answered, endless) in [
        (&b"*"[..], COUNT, "too big mbulk count string"),
        (b"*1\r\n$", LENGTH, "too big bulk count string"),
    ] {
        let seen = all(AFTER, &[front, &fits].concat());
        assert_eq!(seen, []);
        let closed = [front, &fits, b"\r\n"].concat();
        assert_eq!(answer(AFTER, &closed), answered);
        let refused = format!("-ERR Protocol error: {endless}\r\n");
        assert_eq!(answer(AFTER, &[front, &long].concat()), refused);
    }
    let word = vec![b'x'; 65_536];
    let line = [&word[..], b"\n"].concat();
    assert_eq!(
        all(AFTER, &line),
        [Seen::Inline(65_537, vec![word.clone()])]
    );
    let refused = "-ERR Protocol error: too big inline request\r\n";
    assert_eq!(answer(AFTER, &[&word[..], b"x\n"].concat()), refused);
    assert_eq!(answer(AFTER, &[&word[..], b"\r\n"].concat()), refused);
}

/// A browser that is made to talk to a cache: the engines close without a word.
#[test]
fn http_is_closed_without_a_word() {
    let cross = Seen::Failed(RequestError::CrossProtocol);
    let get = "GET / HTTP/1.1\r\n";
    let words = get.split_whitespace().map(|word| word.as_bytes().to_vec());
    let first = Seen::Inline(get.len(), words.collect());
    let input = format!("{get}Host: cache\r\n\r\n");
    assert_eq!(all(AFTER, input.as_bytes()), [first, cross.clone()]);
    for input in [
        &b"POST / HTTP/1.1\r\n"[..],
        b"post\n",
        b"hOST: x\r\n",
        b"*1\r\n$4\r\nPost\r\n",
        b"*2\r\n$5\r\nHOST:\r\n$1\r\nx\r\n",
    ] {
        assert_eq!(
            all(BEFORE, input),
            std::slice::from_ref(&cross),
            "{input:?}"
        );
        assert_eq!(answer(AFTER, input), "");
    }
    assert!(RequestError::CrossProtocol.is_silent());
    assert!(!RequestError::InvalidCount.is_silent());
}

/// Names are told by their length: what follows a NUL counts.
#[test]
fn a_name_may_hold_any_byte() {
    let input = command(&[b"PING\0"]);
    assert_eq!(Request::parse(&input).unwrap().name(), b"PING\0");
}

/// The engines would answer that they do not know it.
#[test]
fn a_name_larger_than_a_whole_request_is_refused() {
    let input = command(&[&vec![b'x'; 70_000]]);
    let refused = "-ERR Protocol error: too big command name\r\n";
    assert_eq!(answer(AFTER, &input), refused);
}

/// A client that has sent its last byte still gets its replies.
#[test]
fn two_requests_before_the_end_are_two_requests() {
    let ping = command(&[b"PING"]);
    let seen = Seen::Request(vec![b"PING".to_vec()], ping.clone());
    assert_eq!(
        all(AFTER, &[&ping[..], &ping].concat()),
        [seen.clone(), seen]
    );
}

/// The regression tests of the engines' own `unit/protocol`: 64 KiB behind a front that never
/// becomes a request.
#[test]
fn no_front_makes_the_framer_wait_for_ever() {
    let lines = [&[b'A'; 1_024][..], b"\n"].concat().repeat(70);
    for front in [&b"\0"[..], b"*\0", b"$\0", b"*1\r\n$\0"] {
        let seen = all(AFTER, &[front, &lines].concat());
        let [Seen::Failed(error)] = seen.as_slice() else {
            panic!("{front:?}: {seen:?}");
        };
        assert!(!error.is_silent());
    }
}
