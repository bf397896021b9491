//! What a gateway says itself.

/// Appends `words` to `out` as an array of bulk strings: a command, or a reply of texts.
pub fn write_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    write_array(out, words.len());
    for word in words {
        write_bulk(out, word);
    }
}

/// Appends a simple string. Line ends in it become spaces.
pub fn write_simple(out: &mut Vec<u8>, text: &[u8]) {
    write_line(out, b'+', text);
}

/// Appends an error: its code, a space and a sentence. Line ends in it become spaces.
pub fn write_error(out: &mut Vec<u8>, text: &[u8]) {
    write_line(out, b'-', text);
}

/// Appends an integer.
pub fn write_integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.extend_from_slice(b":-");
        digits(out, number.unsigned_abs());
        out.extend_from_slice(b"\r\n");
    } else {
        write_header(out, b':', number.unsigned_abs());
    }
}

/// Appends a bulk string.
pub fn write_bulk(out: &mut Vec<u8>, text: &[u8]) {
    write_header(out, b'$', text.len() as u64);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// Begins an array; as many values follow.
pub fn write_array(out: &mut Vec<u8>, values: usize) {
    write_header(out, b'*', values as u64);
}

/// Begins a push, which RESP3 alone has; as many values follow.
pub fn write_push(out: &mut Vec<u8>, values: usize) {
    write_header(out, b'>', values as u64);
}

/// Appends the null of RESP3.
pub fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"_\r\n");
}

/// Appends the null bulk string of RESP2.
pub fn write_null_bulk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// Appends the null array of RESP2, which is what an `EXEC` that did not run answers.
pub fn write_null_array(out: &mut Vec<u8>) {
    out.extend_from_slice(b"*-1\r\n");
}

fn write_line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    let clean = |byte: &u8| match byte {
        b'\r' | b'\n' => b' ',
        other => *other,
    };
    out.extend(text.iter().map(clean));
    out.extend_from_slice(b"\r\n");
}

fn write_header(out: &mut Vec<u8>, kind: u8, number: u64) {
    out.push(kind);
    digits(out, number);
    out.extend_from_slice(b"\r\n");
}

fn digits(out: &mut Vec<u8>, mut number: u64) {
    let begin = out.len();
    loop {
        // A remainder below 10 fits a byte.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(written) = out.get_mut(begin..) {
        written.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_one_spelling() {
        for number in [0, 7, 10, 6_379, -1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            write_integer(&mut out, number);
            assert_eq!(out, format!(":{number}\r\n").into_bytes());
        }
    }

    #[test]
    fn no_text_ends_its_line_early() {
        let mut out = Vec::new();
        write_error(&mut out, b"ERR a\r\n+OK");
        write_simple(&mut out, b"b\nc");
        assert_eq!(out, b"-ERR a  +OK\r\n+b c\r\n");
    }

    #[test]
    fn values_are_written_as_the_protocol_has_them() {
        let mut out = Vec::new();
        write_command(&mut out, &[b"GET", b""]);
        write_push(&mut out, 2);
        write_bulk(&mut out, b"invalidate");
        write_null(&mut out);
        write_null_bulk(&mut out);
        write_null_array(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*2\r\n$3\r\nGET\r\n$0\r\n\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n$-1\r\n*-1\r\n"
        );
    }
}
