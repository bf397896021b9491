//! `godwit bench CACHE`.

mod progress;
mod report;

use std::{sync::Arc, time::Duration};

use clap::Args;
use client::Management;
use ledger::{Endpoint, Ledger, Mix, Settled, Workload};
use model::{CacheId, CacheName};
use runtime::{chain, dice::Dice};
use serde_json::json;
use tokio::{
    signal,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::link::pair;
use crate::{arguments::Common, failure::Failure, reach::Reach, session::Session, talk::Talk};

/// What the keys begin with, before a number of the run's own.
const PREFIX: &str = "godwit-bench";
/// Between two looks at the run.
const LOOK: Duration = Duration::from_millis(200);
/// As many operations are kept in the cache; then they are checked and removed.
const HELD: u64 = 3_000_000;
/// A failover that goes on when the clients have stopped has ended by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// Write to a cache and to the one it is linked with, and count what a failover costs
///
/// Runs clients that write as fast as they are answered, each with keys of its own, to whichever of
/// the two caches takes writes. Every answer is remembered. Run `godwit failover` in another
/// terminal, kill an engine, cut the network; in the end everything is read from the geo-primary,
/// and the table says what became of it:
///
///   ACKNOWLEDGED  the engine said that it was done
///   LOST          acknowledged, and not there
///   DOUBLED       there more than once
///   DISORDERED    there behind a later one of the same client
///   OTHER         holes (lost although the same primary kept a later one), parts of transactions,
///                 refused writes that are there, values that nobody wrote
///   UNKNOWN       nobody answered; there or not, both are fine. Never sent again
///   REFUSED       answered with an error, such as READONLY: the client went to the other cache
///
/// A write outage is a time in which nobody's write was acknowledged. After a planned failover
/// nothing may be lost, doubled or disordered, and the longest outage is what the clients felt.
///
/// Kinds of clients: `sequence` appends numbers to a list; `counter` increments; `register` sets a
/// key, now and then with an expiry; `transfer` moves 1 between two accounts and notes it in a
/// journal, with MULTI and EXEC; `pipeline` appends 50 numbers at a time.
///
/// Its keys begin with `godwit-bench:` and a number of the run's own; it touches no other key, and
/// removes its own afterwards. It does load the cache: a few million numbers are in it at most,
/// every now and then they are checked and removed. Ctrl-C ends the run early and settles it; one
/// that is killed leaves its keys: `redis-cli --scan --pattern 'godwit-bench:*'` lists them.
///
/// Exit code 1: something was lost, or is as it must never be, or nothing could be written.
///
/// Example: godwit bench demo-east --seconds 60 --clients 50 --mix sequence=3,transfer=1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Bench {
    /// The cache; when it is linked, either of the two
    cache: CacheName,

    /// How many clients write, each with one operation on its way
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    clients: u16,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    seconds: u32,

    /// The kinds of clients with their weights; a kind that is not named has none
    #[arg(long, value_name = "KIND=WEIGHT,…", default_value_t)]
    mix: Mix,

    /// How long a client waits between two operations; without it, it writes as fast as it is
    /// answered
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pause: u32,

    /// How long a client waits for an answer; then it takes the outcome for unknown and tries the
    /// other cache
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    answer_limit: u32,

    /// Has the clients wait and choose as another run did with the same number
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Leave the keys in the cache
    #[arg(long)]
    keep: bool,

    #[command(flatten)]
    common: Common,
}

