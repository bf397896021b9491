//! What the control plane answers a report with, beside the desired state: leases, and what it asks
//! of the agent once. An answer that is lost is given again with the next report.

use psync::Position;
use serde::{Deserialize, Serialize};

use crate::{CacheUid, Lease, ShardIndex};

/// The answer to a [`crate::RegionObserved`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// Leases of the region's geo-primaries, counted from the moment the report was sent.
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// What the agent is asked for; it does each once, by its `id`.
    #[serde(default)]
    pub asked: Vec<Asked>,
}

/// Something that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Drawn by the control plane; what is sent back goes to this transfer.
    pub id: String,
    /// The cache.
    pub cache: CacheUid,
    /// What.
    pub what: Wanted,
}

/// What an agent can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// The commands of a receipt, in RESP.
    LostWrites {
        /// [`crate::Receipt::name`].
        receipt: String,
    },
    /// The keys of a receipt: for each, its database and its name, as RESP arrays of two bulk
    /// strings; the database is empty where it is not known.
    LostKeys {
        /// [`crate::Receipt::name`].
        receipt: String,
    },
    /// The keys that were written since a position, in the form of `LostKeys`; a command that may
    /// have changed any key of a database (`FLUSHDB`) as an array of the database alone, one of all
    /// databases as an empty array.
    WrittenSince {
        /// The shard.
        shard: ShardIndex,
        /// The position.
        position: Position,
    },
    /// That a receipt and its files are removed.
    Discard {
        /// [`crate::Receipt::name`].
        receipt: String,
    },
}
