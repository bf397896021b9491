//! What a gateway and all of its connections hold in common.

use std::sync::Arc;

use model::CacheId;
use parking_lot::Mutex;
use runtime::{clock::Clock, lanes::Lanes, tasks::Tasks};
use tls::Identity;

use crate::{Limits, orders::Orders, roster::Roster, status::Refusal, throttle::Throttle};

/// One gateway's insides.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) cache: CacheId,
    pub(crate) tasks: Tasks,
    /// Where connections are served.
    pub(crate) lanes: Lanes,
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) throttle: Throttle,
    pub(crate) roster: Arc<Roster>,
    /// Everybody is in from the beginning, and may do everything.
    #[cfg(feature = "testing")]
    pub(crate) everybody: std::sync::atomic::AtomicBool,
    orders: Mutex<Arc<Orders>>,
}

impl House {
    pub(crate) fn new(
        cache: CacheId,
        tasks: Tasks,
        lanes: Lanes,
        identity: Identity,
        limits: Limits,
        orders: Orders,
    ) -> Self {
        Self {
            cache,
            tasks,
            lanes,
            identity,
            clock: Clock,
            limits,
            throttle: Throttle::default(),
            roster: Arc::default(),
            #[cfg(feature = "testing")]
            everybody: std::sync::atomic::AtomicBool::new(false),
            orders: Mutex::new(Arc::new(orders)),
        }
    }

    /// The present orders.
    pub(crate) fn orders(&self) -> Arc<Orders> {
        Arc::clone(&self.orders.lock())
    }

    /// Changes the orders, and has every connection look at them.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Orders)) {
        {
            let mut orders = self.orders.lock();
            let mut new = Orders::clone(&orders);
            change(&mut new);
            *orders = Arc::new(new);
        }
        self.roster.wake_all();
    }

    /// Counts a refusal. The first, the second, the fourth … of a kind are logged: who floods the
    /// gateway does not flood its log.
    pub(crate) fn refused(&self, refusal: Refusal, peer: &dyn std::fmt::Display, why: &str) {
        let before = self.roster.totals.note_refused(refusal);
        let count = before.saturating_add(1);
        if count.is_power_of_two() || count.is_multiple_of(4096) {
            tracing::info!(cache = %self.cache.name, %peer, count, why, "refused a client");
        } else {
            tracing::debug!(cache = %self.cache.name, %peer, count, why, "refused a client");
        }
    }
}
