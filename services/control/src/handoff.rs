//! How long a failover took, step by step, by what both sides' agents tell of it. No two clocks are
//! compared: each side tells its steps since it began, and half a round trip lies between them.

use model::{HandoffStep, LinkObserved, LinkRecord, LinkSeen, Member};

use crate::{
    observations::Seen,
    records::{FailoverRecord, OperationRecord, StepRecord, StepSide, Work, link},
    store::State,
};

/// What is known of the failover of an operation: what its record has, and while it runs what the
/// agents tell.
pub(crate) fn figures(state: &State, seen: &Seen, op: &OperationRecord) -> Option<FailoverRecord> {
    let known = op.failover.clone()?;
    let Work::FailOver { link: id, to, .. } = &op.work else {
        return Some(known);
    };
    let told = state.links.get(&link::key(id)).filter(|_| op.is_running());
    let (Some(link), Some(attempt)) = (told, known.attempt) else {
        return Some(known);
    };
    let mut steps = steps(seen, link.other(to), attempt, StepSide::Primary);
    let taker = taker(link, to);
    steps.extend(self::steps(seen, taker, attempt, StepSide::Secondary));
    Some(FailoverRecord { steps, ..known })
}

fn taker<'a>(link: &'a LinkRecord, to: &model::CacheUid) -> &'a Member {
    if link.primary.uid == *to {
        &link.primary
    } else {
        &link.secondary
    }
}

fn steps(seen: &Seen, member: &Member, attempt: u64, side: StepSide) -> Vec<StepRecord> {
    let cache = seen
        .last(&member.region)
        .and_then(|heard| heard.cache(&member.uid));
    let handoff = cache.and_then(|cache| cache.handoff.as_ref());
    let handoff = handoff.filter(|handoff| handoff.attempt == attempt);
    let steps = handoff.map_or(&[][..], |handoff| &handoff.steps).iter();
    steps
        .map(|step| StepRecord {
            side,
            region: member.region.clone(),
            step: step.step,
            ms: step.ms,
        })
        .collect()
}

/// For how long neither side took writes, in milliseconds: from the pause to the barrier on the one
/// side, the barrier's way, and from its arrival to the promotion on the other.
pub(crate) fn write_pause(failover: &FailoverRecord) -> Option<f64> {
    let at = |side, step| {
        let mut steps = failover.steps.iter();
        let found = steps.find(|known| known.side == side && known.step == step);
        found.map(|known| known.ms)
    };
    let paused = at(StepSide::Primary, HandoffStep::WritesPaused)?;
    let declared = at(StepSide::Primary, HandoffStep::BarrierDeclared)?;
    let received = at(StepSide::Secondary, HandoffStep::BarrierReceived)?;
    let promoted = at(StepSide::Secondary, HandoffStep::Promoted)?;
    Some((declared - paused) + failover.round_trip_ms? / 2.0 + (promoted - received))
}

/// The round trip between the two sides, in milliseconds; the longest of the shards.
pub(crate) fn round_trip(seen: LinkSeen<'_>) -> Option<f64> {
    let halves = [seen.primary, seen.secondary].into_iter().flatten();
    let halves = halves.flat_map(|cache| &cache.shards);
    let trip = |half: &LinkObserved| half.round_trip_ms;
    halves
        .filter_map(|shard| shard.link.as_ref().and_then(trip))
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::FailoverKind;

    fn step(side: StepSide, step: HandoffStep, ms: f64) -> StepRecord {
        StepRecord {
            side,
            region: "eastus".parse().unwrap(),
            step,
            ms,
        }
    }

    #[test]
    fn the_write_pause_is_made_of_both_sides_parts_and_the_way_between() {
        let mut failover = FailoverRecord {
            kind: FailoverKind::Planned,
            attempt: Some(1),
            round_trip_ms: Some(60.0),
            steps: vec![
                step(StepSide::Primary, HandoffStep::WritesPaused, 2.0),
                step(StepSide::Primary, HandoffStep::BarrierDeclared, 7.0),
                step(StepSide::Secondary, HandoffStep::BarrierReceived, 40.0),
                step(StepSide::Secondary, HandoffStep::Promoted, 52.5),
            ],
        };
        assert_eq!(write_pause(&failover), Some(47.5));
        failover.round_trip_ms = None;
        assert_eq!(write_pause(&failover), None, "the way is not known");
        failover.round_trip_ms = Some(60.0);
        failover.steps.pop();
        assert_eq!(write_pause(&failover), None, "it was not promoted");
    }
}
