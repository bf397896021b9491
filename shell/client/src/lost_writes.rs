//! What former geo-primaries took and the others never got: Godwit's own `lostWrites`.

use bytes::Bytes;
use serde::Deserialize;

use crate::{RequestError, connection::Stream, resources::or_default};

/// The receipt of one shard's lost writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LostWrites {
    /// What it is called.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The cache that took the writes.
    #[serde(deserialize_with = "or_default")]
    pub cache: String,
    /// The region that keeps them.
    pub region: Option<String>,
    /// The epoch at which the other side took over.
    pub epoch: u64,
    /// The shard.
    pub shard: u16,
    /// Where the other side took over.
    pub from: Option<Place>,
    /// The last byte that is known to have been written here.
    pub to: Option<Place>,
    /// Bytes of the commands.
    pub file_bytes: u64,
    /// Commands that wrote.
    pub commands: u64,
    /// Transactions.
    pub transactions: u64,
    /// Different keys that they name.
    pub keys: u64,
    /// By database.
    #[serde(deserialize_with = "or_default")]
    pub databases: Vec<DatabaseLost>,
    /// When the first of them was read from the engine.
    pub first: Option<String>,
    /// When the last of them was read from the engine.
    pub last: Option<String>,
    /// The engine was there to say where it ended.
    pub end_is_known: Option<bool>,
    /// What could not be saved, in a sentence.
    pub missing: Option<String>,
    /// When this was written.
    pub saved: Option<String>,
    /// The agent that keeps it reports, so that it can be read.
    pub present: Option<bool>,
}

/// A point in a history.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// The history.
    pub replid: String,
    /// Stream bytes of it.
    pub offset: u64,
}

/// What was lost in one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DatabaseLost {
    /// Its number; `None`: not known.
    pub database: Option<u32>,
    /// Commands that wrote.
    pub commands: u64,
    /// Different keys that they name.
    pub keys: u64,
}

/// Bytes on their way from an agent.
#[derive(Debug)]
pub struct Download(pub(crate) Stream);

impl Download {
    /// The next of them; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        self.0.chunk().await
    }
}
