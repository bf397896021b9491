//! A snapshot's first nine bytes.

use std::fmt;

use model::{EngineKind, EngineVersion};

/// Bytes of a header: five letters and four digits, or six letters and three digits.
pub(crate) const HEADER: usize = 9;
/// The oldest version that has a checksum at its end (Redis 2.6).
const OLDEST: u16 = 5;

/// Who calls the format so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// `REDIS0011`: every Redis, and Valkey up to 8.
    Redis,
    /// `VALKEY080`: Valkey 9 and later.
    Valkey,
}

/// What a snapshot begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The letters.
    pub writer: Writer,
    /// The version of the format.
    pub version: u16,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.writer {
            Writer::Redis => "RDB",
            Writer::Valkey => "Valkey RDB",
        };
        write!(f, "{name} version {}", self.version)
    }
}

/// An engine does not load a snapshot of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is {header}, and {engine} loads RDB up to version {newest}; {advice}")]
pub struct Newer {
    header: Header,
    engine: EngineVersion,
    newest: u16,
    advice: &'static str,
}

impl Header {
    /// Reads the first nine bytes; `None`: they are not a snapshot's.
    #[must_use]
    pub fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let (writer, digits) = match bytes.strip_prefix(b"REDIS") {
            Some(digits) => (Writer::Redis, digits),
            None => (Writer::Valkey, bytes.strip_prefix(b"VALKEY")?),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let version = str::from_utf8(digits).ok()?.parse().ok()?;
        (version >= OLDEST).then_some(Self { writer, version })
    }

    /// Refuses what an engine is known not to load. Of engines that are not known here, nothing is
    /// said: their own loader does.
    pub fn loadable_by(self, engine: EngineVersion) -> Result<(), Newer> {
        let Some((writer, newest)) = newest(engine) else {
            return Ok(());
        };
        let foreign = self.writer == Writer::Valkey && writer == Writer::Redis;
        if !foreign && self.version <= newest {
            return Ok(());
        }
        Err(Newer {
            header: self,
            engine,
            newest,
            advice: "export it from an engine of that version or older, or run a newer engine here",
        })
    }
}

/// The newest version of the format that an engine loads (`RDB_VERSION` in its `rdb.h`).
fn newest(engine: EngineVersion) -> Option<(Writer, u16)> {
    let version = (engine.major, engine.minor);
    let (before, newest) = match engine.kind {
        EngineKind::Redis if version < (7, 0) => ((7, 0), 9),
        EngineKind::Redis if version < (7, 1) => ((7, 1), 10),
        EngineKind::Redis => ((7, 4), 11),
        EngineKind::Valkey => ((9, 0), 11),
    };
    (version < before).then_some((Writer::Redis, newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8; HEADER]) -> Option<(Writer, u16)> {
        Header::read(text).map(|header| (header.writer, header.version))
    }

    #[test]
    fn headers_are_read_and_others_are_none() {
        assert_eq!(read(b"REDIS0009"), Some((Writer::Redis, 9)));
        assert_eq!(read(b"VALKEY080"), Some((Writer::Valkey, 80)));
        for other in [
            b"REDIS000x",
            b"REDIS0004",
            b"redis0009",
            b"\x1f\x8b\x08456789",
        ] {
            assert_eq!(read(other), None);
        }
    }

    #[test]
    fn an_engine_loads_its_own_version_and_older_ones() {
        let engine = |kind, major, minor| EngineVersion {
            kind,
            major,
            minor,
            patch: 1,
        };
        let loads =
            |engine, writer, version| Header { writer, version }.loadable_by(engine).is_ok();
        let redis = engine(EngineKind::Redis, 7, 0);
        let valkey = engine(EngineKind::Valkey, 8, 0);
        for old in 5..=10 {
            assert!(loads(redis, Writer::Redis, old) && loads(valkey, Writer::Redis, old));
        }
        assert!(!loads(redis, Writer::Redis, 11) && loads(valkey, Writer::Redis, 11));
        assert!(!loads(valkey, Writer::Redis, 12));
        assert!(!loads(redis, Writer::Valkey, 80) && !loads(valkey, Writer::Valkey, 80));
        let unknown = engine(EngineKind::Valkey, 9, 1);
        assert!(loads(unknown, Writer::Valkey, 81));
        let refused = Header {
            writer: Writer::Redis,
            version: 11,
        };
        assert_eq!(
            refused.loadable_by(redis).unwrap_err().to_string(),
            "it is RDB version 11, and redis 7.0.1 loads RDB up to version 10; export it from an engine of that version or older, or run a newer engine here"
        );
    }
}
