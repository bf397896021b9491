//! Follows the geo-primary's engine for as long as the shard is served, at the speed of the host:
//! what it says goes to memory and to the journal, whatever the network between the regions does.

mod connection;

use std::{sync::Arc, time::Duration};

use model::EventKind;
use psync::Position;
use runtime::chain;
use tokio::time::{Instant, sleep, sleep_until};
use wire::RefusalCode;

use super::{
    engine::{Answer, Engine, EngineError},
    shard::{Demand, Problem, Shard, Wanted},
    shelf::ShelfError,
    snapshots::{self, Offer},
};
use crate::{Fence, Source, SourceFacts};
use connection::{acknowledge, read, write_batch, write_journal};

/// How long an inbound may take to say where it stands before a journal is begun without it.
const FIRST_HELLO: Duration = Duration::from_secs(3);
/// The first and the longest pause after the engine could not be followed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// The longest pause after the engine offered a snapshot in the place of its stream, as doublings of
/// a second.
const LONGEST_FORK_PAUSE: u32 = 6;
/// The pause after the journal failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Why the engine is not followed any more.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The engine has no backlog, and would answer every request with a snapshot.
    #[error(
        "the geo-primary's engine does not go on behind {0}, where it says that it stands; check `repl-backlog-size`"
    )]
    NoBacklog(Position),
    /// Something else is wanted.
    #[error("something else is wanted")]
    Changed,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Where the journal ends.
    Resume(Position),
    /// Here, with a new journal.
    Anew(Position),
}

/// Follows until the shard's tasks are cancelled, and leaves the journal synced.
pub(super) async fn run(shard: Arc<Shard>) {
    let mut follower = Follower {
        shard: Arc::clone(&shard),
        fresh: None,
        refusals: 0,
        answered: 0,
    };
    let (mut pause, longest) = PAUSES;
    loop {
        let began = Instant::now();
        let end = tokio::select! {
            end = follower.follow() => end,
            () = shard.tasks.cancelled() => break,
        };
        if began.elapsed() > longest {
            pause = PAUSES.0;
        }
        let wait = follower.note(&end, pause).await;
        tokio::select! {
            () = sleep(wait) => {}
            () = shard.tasks.cancelled() => break,
        }
        if wait == pause {
            pause = (pause * 2).min(longest);
        }
    }
    if let Err(error) = follower.write_all_that_is_left().await {
        tracing::warn!(link = %shard.key.link, error = %chain(&error), "what was read last is not in the journal");
    }
    shard.shelf.close().await;
}

struct Follower {
    shard: Arc<Shard>,
    /// Where the engine said that its present history stands, when it could not go on.
    fresh: Option<Position>,
    /// Times in a row that it could not.
    refusals: u32,
    /// The last demand that was looked at.
    answered: u64,
}

impl Follower {
    /// Follows the engine once, from the first step to the end of the connection.
    async fn follow(&mut self) -> End {
        match self.try_follow().await {
            Ok(()) => End::Changed,
            Err(end) => end,
        }
    }

