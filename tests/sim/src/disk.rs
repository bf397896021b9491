//! What an agent keeps on disk: it outlives the process.

use std::{collections::BTreeSet, sync::Arc};

use model::{Epoch, RegionDesired, shard::ShardMemory};
use parking_lot::Mutex;

/// An agent's directory.
#[derive(Clone, Default)]
pub(crate) struct Disk(pub(crate) Arc<Mutex<Files>>);

#[derive(Default)]
pub(crate) struct Files {
    pub(crate) desired: Option<RegionDesired>,
    /// The highest epoch adopted.
    pub(crate) epoch: Epoch,
    pub(crate) memory: ShardMemory,
    /// Writes that the other side of a forced failover does not have.
    pub(crate) saved: BTreeSet<u64>,
    /// The last forced failover whose lost writes are saved.
    pub(crate) saved_for: Option<Epoch>,
}
