//! The link: one record that says who is primary, at which epoch, and what is under way.
//!
//! Every change of it is one compare-and-swap in the store. [`LinkRecord::advance`] is
//! level-triggered: it looks at the record and at what the agents report and gives the next
//! record, or none; it may be asked at any time, by anybody, twice.

mod barred;
mod empty;
mod force;
mod geo_sample;

use psync::Position;
use serde::{Deserialize, Serialize};

pub use empty::AcceptEmptyRefused;
pub use force::{AUTO_FAILOVER_REST_MS, Away, ForceRefused, ForcedBy};
pub use geo_sample::GeoSample;

use crate::{
    CacheId, CacheObserved, CacheUid, Epoch, Fencing, GeoRole, LinkId, Region, Rejoin,
    ReplicationSettings, RoleKind, ShardStanding, Standing, Timestamp,
};

/// A link as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The link.
    pub id: LinkId,
    /// The geo-primary at `epoch`.
    pub primary: Member,
    /// The geo-secondary at `epoch`.
    pub secondary: Member,
    /// Counts role changes, and the occasions on which both sides had to say anew what they hold.
    pub epoch: Epoch,
    /// How the primary came by its role.
    pub standing: Standing,
    /// What is under way.
    pub phase: LinkPhase,
    /// Handoffs begun so far; the number of the present one while there is one.
    pub attempt: u64,
    /// How the last handoff ended, if it was aborted: its attempt and the reason.
    pub last_abort: Option<(u64, String)>,
    /// The primary may start empty in this epoch, once: both sides were seen to hold nothing, or a
    /// person said so.
    pub accept_empty: bool,
    /// This epoch began because both sides were seen to hold nothing: a report of it was made when
    /// the primary had nothing to give any more.
    #[serde(default)]
    pub suspect_empty: bool,
    /// The former primary of the failover that was forced at this epoch may follow although some of
    /// what it took could not be saved: a person said so.
    #[serde(default)]
    pub accept_unsaved: Option<Epoch>,
    /// When a failover last happened by itself, unless somebody has acknowledged it.
    #[serde(default)]
    pub last_auto: Option<Timestamp>,
    /// When `phase` began.
    pub since: Timestamp,
    /// How it moves its bytes.
    #[serde(default)]
    pub settings: ReplicationSettings,
    /// The longest lease, in seconds, that may still count from a time before it was set shorter.
    #[serde(default)]
    pub longest_lease: u16,
    /// The geo-primary's agent may not know yet that it needs a lease to take writes.
    #[serde(default)]
    pub lease_untold: bool,
}

/// One of the two caches of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its incarnation.
    pub uid: CacheUid,
    /// Its name and place.
    pub id: CacheId,
    /// Its region.
    pub region: Region,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkPhase {
    /// The secondary is being attached to the primary.
    Creating,
    /// The secondary catches up, by a full sync or a partial one.
    Syncing,
    /// The secondary has been in step; it stays linked whatever the network does.
    Linked,
    /// A handoff asks for the decision: promote the secondary, or abort.
    HandingOff {
        /// After this moment the control plane aborts.
        deadline: Timestamp,
    },
    /// A failover is forced: no lease of the primary is renewed, and when the last one is over the
    /// secondary takes over with what it has.
    Forcing {
        /// Who wanted it.
        by: ForcedBy,
    },
    /// Decided: the roles are swapped in the record, the new primary is being promoted.
    Promoting,
    /// The primary leaves the link.
    UnlinkingPrimary,
    /// The secondary leaves the link, keeping its data.
    UnlinkingSecondary,
}

/// What the agents report of the two caches; `None` when an agent is not heard from.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkSeen<'a> {
    /// The cache that is primary in the record.
    pub primary: Option<&'a CacheObserved>,
    /// The cache that is secondary in the record.
    pub secondary: Option<&'a CacheObserved>,
    /// What else is known of the primary.
    pub away: Away,
}

/// What becomes of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Advance {
    /// Nothing.
    Stay,
    /// This record.
    Become(Box<LinkRecord>),
    /// It ends: both caches are alone.
    Remove,
}