    async fn try_follow(&mut self) -> Result<(), End> {
        let mut wanted = self.shard.wanted();
        let served = wanted.wait_for(|wanted| wanted.source.is_some()).await;
        let Some(source) = served.ok().and_then(|wanted| wanted.source.clone()) else {
            return std::future::pending().await;
        };
        let drains = self.drains();
        self.open_journal(drains).await?;
        self.shard.set_looked(Some(drains));
        // A fenced engine follows nobody that it could tell of.
        let gone = wanted.wait_for(|wanted| {
            wanted.fence == Fence::Open || wanted.source.as_deref() != Some(&source)
        });
        let now = gone.await.map(|wanted| wanted.clone());
        let Some(source) = now.ok().and_then(|wanted| wanted.source) else {
            return Err(End::Changed);
        };
        let shard = Arc::clone(&self.shard);
        let start = tokio::select! {
            start = self.choose_start() => start?,
            () = moved_on(&shard, &source) => return Err(End::Changed),
        };
        let asked = match start {
            Start::Resume(position) | Start::Anew(position) => position,
        };
        let handshake = source.handshake(self.shard.shown_as, Some(asked));
        let opening = Engine::open(source.engine, &handshake);
        let (engine, write, answer) = tokio::select! {
            opened = opening => opened?,
            () = moved_on(&self.shard, &source) => return Err(End::Changed),
        };
        let forks_at = match answer {
            Answer::Continued(position) => {
                let named = tokio::select! {
                    named = self.name_of(start, position, drains) => named,
                    () = moved_on(&self.shard, &source) => return Err(End::Changed),
                };
                self.go_on(start, named).await?;
                (named != position).then_some(position)
            }
            Answer::FullSync(position) => {
                let offer = Offer::new(source.engine, engine, write, position);
                return Err(self.history_broke(start, offer));
            }
        };
        let end = tokio::select! {
            end = read(&shard, engine, forks_at) => end,
            end = write_journal(&shard) => End::Shelf(end),
            () = acknowledge(&shard, write) => End::Changed,
            () = moved_on(&shard, &source) => End::Changed,
            failed = self.demanded(), if !drains => failed.map_or(End::Changed, End::Shelf),
            error = shard.shelf.damage() => End::Shelf(error),
        };
        // What is read and cannot be written is read again, behind what could be.
        self.write_all_that_is_left().await?;
        Err(end)
    }

    /// Opens what an earlier run left, once.
    async fn open_journal(&mut self, drains: bool) -> Result<(), End> {
        if self.shard.shelf.is_open() {
            return self.look_again(drains).await;
        }
        if drains {
            let opened = self.shard.shelf.open_intact().await?;
            // A damaged one is left for whoever saves what can be read of it.
            self.shard
                .stream_begins(opened.and_then(|opened| opened.end));
            return Ok(());
        }
        Ok(self.open_anew().await?)
    }

    /// Opens what an earlier run left, or begins anew where that is damaged.
    async fn open_anew(&self) -> Result<(), ShelfError> {
        let opened = self.shard.shelf.open().await?;
        if let Some(text) = opened.report {
            self.shard.tell(EventKind::JournalFailed, text);
        }
        self.shard.stream_begins(opened.end);
        Ok(())
    }

    fn drains(&self) -> bool {
        self.shard.wanted().borrow().drain.is_some()
    }

    /// What an engine that could not go on had put out of sight is all there, for who only reads it
    /// to its end.
    async fn look_again(&self, drains: bool) -> Result<(), End> {
        if drains && self.shard.stream.reach().end.is_none() {
            let end = self.shard.shelf.end().await?;
            self.shard.stream_begins(end);
        }
        Ok(())
    }

    /// Where to read on to the journal's end. An empty one begins where the other side took over.
    async fn choose_end(&mut self) -> Start {
        let mut wanted = self.shard.wanted();
        let mut facts = self.shard.facts();
        self.fresh = None;
        loop {
            let known = *facts.borrow_and_update();
            let drain = wanted.borrow_and_update().drain;
            if let Some(end) = self.shard.stream.reach().end {
                return Start::Resume(end);
            }
            let from = drain.and_then(|drain| drain.from);
            let reached = |from: &Position| known.is_some_and(|facts| facts.reaches(from));
            if let Some(from) = from.filter(reached) {
                return Start::Anew(from);
            }
            // An error is a shard that is gone; its tasks end.
            tokio::select! {
                _ = facts.changed() => {}
                _ = wanted.changed() => {}
            }
        }
    }

