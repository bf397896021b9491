//! A shard that is served: what is wanted of it, and how its stream and its session stand.

mod company;
mod session;
mod state;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use model::{EventKind, Region, Retention};
use psync::{Offset, Position, ReplicationId};
use runtime::{dice::Dice, tasks::Tasks};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::{Instant, interval},
};
use wire::{Hello, Refusal, RefusalCode};

use super::{permits::Permits, shelf::Shelf, snapshots::Snapshots};
use crate::{
    Drain, Events, Fence, OutboundStatus, ShardKey, Source, SourceFacts, status::Changes,
    stream::Stream,
};
use company::{Company, CompanyNews};
pub(super) use session::Session;
pub(super) use state::Problem;
use state::State;

/// How often a shard is looked at for a stall, and its lag sampled.
const LOOK: Duration = Duration::from_millis(500);

/// What the agent wants. A session belongs to one generation.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) generation: u64,
    pub(super) source: Option<Arc<Source>>,
    pub(super) fence: Fence,
    /// The journal is only read to its end, and nobody is admitted.
    pub(super) drain: Option<Drain>,
    /// Counts requests to take a pause of clients over.
    pub(super) takeovers: u64,
}

/// Where an inbound stands that the stream does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Demand {
    /// Counts demands; 0 before the first.
    pub(super) count: u64,
    /// What the geo-secondary holds.
    pub(super) have: Option<Position>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) key: ShardKey,
    pub(super) shelf: Shelf,
    pub(super) stream: Stream,
    pub(super) snapshots: Snapshots,
    pub(super) tasks: Tasks,
    pub(super) dice: Dice,
    /// Where the outbound listens, which the geo-primary shows as its replica's address.
    pub(super) shown_as: std::net::SocketAddr,
    /// Wakes when there is more to acknowledge to the geo-primary.
    pub(super) acknowledge: Notify,
    wanted: watch::Sender<Wanted>,
    facts: watch::Sender<Option<SourceFacts>>,
    demand: watch::Sender<Demand>,
    state: parking_lot::Mutex<State>,
    events: Events,
    permits: Permits,
    changes: Changes,
}

/// What every shard of an outbound shares.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) tasks: Tasks,
    pub(super) dice: Dice,
    pub(super) shown_as: std::net::SocketAddr,
    pub(super) events: Events,
    pub(super) permits: Permits,
    pub(super) changes: Changes,
}

impl Shard {
    pub(super) fn new(
        key: ShardKey,
        around: &Around,
        directory: PathBuf,
        source: Source,
        drain: Option<Drain>,
    ) -> Self {
        let now = Instant::now();
        Self {
            key,
            shelf: Shelf::new(directory, retention(&source, drain)),
            stream: Stream::new(),
            snapshots: Snapshots::new(),
            tasks: around.tasks.child(),
            dice: around.dice.clone(),
            shown_as: around.shown_as,
            acknowledge: Notify::new(),
            wanted: watch::Sender::new(Wanted {
                generation: 0,
                source: Some(Arc::new(source)),
                fence: Fence::Open,
                drain,
                takeovers: 0,
            }),
            facts: watch::Sender::new(None),
            demand: watch::Sender::new(Demand::default()),
            state: parking_lot::Mutex::new(State::new(now, around.dice.number().max(1))),
            events: around.events.clone(),
            permits: around.permits.clone(),
            changes: around.changes.clone(),
        }
    }

    pub(super) fn serve(&self, source: Source, drain: Option<Drain>) {
        self.wanted.send_if_modified(|wanted| {
            let before = wanted.source.as_deref();
            if before == Some(&source) && wanted.drain == drain {
                return false;
            }
            if before.is_none_or(|before| before.epoch != source.epoch) {
                wanted.fence = Fence::Open;
            }
            let drains = drain.is_some() != wanted.drain.is_some();
            if drains || before.is_none_or(|before| !before.serves_the_same(&source)) {
                wanted.generation += 1;
            }
            self.shelf.set_retention(retention(&source, drain));
            wanted.drain = drain;
            wanted.source = Some(Arc::new(source));
            true
        });
    }

