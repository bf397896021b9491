//! Leases of geo-primaries, granted with the answers to reports.
//!
//! **Why none is granted behind a forced failover's back.** A forced failover of a link with leases
//! is two commits: one puts the link into [`LinkPhase::Forcing`], in which nothing is granted; the
//! other swaps the roles, and is planned only when no lease is left. Between them stands one lock:
//!
//! - [`Grants::grant`] takes the lock, *then* reads the store's state, and decides by that.
//! - A pass of the reconciler reads the state, *then* takes the lock for its picture of what is
//!   left ([`Grants::picture`]), and plans the swap against the version of the record that it read.
//!
//! States only go forward. So a grant that got the lock before the picture is in the picture, and
//! one that got it later read a state that is at least as new as the pass's: either the link is
//! still `Forcing` there, and nothing is granted, or its record was changed since, and the pass's
//! swap is a conflict. A swap that goes through was planned on a picture with every lease in it, and
//! after it the old primary is no primary any more, so nothing is granted to it either. An answer
//! that is still on its way when the swap happens brings a lease that is in the picture: it counts
//! from the grant here, and there from the moment the report was sent, which is earlier.
//!
//! A lease that an earlier run of the control plane granted counts from this run's start, for as
//! long as the longest that the link may have given out ([`LinkRecord::longest_lease`], which the
//! store keeps when a lease is set shorter, until that one is over: [`Grants::is_over`]).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{
    CacheUid, Epoch, Fencing, Lease, Leases, LinkId, LinkPhase, LinkRecord, Region, RegionObserved,
    RoleKind,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::store::Store;

/// What is granted.
pub(crate) struct Grants {
    started: Instant,
    leases: Mutex<Arc<Leases>>,
    /// The longest lease of a link that has been set shorter, and since when that is known.
    shorter: Mutex<BTreeMap<LinkId, (u16, Instant)>>,
}

/// What was granted, as of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    leases: Arc<Leases>,
    /// The moment, since the start.
    at: Duration,
}

/// The caches that a region's agent reports as geo-primaries, with the epoch that each has adopted.
#[derive(Debug)]
pub(crate) struct Leading {
    region: Region,
    epochs: BTreeMap<CacheUid, Epoch>,
}

impl Leading {
    pub(crate) fn of(report: &RegionObserved) -> Self {
        let leads = |role| matches!(role, RoleKind::Primary | RoleKind::Yielding);
        let leading = report.caches.iter().filter(|cache| leads(cache.role));
        Self {
            region: report.region.clone(),
            epochs: leading
                .map(|cache| (cache.uid.clone(), cache.epoch))
                .collect(),
        }
    }

    /// Tells whether it names the geo-primary of a link that may go on taking writes.
    fn is_due(&self, link: &LinkRecord) -> bool {
        let goes_on = match link.phase {
            LinkPhase::Creating
            | LinkPhase::Syncing
            | LinkPhase::Linked
            | LinkPhase::HandingOff { .. }
            | LinkPhase::Promoting => true,
            LinkPhase::Forcing { .. }
            | LinkPhase::UnlinkingPrimary
            | LinkPhase::UnlinkingSecondary => false,
        };
        goes_on
            && link.settings.fencing == Fencing::Lease
            && link.primary.region == self.region
            && self.epochs.get(&link.primary.uid) == Some(&link.epoch)
    }
}

impl Grants {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            leases: Mutex::new(Arc::new(Leases::new(Duration::ZERO))),
            shorter: Mutex::default(),
        }
    }

    /// Grants the geo-primaries of a report their leases, as the store has their links now.
    pub(crate) fn grant(&self, store: &Store, leading: &Leading) -> Vec<Lease> {
        if leading.epochs.is_empty() {
            return Vec::new();
        }
        let mut leases = self.leases.lock();
        // Behind the lock: see above.
        let state = store.state();
        let now = self.started.elapsed();
        let leases = Arc::make_mut(&mut leases);
        leases.tidy(now);
        let due = state.links.iter().filter(|link| leading.is_due(link));
        due.map(|link| {
            let length = Duration::from_secs(u64::from(link.settings.lease_seconds));
            leases.grant(&link.primary.uid, link.epoch, length, now)
        })
        .collect()
    }

    /// What is granted by now. Whoever decides by it reads the store's state first.
    pub(super) fn picture(&self) -> Granted {
        let leases = self.leases.lock();
        Granted {
            leases: Arc::clone(&leases),
            at: self.started.elapsed(),
        }
    }

    /// Tells whether the longest lease of a link, granted before it was set shorter, is over.
    pub(crate) fn is_over(&self, link: &LinkRecord) -> bool {
        let longest = link.longest_lease();
        let mut shorter = self.shorter.lock();
        if longest <= link.settings.lease_seconds {
            shorter.remove(&link.id);
            return true;
        }
        let known = shorter.entry(link.id.clone());
        let (known, since) = known.or_insert_with(|| (longest, Instant::now()));
        if *known != longest {
            (*known, *since) = (longest, Instant::now());
        }
        since.elapsed() > Duration::from_secs(u64::from(longest))
    }
}

impl Granted {
    /// How long the last lease of a link's geo-primary may still count; zero: it is surely over.
    pub(crate) fn left(&self, link: &LinkRecord) -> Duration {
        let longest = Duration::from_secs(u64::from(link.longest_lease()));
        match link.settings.fencing {
            Fencing::None => Duration::ZERO,
            Fencing::Lease => self.leases.left(&link.primary.uid, longest, self.at),
        }
    }
}

#[cfg(test)]
impl Granted {
    /// Nothing, and nothing from before.
    pub(super) fn nothing() -> Self {
        Self {
            leases: Arc::new(Leases::new(Duration::ZERO)),
            at: Duration::from_secs(3_600),
        }
    }
}
