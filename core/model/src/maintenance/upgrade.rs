//! Whether a cache's nodes get a newer engine, and what has to be so first.
//!
//! A geo-secondary goes before its geo-primary: a newer engine loads what an older one writes, and
//! not the other way round. What the two run at the end must be able to follow each other in both
//! directions, or no failover could be planned.

use std::fmt;

use crate::{
    CacheObserved, CacheRecord, EngineBuild, Lifecycle, LinkPhase, LinkRecord, ShardStanding,
};

/// What the engine that is installed beside a cache is to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newer {
    /// Every node runs it, or nobody knows what they run.
    Nothing,
    /// Some node does not.
    Ready {
        /// What the oldest of them runs.
        from: EngineBuild,
        /// What is installed.
        to: EngineBuild,
    },
    /// It cannot take the place of what the nodes run.
    Refused {
        /// Why, in a sentence's end.
        why: String,
    },
}

/// Compares what a cache's nodes run with what is installed.
#[must_use]
pub fn newer<'a>(
    running: impl IntoIterator<Item = &'a EngineBuild>,
    installed: &EngineBuild,
) -> Newer {
    let mut oldest: Option<&EngineBuild> = None;
    for build in running {
        if build.version.kind != installed.version.kind {
            return Newer::Refused {
                why: format!(
                    "its nodes run {build}, and {installed} is installed: data do not go from one make to the other while they are served; create another cache and move them"
                ),
            };
        }
        if build.version > installed.version {
            return Newer::Refused {
                why: format!(
                    "its nodes run {build}, and {installed} is installed: an older engine does not load what a newer one has written"
                ),
            };
        }
        let older = oldest.is_none_or(|oldest| {
            // Of two builds of one version, the one that is not installed is the older.
            (build.version, build == installed) < (oldest.version, oldest == installed)
        });
        if older {
            oldest = Some(build);
        }
    }
    match oldest {
        Some(from) if from != installed => Newer::Ready {
            from: from.clone(),
            to: installed.clone(),
        },
        Some(_) | None => Newer::Nothing,
    }
}

/// Both sides of a link, as far as an upgrade of one of them concerns the other.
#[derive(Debug, Clone, Copy)]
pub struct PairEngines<'a> {
    /// The link.
    pub link: &'a LinkRecord,
    /// The cache at the other end.
    pub other: &'a CacheRecord,
    /// What is seen of it.
    pub seen: Option<&'a CacheObserved>,
    /// What is installed beside it.
    pub installed: Option<&'a EngineBuild>,
}

/// Why a cache's nodes are not restarted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The cache is being made, changed or removed.
    Busy(String),
    /// Its agent is not heard from.
    Unseen(String),
    /// Nodes of it are already being restarted.
    Underway(String),
    /// Not every node is up and in step.
    NotWhole(String),
    /// Its link is being made, unmade, or its roles change.
    LinkBusy(String, String),
    /// The geo-secondary is not in step.
    NotInStep(String, String),
    /// Nodes of the other cache of its link are being restarted.
    OtherUnderway(String, String),
    /// Nobody knows what the other cache of its link runs.
    OtherUnseen(String, String),
    /// Its geo-secondary goes first.
    SecondaryFirst {
        /// The geo-secondary.
        secondary: String,
        /// What it runs.
        runs: EngineBuild,
        /// What the geo-primary would run.
        to: EngineBuild,
        /// A newer engine is installed beside the geo-secondary.
        ready: bool,
    },
    /// After the upgrade no failover could be planned, and the other side could not follow.
    OtherCannotFollow {
        /// The other cache.
        other: String,
        /// What it would have to run like.
        to: EngineBuild,
    },
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(name) => write!(
                f,
                "the cache `{name}` is being created, changed or deleted; wait until it is `Succeeded`"
            ),
            Self::Unseen(name) => write!(
                f,
                "the agent of the cache `{name}` does not report; check that it runs"
            ),
            Self::Underway(name) => write!(
                f,
                "nodes of the cache `{name}` are being restarted already; wait until that has ended"
            ),
            Self::NotWhole(name) => write!(
                f,
                "not every node of the cache `{name}` is up and in step; wait until it is whole"
            ),
            Self::LinkBusy(name, other) => write!(
                f,
                "the link of `{name}` and `{other}` is being made, unmade, or fails over; wait until it is `Succeeded`"
            ),
            Self::NotInStep(name, other) => write!(
                f,
                "`{name}` and `{other}` are not in step; wait until their link is healthy"
            ),
            Self::OtherUnderway(name, other) => write!(
                f,
                "nodes of `{other}` are being restarted, and of `{name}` and `{other}` one goes at a time"
            ),
            Self::OtherUnseen(name, other) => write!(
                f,
                "what `{other}` runs is not known, and `{name}` must be able to follow it; check that its agent runs"
            ),
            Self::SecondaryFirst {
                secondary,
                runs,
                to,
                ready,
            } => {
                let (runs, to) = (runs.told_from(to), to.told_from(runs));
                let do_it = if *ready {
                    format!("upgrade `{secondary}` first")
                } else {
                    format!("install {to} beside it, and upgrade `{secondary}` first")
                };
                write!(
                    f,
                    "the geo-secondary `{secondary}` goes first: it runs {runs}, and must load what {to} writes; {do_it}"
                )
            }
            Self::OtherCannotFollow { other, to } => write!(
                f,
                "`{other}` at the other end of its link could not be upgraded to {to} as well; install that beside it first"
            ),
        }
    }
}

