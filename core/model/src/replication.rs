//! How a link moves its bytes: what an operator may set on it.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Serialize};

/// The lowest rate limit, in bytes a second: below it heartbeats would wait for data.
pub const LEAST_RATE: u64 = 64 * 1024;
/// The least that a journal may keep, in bytes: two of its segments.
pub const LEAST_JOURNAL: u64 = 128 << 20;

/// The settings of one link. Every one may change while the link runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplicationSettings {
    /// Which node of the geo-primary snapshots are taken from.
    pub source: SnapshotSource,
    /// Compression between the regions.
    pub compression: Compression,
    /// Bytes a second that a shard may send between the regions; `None`: as fast as it goes.
    pub rate_limit: Option<NonZeroU64>,
    /// How much of the stream the geo-primary's side keeps on disk, for each shard.
    pub journal: Retention,
    /// What a geo-secondary answers while a full sync replaces its data.
    pub secondary_reads: SecondaryReads,
    /// What keeps a geo-primary that nobody can reach from taking writes.
    pub fencing: Fencing,
    /// How long a lease lasts, in seconds, where `fencing` asks for leases.
    pub lease_seconds: u16,
    /// When a failover happens by itself; `None`: never.
    pub auto_failover: Option<AutoFailover>,
}

/// How long a lease lasts unless somebody says otherwise, in seconds.
const LEASE_SECONDS: u16 = 10;
/// A lease is for so many seconds: a shorter one would end between two reports.
const LEASE_RANGE: std::ops::RangeInclusive<u16> = 8..=300;
/// The shortest time after which a failover may happen by itself, in seconds.
const LEAST_AFTER: u32 = 10;

impl Default for ReplicationSettings {
    fn default() -> Self {
        Self {
            source: SnapshotSource::default(),
            compression: Compression::default(),
            rate_limit: None,
            journal: Retention::default(),
            secondary_reads: SecondaryReads::default(),
            fencing: Fencing::default(),
            lease_seconds: LEASE_SECONDS,
            auto_failover: None,
        }
    }
}

/// What keeps a geo-primary that nobody can reach from taking writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fencing {
    /// Its agent, once that knows of the failover. Until then it takes writes that are lost to the
    /// other side, and kept.
    #[default]
    None,
    /// A lease: without one it takes none, and a forced failover waits until the last one is over.
    Lease,
}

/// When a failover happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AutoFailover {
    /// The geo-primary took no writes for so many seconds.
    pub after: u32,
    /// The geo-secondary was at most so many seconds behind when that was last known.
    pub max_lag: u32,
}

impl AutoFailover {
    /// `after`, in milliseconds.
    #[must_use]
    pub fn after_ms(&self) -> u64 {
        u64::from(self.after) * 1_000
    }

    /// `max_lag`, in milliseconds.
    #[must_use]
    pub fn max_lag_ms(&self) -> u64 {
        u64::from(self.max_lag) * 1_000
    }
}

/// Which node of the geo-primary snapshots are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotSource {
    /// Its replica, which spares the primary the fork; the primary when no replica can.
    #[default]
    Replica,
    /// The primary itself.
    Primary,
}

/// How hard to compress what goes between the regions: `off`, or a level of zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compression {
    /// Not at all.
    Off,
    /// With this level of zstd, 1 to 9.
    Level(u8),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Level(1)
    }
}

/// How much of a stream is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Retention {
    /// So many bytes.
    Bytes(u64),
    /// For as long as the disk has room.
    Unlimited,
}

impl Default for Retention {
    fn default() -> Self {
        Self::Bytes(1 << 30)
    }
}

/// What a geo-secondary answers while a full sync replaces its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecondaryReads {
    /// An error that says so.
    #[default]
    Refused,
    /// The data from before, until the new data set is whole; it needs memory for both.
    Stale,
}

/// A setting of a link that is not one of its values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {wanted}")]
pub struct ReplicationSettingError {
    given: String,
    wanted: String,
}

fn not(given: &str, wanted: impl Into<String>) -> ReplicationSettingError {
    ReplicationSettingError {
        given: given.chars().take(64).collect(),
        wanted: wanted.into(),
    }
}

