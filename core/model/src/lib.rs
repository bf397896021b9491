//! What Godwit manages and how it decides: names, sizes, caches, links, epochs, and the machines
//! that move them. Facts and `now` go in, decisions come out; nothing here waits, dials or rolls
//! dice.

#![warn(missing_docs)]

mod cache;
mod configuration;
mod desired;
mod engine_version;
mod ids;
mod link;
mod names;
mod observed;
mod prerequisites;
#[cfg(test)]
mod samples;
mod secret;
mod settings;
pub mod shard;
mod sku;

pub use cache::{CacheRecord, CacheSpec, Lifecycle};
pub use configuration::{ConfigurationError, default_reserved, engine_settings, is_read_only_key};
pub use desired::{
    AccessKeys, CacheDesired, GeoRole, Presence, PromotionAnswer, PromotionRequest, RegionDesired,
    RoleKind, Standing,
};
pub use engine_version::{EngineKind, EngineVersion, ParseEngineVersionError};
pub use ids::{
    CacheId, CacheUid, Epoch, LinkId, OperationId, ParseCacheIdError, ShardIndex, StoreId,
    Timestamp,
};
pub use link::{Advance, Decision, FailoverRefused, LinkPhase, LinkRecord, LinkSeen, Member};
pub use names::{CacheName, GroupName, NameError, Region, SubscriptionId};
pub use observed::{
    CacheObserved, LinkActivity, LinkObserved, NodeObserved, RegionObserved, ShardObserved,
    ShardStanding,
};
pub use prerequisites::{Side, Unmet, unmet_for_failover, unmet_for_link};
pub use secret::Secret;
pub use settings::EngineSettings;
pub use sku::{Sku, SkuError, Tier};
