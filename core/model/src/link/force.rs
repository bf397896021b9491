//! Forced failover: the secondary takes over with what it has applied, without the primary's
//! consent. At a person's word, or by itself where the link's settings say so.
//!
//! Without leases the roles are swapped at once. With them the link first stands in
//! [`LinkPhase::Forcing`], in which no lease is renewed, until the last one is over.

use serde::{Deserialize, Serialize};

use super::{LinkPhase, LinkRecord, LinkSeen, Member, holds_a_copy};
use crate::{AutoFailover, CacheObserved, Fencing, RoleKind, ShardStanding, Standing, Timestamp};

/// Who had a failover forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForcedBy {
    /// A person.
    Person,
    /// The link's own setting `autoFailover`.
    Setting,
}

/// What the control plane knows of a primary beyond its latest report. Durations are on the control
/// plane's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Away {
    /// How long ago it was last heard to take writes in every shard, in milliseconds; counted from
    /// the control plane's own start when that was later.
    pub down_ms: u64,
    /// How long its last lease may still count, in milliseconds; 0: it is surely over.
    pub lease_left_ms: u64,
    /// How far behind the secondary was known to be last, in milliseconds; `None`: not known.
    pub last_lag_ms: Option<u64>,
}

/// Why a failover cannot be forced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForceRefused {
    /// The link is busy with something that has to end first.
    #[error(
        "the link is {0}; wait until that has ended, or unlink: both caches keep what they have"
    )]
    Busy(&'static str),
    /// The secondary's agent is not heard from.
    #[error(
        "the agent of the geo-secondary `{0}` does not report, so nobody could promote it; bring that agent back"
    )]
    SecondaryUnseen(String),
    /// The secondary has no whole copy.
    #[error(
        "the geo-secondary `{0}` holds no complete copy (it is in the middle of a full sync, or empty), and promoting it would lose everything; wait for the full sync, or unlink to go on with what each side has"
    )]
    NothingWhole(String),
}

/// An automatic failover has to wait so long for the next one, unless somebody acknowledged it.
pub const AUTO_FAILOVER_REST_MS: u64 = 3_600_000;
/// A secondary that is not heard from once the lease is over gets so long before the failover is
/// given up and the primary may have a lease again.
const FORCING_PATIENCE_MS: u64 = 10_000;

impl LinkRecord {
    /// Begins a forced failover. Nothing is asked of the primary.
    pub fn force(
        &self,
        seen: LinkSeen<'_>,
        by: ForcedBy,
        now: Timestamp,
    ) -> Result<Self, ForceRefused> {
        let name = |member: &Member| member.id.name.to_string();
        let Some(secondary) = self.heard_secondary(seen) else {
            return Err(match self.phase {
                LinkPhase::UnlinkingPrimary
                | LinkPhase::UnlinkingSecondary
                | LinkPhase::Forcing { .. } => ForceRefused::Busy(self.provisioning_state()),
                LinkPhase::Creating
                | LinkPhase::Syncing
                | LinkPhase::Linked
                | LinkPhase::HandingOff { .. }
                | LinkPhase::Promoting => ForceRefused::SecondaryUnseen(name(&self.secondary)),
            });
        };
        match &self.phase {
            LinkPhase::Linked | LinkPhase::HandingOff { .. } if !holds_a_copy(secondary) => {
                return Err(ForceRefused::NothingWhole(name(&self.secondary)));
            }
            LinkPhase::Linked | LinkPhase::HandingOff { .. } => {}
            // The former primary of a handoff stands where it handed over, and has everything.
            LinkPhase::Creating | LinkPhase::Syncing | LinkPhase::Promoting
                if self.stands_at_barrier(secondary) => {}
            LinkPhase::Creating | LinkPhase::Syncing => {
                return Err(ForceRefused::NothingWhole(name(&self.secondary)));
            }
            LinkPhase::Promoting
            | LinkPhase::Forcing { .. }
            | LinkPhase::UnlinkingPrimary
            | LinkPhase::UnlinkingSecondary => {
                return Err(ForceRefused::Busy(self.provisioning_state()));
            }
        }
        let mut next = match self.settings.fencing {
            Fencing::None => self.taken_over(now),
            Fencing::Lease => self.enter(LinkPhase::Forcing { by }, now),
        };
        next.attempt += 1;
        Ok(next)
    }

    /// A person has seen that a failover happened by itself: the next one need not wait.
    #[must_use]
    pub fn acknowledge_auto_failover(&self) -> Self {
        Self {
            last_auto: None,
            ..self.clone()
        }
    }

