//! Inline commands: words as `sdssplitargs` splits them. The cases with their results are those of
//! redis-cli, which uses the same function, and of the engines.

use super::{super::*, Seen, frames};

fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let input = [line, b"\r\n"].concat();
    match frames(RequestLimits::AFTER_LOGIN, &input, &[1]).pop() {
        Some(Seen::Inline(bytes, words)) => {
            assert_eq!(bytes, input.len());
            Some(words)
        }
        Some(Seen::Failed(RequestError::UnbalancedQuotes)) => None,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn words_are_split_as_the_engines_split_them() {
    for (line, expected) in [
        (&b"PING"[..], vec![&b"PING"[..]]),
        (b"  set\tk \t v  ", vec![b"set", b"k", b"v"]),
        (b"+PING", vec![b"+PING"]),
        (b"PROXY TCP4 1.2.3.4", vec![b"PROXY", b"TCP4", b"1.2.3.4"]),
        (br#"set k "\x41""#, vec![b"set", b"k", b"A"]),
        (br#""\xfF\x0""#, vec![b"\xffx0"]),
        (br#""\n\r\t\b\a\\\"\q""#, vec![b"\n\r\t\x08\x07\\\"q"]),
        (br#""""#, vec![b""]),
        (b"'' x", vec![b"", b"x"]),
        (br"'a\'b\n'", vec![br"a'b\n"]),
        (br#"foo"bar" x"#, vec![b"foobar", b"x"]),
        (b"foo'b a r'", vec![b"foob a r"]),
        (br"a\x41\n", vec![br"a\x41\n"]),
        (b"\"a\rb\"", vec![b"a\rb"]),
        (b"a\rb", vec![b"a", b"b"]),
        // White space between words, but not what ends one.
        (b"\x0b\x0ca\x0bb", vec![b"a\x0bb"]),
        (b"\"a\"\x0b'b'", vec![b"a", b"b"]),
        (b"\xff\xfe", vec![b"\xff\xfe"]),
        (b"$4", vec![b"$4"]),
    ] {
        assert_eq!(words(line).unwrap(), expected, "{}", line.escape_ascii());
    }
}

#[test]
fn unbalanced_quotes_are_refused_with_the_words_of_the_engines() {
    for line in [
        &b"\""[..],
        b"'",
        br#"set "a"#,
        br#"set "a"b"#,
        br#"set 'a'"b""#,
        br#"set "a\""#,
        br"set 'a\'",
        br#"""""#,
        b"set \"\\",
        b"set '\\",
    ] {
        assert_eq!(words(line), None, "{}", line.escape_ascii());
    }
    let words = RequestError::UnbalancedQuotes.to_string();
    assert_eq!(words, "unbalanced quotes in request");
}

/// The engines' search for the line's end stops at a NUL, and never gets further.
#[test]
fn a_nul_is_refused_as_soon_as_it_comes() {
    for line in [&b"PING\0"[..], b"\0", b"PING\0\r\n", b"x \"\0\"\n"] {
        let seen = frames(RequestLimits::AFTER_LOGIN, line, &[1]);
        assert_eq!(seen, [Seen::Failed(RequestError::InlineNul)], "{line:?}");
    }
    // Behind the line's end it is somebody else's.
    let seen = frames(RequestLimits::AFTER_LOGIN, b"PING\n\0", &[6]);
    assert_eq!(seen.len(), 2);
}

#[test]
fn one_line_end_is_taken_off() {
    let seen = frames(RequestLimits::AFTER_LOGIN, b"PING\r\r\nPING\n", &[100]);
    let ping = || vec![b"PING".to_vec()];
    assert_eq!(seen, [Seen::Inline(7, ping()), Seen::Inline(5, ping())]);
}