    async fn choose_start(&mut self) -> Result<Start, ShelfError> {
        if self.drains() {
            return Ok(self.choose_end().await);
        }
        let mut facts = self.shard.facts();
        let mut demand = self.shard.demand();
        let give_up = Instant::now() + FIRST_HELLO;
        let fresh = self.fresh.take();
        loop {
            let known = *facts.borrow_and_update();
            let asked = *demand.borrow_and_update();
            if let Some(have) = self.unmet(asked, known, fresh).await? {
                self.answered = asked.count;
                return Ok(Start::Anew(have));
            }
            if let Some(end) = self.shard.stream.reach().end {
                return Ok(Start::Resume(end));
            }
            if let Some(fresh) = fresh {
                return Ok(Start::Anew(fresh));
            }
            // It was promoted, and its backlog has everything since: so will the journal.
            if let Some(promoted) = known.and_then(since_promotion) {
                return Ok(Start::Anew(promoted));
            }
            let waited = asked.count > 0 || Instant::now() >= give_up;
            if let Some(facts) = known.filter(|_| waited) {
                return Ok(Start::Anew(facts.position));
            }
            // An error is a shard that is gone; its tasks end.
            tokio::select! {
                _ = facts.changed() => {}
                _ = demand.changed() => {}
                () = sleep_until(give_up), if !waited => {}
            }
        }
    }

    /// Where an inbound stands that has to be begun from: the engine's backlog reaches it, and the
    /// journal does not.
    async fn unmet(
        &self,
        asked: Demand,
        facts: Option<SourceFacts>,
        fresh: Option<Position>,
    ) -> Result<Option<Position>, ShelfError> {
        let reach = self.shard.stream.reach();
        // What was seen of the engine in another history says nothing of this one.
        let now = reach.end.filter(|_| reach.confirmed).or(fresh);
        let facts = facts.filter(|facts| now.is_none_or(|at| facts.position.replid == at.replid));
        let news = asked.have.filter(|_| asked.count > self.answered);
        let within = |have: &Position| facts.is_some_and(|facts| facts.reaches(have));
        let Some(have) = news.filter(within) else {
            return Ok(None);
        };
        let located = match reach.end {
            Some(end) => self.shard.shelf.locate(have, end).await?,
            None => None,
        };
        Ok(located.is_none().then_some(have))
    }