    pub(super) fn withdraw(&self) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.source.take().is_some();
            wanted.generation += u64::from(changed);
            changed
        });
    }

    pub(super) fn set_fence(&self, fence: Fence) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.fence != fence;
            wanted.fence = fence;
            changed
        });
    }

    pub(super) fn take_pause_over(&self) {
        self.wanted.send_modify(|wanted| wanted.takeovers += 1);
    }

    pub(super) fn wanted(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    pub(super) fn note_source(&self, facts: SourceFacts) {
        self.facts.send_if_modified(|known| {
            let changed = *known != Some(facts);
            *known = Some(facts);
            changed
        });
    }

    pub(super) fn facts(&self) -> watch::Receiver<Option<SourceFacts>> {
        self.facts.subscribe()
    }

    /// Asks for a stream that reaches back to `have`, or for any.
    pub(super) fn demand_stream(&self, have: Option<Position>) {
        self.demand.send_modify(|demand| {
            demand.count += 1;
            demand.have = have;
        });
    }

    pub(super) fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.subscribe()
    }

    pub(super) fn tell(&self, kind: EventKind, text: String) {
        self.events.tell(&self.key, kind, text);
    }

    pub(super) fn note_change(&self) {
        self.changes.note();
    }

    /// A turn among the full syncs that go to a region at the same time.
    pub(super) async fn full_sync_turn(&self, peer: &Region) -> Option<OwnedSemaphorePermit> {
        self.permits.turn(peer).await
    }

    /// Checks a hello against what is served; what is wanted as it was at that moment.
    pub(super) fn admit(
        &self,
        hello: &Hello,
        peer: &Region,
        from: IpAddr,
    ) -> Result<Wanted, Refusal> {
        let wanted = self.wanted.borrow().clone();
        let Some(source) = &wanted.source else {
            return Err(withdrawn());
        };
        if wanted.drain.is_some() {
            return Err(withdrawn());
        }
        if source.peer != *peer {
            let why = format!(
                "{} is followed from {}, and you are the agent of {peer}",
                self.key, source.peer
            );
            return Err(Refusal::new(RefusalCode::WrongPeer, why));
        }
        if source.epoch != hello.epoch {
            let why = format!(
                "this side serves the link at epoch {}, yours follows it at epoch {}; the side with the lower epoch has to learn of the role change",
                source.epoch, hello.epoch
            );
            return Err(Refusal::new(RefusalCode::WrongEpoch, why));
        }
        self.seen_from(from);
        match source.firewall.refusal(from) {
            None => Ok(wanted),
            Some(refusal) => Err(refusal),
        }
    }

    /// The agent that may follow the shard dials from there.
    fn seen_from(&self, address: IpAddr) {
        let address = Some(address.to_canonical());
        let before = std::mem::replace(&mut self.state.lock().seen_from, address);
        if before != address {
            self.note_change();
        }
    }

    /// A history begins at `position`, or none is there any more.
    pub(super) fn stream_begins(&self, position: Option<Position>) {
        let mut state = self.state.lock();
        let history = self.stream.begin(position);
        state.history_begins(history);
        drop(state);
        self.note_change();
    }

    /// The history goes on under another ID; what is applied of it stays so.
    pub(super) fn stream_forks(&self, replid: ReplicationId) {
        let mut state = self.state.lock();
        let history = self.stream.fork(replid);
        state.history_forks(history);
        drop(state);
        self.note_change();
    }

    /// Bytes of the stream came up to `end`.
    pub(super) fn stream_read(&self, end: Offset, now: Instant) {
        self.state.lock().read(end, now);
    }

    /// What may be acknowledged to the geo-primary: nothing (0) before anything is applied.
    pub(super) fn applied(&self) -> Offset {
        self.state.lock().applied().unwrap_or_default()
    }

    /// Why the shard cannot be served, or that it can.
    pub(super) fn set_problem(&self, problem: Option<Problem>) {
        let news = {
            let mut state = self.state.lock();
            let news = state.problem.as_ref() != problem.as_ref();
            state.problem = problem;
            news
        };
        if news {
            self.note_change();
        }
    }

    /// A reason for which the shard could not be served is none any more.
    pub(super) fn solved(&self, code: RefusalCode) {
        if self.problem().is_some_and(|problem| problem.code == code) {
            self.set_problem(None);
        }
    }

    /// The journal was opened to be served, or to be drained; `None`: it is closed.
    pub(super) fn set_looked(&self, looked: Option<bool>) {
        self.state.lock().looked = looked;
        self.note_change();
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        self.state.lock().problem.clone()
    }

    /// `None` while nothing is served.
    pub(super) fn status(&self) -> Option<OutboundStatus> {
        let wanted = self.wanted.borrow().clone();
        let source = wanted.source.as_ref()?;
        let epoch = source.epoch;
        let reach = self.stream.reach();
        let stats = self.shelf.stats();
        let state = self.state.lock();
        let looked = state.looked;
        let mut status = state.status(epoch, wanted.fence, reach, stats, Instant::now());
        status.drain = wanted.drain;
        let refusal = state
            .seen_from
            .and_then(|from| source.firewall.refusal(from));
        status.not_admitted = refusal.map(|refusal| refusal.why);
        status.looked = looked == Some(wanted.drain.is_some());
        Some(status)
    }

    /// Watches for stalls, and samples the lag of bytes that wait, for as long as the shard is
    /// there.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut ticks = interval(LOOK);
        let mut company = Company::default();
        loop {
            ticks.tick().await;
            if self.wanted.borrow().drain.is_some() {
                // Nobody is served, so nobody is missed.
                company.forget();
                continue;
            }
            self.look_for_company(&mut company);
            let rate = {
                let wanted = self.wanted.borrow();
                let source = wanted.source.as_ref();
                source.and_then(|source| source.settings.rate_limit)
            };
            let reach = self.stream.reach();
            let fenced = self.wanted.borrow().fence != Fence::Open;
            let news = self.state.lock().look(reach, rate, fenced, Instant::now());
            match news {
                Some(state::StallNews::Began(why)) => self.tell(EventKind::Stalled, why),
                Some(state::StallNews::Ended(text)) => self.tell(EventKind::StallEnded, text),
                None => continue,
            }
            self.note_change();
        }
    }
}

