//! Finds where the stream goes on for what the geo-secondary holds.

use std::{sync::Arc, time::Duration};

use psync::Position;
use tokio::time::Instant;

use super::{Begin, LAST_BYTES, Pump, elsewhere, refused};
use crate::{Fence, Phase, outbound::session::SessionEnd};

/// How long the geo-primary's side may take to come to where the geo-secondary already is.
const CATCH_UP: Duration = Duration::from_secs(30);

/// How long the agent may take to see what the geo-primary's engine is.
const SEEN: Duration = Duration::from_secs(3);

impl Pump<'_> {
    /// `None`: nowhere, so that a full sync is needed. That is never found out from what an earlier
    /// run left, only once the geo-primary's engine has said what its history is.
    pub(super) async fn locate(&mut self) -> Result<Option<Begin>, SessionEnd> {
        let shard = Arc::clone(&self.session.shard);
        let have = self.hello.have;
        let mut moved = shard.stream.subscribe();
        let mut facts = shard.facts();
        let began = Instant::now();
        let mut asked = None;
        self.session.enter(Phase::Connecting);
        loop {
            moved.mark_unchanged();
            if let Some(problem) = shard.problem().filter(|_| !shard.shelf.is_open()) {
                return Err(refused(problem.code, problem.why));
            }
            let reach = shard.stream.reach();
            let fence = self.wanted.borrow_and_update().fence;
            let known = facts.borrow_and_update().filter(|facts| {
                // What was seen of an engine in another history says nothing of this one.
                let now = reach.end.filter(|_| reach.confirmed);
                now.is_none_or(|end| facts.position.replid == end.replid)
            });
            let reaches = have
                .zip(known)
                .is_some_and(|(have, facts)| facts.reaches(&have));
            let unseen = have.is_some() && known.is_none();
            if let (Some(end), true) = (reach.end, shard.shelf.is_open()) {
                if let Some(have) = have
                    && let Some(position) = shard.shelf.locate(have, end).await?
                {
                    let history = reach.history;
                    return Ok(Some(Begin { history, position }));
                }
                let ahead = have.is_some_and(|have| is_ahead(&have, &end));
                let waits = match fence {
                    Fence::Declared(barrier) => return Err(elsewhere(&barrier, have)),
                    Fence::Expected => true,
                    Fence::Open => {
                        let waited = began.elapsed();
                        !reach.confirmed
                            || (ahead || reaches) && waited < CATCH_UP
                            || unseen && waited < SEEN
                    }
                };
                if !waits {
                    return Ok(None);
                }
                if reaches && !ahead && asked != Some(reach.history) {
                    asked = Some(reach.history);
                    shard.demand_stream(have);
                }
            } else if asked != Some(reach.history) && fence == Fence::Open {
                asked = Some(reach.history);
                shard.demand_stream(have);
            }
            tokio::select! {
                _ = moved.changed() => {}
                _ = facts.changed() => {}
                _changed_or_gone = self.wanted.changed() => {}
                _ = self.ticks.tick() => {
                    if let Some(problem) = shard.problem()
                        && began.elapsed() > LAST_BYTES
                    {
                        return Err(refused(problem.code, problem.why));
                    }
                    self.beat().await?;
                }
            }
        }
    }
}

/// Tells whether `have` is where the stream has yet to come.
fn is_ahead(have: &Position, end: &Position) -> bool {
    have.replid == end.replid && have.offset > end.offset
}
