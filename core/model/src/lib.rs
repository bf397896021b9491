//! What Godwit manages and how it decides: names, sizes, caches, links, epochs, and the machines
//! that move them. Facts and `now` go in, decisions come out; nothing here waits, dials or rolls
//! dice.

#![warn(missing_docs)]

mod engine_version;
mod ids;
mod names;
mod secret;
mod settings;
mod sku;

pub use engine_version::{EngineKind, EngineVersion, ParseEngineVersionError};
pub use ids::{
    CacheId, CacheUid, Epoch, LinkId, OperationId, ParseCacheIdError, ShardIndex, StoreId,
    Timestamp,
};
pub use names::{CacheName, GroupName, NameError, Region, SubscriptionId};
pub use secret::Secret;
pub use settings::EngineSettings;
pub use sku::{Sku, SkuError, Tier};
