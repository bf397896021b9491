//! A key, with the database that it is in.

use std::fmt::{self, Write as _};

use resp::Slot;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The number of its database.
    pub database: u16,
    /// Its name, which may be any bytes.
    #[serde(rename = "keyHex", with = "hexadecimal")]
    pub name: Vec<u8>,
}

impl Key {
    /// Its hash slot.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot::of(&self.name)
    }

    /// Its name for people. What a terminal could act upon is escaped, and so is everything
    /// beyond ASCII: it may be bytes that are no text, or text that is shown in another order.
    #[must_use]
    pub fn shown(&self) -> String {
        self.name.escape_ascii().to_string()
    }

    /// Stands for it where keys are many.
    pub(crate) fn mark(&self) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.database.to_le_bytes());
        hash.update(&self.name);
        let bytes: [u8; 32] = hash.finalize().into();
        let half = bytes.iter().take(8);
        half.fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in database {}", self.shown(), self.database)
    }
}

/// Bytes as two digits each.
mod hexadecimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::hex;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.as_bytes().chunks(2).map(|pair| {
            let whole = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            let pair = str::from_utf8(pair).ok().filter(|_| whole)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = digits.collect();
        bytes.ok_or_else(|| D::Error::custom("a key is not in hexadecimal digits"))
    }
}

/// Two digits for each byte.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let start = String::with_capacity(bytes.len() * 2);
    bytes.iter().fold(start, |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_harmless_to_a_terminal() {
        let key = Key {
            database: 3,
            name: b"a\x1b[2J\r\n\xff\xe2\x80\xae".to_vec(),
        };
        assert_eq!(
            key.to_string(),
            r"a\x1b[2J\r\n\xff\xe2\x80\xae in database 3"
        );
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key {
            database: 0,
            name: vec![0, 255, b'a'],
        };
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, r#"{"database":0,"keyHex":"00ff61"}"#);
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
        for bad in ["0", "0g", "+1"] {
            let text = format!(r#"{{"database":0,"keyHex":"{bad}"}}"#);
            assert!(serde_json::from_str::<Key>(&text).is_err(), "{bad}");
        }
    }
}
