//! Inline commands: the words of a line, as the engines split them.

/// Splits a line as `sdssplitargs` (sds.c) does: words apart by white space; `"…"` with `\n`,
/// `\r`, `\t`, `\b`, `\a`, `\xHH` and `\` before any other byte; `'…'` with `\'`. A quote may begin
/// inside a word, but a word ends with it. `None`: a quote is not closed, or something follows it.
///
/// The line holds no NUL, at which the engines would stop.
pub(super) fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [byte, behind @ ..] = rest
            && is_space(*byte)
        {
            rest = behind;
        }
        if rest.is_empty() {
            return Some(words);
        }
        words.push(take_word(&mut rest)?);
    }
}

/// C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn take_word(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut word = Vec::new();
    loop {
        match *rest {
            [b'"', behind @ ..] => {
                *rest = double_quoted(behind, &mut word)?;
                return Some(word);
            }
            [b'\'', behind @ ..] => {
                *rest = single_quoted(behind, &mut word)?;
                return Some(word);
            }
            // Unlike between words, VT and FF are part of one.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(word),
            [byte, behind @ ..] => {
                word.push(*byte);
                *rest = behind;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hexadecimal(*high) << 4 | hexadecimal(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                behind
            }
            [b'"', behind @ ..] => return closed(behind),
            [byte, behind @ ..] => {
                word.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [b'\\', b'\'', behind @ ..] => {
                word.push(b'\'');
                behind
            }
            [b'\'', behind @ ..] => return closed(behind),
            [byte, behind @ ..] => {
                word.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

/// What follows a closing quote: white space or nothing.
fn closed(behind: &[u8]) -> Option<&[u8]> {
    behind
        .first()
        .is_none_or(|byte| is_space(*byte))
        .then_some(behind)
}

const fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}
