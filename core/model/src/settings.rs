//! What an engine is told: derived from a cache's SKU and its `redisConfiguration`.

use serde::{Deserialize, Serialize};

/// The settings of every engine of a cache. Two equal values mean nothing needs to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// `maxmemory`, in bytes: the SKU's memory without the reserved part.
    pub maxmemory_bytes: u64,
    /// `maxmemory-policy`, in the engines' spelling.
    pub maxmemory_policy: String,
    /// Client connections let in; the engine gets a few more for Godwit itself.
    pub maxclients: u32,
    /// `databases`; cannot be changed while the engine runs.
    pub databases: u16,
    /// `notify-keyspace-events`, in the engines' spelling; empty is off.
    pub notify_keyspace_events: String,
}