/// The caches that clients write to.
#[derive(Clone)]
struct Caches {
    management: Management,
    /// The geo-primary first.
    ids: Vec<CacheId>,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let session = Session::open(self.common.clone()).await?;
        let caches = Caches::find(&session, &self.cache).await?;
        let mut endpoints = Vec::new();
        for id in &caches.ids {
            endpoints.push(caches.endpoint(id).await?);
        }
        let number = Dice::from_system().number();
        let prefix = format!("{PREFIX}:{number:016x}:");
        let workload = self.workload(prefix.clone(), caches.clone());
        let names: Vec<_> = caches
            .ids
            .iter()
            .map(|id| format!("`{}`", id.name))
            .collect();
        Talk.say(&format!(
            "{} clients write to {} for {} s; their keys begin with {prefix}",
            self.clients,
            names.join(" or "),
            self.seconds,
        ));
        let mut ledger = Ledger::start(&workload, endpoints);
        self.watch(&mut ledger, &caches).await;
        let trouble = ledger.sight().trouble;
        let settled = tokio::select! {
            settled = settle(ledger, &caches, self.keep) => settled?,
            Ok(()) = signal::ctrl_c() => {
                let failure = Failure::interrupted("stopped before it was settled");
                return Err(failure.hint(format!("keys that begin with {prefix} are left")));
            }
        };
        let score = &settled.score;
        let json = json!({
            "caches": caches.ids.iter().map(|id| id.name.as_str()).collect::<Vec<_>>(),
            "clean": score.is_clean(),
            "total": score.total(),
            "score": score,
        });
        session.form.write(&json, || report::describe(score))?;
        let total = score.total();
        if total.acknowledged == 0 {
            let failure = Failure::new("no write was acknowledged");
            return Err(match trouble {
                Some(trouble) => failure.hint(format!("the last attempt: {trouble}")),
                None => failure,
            });
        }
        if score.is_clean() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} of {} acknowledged operations are lost, and {} things are as they must never be",
            total.lost,
            total.acknowledged,
            total.violations(),
        )))
    }

    fn workload(&self, prefix: String, caches: Caches) -> Workload {
        let dice = self.seed.map_or_else(Dice::from_system, Dice::from_seed);
        Workload {
            mix: self.mix,
            prefix,
            pace: Duration::from_millis(self.pause.into()),
            answer_limit: Duration::from_secs(self.answer_limit.into()),
            look_up: Some(Arc::new(move || {
                let caches = caches.clone();
                Box::pin(async move { caches.reachable().await })
            })),
            ..Workload::new(self.clients.into(), dice)
        }
    }

    /// Shows how it goes until the time is over or somebody has seen enough.
    async fn watch(&self, ledger: &mut Ledger, caches: &Caches) {
        let end = Instant::now() + Duration::from_secs(self.seconds.into());
        let mut progress = progress::Progress::new();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = 0;
        while Instant::now() < end {
            tokio::select! {
                _ = look.tick() => {}
                Ok(()) = signal::ctrl_c() => break,
            }
            let sight = ledger.sight();
            let steady = sight.silent.is_some_and(|silent| silent < LOOK);
            if steady && sight.acknowledged - checked > HELD {
                // When it cannot be read just now, it is tried again.
                if let Ok(primary) = caches.primary().await
                    && ledger.checkpoint(&primary).await.is_ok()
                {
                    checked = sight.acknowledged;
                }
            }
            progress.show(&sight);
        }
        progress.clear();
    }
}

impl Caches {
    async fn find(session: &Session, name: &CacheName) -> Result<Self, Failure> {
        let ids = match pair(session, name).await? {
            Some(pair) => vec![pair.primary, pair.secondary],
            None => vec![session.find(name).await?.body.id],
        };
        let management = session.management.clone();
        Ok(Self { management, ids })
    }

    async fn endpoint(&self, id: &CacheId) -> Result<Endpoint, Failure> {
        Ok(Reach::find(&self.management, id).await?.endpoint())
    }

    /// Those that have an address now; `None` when the control plane does not answer.
    async fn reachable(&self) -> Option<Vec<Endpoint>> {
        let mut all = Vec::new();
        for id in &self.ids {
            all.push(self.endpoint(id).await.ok()?);
        }
        Some(all)
    }

    /// The cache that takes writes, once no failover is under way.
    async fn primary(&self) -> Result<Endpoint, Failure> {
        let [first, second] = &self.ids[..] else {
            return match self.ids.first() {
                Some(only) => self.endpoint(only).await,
                None => Err(Failure::new("no cache is left")),
            };
        };
        let link = self.management.link_status(first, &second.name).await?.body;
        if link.phase.as_deref() == Some("HandingOff") {
            return Err(Failure::new("a failover is under way"));
        }
        let second_leads = link.primary.as_deref() == Some(second.name.as_str());
        self.endpoint(if second_leads { second } else { first })
            .await
    }
}

/// Stops the clients, and compares what they remember with what the geo-primary holds.
async fn settle(ledger: Ledger, caches: &Caches, keep: bool) -> Result<Settled, Failure> {
    ledger.stop().await.map_err(|error| explain(&error))?;
    let limit = Instant::now() + SETTLE_LIMIT;
    let primary = loop {
        match caches.primary().await {
            Ok(primary) => break primary,
            Err(failure) if Instant::now() > limit => return Err(failure),
            Err(_not_yet) => sleep(LOOK).await,
        }
    };
    let settled = ledger.settle(&primary).await;
    let settled = settled.map_err(|error| explain(&error))?;
    if !keep {
        let cleaned = settled.clean(&primary).await;
        cleaned
            .map_err(|error| explain(&error).hint("the keys of this run are left in the cache"))?;
    }
    Ok(settled)
}

fn explain(error: &ledger::SettleError) -> Failure {
    Failure::new(chain(error).to_string())
}
