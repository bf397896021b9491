//! A cache's lease, as its worker follows it.

use std::sync::Arc;

use model::{CacheDesired, EventKind, Fencing, GeoRole};
use tokio::{sync::Notify, time::Duration};

use super::Host;

/// What the worker knows of its lease.
pub(super) struct LeaseWatch {
    /// Wakes the worker when the lease, or what acknowledges for it, comes or goes.
    wake: Arc<Notify>,
    /// What people were told last.
    told: Option<bool>,
}

/// The lease at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// None is asked for.
    Unneeded,
    /// It is held for so long.
    Held(Duration),
    /// It is not held.
    Missing,
}

/// The cache takes writes only with a lease.
pub(super) fn needs_lease(desired: &CacheDesired) -> bool {
    let link = desired.replication.as_ref();
    let fencing = link.map_or(Fencing::None, |link| link.settings.fencing);
    let primary = match &desired.role {
        GeoRole::Primary { .. } | GeoRole::Yielding { .. } => true,
        GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => false,
    };
    match fencing {
        Fencing::None => false,
        Fencing::Lease => primary,
    }
}

impl LeaseWatch {
    pub(super) fn new() -> Self {
        let wake = Arc::new(Notify::new());
        Self { wake, told: None }
    }

    pub(super) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Looks whether the order needs a lease, and whether it is held.
    pub(super) fn look(&mut self, host: &Host, order: &CacheDesired) -> Right {
        let needed = needs_lease(order);
        let epoch = needed.then_some(order.epoch);
        host.leases.need(&order.uid, epoch, &self.wake);
        if !needed {
            self.told = None;
            return Right::Unneeded;
        }
        let right = host.leases.left(&order.uid);
        let right = right.map_or(Right::Missing, Right::Held);
        self.tell(host, order, right != Right::Missing);
        right
    }

    /// Tells people when it was got or lost.
    fn tell(&mut self, host: &Host, order: &CacheDesired, held: bool) {
        let news = match (self.told, held) {
            (Some(true), false) => Some((
                EventKind::LeaseLost,
                "the geo-primary's lease is over and was not renewed; it refuses writes until the control plane gives it another",
            )),
            (Some(false) | None, true) => Some((
                EventKind::LeaseHeld,
                "the geo-primary holds a lease and takes writes",
            )),
            (Some(true), true) | (Some(false) | None, false) => None,
        };
        if let Some((kind, text)) = news
            && let Some(link) = order.role.link()
        {
            tracing::info!(cache.id = %order.id.name, "{text}");
            self.told = Some(held);
            host.board
                .tell_of(link.clone(), None, kind, text.to_owned());
        }
    }
}

impl Right {
    /// How long the worker may sleep, so that writes are refused in time.
    pub(super) fn ends_in(self) -> Duration {
        match self {
            Self::Held(left) => left,
            Self::Unneeded | Self::Missing => Duration::MAX,
        }
    }
}
