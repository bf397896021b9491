//! What two caches must be to be linked, and to fail over: one sentence for each thing that is
//! missing. API, command line and portal show the same text.

use std::fmt;

use crate::{CacheId, CacheRecord, EngineVersion, Lifecycle, Tier, engine_settings};

/// One side of a wished link.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The cache.
    pub cache: &'a CacheRecord,
    /// The engine that its agent reports; `None` when the agent is not heard from.
    pub engine: Option<EngineVersion>,
}

/// Something that keeps two caches from being linked or failed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// The caches are in different subscriptions.
    Subscription {
        /// The one.
        primary: CacheId,
        /// The other.
        secondary: CacheId,
    },
    /// A cache is to be linked to itself.
    Itself(CacheId),
    /// A cache is not Premium.
    Tier(CacheId, Tier),
    /// A cache does not run.
    NotRunning(CacheId, &'static str),
    /// A cache has a number of replicas other than one.
    Replicas(CacheId, u8),
    /// A cache is persistent.
    Persistence(CacheId),
    /// One is clustered, the other is not, or the shards differ.
    Shards {
        /// The primary's shards.
        primary: Option<u16>,
        /// The secondary's shards.
        secondary: Option<u16>,
    },
    /// The secondary has fewer databases, so that it could not hold what is in the others.
    Databases {
        /// The primary's.
        primary: u16,
        /// The secondary's.
        secondary: u16,
    },
    /// The secondary is smaller.
    Smaller {
        /// The primary, with its size.
        primary: String,
        /// The secondary, with its size.
        secondary: String,
    },
    /// The sizes differ (failover only).
    Unequal {
        /// The primary, with its size.
        primary: String,
        /// The secondary, with its size.
        secondary: String,
    },
    /// The engine of a cache is not known, because its agent does not report.
    EngineUnknown(CacheId),
    /// The engines cannot follow each other in both directions.
    Engine {
        /// The primary's.
        primary: EngineVersion,
        /// The secondary's.
        secondary: EngineVersion,
    },
    /// A cache is linked already.
    Linked(CacheId),
    /// The resource group of a cache is being deleted.
    GroupDeleting(CacheId),
}

impl Unmet {
    /// A word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Subscription { .. } => "OtherSubscription",
            Self::Itself(_) => "Itself",
            Self::Tier(..) => "NotPremium",
            Self::NotRunning(..) => "NotRunning",
            Self::Replicas(..) => "Replicas",
            Self::Persistence(_) => "Persistence",
            Self::Shards { .. } => "Shards",
            Self::Databases { .. } => "Databases",
            Self::Smaller { .. } => "Smaller",
            Self::Unequal { .. } => "UnequalSizes",
            Self::EngineUnknown(_) => "EngineUnknown",
            Self::Engine { .. } => "EngineVersions",
            Self::Linked(_) => "AlreadyLinked",
            Self::GroupDeleting(_) => "GroupBeingDeleted",
        }
    }

    /// The cache that it is about; `None`: it is about both together.
    #[must_use]
    pub fn concerns(&self) -> Option<&CacheId> {
        match self {
            Self::Itself(id)
            | Self::Tier(id, _)
            | Self::NotRunning(id, _)
            | Self::Replicas(id, _)
            | Self::Persistence(id)
            | Self::EngineUnknown(id)
            | Self::Linked(id)
            | Self::GroupDeleting(id) => Some(id),
            Self::Subscription { .. }
            | Self::Shards { .. }
            | Self::Databases { .. }
            | Self::Smaller { .. }
            | Self::Unequal { .. }
            | Self::Engine { .. } => None,
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscription { primary, secondary } => write!(
                f,
                "both caches must be in the same subscription: `{}` is in {}, `{}` in {}",
                primary.name, primary.subscription, secondary.name, secondary.subscription
            ),
            Self::Itself(id) => write!(f, "the cache `{}` cannot be linked to itself", id.name),
            Self::Tier(id, tier) => write!(
                f,
                "the cache `{}` is in the {tier} tier, and only Premium caches can be linked",
                id.name
            ),
            Self::NotRunning(id, state) => write!(
                f,
                "the cache `{}` is not running (provisioning state {state}); wait until it is `Succeeded`",
                id.name
            ),
            Self::Replicas(id, n) => write!(
                f,
                "the cache `{}` has {n} replicas per primary, and a linked cache must have exactly one",
                id.name
            ),
            Self::Persistence(id) => write!(
                f,
                "persistence is enabled on the cache `{}`, and linked caches cannot be persistent; disable it first",
                id.name
            ),
            Self::Shards { primary, secondary } => write!(
                f,
                "both caches must have clustering enabled with the same number of shards, or neither: the primary has {}, the secondary {}",
                shards(*primary),
                shards(*secondary)
            ),
            Self::Databases { primary, secondary } => write!(
                f,
                "the secondary must have as many databases as the primary: the primary has {primary}, the secondary {secondary}, and `databases` is set when a cache is created"
            ),
            Self::Smaller { primary, secondary } => write!(
                f,
                "the secondary must be at least as large as the primary: {secondary} is smaller than {primary}"
            ),
            Self::Unequal { primary, secondary } => write!(
                f,
                "both caches must be the same size to fail over: {primary} and {secondary} differ"
            ),
            Self::EngineUnknown(id) => write!(
                f,
                "the engine version of the cache `{}` is not known because the agent of its region does not report; check that the agent runs",
                id.name
            ),
            Self::Engine { primary, secondary } => write!(
                f,
                "both caches must run the same engine and version, since each must be able to load the other's data: the primary runs {primary}, the secondary {secondary}"
            ),
            Self::Linked(_) => f.write_str("this cache is already linked to another cache"),
            Self::GroupDeleting(id) => write!(
                f,
                "the resource group `{}` of the cache `{}` is being deleted",
                id.group, id.name
            ),
        }
    }
}

