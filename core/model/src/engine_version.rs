//! Which engine a node runs, and which engines can follow each other.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The engine's make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// `valkey-server`.
    Valkey,
    /// `redis-server`.
    Redis,
}

impl EngineKind {
    /// The name of the server's program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Valkey => "valkey-server",
            Self::Redis => "redis-server",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valkey => "valkey",
            Self::Redis => "redis",
        })
    }
}

/// An engine's make and its own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineVersion {
    /// The make.
    pub kind: EngineKind,
    /// First number of the version.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl EngineVersion {
    /// Tells engines that load each other's snapshots and run each other's commands, whichever of
    /// the two is the primary: same make, same major and minor version.
    ///
    /// It is stricter than the snapshot format alone. A newer engine's snapshot makes an older one
    /// repeat the full sync for ever, and two engines of one format still differ in commands.
    #[must_use]
    pub fn interchangeable(self, other: Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }

    /// Tells engines that Godwit can run: valkey 7.2 and later, redis 7.0 and later.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self.kind {
            EngineKind::Valkey => (self.major, self.minor) >= (7, 2),
            EngineKind::Redis => (self.major, self.minor) >= (7, 0),
        }
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}.{}.{}",
            self.kind, self.major, self.minor, self.patch
        )
    }
}

/// An engine program as it was built. A distribution's security update often keeps the version and
/// changes the build alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineBuild {
    /// Make and version.
    pub version: EngineVersion,
    /// The engine's own name for the build, hexadecimal; empty when it does not tell.
    #[serde(default)]
    pub build: String,
}

impl EngineBuild {
    /// A build by the name that the engine gives it: `--version` and `INFO` differ in leading zeros.
    #[must_use]
    pub fn new(version: EngineVersion, build: &str) -> Self {
        let hex = build.chars().all(|c| c.is_ascii_hexdigit());
        let build = if hex {
            build.trim_start_matches('0')
        } else {
            ""
        };
        Self {
            version,
            build: build.to_owned(),
        }
    }

    /// The build as people tell it from `other`: by its version, and by its name where that is the
    /// same.
    #[must_use]
    pub fn told_from(&self, other: &Self) -> String {
        if self.version == other.version && !self.build.is_empty() {
            format!("{} (build {})", self.version, self.build)
        } else {
            self.version.to_string()
        }
    }
}

impl fmt::Display for EngineBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)
    }
}

impl FromStr for EngineBuild {
    type Err = ParseEngineVersionError;

    /// Reads the first line of `<engine> --version`: `Valkey server v=8.0.1 … build=8c7ea1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let version = text.parse()?;
        let mut words = text.split_whitespace();
        let build = words.find_map(|word| word.strip_prefix("build="));
        Ok(Self::new(version, build.unwrap_or_default()))
    }
}

/// The text does not name an engine and its version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not what `valkey-server --version` or `redis-server --version` prints")]
pub struct ParseEngineVersionError(String);

impl FromStr for EngineVersion {
    type Err = ParseEngineVersionError;

    /// Reads the first line of `<engine> --version`: `Valkey server v=8.0.1 sha=…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseEngineVersionError(text.chars().take(120).collect());
        let kind = match text.split_whitespace().next() {
            Some("Valkey") => EngineKind::Valkey,
            Some("Redis") => EngineKind::Redis,
            Some(_) | None => return Err(bad()),
        };
        let version = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="))
            .ok_or_else(bad)?;
        let mut numbers = version.split(['.', '-']).map(str::parse::<u16>);
        let mut next = || numbers.next().and_then(Result::ok).ok_or_else(bad);
        Ok(Self {
            kind,
            major: next()?,
            minor: next()?,
            patch: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALKEY: &str = "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
    const REDIS: &str = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";

    #[test]
    fn versions_are_read_from_what_the_engines_print() {
        assert_eq!(
            VALKEY.parse::<EngineVersion>().unwrap().to_string(),
            "valkey 8.0.1"
        );
        assert_eq!(
            REDIS.parse::<EngineVersion>().unwrap().to_string(),
            "redis 7.0.15"
        );
        assert!("nginx/1.2".parse::<EngineVersion>().is_err());
        assert!("Redis server v=x".parse::<EngineVersion>().is_err());
    }

    #[test]
    fn builds_of_one_version_are_told_apart() {
        let line = |build: &str| format!("{REDIS} build={build}").parse::<EngineBuild>();
        let (old, new) = (line("0abc1").unwrap(), line("abc2").unwrap());
        assert_eq!(old, EngineBuild::new(old.version, "abc1"));
        assert_eq!(new.told_from(&old), "redis 7.0.15 (build abc2)");
        let later = EngineVersion {
            patch: 16,
            ..new.version
        };
        assert_eq!(EngineBuild::new(later, "1").told_from(&old), "redis 7.0.16");
        assert_eq!(line("what?").unwrap().build, "");
    }

    #[test]
    fn makes_and_minor_versions_do_not_mix() {
        let redis: EngineVersion = REDIS.parse().unwrap();
        assert!(!redis.interchangeable(VALKEY.parse().unwrap()));
        assert!(redis.interchangeable(EngineVersion { patch: 2, ..redis }));
        assert!(!redis.interchangeable(EngineVersion { minor: 2, ..redis }));
    }

    #[test]
    fn old_engines_are_not_supported() {
        let redis: EngineVersion = REDIS.parse().unwrap();
        assert!(redis.is_supported());
        assert!(
            !EngineVersion {
                major: 6,
                minor: 2,
                ..redis
            }
            .is_supported()
        );
    }
}
