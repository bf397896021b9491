//! Failovers as they are told: who wanted one, what was known to be lost, and what it waited for.

use model::{Behind, ForcedBy, LinkPhase, LinkRecord, Standing};

use super::{Told, names};
use crate::{behind::behind, history::OwnKind, observations::Seen};

/// The beginning of a failover.
pub(super) fn begun(old: &LinkRecord, new: &LinkRecord, seen: &Seen) -> (OwnKind, String) {
    let (p, s) = names(old);
    let attempt = new.attempt;
    let Some(by) = forced_by(old, new) else {
        let text = format!("attempt {attempt}: `{p}` is to hand the primary role to `{s}`");
        return (OwnKind::FailoverBegun, text);
    };
    let loss = known_loss(&behind(seen, old));
    let waits = match new.phase {
        LinkPhase::Forcing { .. } => format!(", as soon as the lease of `{p}` is over"),
        LinkPhase::Creating
        | LinkPhase::Syncing
        | LinkPhase::Linked
        | LinkPhase::HandingOff { .. }
        | LinkPhase::Promoting
        | LinkPhase::UnlinkingPrimary
        | LinkPhase::UnlinkingSecondary => String::new(),
    };
    match by {
        ForcedBy::Person => (
            OwnKind::FailoverForced,
            format!(
                "attempt {attempt}: at a person's word `{s}` takes over without `{p}`{waits}; {loss}"
            ),
        ),
        ForcedBy::Setting => (
            OwnKind::AutoFailoverBegun,
            format!(
                "attempt {attempt}: `{p}` was away for too long, and `{s}` takes over by itself{waits}; {loss}"
            ),
        ),
    }
}

/// Who forced the failover that `new` begins; `None`: it is a planned one.
fn forced_by(old: &LinkRecord, new: &LinkRecord) -> Option<ForcedBy> {
    if new.last_auto.is_some() && new.last_auto != old.last_auto {
        return Some(ForcedBy::Setting);
    }
    if let LinkPhase::Forcing { by } = new.phase {
        return Some(by);
    }
    let forced = matches!(new.standing, Standing::Forced { at, .. } if at > old.epoch);
    forced.then_some(ForcedBy::Person)
}

/// What is known of the loss, in the words of a sentence's end.
fn known_loss(shards: &[Behind]) -> String {
    let bytes: Option<u64> = shards.iter().map(|shard| shard.bytes).sum();
    let bytes = bytes.filter(|_| !shards.is_empty());
    let lag = shards.iter().filter_map(|shard| shard.lag_ms);
    let lag = lag.reduce(f64::max);
    let age = shards.iter().filter_map(|shard| shard.as_of_ms).max();
    match (bytes, age) {
        (Some(bytes), Some(age)) => {
            let lag = lag.map_or_else(String::new, |lag| format!(" ({lag:.1} ms)"));
            format!("it was {bytes} bytes{lag} behind by a report of {age} ms ago")
        }
        (None | Some(_), _) => "how far behind it was is not known".to_owned(),
    }
}

/// What else became of a forced failover.
pub(super) fn forced(old: &LinkRecord, new: &LinkRecord) -> Told {
    let mut told = Told::new();
    let (p, s) = names(new);
    if let LinkPhase::Forcing { .. } = old.phase
        && new.primary.uid != old.primary.uid
    {
        let waited = new.since.0.saturating_sub(old.since.0);
        let text = format!("after {waited} ms no lease of `{s}` counts any more");
        told.push((OwnKind::LeaseWaited, text));
    }
    let forks = |link: &LinkRecord| match &link.standing {
        Standing::Forced { at, forks } => forks.clone().map(|forks| (*at, forks)),
        Standing::Founder | Standing::AtBarrier { .. } | Standing::AsFound => None,
    };
    if let Some((at, forks)) = forks(new)
        && standing_epoch(old) == Some((at, false))
    {
        let forks: Vec<_> = forks.iter().map(ToString::to_string).collect();
        let text = format!(
            "`{p}` took over at {}; what `{s}` has beyond that is kept apart before it follows",
            forks.join(", ")
        );
        told.push((OwnKind::ForkKnown, text));
    }
    if new.accept_unsaved.is_some() && new.accept_unsaved != old.accept_unsaved {
        let text = format!("`{s}` may follow without what it cannot keep: a person said so");
        told.push((OwnKind::UnsavedAccepted, text));
    }
    if old.last_auto.is_some() && new.last_auto.is_none() {
        let text = "a person has seen the failover that happened by itself".to_owned();
        told.push((OwnKind::AutoFailoverAcknowledged, text));
    }
    told
}

/// The epoch of a forced failover, and whether its forks are known.
fn standing_epoch(link: &LinkRecord) -> Option<(model::Epoch, bool)> {
    match &link.standing {
        Standing::Forced { at, forks } => Some((*at, forks.is_some())),
        Standing::Founder | Standing::AtBarrier { .. } | Standing::AsFound => None,
    }
}