    /// Resolves when an inbound stands where the engine's backlog reaches and the journal does not.
    async fn demanded(&mut self) -> Option<ShelfError> {
        let mut demand = self.shard.demand();
        loop {
            let asked = *demand.borrow_and_update();
            let facts = *self.shard.facts().borrow();
            match self.unmet(asked, facts, None).await {
                Ok(None) => {}
                Ok(Some(_)) => return None,
                Err(error) => return Some(error),
            }
            self.answered = self.answered.max(asked.count);
            if demand.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Under which ID the journal goes on. An engine that was promoted to be read continues the
    /// history of before up to where it was promoted, and whoever saves from the journal looks for
    /// positions under that ID.
    async fn name_of(&self, start: Start, position: Position, drains: bool) -> Position {
        let Start::Resume(end) = start else {
            return position;
        };
        if !drains || end.replid == position.replid {
            return position;
        }
        let mut facts = self.shard.facts();
        let now = |facts: &Option<SourceFacts>| {
            facts.is_some_and(|facts| facts.position.replid == position.replid)
        };
        let known = facts.wait_for(now).await.ok().and_then(|facts| *facts);
        let before = known.and_then(|facts| facts.before);
        let later =
            before.is_some_and(|before| before.replid == end.replid && before.offset > end.offset);
        if later { end } else { position }
    }

    /// The engine goes on at `position`, which has the ID of its present history.
    async fn go_on(&mut self, start: Start, position: Position) -> Result<(), End> {
        let shard = &self.shard;
        match start {
            Start::Resume(end) if end.replid == position.replid => {}
            Start::Resume(_) => {
                shard.shelf.fork(position.replid).await?;
                shard.stream_forks(position.replid);
            }
            Start::Anew(asked) => {
                if !shard.shelf.is_open() {
                    // It is damaged, and the engine has everything that it is to hold.
                    self.open_anew().await?;
                }
                // The stream first: who reads the journal looks there whether it is still his.
                shard.stream_begins(None);
                shard.snapshots.forget();
                shard.shelf.begin(asked).await?;
                if asked.replid != position.replid {
                    shard.shelf.fork(position.replid).await?;
                }
                shard.stream_begins(Some(position));
            }
        }
        shard.stream.confirm();
        self.refusals = 0;
        tracing::info!(link = %shard.key.link, shard = %shard.key.shard, %position, ?start, "following the geo-primary's engine");
        if shard
            .problem()
            .is_some_and(|problem| problem.code != RefusalCode::JournalFailed)
        {
            shard.set_problem(None);
        }
        snapshots::take_offer(shard);
        Ok(())
    }

    /// The engine cannot go on where it was asked to, and offers a snapshot.
    fn history_broke(&mut self, start: Start, offer: Offer) -> End {
        let (shard, position) = (&self.shard, offer.position());
        self.refusals += 1;
        if let (true, Start::Resume(asked) | Start::Anew(asked)) = (self.drains(), start) {
            // What the journal has is all that there is of it.
            return End::NoBacklog(asked);
        }
        self.fresh = Some(position);
        // It has made the snapshot already, which will be needed: nobody stands where it does.
        shard.snapshots.offered(offer);
        let (asked, resumed) = match start {
            Start::Resume(end) => (end, true),
            Start::Anew(asked) => (asked, false),
        };
        if resumed {
            let why = format!(
                "the geo-primary's engine cannot go on behind {asked}: its history is now {position}"
            );
            tracing::warn!(link = %shard.key.link, shard = %shard.key.shard, "{why}");
            shard.snapshots.history_broke(why);
            shard.stream_begins(None);
        }
        if self.refusals > 1 && !resumed {
            return End::NoBacklog(asked);
        }
        End::Changed
    }

    async fn write_all_that_is_left(&self) -> Result<(), ShelfError> {
        if !self.shard.shelf.is_open() {
            return Ok(());
        }
        while write_batch(&self.shard).await? {}
        self.shard.shelf.sync().await
    }

    /// Makes an end known; tells how long to wait.
    async fn note(&mut self, end: &End, pause: Duration) -> Duration {
        let shard = &self.shard;
        match end {
            End::Changed => {
                if shard.wanted().borrow().source.is_none() {
                    shard.set_looked(None);
                    shard.shelf.close().await;
                    shard.stream_begins(None);
                    shard.set_problem(None);
                }
                Duration::ZERO
            }
            End::Engine(error) => {
                let why = chain(error).to_string();
                let fenced = shard.wanted().borrow().fence != Fence::Open;
                if !fenced {
                    let (code, why) = (error.code(), why);
                    shard.set_problem(Some(Problem { code, why }));
                }
                pause
            }
            End::NoBacklog(_) => {
                let why = chain(end).to_string();
                let code = RefusalCode::SourceNotReady;
                shard.set_problem(Some(Problem { code, why }));
                // Each attempt costs the engine a fork.
                let doublings = self.refusals.min(LONGEST_FORK_PAUSE);
                PAUSES.1.saturating_mul(1 << doublings)
            }
            End::Shelf(error) => {
                let why = format!(
                    "{}; nothing is replicated until the journal works again",
                    chain(error)
                );
                let code = RefusalCode::JournalFailed;
                let known = shard.problem().is_some_and(|known| known.code == code);
                // Of a damaged one is told what became of it, when it is opened.
                if !known && !matches!(error, ShelfError::Damaged { .. }) {
                    tracing::error!(link = %shard.key.link, shard = %shard.key.shard, "{why}");
                    shard.tell(EventKind::JournalFailed, why.clone());
                }
                shard.set_problem(Some(Problem { code, why }));
                // A journal that could not be written is opened anew, and checked as a whole.
                shard.set_looked(None);
                shard.shelf.close().await;
                AFTER_FAILURE
            }
        }
    }
}

/// Where the engine was promoted, when its backlog reaches back to there.
fn since_promotion(facts: SourceFacts) -> Option<Position> {
    facts.before.filter(|before| facts.reaches(before))
}

/// Resolves when the engine is not to be followed like this any more.
async fn moved_on(shard: &Shard, source: &Source) {
    let mut wanted = shard.wanted();
    let other = |wanted: &Wanted| {
        let now = wanted.source.as_deref();
        now.is_none_or(|now| !now.is_followed_like(source))
    };
    let _gone = wanted.wait_for(other).await;
}
