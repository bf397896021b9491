//! A person's word that an empty geo-primary may replace what its geo-secondary holds: one that lost
//! every copy of its data, or one that was emptied and began another history.

use super::{LinkPhase, LinkRecord, LinkSeen};
use crate::{CacheObserved, RoleKind, ShardStanding};

/// Why an empty geo-primary cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptEmptyRefused {
    /// The link is busy.
    #[error("the link is {0}; wait until it is `Succeeded`")]
    Busy(&'static str),
    /// The primary's agent is not heard from, or not since the link last changed.
    #[error(
        "the agent of the geo-primary `{0}` does not report, so nobody can tell whether its data are lost; bring the agent back"
    )]
    PrimaryUnseen(String),
    /// The primary has its data, or may still get them back.
    #[error("the geo-primary `{0}` has not lost its data, so there is nothing to accept")]
    NotLost(String),
}

impl LinkRecord {
    /// Lets the primary start empty, once, and the secondary follow it empty, whatever it holds: a
    /// person said so. The word is given at an epoch of its own, so that it counts for the loss that was
    /// seen and for no later one. Given again before the primary has heard it, it changes nothing.
    pub fn accept_empty_source(&self, seen: LinkSeen<'_>) -> Result<Self, AcceptEmptyRefused> {
        if self.phase != LinkPhase::Linked {
            return Err(AcceptEmptyRefused::Busy(self.provisioning_state()));
        }
        let name = || self.primary.id.name.to_string();
        let primary = self.current(seen.primary, RoleKind::Primary);
        match primary.map(asks_for_a_word) {
            // An agent that has heard the word and calls a shard lost has used it up.
            Some(true) => Ok(Self {
                epoch: self.epoch.next(),
                accept_empty: true,
                suspect_empty: false,
                ..self.clone()
            }),
            Some(false) | None if self.accept_empty => Ok(self.clone()),
            Some(false) => Err(AcceptEmptyRefused::NotLost(name())),
            None => Err(AcceptEmptyRefused::PrimaryUnseen(name())),
        }
    }
}

fn asks_for_a_word(primary: &CacheObserved) -> bool {
    primary.shards.iter().any(|shard| {
        shard.standing == ShardStanding::Lost
            || shard.link.as_ref().is_some_and(|half| half.source_empty)
    })
}