impl ReplicationSettings {
    /// Checks what the types alone do not: lowest and highest values, and what needs what.
    pub fn check(&self) -> Result<(), ReplicationSettingError> {
        if let Some(rate) = self.rate_limit
            && rate.get() < LEAST_RATE
        {
            let wanted = format!("a rate limit of at least {LEAST_RATE} bytes a second");
            return Err(not(&rate.to_string(), wanted));
        }
        if !LEASE_RANGE.contains(&self.lease_seconds) {
            let (least, most) = LEASE_RANGE.into_inner();
            let wanted = format!("a lease of {least} to {most} seconds");
            return Err(not(&self.lease_seconds.to_string(), wanted));
        }
        if let Some(auto) = self.auto_failover {
            if self.fencing != Fencing::Lease {
                let wanted = "allowed without `fencing: lease`: the geo-primary could go on taking writes on the other side of a cut";
                return Err(not("autoFailover", wanted));
            }
            if auto.after < LEAST_AFTER {
                let wanted = format!("at least {LEAST_AFTER} seconds for `autoFailover.after`");
                return Err(not(&auto.after.to_string(), wanted));
            }
        }
        match self.journal {
            Retention::Bytes(bytes) if bytes < LEAST_JOURNAL => {
                let wanted = format!("a journal of at least {LEAST_JOURNAL} bytes");
                Err(not(&bytes.to_string(), wanted))
            }
            Retention::Bytes(_) | Retention::Unlimited => Ok(()),
        }
    }
}

impl FromStr for Compression {
    type Err = ReplicationSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<u8>() {
            Ok(level @ 1..=9) => Ok(Self::Level(level)),
            Ok(_) | Err(_) if text == "off" => Ok(Self::Off),
            Ok(_) | Err(_) => Err(not(text, "a compression (`off`, or a level from 1 to 9)")),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Level(level) => level.fmt(f),
        }
    }
}

impl TryFrom<String> for Compression {
    type Error = ReplicationSettingError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Compression> for String {
    fn from(compression: Compression) -> Self {
        compression.to_string()
    }
}

impl FromStr for Retention {
    type Err = ReplicationSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let bytes = text.parse().map(Self::Bytes);
        bytes.map_err(|_not_a_number| not(text, "a journal size (bytes, or `unlimited`)"))
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

impl TryFrom<String> for Retention {
    type Error = ReplicationSettingError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Retention> for String {
    fn from(retention: Retention) -> Self {
        retention.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_json_and_default_where_absent() {
        let all = ReplicationSettings {
            source: SnapshotSource::Primary,
            compression: Compression::Level(9),
            rate_limit: NonZeroU64::new(1 << 20),
            journal: Retention::Unlimited,
            secondary_reads: SecondaryReads::Stale,
            fencing: Fencing::Lease,
            lease_seconds: 30,
            auto_failover: Some(AutoFailover {
                after: 30,
                max_lag: 5,
            }),
        };
        for settings in [all, ReplicationSettings::default()] {
            let json = serde_json::to_string(&settings).unwrap();
            let back: ReplicationSettings = serde_json::from_str(&json).unwrap();
            assert_eq!(back, settings);
            assert_eq!(back.check(), Ok(()));
        }
        let partly: ReplicationSettings = serde_json::from_str(r#"{"compression":"off"}"#).unwrap();
        assert_eq!(partly.compression, Compression::Off);
        assert_eq!(partly.journal, Retention::Bytes(1 << 30));
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for bad in ["0", "10", "", "on", "-1"] {
            assert!(bad.parse::<Compression>().is_err(), "{bad}");
        }
        assert!("much".parse::<Retention>().is_err());
        let slow = ReplicationSettings {
            rate_limit: NonZeroU64::new(1),
            ..ReplicationSettings::default()
        };
        let small = ReplicationSettings {
            journal: Retention::Bytes(1),
            ..ReplicationSettings::default()
        };
        let short = ReplicationSettings {
            lease_seconds: 7,
            ..ReplicationSettings::default()
        };
        let unfenced = ReplicationSettings {
            auto_failover: Some(AutoFailover {
                after: 30,
                max_lag: 5,
            }),
            ..ReplicationSettings::default()
        };
        assert!(short.check().unwrap_err().to_string().contains("lease"));
        let unfenced = unfenced.check().unwrap_err().to_string();
        assert!(unfenced.contains("fencing: lease"), "{unfenced}");
        assert!(slow.check().unwrap_err().to_string().contains("rate limit"));
        assert!(small.check().unwrap_err().to_string().contains("journal"));
    }
}