/// What a request for the promotion comes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The promotion wins if this record is stored before any other.
    Promote(Box<LinkRecord>),
    /// The promotion has won before.
    AlreadyPromoted,
    /// The handoff has ended, or is not this one: nothing may be promoted.
    TooLate,
}

/// Why a failover cannot begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailoverRefused {
    /// The link is busy.
    #[error("the link is {0}; wait until it is `Succeeded`")]
    Busy(&'static str),
    /// The primary's agent is not heard from.
    #[error(
        "the agent of the geo-primary `{0}` does not report, so its writes cannot be stopped and counted; bring the agent back"
    )]
    PrimaryUnseen(String),
    /// The secondary's agent is not heard from.
    #[error("the agent of the geo-secondary `{0}` does not report; bring the agent back")]
    SecondaryUnseen(String),
    /// The secondary is not in step.
    #[error(
        "the geo-secondary `{0}` is not in step with the geo-primary, and promoting it would lose writes; wait until the link is healthy"
    )]
    NotInStep(String),
    /// The primary has lost its data and the secondary never had it whole.
    #[error(
        "the geo-primary has lost its data, and the geo-secondary `{0}` holds no complete copy; unlink to start over"
    )]
    NothingWhole(String),
}

/// How long an agent may be unseen before an unlink goes on without it, in milliseconds.
const UNLINK_PATIENCE_MS: u64 = 10_000;