impl Shard {
    fn look_for_company(&self, company: &mut Company) {
        if self.wanted.borrow().source.is_none() {
            return company.forget();
        }
        let (here, error) = {
            let barred = self.status().and_then(|status| status.not_admitted);
            let state = self.state.lock();
            (
                state.session.is_some(),
                barred.or_else(|| state.last_error.clone()),
            )
        };
        match company.look(here, Instant::now()) {
            Some(CompanyNews::Left) => {
                let why = error.unwrap_or_else(|| "it does not dial".to_owned());
                let text = format!("the geo-secondary's agent is not connected: {why}");
                self.tell(EventKind::Disconnected, text);
            }
            Some(CompanyNews::Back(after)) => {
                let text = format!(
                    "the geo-secondary's agent is connected again, after {} s",
                    after.as_secs()
                );
                self.tell(EventKind::Connected, text);
            }
            None => {}
        }
    }
}

/// What a journal holds that is only read to its end is not let go for its size.
fn retention(source: &Source, drain: Option<Drain>) -> Retention {
    match drain {
        Some(_) => Retention::Unlimited,
        None => source.settings.journal,
    }
}

pub(super) fn withdrawn() -> Refusal {
    let why = "the agent beside the geo-primary withdrew or changed the shard; it is asked again";
    Refusal::new(RefusalCode::Withdrawn, why)
}