fn shards(count: Option<u16>) -> String {
    count.map_or_else(|| "no clustering".to_owned(), |n| format!("{n} shards"))
}

fn sized(cache: &CacheRecord) -> String {
    format!("`{}` ({})", cache.id.name, cache.spec.sku)
}

/// Lists everything that keeps `secondary` from becoming the geo-secondary of `primary`, most
/// fundamental first. Empty: they can be linked.
#[must_use]
pub fn unmet_for_link(primary: Side<'_>, secondary: Side<'_>) -> Vec<Unmet> {
    let (p, s) = (primary.cache, secondary.cache);
    if p.id.name == s.id.name && p.id.subscription == s.id.subscription {
        return vec![Unmet::Itself(p.id.clone())];
    }
    let mut unmet = Vec::new();
    if p.id.subscription != s.id.subscription {
        let (primary, secondary) = (p.id.clone(), s.id.clone());
        unmet.push(Unmet::Subscription { primary, secondary });
    }
    for cache in [p, s] {
        if cache.link.is_some() {
            unmet.push(Unmet::Linked(cache.id.clone()));
        }
    }
    for cache in [p, s] {
        if cache.spec.sku.tier() != Tier::Premium {
            unmet.push(Unmet::Tier(cache.id.clone(), cache.spec.sku.tier()));
        }
        if let Some(state) = not_running(&cache.lifecycle) {
            unmet.push(Unmet::NotRunning(cache.id.clone(), state));
        }
        if cache.spec.sku.tier() == Tier::Premium && cache.spec.replicas != 1 {
            unmet.push(Unmet::Replicas(cache.id.clone(), cache.spec.replicas));
        }
        if cache.spec.is_persistent() {
            unmet.push(Unmet::Persistence(cache.id.clone()));
        }
    }
    if p.spec.shards != s.spec.shards {
        unmet.push(Unmet::Shards {
            primary: p.spec.shards,
            secondary: s.spec.shards,
        });
    }
    if s.spec.sku.memory_bytes() < p.spec.sku.memory_bytes() {
        unmet.push(Unmet::Smaller {
            primary: sized(p),
            secondary: sized(s),
        });
    } else {
        unmet.extend(unmet_databases(p, s));
    }
    unmet.extend(unmet_engines(primary, secondary));
    unmet
}

fn unmet_databases(primary: &CacheRecord, secondary: &CacheRecord) -> Option<Unmet> {
    let databases = |cache: &CacheRecord| {
        let settings = engine_settings(cache.spec.sku, &cache.spec.configuration);
        settings.ok().map(|settings| settings.databases)
    };
    let (primary, secondary) = (databases(primary)?, databases(secondary)?);
    (secondary < primary).then_some(Unmet::Databases { primary, secondary })
}

/// Lists everything about the two caches that keeps them from swapping roles. (The state of the
/// link itself is the link's to judge.)
#[must_use]
pub fn unmet_for_failover(primary: Side<'_>, secondary: Side<'_>) -> Vec<Unmet> {
    let (p, s) = (primary.cache, secondary.cache);
    let mut unmet = Vec::new();
    if p.spec.sku != s.spec.sku {
        unmet.push(Unmet::Unequal {
            primary: sized(p),
            secondary: sized(s),
        });
    }
    unmet.extend(unmet_engines(primary, secondary));
    unmet
}

fn unmet_engines(primary: Side<'_>, secondary: Side<'_>) -> Vec<Unmet> {
    let unknown = [primary, secondary]
        .into_iter()
        .filter(|side| side.engine.is_none() && not_running(&side.cache.lifecycle).is_none())
        .map(|side| Unmet::EngineUnknown(side.cache.id.clone()));
    let mut unmet: Vec<_> = unknown.collect();
    if let (Some(primary), Some(secondary)) = (primary.engine, secondary.engine)
        && !primary.interchangeable(secondary)
    {
        unmet.push(Unmet::Engine { primary, secondary });
    }
    unmet
}

/// The provisioning state of a cache that cannot be linked yet.
fn not_running(lifecycle: &Lifecycle) -> Option<&'static str> {
    match lifecycle {
        Lifecycle::Ready => None,
        Lifecycle::Creating => Some("Creating"),
        Lifecycle::Updating => Some("Updating"),
        Lifecycle::Scaling => Some("Scaling"),
        Lifecycle::Deleting => Some("Deleting"),
        Lifecycle::Failed { .. } => Some("Failed"),
    }
}

#[cfg(test)]
mod tests;
