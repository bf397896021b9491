//! What Godwit manages and how it decides: names, sizes, caches, links, epochs, and the machines
//! that move them. Facts and `now` go in, decisions come out; nothing here waits, dials or rolls
//! dice.

#![warn(missing_docs)]

mod access;
mod answer;
mod behind;
mod cache;
mod configuration;
mod desired;
mod egress;
mod engine_version;
mod event;
mod front_door;
mod ids;
mod lease;
mod link;
mod lost_writes;
mod names;
mod observed;
mod preflight;
mod prerequisites;
mod published;
mod replication;
mod role;
#[cfg(test)]
mod samples;
mod secret;
mod settings;
pub mod shard;
mod sku;
mod transfer;

pub use access::{
    Access, AccessPolicy, AccessProgress, AccessState, BUILT_IN_POLICIES, MOST_ACCESS_ENTRIES,
    PermissionsError, PolicyAssignment, built_in_permissions, check_permissions,
};
pub use answer::{Asked, ReportAnswer, Wanted};
pub use behind::{Behind, LagLimits};
pub use cache::{CacheRecord, CacheSpec, Lifecycle};
pub use configuration::{ConfigurationError, default_reserved, engine_settings, is_read_only_key};
pub use desired::{
    AccessKeys, CacheDesired, GeoRole, Presence, PromotionAnswer, PromotionRequest, RegionDesired,
    Rejoin, ReplicationDesired, RoleKind, Standing,
};
pub use egress::{
    Amount, AmountError, Currency, CurrencyError, EgressPrice, EgressPrices, MOST_PRICES,
    PRICED_BYTES, PricesError,
};
pub use engine_version::{EngineKind, EngineVersion, ParseEngineVersionError};
pub use event::{EventKind, EventObserved};
pub use front_door::{
    Door, Doors, FirewallRule, FirewallRuleError, FrontDoor, IssuerKeys, TlsVersion, TokenIssuer,
    TokenUser, admits, not_admitted, would_not_admit,
};
pub use ids::{
    CacheId, CacheUid, Epoch, LinkId, OperationId, ParseCacheIdError, ShardIndex, StoreId,
    Timestamp,
};
pub use lease::{DEAD_MAN, DEAD_MAN_LAG_SECONDS, HeldLease, Lease, Leases};
pub use link::{
    AUTO_FAILOVER_REST_MS, AcceptEmptyRefused, Advance, Away, Decision, FailoverRefused,
    ForceRefused, ForcedBy, GeoSample, LinkPhase, LinkRecord, LinkSeen, Member,
};
pub use lost_writes::{DatabaseLoss, Receipt, receipt_name};
pub use names::{
    AssignmentName, CacheName, GroupName, NameError, ObjectId, PolicyName, Region, RuleName,
    SubscriptionId,
};
pub use observed::{
    CacheObserved, HandoffObserved, HandoffStep, HandoffStepObserved, JournalObserved, LagObserved,
    LinkActivity, LinkObserved, NodeObserved, OffsetsObserved, RegionObserved, ShardObserved,
    ShardStanding, WireObserved,
};
pub use preflight::{Finding, FindingCode, Level, Preflight, preflight};
pub use prerequisites::{Side, Unmet, unmet_for_failover, unmet_for_link};
pub use published::{Leads, PublishedName, PublishedNames};
pub use replication::{
    AutoFailover, Compression, Fencing, LEAST_JOURNAL, LEAST_RATE, ReplicationSettingError,
    ReplicationSettings, Retention, SecondaryReads, SnapshotSource,
};
pub use role::{ParseRoleError, Rights, Role, Scope};
pub use secret::Secret;
pub use settings::EngineSettings;
pub use sku::{Sku, SkuError, Tier};
pub use transfer::{
    BlobPlace, ExportPrefix, MOST_IMPORT_FILES, NotAPlace, NotAPrefix, Place, SasRefused, SasUse,
    TransferFigures, TransferKind, TransferObserved, TransferOrder, TransferOutcome, TransferPhase,
    TransferWork,
};
