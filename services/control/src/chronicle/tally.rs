//! Counts failovers as they end, for `/metrics`.

use std::collections::BTreeMap;

use model::{ForcedBy, LinkPhase, LinkRecord, Standing};
use parking_lot::Mutex;

use crate::store::{Difference, State};

/// The failovers that have ended since the start.
#[derive(Default)]
pub(crate) struct Failovers(Mutex<BTreeMap<Ended, u64>>);

/// What a failover was, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    /// `planned`, `forced` or `automatic`.
    pub(crate) kind: &'static str,
    /// `decided` or `aborted`.
    pub(crate) outcome: &'static str,
}

impl Failovers {
    /// Counts what ended between two states.
    pub(super) fn count(&self, before: &State, after: &State) {
        for Difference { old, new } in after.links.changes_since(&before.links) {
            let both = old.zip(new);
            if let Some(ended) = both.and_then(|(old, new)| ended(old, new)) {
                *self.0.lock().entry(ended).or_default() += 1;
            }
        }
    }

    pub(crate) fn ended(&self) -> BTreeMap<Ended, u64> {
        self.0.lock().clone()
    }
}

fn ended(old: &LinkRecord, new: &LinkRecord) -> Option<Ended> {
    if new.primary.uid != old.primary.uid {
        let forced = matches!(new.standing, Standing::Forced { at, .. } if at > old.epoch);
        let kind = kind(old, new, forced);
        return Some(Ended {
            kind,
            outcome: "decided",
        });
    }
    let aborted = new.last_abort.is_some() && new.last_abort != old.last_abort;
    aborted.then(|| Ended {
        kind: kind(old, new, matches!(old.phase, LinkPhase::Forcing { .. })),
        outcome: "aborted",
    })
}

fn kind(old: &LinkRecord, new: &LinkRecord, forced: bool) -> &'static str {
    let by_itself = matches!(
        old.phase,
        LinkPhase::Forcing {
            by: ForcedBy::Setting
        }
    );
    // A state in between may be missing.
    let by_itself = by_itself || (new.last_auto.is_some() && new.last_auto != old.last_auto);
    match (forced, by_itself) {
        (true, true) => "automatic",
        (true, false) => "forced",
        (false, _) => "planned",
    }
}
