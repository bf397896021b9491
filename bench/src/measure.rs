//! What is measured, and how much of it.

pub(crate) mod beside;
pub(crate) mod effort;
pub(crate) mod failover;
pub(crate) mod footprint;
pub(crate) mod full_sync;
pub(crate) mod lag;
pub(crate) mod over_wan;
pub(crate) mod round;
pub(crate) mod throughput;

use std::time::Duration;

use crate::load::{Content, Load};

/// Sizes of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Times that each side is set up and measured, in turn.
    pub(crate) rounds: usize,
    /// The data set of the full sync.
    pub(crate) data_set: Load,
    /// The writes whose replication is timed.
    pub(crate) stream: Load,
    /// Probes of the lag in a round.
    pub(crate) probes: usize,
    /// Failovers, all in the last round.
    pub(crate) failovers: usize,
    /// How long a deployment is left alone before its footprint is taken, and while.
    pub(crate) idle: Duration,
}

impl Plan {
    pub(crate) fn full(rounds: usize) -> Self {
        Self {
            rounds,
            data_set: Load {
                writes: 3_000_000,
                keys: 3_000_000,
                value_bytes: 320,
                content: Content::Text,
            },
            stream: Load {
                writes: 2_000_000,
                keys: 500_000,
                value_bytes: 100,
                content: Content::Text,
            },
            probes: 1_500,
            failovers: 10,
            idle: Duration::from_secs(5),
        }
    }

    pub(crate) fn quick(rounds: usize) -> Self {
        Self {
            rounds,
            data_set: Load {
                writes: 300_000,
                keys: 300_000,
                value_bytes: 320,
                content: Content::Text,
            },
            stream: Load {
                writes: 400_000,
                keys: 100_000,
                value_bytes: 100,
                content: Content::Text,
            },
            probes: 300,
            failovers: 3,
            idle: Duration::from_secs(2),
        }
    }
}
