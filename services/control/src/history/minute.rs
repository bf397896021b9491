//! One minute of one cache's geo-replication metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A metric, by the managed service's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Metric {
    #[serde(rename = "GeoReplicationHealthy")]
    Healthy,
    #[serde(rename = "GeoReplicationConnectivityLag")]
    ConnectivityLag,
    #[serde(rename = "GeoReplicationDataSyncOffset")]
    DataSyncOffset,
    #[serde(rename = "GeoReplicationFullSyncEventStarted")]
    FullSyncEventStarted,
    #[serde(rename = "GeoReplicationFullSyncEventFinished")]
    FullSyncEventFinished,
}

impl Metric {
    pub(crate) const ALL: [Self; 5] = [
        Self::Healthy,
        Self::ConnectivityLag,
        Self::DataSyncOffset,
        Self::FullSyncEventStarted,
        Self::FullSyncEventFinished,
    ];
}

/// Samples of one metric of one shard, summed up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// How many; of a metric of events, how many events.
    pub(crate) count: u64,
    pub(crate) total: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Cell {
    /// A sample.
    pub(crate) fn one(value: f64) -> Self {
        Self {
            count: 1,
            total: value,
            min: value,
            max: value,
        }
    }

    /// So many events.
    #[expect(clippy::cast_precision_loss, reason = "nobody has that many events")]
    pub(crate) fn events(count: u64) -> Self {
        let one = if count > 0 { 1.0 } else { 0.0 };
        Self {
            count,
            total: count as f64,
            min: one,
            max: one,
        }
    }

    /// Adds the samples of `other`.
    pub(crate) fn add(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        self.count += other.count;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "an average needs no more digits"
    )]
    pub(crate) fn average(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.total / self.count as f64
        }
    }
}

/// Every metric that the cache had in this minute, by shard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Minute(pub(crate) BTreeMap<Metric, BTreeMap<u16, Cell>>);

impl Minute {
    pub(crate) fn add(&mut self, metric: Metric, shard: u16, cell: Cell) {
        self.0
            .entry(metric)
            .or_default()
            .entry(shard)
            .or_default()
            .add(cell);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (metric, shards) in &other.0 {
            for (shard, cell) in shards {
                self.add(*metric, *shard, *cell);
            }
        }
    }
}
