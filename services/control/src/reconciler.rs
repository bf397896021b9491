//! Moves everything that is on its way one step further, for as long as there is a step.
//!
//! A pass looks at the store's state and at the agents' reports and plans changes; each is one
//! compare-and-swap. It remembers nothing between passes, so it may be stopped anywhere and run
//! twice: a change that no longer fits is a conflict, and the next pass plans anew.
//!
//! Most of many records are at rest, and most passes pass them by (ADR 27): every commit and every
//! report brings one that looks at what is on its way, and once a second one looks at
//! everything, so that what nobody thought of is late and not lost.

use std::{sync::Arc, time::Duration};

use model::Timestamp;
use runtime::chain;
use tokio::time::{Instant, timeout};

use crate::{
    activity,
    desired::Desired,
    observations::{Grants, Seen},
    plane::Plane,
    store::{Change, CommitError, Record, State, Table, Versioned},
};

mod caches;
mod groups;
mod links;
mod operations;
mod passes;
mod rolls;
mod withheld;

pub(crate) use caches::is_settled;
pub(crate) use links::link_seen;
pub(crate) use passes::{Passes, Took};
pub(crate) use rolls::{pair_engines, upgrade_of};
use withheld::Withheld;

/// Deadlines are looked at this often when nothing else happens.
const PERIOD: Duration = Duration::from_millis(250);
/// Everything is looked at this often.
const EVERYTHING: Duration = Duration::from_secs(1);
/// After a failed write the disk is left alone for so long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// A planned change, with a line about it for the operator.
#[derive(Debug)]
struct Step {
    change: Change,
    what: String,
}

/// How much a pass looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// What is not at rest.
    Restless,
    /// Every record.
    Everything,
}

impl Breadth {
    fn of<T: Record>(self, table: &Table<T>) -> impl Iterator<Item = &Versioned<T>> {
        let (every, restless) = match self {
            Self::Restless => (None, Some(table.restless())),
            Self::Everything => (Some(table.iter()), None),
        };
        let every = every.into_iter().flatten();
        every.chain(restless.into_iter().flatten())
    }
}

/// What a pass may look at.
struct Sight<'a> {
    state: &'a State,
    seen: &'a Seen,
    now: Timestamp,
    leases: &'a Grants,
    /// What each region is to run, as it is published.
    desired: &'a Desired,
}

/// Reconciles for ever.
pub(crate) async fn run(plane: Arc<Plane>) {
    let mut states = plane.store.watch();
    let mut reports = plane.observations.watch();
    let mut withheld = Withheld::default();
    let mut next_of_everything = Instant::now();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        reports.borrow_and_update();
        let breadth = if Instant::now() >= next_of_everything {
            Breadth::Everything
        } else {
            Breadth::Restless
        };
        let stored = pass(&plane, &state, breadth, &mut withheld).await;
        if breadth == Breadth::Everything {
            next_of_everything = Instant::now() + EVERYTHING;
        }
        if !stored {
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        let changed = async {
            tokio::select! {
                _ = states.changed() => {}
                _ = reports.changed() => {}
            }
        };
        // Late is as good as changed: deadlines are looked at in either case.
        let _late_or_changed = timeout(PERIOD, changed).await;
    }
}

/// Makes every planned change; false when the store does not take them.
async fn pass(plane: &Plane, state: &State, breadth: Breadth, withheld: &mut Withheld) -> bool {
    let begun = Instant::now();
    plane.observations.listen();
    // Behind the state, because of the leases: `observations/leases.rs` says why.
    let seen = plane.observations.seen();
    let sight = Sight {
        state,
        seen: &seen,
        now: plane.clock.now(),
        leases: &plane.observations.grants,
        desired: &plane.desired,
    };
    let steps = plan(&sight, breadth);
    let news = withheld.news(&sight);
    plane.passes.took(breadth, begun.elapsed());
    plane
        .history
        .note(news, plane.clock.now(), |event| {
            activity::of_link(state, event)
        })
        .await;
    for step in steps {
        match plane.store.commit(step.change).await {
            Ok(revision) => tracing::info!(revision, "{}", step.what),
            Err(CommitError::Conflict { key }) => {
                tracing::debug!(key = %key, "Planned against an older state; planning anew");
            }
            Err(
                error @ (CommitError::Full { .. }
                | CommitError::Failed { .. }
                | CommitError::Poisoned { .. }
                | CommitError::Stopped),
            ) => {
                tracing::error!(error = %chain(&error), "Failed to store a step: {}", step.what);
                return false;
            }
        }
    }
    true
}

/// Everything that can go one step further. When two steps want the same record, the first wins.
fn plan(sight: &Sight<'_>, breadth: Breadth) -> Vec<Step> {
    let mut steps = caches::plan(sight, breadth);
    steps.extend(links::plan(sight, breadth));
    steps.extend(rolls::plan(sight, breadth));
    steps.extend(operations::plan(sight, breadth));
    steps.extend(groups::plan(sight, breadth));
    steps
}

#[cfg(test)]
mod tests;
