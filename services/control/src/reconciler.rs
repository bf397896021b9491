//! Moves everything that is on its way one step further, for as long as there is a step.
//!
//! A pass looks at the store's state and at the agents' reports and plans changes; each is one
//! compare-and-swap. It remembers nothing between passes, so it may be stopped anywhere and run
//! twice: a change that no longer fits is a conflict, and the next pass plans anew.

use std::{sync::Arc, time::Duration};

use model::Timestamp;
use runtime::chain;
use tokio::time::timeout;

use crate::{
    desired::Desired,
    observations::{Grants, Seen},
    plane::Plane,
    store::{Change, CommitError, State},
};

mod caches;
mod groups;
mod links;
mod operations;
mod rolls;
mod withheld;

pub(crate) use caches::is_settled;
pub(crate) use links::link_seen;
pub(crate) use rolls::{pair_engines, upgrade_of};
use withheld::Withheld;

/// Deadlines are looked at this often when nothing else happens.
const PERIOD: Duration = Duration::from_millis(250);
/// After a failed write the disk is left alone for so long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// A planned change, with a line about it for the operator.
#[derive(Debug)]
struct Step {
    change: Change,
    what: String,
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
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        reports.borrow_and_update();
        if !pass(&plane, &state, &mut withheld).await {
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
async fn pass(plane: &Plane, state: &State, withheld: &mut Withheld) -> bool {
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
    plane
        .history
        .note(withheld.news(&sight), plane.clock.now())
        .await;
    for step in plan(&sight) {
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
fn plan(sight: &Sight<'_>) -> Vec<Step> {
    let mut steps = caches::plan(sight);
    steps.extend(links::plan(sight));
    steps.extend(rolls::plan(sight));
    steps.extend(operations::plan(sight));
    steps.extend(groups::plan(sight));
    steps
}

#[cfg(test)]
mod tests;
