//! Files that are whole or known to be damaged: a line with kind, version and digest, then the
//! content. `docs/format/dns.md` shows the bytes.

use sha2::{Digest as _, Sha256};

/// The version that is written, and the highest that is read.
pub(crate) const VERSION: u32 = 1;

/// What a file turns out to be.
pub(crate) enum Opened<'a> {
    /// What was written.
    Whole(&'a [u8]),
    /// Something else.
    Damaged,
    /// A newer godwit's.
    Newer(u32),
}

/// The bytes of a file.
pub(crate) fn seal(kind: &str, content: &[u8]) -> Vec<u8> {
    let mut file = format!("{kind} {VERSION} {}\n", digest(content)).into_bytes();
    file.extend(content);
    file
}

/// The content of a file.
pub(crate) fn open<'a>(kind: &str, file: &'a [u8]) -> Opened<'a> {
    let Some(end) = file.iter().position(|byte| *byte == b'\n') else {
        return Opened::Damaged;
    };
    let (head, content) = file.split_at(end);
    let content = content.get(1..).unwrap_or_default();
    let head = std::str::from_utf8(head).unwrap_or_default();
    let words: Vec<&str> = head.split(' ').collect();
    let [found, version, told @ ..] = words.as_slice() else {
        return Opened::Damaged;
    };
    if *found != kind {
        return Opened::Damaged;
    }
    match (version.parse::<u32>(), told) {
        (Ok(version), _) if version > VERSION => Opened::Newer(version),
        (Ok(VERSION), [told]) if *told == digest(content) => Opened::Whole(content),
        (Ok(_) | Err(_), _) => Opened::Damaged,
    }
}

fn digest(content: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in Sha256::digest(content) {
        // A string takes what is written to it.
        let _written = write!(text, "{byte:02x}");
    }
    text
}
