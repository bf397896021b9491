//! Headers: a type byte, a number in its one spelling, CRLF.

/// What stands at the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// A header of so many bytes.
    Is {
        /// Its number.
        number: u64,
        /// Its length with its line end.
        bytes: usize,
    },
    /// The front of one.
    Partial,
    /// Something else.
    Other,
}

/// Reads the header that begins with `kind`: digits alone, no leading zero, below 10^18.
#[inline]
pub(crate) fn read_header(input: &[u8], kind: u8) -> Header {
    let Some((first, digits)) = input.split_first() else {
        return Header::Partial;
    };
    if *first != kind {
        return Header::Other;
    }
    let mut number = 0u64;
    let mut rest = digits;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit - b'0'));
        rest = behind;
        // A number of 19 digits is none, and 18 cannot wrap.
        if digits.len() - rest.len() > 18 {
            return Header::Other;
        }
    }
    let count = digits.len() - rest.len();
    if count > 1 && digits.first() == Some(&b'0') {
        return Header::Other;
    }
    match rest {
        [b'\r', b'\n', ..] if count > 0 => Header::Is {
            number,
            bytes: 1 + count + 2,
        },
        [] | [b'\r'] => Header::Partial,
        _ => Header::Other,
    }
}