/// Why a cache cannot be upgraded to `to` now; `None`: it can.
#[must_use]
pub fn hindrance(
    cache: &CacheRecord,
    seen: Option<&CacheObserved>,
    pair: Option<PairEngines<'_>>,
    to: &EngineBuild,
) -> Option<Hindrance> {
    let name = || cache.id.name.to_string();
    match cache.lifecycle {
        Lifecycle::Ready => {}
        Lifecycle::Creating
        | Lifecycle::Updating
        | Lifecycle::Scaling
        | Lifecycle::Deleting
        | Lifecycle::Failed { .. } => return Some(Hindrance::Busy(name())),
    }
    if cache.maintenance.order.is_some() {
        return Some(Hindrance::Underway(name()));
    }
    let Some(seen) = seen else {
        return Some(Hindrance::Unseen(name()));
    };
    if !is_whole(cache, seen) {
        return Some(Hindrance::NotWhole(name()));
    }
    pair.and_then(|pair| of_pair(cache, seen, pair, to))
}

/// Every node is up and in step.
fn is_whole(cache: &CacheRecord, seen: &CacheObserved) -> bool {
    let wanted = usize::from(cache.spec.replicas) + 1;
    let shards = usize::from(cache.spec.shards.unwrap_or(1));
    let whole = seen.shards.iter().filter(|shard| {
        let up = shard.nodes.iter().filter(|node| node.in_step);
        up.count() >= wanted
    });
    whole.count() == shards
}

fn of_pair(
    cache: &CacheRecord,
    seen: &CacheObserved,
    pair: PairEngines<'_>,
    to: &EngineBuild,
) -> Option<Hindrance> {
    let (name, other) = (cache.id.name.to_string(), pair.other.id.name.to_string());
    if pair.link.phase != LinkPhase::Linked {
        return Some(Hindrance::LinkBusy(name, other));
    }
    if pair.other.maintenance.order.is_some() {
        return Some(Hindrance::OtherUnderway(name, other));
    }
    let Some(there) = pair.seen else {
        return Some(Hindrance::OtherUnseen(name, other));
    };
    let leads = pair.link.primary.uid == cache.uid;
    let secondary = if leads { there } else { seen };
    if !secondary.all_shards(|standing| *standing == ShardStanding::Following) {
        return Some(Hindrance::NotInStep(name, other));
    }
    let runs: Vec<&EngineBuild> = there.builds().collect();
    let Some(newest) = runs.iter().max() else {
        return Some(Hindrance::OtherUnseen(name, other));
    };
    let ready = |build: &EngineBuild| {
        let installed = pair.installed.map(|installed| newer([build], installed));
        matches!(installed, Some(Newer::Ready { .. }))
    };
    let waits = |build: &EngineBuild| build.version < to.version || ready(build);
    if let Some(runs) = runs.iter().find(|build| leads && waits(build)) {
        return Some(Hindrance::SecondaryFirst {
            secondary: other,
            runs: EngineBuild::clone(runs),
            to: to.clone(),
            ready: ready(runs),
        });
    }
    // A newer minor version on this side alone would leave the pair without a planned failover.
    let like = |build: &EngineBuild| build.version.interchangeable(to.version);
    let can = like(newest) || pair.installed.is_some_and(like);
    (!can).then(|| Hindrance::OtherCannotFollow {
        other,
        to: to.clone(),
    })
}

#[cfg(test)]
mod tests;
