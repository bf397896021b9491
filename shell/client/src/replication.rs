//! How a link moves its bytes, and what happened on it: Godwit's own `replicationSettings` and
//! `events`, which the managed service does not have.

use std::num::NonZeroU64;

use model::{AutoFailover, Compression, Fencing, Retention, SecondaryReads, SnapshotSource};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::resources::or_default;

/// `replicationSettings` of a link, in the words of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkSettings {
    /// Which node of the geo-primary snapshots are taken from: `replica` or `primary`.
    pub source: Option<String>,
    /// `off`, or a level from `1` to `9`.
    pub compression: Option<String>,
    /// Bytes a second that a shard may send; `None`: as fast as it goes.
    pub rate_limit: Option<u64>,
    /// Bytes of stream that are kept for each shard, or `unlimited`.
    pub journal: Option<String>,
    /// What the geo-secondary answers during a full sync: `refused` or `stale`.
    pub secondary_reads: Option<String>,
    /// What keeps a geo-primary that nobody can reach from taking writes: `none` or `lease`.
    pub fencing: Option<String>,
    /// How long a lease lasts, in seconds.
    pub lease_seconds: Option<u16>,
    /// When a failover happens by itself; `None`: never.
    pub auto_failover: Option<AutoFailover>,
}

/// What is asked for of a link's settings; `None` leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Which node of the geo-primary snapshots are taken from.
    pub source: Option<SnapshotSource>,
    /// Compression between the regions.
    pub compression: Option<Compression>,
    /// Bytes a second that a shard may send; `Some(None)`: as fast as it goes.
    pub rate_limit: Option<Option<NonZeroU64>>,
    /// How much of the stream is kept for each shard.
    pub journal: Option<Retention>,
    /// What the geo-secondary answers during a full sync.
    pub secondary_reads: Option<SecondaryReads>,
    /// What keeps a geo-primary that nobody can reach from taking writes.
    pub fencing: Option<Fencing>,
    /// How long a lease lasts, in seconds.
    pub lease_seconds: Option<u16>,
    /// When a failover happens by itself; `Some(None)`: never.
    pub auto_failover: Option<Option<AutoFailover>>,
}

impl SettingsChange {
    /// Tells whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn body(&self) -> Value {
        let fields = [
            ("source", self.source.map(|source| json!(source))),
            ("compression", self.compression.map(|level| json!(level))),
            ("rateLimit", self.rate_limit.map(|rate| json!(rate))),
            ("journal", self.journal.map(|kept| json!(kept))),
            ("secondaryReads", self.secondary_reads.map(|way| json!(way))),
            ("fencing", self.fencing.map(|way| json!(way))),
            ("leaseSeconds", self.lease_seconds.map(|lease| json!(lease))),
            ("autoFailover", self.auto_failover.map(|when| json!(when))),
        ];
        let asked = fields.into_iter();
        let asked = asked.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(asked.collect::<Map<_, _>>())
    }
}

/// Something that happened on a link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkEvent {
    /// Counts what was kept; later events have higher numbers.
    pub number: u64,
    /// When it happened, such as `2026-03-01T12:00:00Z`.
    #[serde(deserialize_with = "or_default")]
    pub time: String,
    /// What happened, in a word: `FullSyncStarted`, ….
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    /// The shard, when it is one shard's.
    pub shard: Option<u16>,
    /// The region of the agent that told it, or `control plane`.
    #[serde(deserialize_with = "or_default")]
    pub reported_by: String,
    /// What exactly and why, in a sentence.
    #[serde(deserialize_with = "or_default")]
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_only_what_is_asked() {
        assert!(SettingsChange::default().is_empty());
        assert_eq!(SettingsChange::default().body(), json!({}));
        let all = SettingsChange {
            source: Some(SnapshotSource::Primary),
            compression: Some(Compression::Off),
            rate_limit: Some(None),
            journal: Some(Retention::Bytes(1 << 30)),
            secondary_reads: Some(SecondaryReads::Stale),
            fencing: Some(Fencing::Lease),
            lease_seconds: Some(10),
            auto_failover: Some(None),
        };
        let expected = json!({
            "source": "primary", "compression": "off", "rateLimit": null,
            "journal": "1073741824", "secondaryReads": "stale",
            "fencing": "lease", "leaseSeconds": 10, "autoFailover": null,
        });
        assert_eq!(all.body(), expected);
        let read: LinkSettings = serde_json::from_value(expected).unwrap();
        assert_eq!(read.journal.as_deref(), Some("1073741824"));
    }
}