    /// Lets the former primary of a forced failover follow although some of what it took could not
    /// be saved: a person said so. `None`: nobody asks for that.
    #[must_use]
    pub fn accept_unsaved(&self, seen: LinkSeen<'_>) -> Option<Self> {
        let Standing::Forced { at, .. } = self.standing else {
            return None;
        };
        let secondary = self.current(seen.secondary, RoleKind::Secondary)?;
        let asks = secondary
            .shards
            .iter()
            .any(|shard| matches!(shard.standing, ShardStanding::Unsaved { .. }));
        asks.then(|| Self {
            accept_unsaved: Some(at),
            ..self.clone()
        })
    }

    /// Why no failover happens by itself although the primary is away; `None`: the setting is off,
    /// the primary is there, or it happens now.
    #[must_use]
    pub fn auto_failover_waits(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<String> {
        let auto = self.auto_failover()?;
        if seen.away.down_ms < auto.after_ms() || self.phase != LinkPhase::Linked {
            return None;
        }
        self.why_not_by_itself(auto, seen, now)
    }

    pub(super) fn fail_over_by_itself(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<Self> {
        let auto = self.auto_failover()?;
        if seen.away.down_ms < auto.after_ms() || self.why_not_by_itself(auto, seen, now).is_some()
        {
            return None;
        }
        let mut next = self.force(seen, ForcedBy::Setting, now).ok()?;
        next.last_auto = Some(now);
        Some(next)
    }

    fn auto_failover(&self) -> Option<AutoFailover> {
        let leased = self.settings.fencing == Fencing::Lease;
        self.settings.auto_failover.filter(|_| leased)
    }

    fn why_not_by_itself(
        &self,
        auto: AutoFailover,
        seen: LinkSeen<'_>,
        now: Timestamp,
    ) -> Option<String> {
        if self.lease_untold {
            return Some(
                "the agent of the geo-primary has not heard yet that it needs a lease to take writes"
                    .to_owned(),
            );
        }
        if let Some(last) = self.last_auto
            && now < last.plus_ms(AUTO_FAILOVER_REST_MS)
        {
            return Some(
                "another failover happened by itself within the hour; acknowledge it, or fail over by hand"
                    .to_owned(),
            );
        }
        match seen.away.last_lag_ms {
            None => {
                return Some("how far behind the geo-secondary was is not known".to_owned());
            }
            Some(lag) if lag > auto.max_lag_ms() => {
                return Some(format!(
                    "the geo-secondary was {lag} ms behind when it was last known, more than the {} ms that `autoFailover.maxLag` allows",
                    auto.max_lag_ms()
                ));
            }
            Some(_) => {}
        }
        let refused = self.force(seen, ForcedBy::Setting, now).err()?;
        Some(refused.to_string())
    }

    /// The lease may be over by now, or nobody may be left to take over.
    pub(super) fn advance_forcing(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<Self> {
        if seen.away.lease_left_ms > 0 {
            return None;
        }
        match self.heard_secondary(seen) {
            Some(secondary) if holds_a_copy(secondary) || self.stands_at_barrier(secondary) => {
                Some(self.taken_over(now))
            }
            Some(_) | None => {
                let longest = u64::from(self.longest_lease()) * 1_000 + FORCING_PATIENCE_MS;
                if now < self.since.plus_ms(longest) {
                    return None;
                }
                let why = format!(
                    "the geo-secondary `{}` could not take over: its agent does not report, or it holds no complete copy any more",
                    self.secondary.id.name
                );
                let mut next = self.enter(LinkPhase::Linked, now);
                next.last_abort = Some((self.attempt, why));
                Some(next)
            }
        }
    }

    /// Once every shard of the new primary has said where it took over, the link is made again.
    pub(super) fn note_forks(&self, primary: &CacheObserved, now: Timestamp) -> Option<Self> {
        let forks = primary.shards.iter().map(|shard| shard.fork);
        let forks = forks.collect::<Option<Vec<_>>>()?;
        let mut next = self.enter(LinkPhase::Creating, now);
        if let Standing::Forced { forks: known, .. } = &mut next.standing {
            *known = Some(forks);
        }
        Some(next)
    }

    pub(super) fn taken_over(&self, now: Timestamp) -> Self {
        let standing = Standing::Forced {
            at: self.epoch.next(),
            forks: None,
        };
        self.swapped(standing, now)
    }

    fn heard_secondary<'a>(&self, seen: LinkSeen<'a>) -> Option<&'a CacheObserved> {
        seen.secondary.filter(|cache| {
            let follows = matches!(cache.role, RoleKind::Secondary | RoleKind::Taking);
            cache.epoch == self.epoch && follows
        })
    }

    fn stands_at_barrier(&self, secondary: &CacheObserved) -> bool {
        let Standing::AtBarrier { barriers, .. } = &self.standing else {
            return false;
        };
        let at = |position: Option<psync::Position>, barrier| position == Some(barrier);
        secondary.shards.len() == barriers.len()
            && secondary
                .shards
                .iter()
                .zip(barriers)
                .all(|(shard, barrier)| at(shard.position, *barrier))
    }
}

#[cfg(test)]
mod tests;
