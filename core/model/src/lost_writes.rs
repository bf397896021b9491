//! The receipt of a forced failover: what the former geo-primary had taken and the new one had not.

use serde::{Deserialize, Serialize};

use crate::{CacheName, Epoch, LinkId, ShardIndex, Timestamp};
use psync::Position;

/// What one shard of a former geo-primary took that the other side never got. The commands
/// themselves are in a file beside it, in plain RESP; the names of their keys in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The cache that took the writes.
    pub cache: CacheName,
    /// The link.
    pub link: LinkId,
    /// The epoch at which the other side took over.
    pub epoch: Epoch,
    /// The shard.
    pub shard: ShardIndex,
    /// Where the other side took over: everything up to here is there.
    pub from: Position,
    /// The last byte that is known to have been written here.
    pub to: Position,
    /// Bytes of the file with the commands.
    pub file_bytes: u64,
    /// Commands that wrote, in transactions or out of them.
    pub commands: u64,
    /// Transactions (`MULTI` … `EXEC`).
    pub transactions: u64,
    /// Different keys that they name.
    pub keys: u64,
    /// By database.
    pub databases: Vec<DatabaseLoss>,
    /// When the first of them was read from the engine, on the agent's clock.
    pub first: Option<Timestamp>,
    /// When the last of them was read from the engine.
    pub last: Option<Timestamp>,
    /// The engine was there to say where it ended. Otherwise `to` is where the journal ends, and
    /// what the engine took in its last moments is not known.
    pub end_is_known: bool,
    /// What could not be saved, in a sentence; `None`: everything between `from` and `to` is.
    pub missing: Option<String>,
    /// When this was written.
    pub saved: Timestamp,
}

/// The loss in one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseLoss {
    /// Its number; `None`: the stream did not say which database these commands were for.
    pub database: Option<u32>,
    /// Commands that wrote.
    pub commands: u64,
    /// Different keys that they name.
    pub keys: u64,
}

impl Receipt {
    /// What it is called: in file names, in the API, on the command line.
    #[must_use]
    pub fn name(&self) -> String {
        receipt_name(&self.cache, self.epoch, self.shard)
    }

    /// Stream bytes between the two positions.
    #[must_use]
    pub fn stream_bytes(&self) -> u64 {
        self.to.offset.since(self.from.offset)
    }

    /// How much it holds, as people are told it: `2 commands on 1 key`.
    #[must_use]
    pub fn amount(&self) -> String {
        let commands = if self.commands == 1 {
            "command"
        } else {
            "commands"
        };
        let keys = if self.keys == 1 { "key" } else { "keys" };
        format!("{} {commands} on {} {keys}", self.commands, self.keys)
    }

    /// Tells whether a person would call anything lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands == 0 && self.missing.is_none()
    }
}

/// The name of a receipt: `<cache>-<epoch>`, with `-s<shard>` behind it for all shards but the first.
#[must_use]
pub fn receipt_name(cache: &CacheName, epoch: Epoch, shard: ShardIndex) -> String {
    match shard {
        ShardIndex(0) => format!("{cache}-{epoch}"),
        ShardIndex(shard) => format!("{cache}-{epoch}-s{shard}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_named_for_cache_epoch_and_shard() {
        let cache: CacheName = "orders-east".parse().unwrap();
        let named = |shard| receipt_name(&cache, Epoch(7), ShardIndex(shard));
        assert_eq!(named(0), "orders-east-7");
        assert_eq!(named(12), "orders-east-7-s12");
    }
}
