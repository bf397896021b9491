//! What Godwit manages and how it decides: names, sizes, caches, links, epochs, and the machines
//! that move them. Facts and `now` go in, decisions come out; nothing here waits, dials or rolls
//! dice.

#![warn(missing_docs)]

mod cache;
mod configuration;
mod desired;
mod engine_version;
mod event;
mod ids;
mod link;
mod names;
mod observed;
mod prerequisites;
mod replication;
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
    ReplicationDesired, RoleKind, Standing,
};
pub use engine_version::{EngineKind, EngineVersion, ParseEngineVersionError};
pub use event::{EventKind, EventObserved};
pub use ids::{
    CacheId, CacheUid, Epoch, LinkId, OperationId, ParseCacheIdError, ShardIndex, StoreId,
    Timestamp,
};
pub use link::{
    AcceptEmptyRefused, Advance, Decision, FailoverRefused, GeoSample, LinkPhase, LinkRecord,
    LinkSeen, Member,
};
pub use names::{CacheName, GroupName, NameError, Region, SubscriptionId};
pub use observed::{
    CacheObserved, JournalObserved, LagObserved, LinkActivity, LinkObserved, NodeObserved,
    OffsetsObserved, RegionObserved, ShardObserved, ShardStanding, WireObserved,
};
pub use prerequisites::{Side, Unmet, unmet_for_failover, unmet_for_link};
pub use replication::{
    Compression, LEAST_JOURNAL, LEAST_RATE, ReplicationSettingError, ReplicationSettings,
    Retention, SecondaryReads, SnapshotSource,
};
pub use secret::Secret;
pub use settings::EngineSettings;
pub use sku::{Sku, SkuError, Tier};