impl LinkRecord {
    /// A new link, in which `secondary` is still to be attached (and its data erased).
    #[must_use]
    pub fn begin(
        id: LinkId,
        primary: Member,
        secondary: Member,
        epoch: Epoch,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            primary,
            secondary,
            epoch,
            standing: Standing::Founder,
            phase: LinkPhase::Creating,
            attempt: 0,
            last_abort: None,
            accept_empty: false,
            suspect_empty: false,
            accept_unsaved: None,
            last_auto: None,
            since: now,
            settings: ReplicationSettings::default(),
            longest_lease: 0,
            lease_untold: false,
        }
    }

    /// The same link with other settings.
    #[must_use]
    pub fn with_settings(&self, settings: ReplicationSettings) -> Self {
        let leased = |settings: &ReplicationSettings| settings.fencing == Fencing::Lease;
        let begins = leased(&settings) && !leased(&self.settings);
        Self {
            longest_lease: self.longest_lease().max(settings.lease_seconds),
            lease_untold: leased(&settings) && (begins || self.lease_untold),
            settings,
            ..self.clone()
        }
    }

    /// The longest lease that any geo-primary of this link may hold, in seconds.
    #[must_use]
    pub fn longest_lease(&self) -> u16 {
        self.longest_lease.max(self.settings.lease_seconds)
    }

    /// The link's state as the API names it.
    #[must_use]
    pub fn provisioning_state(&self) -> &'static str {
        match self.phase {
            LinkPhase::Creating => "Creating",
            LinkPhase::Syncing => "Syncing",
            LinkPhase::Linked => "Succeeded",
            LinkPhase::HandingOff { .. }
            | LinkPhase::Forcing { .. }
            | LinkPhase::Promoting
            | LinkPhase::UnlinkingPrimary
            | LinkPhase::UnlinkingSecondary => "Deleting",
        }
    }

    /// Tells whether this link is on its way out.
    #[must_use]
    pub fn is_unlinking(&self) -> bool {
        matches!(
            self.phase,
            LinkPhase::UnlinkingPrimary | LinkPhase::UnlinkingSecondary
        )
    }

    /// The member that is not `uid`.
    #[must_use]
    pub fn other(&self, uid: &CacheUid) -> &Member {
        if self.primary.uid == *uid {
            &self.secondary
        } else {
            &self.primary
        }
    }

    /// The role that this link gives to one of its members. `source` is the relay of the primary's
    /// agent.
    #[must_use]
    pub fn role_of(&self, uid: &CacheUid, source: Option<std::net::SocketAddr>) -> GeoRole {
        let link = self.id.clone();
        let attempt = self.attempt;
        let is_primary = self.primary.uid == *uid;
        match (&self.phase, is_primary) {
            (LinkPhase::HandingOff { .. }, true) => GeoRole::Yielding { link, attempt },
            (LinkPhase::HandingOff { .. }, false) => GeoRole::Taking {
                link,
                attempt,
                source,
            },
            (LinkPhase::UnlinkingSecondary, _) | (LinkPhase::UnlinkingPrimary, true) => {
                GeoRole::Alone
            }
            (_, true) => GeoRole::Primary {
                link,
                standing: self.standing.clone(),
                accept_empty: self.accept_empty.then_some(self.epoch),
            },
            (_, false) => GeoRole::Secondary {
                link,
                source,
                rejoin: self.rejoin(),
            },
        }
    }

    /// What the secondary has to see to before it follows.
    fn rejoin(&self) -> Rejoin {
        match &self.standing {
            Standing::Founder | Standing::AtBarrier { .. } | Standing::AsFound => Rejoin::Freely,
            Standing::Forced { at, forks } => Rejoin::AfterForce {
                at: *at,
                forks: forks.clone(),
                unsaved_accepted: self.accept_unsaved == Some(*at),
            },
        }
    }

    fn enter(&self, phase: LinkPhase, now: Timestamp) -> Self {
        Self {
            phase,
            suspect_empty: false,
            since: now,
            ..self.clone()
        }
    }

    /// Swaps the roles at the next epoch; the new primary is to be promoted.
    fn swapped(&self, standing: Standing, now: Timestamp) -> Self {
        Self {
            primary: self.secondary.clone(),
            secondary: self.primary.clone(),
            epoch: self.epoch.next(),
            standing,
            phase: LinkPhase::Promoting,
            // It hears of that with its role.
            lease_untold: false,
            accept_empty: false,
            suspect_empty: false,
            since: now,
            ..self.clone()
        }
    }

    /// Begins a failover. With a living primary it is a handoff that ends by `patience_ms` from
    /// now; with a primary that has lost every copy of its data, the secondary takes over with what
    /// it has, as by force.
    pub fn fail_over(
        &self,
        seen: LinkSeen<'_>,
        now: Timestamp,
        patience_ms: u64,
    ) -> Result<Self, FailoverRefused> {
        if self.phase != LinkPhase::Linked {
            return Err(FailoverRefused::Busy(self.provisioning_state()));
        }
        let name = |member: &Member| member.id.name.to_string();
        let Some(secondary) = self.current(seen.secondary, RoleKind::Secondary) else {
            return Err(FailoverRefused::SecondaryUnseen(name(&self.secondary)));
        };
        let Some(primary) = self.current(seen.primary, RoleKind::Primary) else {
            return Err(FailoverRefused::PrimaryUnseen(name(&self.primary)));
        };
        if primary.all_shards(|standing| *standing == ShardStanding::Lost) {
            if !holds_a_copy(secondary) {
                return Err(FailoverRefused::NothingWhole(name(&self.secondary)));
            }
            // Its journal may hold what never crossed.
            return Ok(self.taken_over(now));
        }
        if !secondary.all_shards(|standing| *standing == ShardStanding::Following) {
            return Err(FailoverRefused::NotInStep(name(&self.secondary)));
        }
        let deadline = now.plus_ms(patience_ms);
        let mut next = self.enter(LinkPhase::HandingOff { deadline }, now);
        next.attempt += 1;
        Ok(next)
    }

    /// Answers the secondary's agent, which has applied these barriers of this attempt.
    #[must_use]
    pub fn decide(&self, attempt: u64, barriers: &[Position], now: Timestamp) -> Decision {
        if let Standing::AtBarrier { attempt: won, .. } = self.standing
            && won == attempt
        {
            return Decision::AlreadyPromoted;
        }
        let waits = matches!(self.phase, LinkPhase::HandingOff { .. });
        if !waits || attempt != self.attempt || barriers.is_empty() {
            return Decision::TooLate;
        }
        let standing = Standing::AtBarrier {
            attempt,
            barriers: barriers.to_vec(),
        };
        Decision::Promote(Box::new(self.swapped(standing, now)))
    }

    /// Begins to unlink; `None` when that is under way already. A handoff that is still undecided
    /// is thereby aborted.
    #[must_use]
    pub fn unlink(&self, now: Timestamp) -> Option<Self> {
        if self.is_unlinking() {
            return None;
        }
        let mut next = self.enter(LinkPhase::UnlinkingPrimary, now);
        next.epoch = self.epoch.next();
        Some(next)
    }

    /// What the record should become, given what is seen.
    #[must_use]
    pub fn advance(&self, seen: LinkSeen<'_>, now: Timestamp) -> Advance {
        let next = match &self.phase {
            LinkPhase::Creating => self.advance_creating(seen, now),
            LinkPhase::Syncing => self.advance_syncing(seen, now),
            LinkPhase::Linked => self
                .fail_over_by_itself(seen, now)
                .or_else(|| self.advance_linked(seen)),
            LinkPhase::Forcing { .. } => self.advance_forcing(seen, now),
            LinkPhase::HandingOff { deadline } => self.advance_handoff(*deadline, seen, now),
            LinkPhase::Promoting => self.advance_promoting(seen, now),
            LinkPhase::UnlinkingPrimary => {
                let left = self.current(seen.primary, RoleKind::Alone).is_some();
                let patient =
                    seen.primary.is_some() || now < self.since.plus_ms(UNLINK_PATIENCE_MS);
                (left || !patient).then(|| self.enter(LinkPhase::UnlinkingSecondary, now))
            }
            LinkPhase::UnlinkingSecondary => {
                let left = self.current(seen.secondary, RoleKind::Alone);
                if left.is_some_and(|s| s.all_shards(|x| *x == ShardStanding::Writable)) {
                    return Advance::Remove;
                }
                // An agent that is gone meets the cache's own record when it comes back: alone.
                if seen.secondary.is_none() && now >= self.since.plus_ms(UNLINK_PATIENCE_MS) {
                    return Advance::Remove;
                }
                None
            }
        };
        next.map_or(Advance::Stay, |record| Advance::Become(Box::new(record)))
    }

    /// A report that was made in this epoch and in this role; an older one says nothing.
    fn current<'a>(
        &self,
        seen: Option<&'a CacheObserved>,
        role: RoleKind,
    ) -> Option<&'a CacheObserved> {
        seen.filter(|cache| cache.epoch == self.epoch && cache.role == role)
    }

    fn advance_creating(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<Self> {
        let secondary = self.current(seen.secondary, RoleKind::Secondary)?;
        let attached = secondary.shards.iter().any(|shard| {
            matches!(
                shard.standing,
                ShardStanding::Syncing | ShardStanding::Following
            ) && shard.link.as_ref().is_some_and(|link| link.connected)
        });
        attached.then(|| self.enter(LinkPhase::Syncing, now))
    }

    fn advance_syncing(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<Self> {
        let primary = self.current(seen.primary, RoleKind::Primary)?;
        let secondary = self.current(seen.secondary, RoleKind::Secondary)?;
        let up = primary.all_shards(|standing| *standing == ShardStanding::Writable)
            && secondary.all_shards(|standing| *standing == ShardStanding::Following);
        up.then(|| self.enter(LinkPhase::Linked, now))
    }

    fn advance_linked(&self, seen: LinkSeen<'_>) -> Option<Self> {
        let primary = self.current(seen.primary, RoleKind::Primary)?;
        if self.accept_empty && primary.all_shards(|s| *s == ShardStanding::Writable) {
            return Some(Self {
                accept_empty: false,
                ..self.clone()
            });
        }
        let secondary = self.current(seen.secondary, RoleKind::Secondary)?;
        let lost = primary
            .shards
            .iter()
            .any(|s| s.standing == ShardStanding::Lost);
        let both_empty = lost && holds_nothing(secondary);
        // The secondary may have said so just before the last data of the primary reached it. Only
        // a report that is younger than the loss counts, so the epoch changes and both are heard
        // again; and again, so that a loss after the empty start is told from the one before.
        match (both_empty, self.suspect_empty) {
            (true, suspected) => Some(Self {
                epoch: self.epoch.next(),
                accept_empty: suspected,
                suspect_empty: !suspected,
                ..self.clone()
            }),
            (false, false) if !(lost && self.accept_empty) => None,
            (false, true | false) => Some(Self {
                accept_empty: false,
                suspect_empty: false,
                ..self.clone()
            }),
        }
    }

    fn advance_handoff(
        &self,
        deadline: Timestamp,
        seen: LinkSeen<'_>,
        now: Timestamp,
    ) -> Option<Self> {
        if now < deadline {
            return None;
        }
        let problem = |cache: Option<&CacheObserved>| cache.and_then(|c| c.problem.clone());
        let yielded = self
            .current(seen.primary, RoleKind::Yielding)
            .is_some_and(|primary| {
                primary.all_shards(|s| {
                    *s == ShardStanding::Yielded {
                        attempt: self.attempt,
                    }
                })
            });
        let why = if seen.primary.is_none() {
            format!("the agent of `{}` stopped reporting", self.primary.id.name)
        } else if !yielded {
            let name = &self.primary.id.name;
            problem(seen.primary).unwrap_or_else(|| {
                format!("`{name}` could not stop its writes and send them all in time")
            })
        } else {
            let name = &self.secondary.id.name;
            problem(seen.secondary)
                .unwrap_or_else(|| format!("`{name}` did not apply every write in time"))
        };
        let mut next = self.enter(LinkPhase::Linked, now);
        next.last_abort = Some((self.attempt, why));
        Some(next)
    }

    fn advance_promoting(&self, seen: LinkSeen<'_>, now: Timestamp) -> Option<Self> {
        let primary = self.current(seen.primary, RoleKind::Primary)?;
        if primary.all_shards(|standing| *standing == ShardStanding::Writable) {
            return match self.standing {
                Standing::Forced { forks: None, .. } => self.note_forks(primary, now),
                Standing::Founder
                | Standing::AtBarrier { .. }
                | Standing::AsFound
                | Standing::Forced { .. } => Some(self.enter(LinkPhase::Creating, now)),
            };
        }
        // The new primary lost what it held before any shard was promoted, while the old one is
        // fenced and whole: the role goes back, at an epoch of its own. A shard that must not be
        // promoted and has no leader may have been promoted before that died.
        let unpromoted = primary.shards.iter().all(|shard| match shard.standing {
            ShardStanding::Lost => true,
            ShardStanding::Unpromotable { .. } => shard.position.is_some(),
            ShardStanding::Starting
            | ShardStanding::Writable
            | ShardStanding::Yielded { .. }
            | ShardStanding::Following
            | ShardStanding::Syncing
            | ShardStanding::Cut
            | ShardStanding::Unleased
            | ShardStanding::Rejoining { .. }
            | ShardStanding::Unsaved { .. }
            | ShardStanding::Silent => false,
        });
        // One that was started empty meanwhile has a history of its own.
        let Standing::AtBarrier { barriers, .. } = &self.standing else {
            return None;
        };
        let fenced = seen.secondary.is_some_and(|old| {
            old.shards.len() == barriers.len()
                && old.shards.iter().zip(barriers).all(|(shard, barrier)| {
                    shard.standing != ShardStanding::Lost
                        && shard
                            .position
                            .is_some_and(|here| here.replid == barrier.replid)
                })
        });
        (unpromoted && fenced && !primary.shards.is_empty())
            .then(|| self.swapped(Standing::AsFound, now))
    }
}

/// Tells whether the secondary is sure to hold nothing, so that an empty primary can hurt nobody.
fn holds_nothing(secondary: &CacheObserved) -> bool {
    !secondary.shards.is_empty()
        && secondary.shards.iter().all(|shard| match shard.standing {
            ShardStanding::Lost => true,
            ShardStanding::Cut => shard.keys == 0 && shard.position.is_some(),
            // What it receives may be whole.
            ShardStanding::Syncing
            | ShardStanding::Starting
            | ShardStanding::Writable
            | ShardStanding::Yielded { .. }
            | ShardStanding::Following
            | ShardStanding::Silent
            | ShardStanding::Unleased
            | ShardStanding::Rejoining { .. }
            | ShardStanding::Unsaved { .. }
            | ShardStanding::Unpromotable { .. } => false,
        })
}

/// Tells whether every shard of the secondary is up with data of its own and not half-way through
/// a full sync.
fn holds_a_copy(secondary: &CacheObserved) -> bool {
    secondary
        .all_shards(|standing| matches!(standing, ShardStanding::Following | ShardStanding::Cut))
        && secondary.shards.iter().any(|shard| shard.keys > 0)
}

#[cfg(test)]
mod tests;
