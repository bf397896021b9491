//! An agent: the real planner and the real lease, around a model of an engine.
//!
//! As `services/agent`: what counts is on disk first, an older generation or epoch is refused, and
//! the planner's steps are carried out one after the other, each as often as it is planned.

mod inbound;
mod look;
mod outbound;
mod talk;

use std::{sync::Arc, time::Duration};

use model::{CacheDesired, CacheObserved, HeldLease};
use parking_lot::Mutex;
use psync::Position;
use runtime::tasks::Tasks;
use tokio::{sync::Notify, time::Instant};

use crate::{disk::Disk, trace::Trace};

/// Where the other region's agent dials.
pub(crate) const RELAY: u16 = 7400;

/// What an agent is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    /// The region, which names the host as well.
    pub(crate) region: &'static str,
    /// The host of its engine.
    pub(crate) machine: &'static str,
    /// The other region's agent.
    pub(crate) peer: &'static str,
    /// Its monotonic clock shows so many thousandths of the true time.
    pub(crate) clock: u64,
    pub(crate) disk: Disk,
    pub(crate) trace: Trace,
}

/// What the outbound half was told of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    Open,
    Expected,
    Declared(u64, Position),
}

/// What an agent has in memory.
pub(crate) struct Agent {
    pub(crate) setup: Setup,
    pub(crate) state: Mutex<State>,
    /// Something is worth a look.
    pub(crate) nudge: Notify,
    /// Something is worth a report.
    pub(crate) news: Notify,
    /// The fence, the epoch served, or what is followed changed.
    pub(crate) rewired: Notify,
    started: Instant,
}

pub(crate) struct State {
    pub(crate) lease: HeldLease,
    pub(crate) observed: Option<CacheObserved>,
    pub(crate) fence: Fence,
    /// The epoch at which the outbound half serves; none: it does not.
    pub(crate) serves: Option<model::Epoch>,
    /// How far the connected inbound half has been sent the stream.
    pub(crate) sent: Option<Position>,
    /// The epoch at which the inbound half follows; none: it holds.
    pub(crate) follows: Option<model::Epoch>,
    /// The journal is read for what it lacks, with the fork that was known then.
    pub(crate) drains: Option<Option<Position>>,
    /// The barrier that arrived.
    pub(crate) barrier: Option<(u64, Position)>,
    pub(crate) paused: Option<Instant>,
    /// The attempt whose decision was heard.
    pub(crate) answered: Option<u64>,
}

impl Agent {
    /// Runs until the host crashes.
    pub(crate) async fn run(setup: Setup) -> std::io::Result<()> {
        {
            let mut files = setup.disk.0.lock();
            files.memory = files.memory.clone().recalled();
        }
        let agent = Arc::new(Self {
            setup,
            state: Mutex::new(State {
                lease: HeldLease::default(),
                observed: None,
                fence: Fence::Open,
                serves: None,
                sent: None,
                follows: None,
                drains: None,
                barrier: None,
                paused: None,
                answered: None,
            }),
            nudge: Notify::new(),
            news: Notify::new(),
            rewired: Notify::new(),
            started: Instant::now(),
        });
        let tasks = Tasks::new();
        tasks.spawn("obey", Arc::clone(&agent).obey());
        tasks.spawn("report", Arc::clone(&agent).report());
        tasks.spawn("keep", Arc::clone(&agent).keep());
        tasks.spawn("inbound", Arc::clone(&agent).follow());
        let listening = Arc::clone(&agent).serve(tasks.clone());
        tasks.spawn("outbound", async move {
            // The listener lives as long as the host.
            let _never = listening.await;
        });
        agent.look_for_ever().await;
        Ok(())
    }

    /// The order on disk, if there is one.
    pub(crate) fn order(&self) -> Option<CacheDesired> {
        let files = self.setup.disk.0.lock();
        files.desired.as_ref()?.caches.first().cloned()
    }

    /// What its monotonic clock shows.
    pub(crate) fn clock(&self) -> Duration {
        let elapsed = self.started.elapsed();
        elapsed * u32::try_from(self.setup.clock).unwrap_or(1_000) / 1_000
    }
}
