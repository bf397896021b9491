//! What happened, and the last month's metrics: kept beside the store, never decided upon.
//!
//! A database of its own (`docs/format/store.md`): writing it wakes nobody, its failure stops no
//! commit and refuses no request, and it may be thrown away. Reads and writes are blocking SQLite
//! calls on threads of their own, one at a time.

mod activity;
mod database;
mod egress;
mod event;
mod figures;
mod packed;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use model::{
    CacheUid, EventObserved, Figures, LinkId, Region, SampledPart, SampledReport, Timestamp,
};
use parking_lot::Mutex;
use runtime::{blocking, chain, dice::Dice};
use tokio::sync::watch;

pub(crate) use activity::{Kept, Wanted};
use database::Database;
pub(crate) use database::HistoryError;
pub(crate) use egress::{DAY_MS, Days, Flow, Reading, Readings, Sent};
pub(crate) use event::{Event, OwnEvent, OwnKind, Since};
pub(crate) use figures::{HOUR, Spans};

use crate::{activity::Record, store::OpenError};

/// The database's file.
const FILE: &str = "history.db";
/// An event older than this is forgotten, in milliseconds.
const EVENTS_KEPT_MS: u64 = 90 * 24 * 3_600_000;
/// Figures are kept by the minute for so many minutes, and an hour to look them up in.
pub(crate) const MINUTES_KEPT: u64 = 2 * 24 * HOUR;
/// And by the hour for so many.
pub(crate) const HOURS_KEPT: u64 = 30 * 24 * HOUR;
/// Rows that are forgotten at once: nobody waits for long because of it.
const FORGOTTEN_AT_ONCE: usize = 2_000;
/// Caches whose figures are written at once.
const WRITTEN_AT_ONCE: usize = 250;

/// A handle to the history; clones are the same.
#[derive(Clone)]
pub(crate) struct History {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` once it is closed.
    database: Mutex<Option<Database>>,
    /// The last event of each region's agent that is known to be kept: its boot and sequence.
    told: Mutex<BTreeMap<Region, (u64, u64)>>,
    /// Counts the control plane's own events since `boot`.
    own: Mutex<u64>,
    boot: u64,
    /// The last write failed, and that is logged.
    failing: Mutex<bool>,
    /// Counts times at which records of the activity log may have been added.
    recorded: watch::Sender<u64>,
}

impl History {
    /// Opens the history in `directory`, which the store has made. A damaged one is set aside.
    pub(crate) async fn open(directory: &Path, dice: &Dice) -> Result<Self, OpenError> {
        let path = directory.join(FILE);
        let opened = blocking::run(move || Database::open(&path)).await;
        let database = opened.map_err(|_stopped| OpenError::Stopped)??;
        Ok(Self {
            inner: Arc::new(Inner {
                database: Mutex::new(Some(database)),
                told: Mutex::default(),
                own: Mutex::default(),
                boot: dice.below(u64::MAX),
                failing: Mutex::new(false),
                recorded: watch::Sender::new(0),
            }),
        })
    }

    /// Keeps the events of a report that are news. Agents repeat them, so that a failure now is
    /// made good by the next report.
    pub(crate) async fn hear(
        &self,
        region: &Region,
        events: Vec<EventObserved>,
        now: Timestamp,
        record: impl Fn(&Event) -> Record,
    ) {
        let known = self.inner.told.lock().get(region).copied();
        let is_news = |event: &EventObserved| {
            known.is_none_or(|(boot, last)| event.boot != boot || event.sequence > last)
        };
        let news: Vec<_> = events.into_iter().filter(is_news).collect();
        let Some(last) = news.last().map(|event| (event.boot, event.sequence)) else {
            return;
        };
        let rows = news
            .into_iter()
            .map(|event| Event::of_agent(region, event, now))
            .map(|event| with_record(event, &record))
            .collect();
        if self.keep(rows, now).await {
            let mut told = self.inner.told.lock();
            let known = told.entry(region.clone()).or_insert(last);
            if known.0 != last.0 || known.1 < last.1 {
                *known = last;
            }
        }
    }

    /// Keeps what the control plane itself did.
    pub(crate) async fn note(
        &self,
        events: Vec<OwnEvent>,
        now: Timestamp,
        record: impl Fn(&Event) -> Record,
    ) {
        if events.is_empty() {
            return;
        }
        let rows = {
            let mut count = self.inner.own.lock();
            let numbered = events.into_iter().map(|event| {
                *count += 1;
                with_record(event.numbered(self.inner.boot, *count, now), &record)
            });
            numbered.collect()
        };
        self.keep(rows, now).await;
    }

    async fn keep(&self, rows: Vec<(Event, Record)>, now: Timestamp) -> bool {
        let kept = self
            .write(move |database| database.add_events(&rows, now))
            .await;
        self.inner.recorded.send_modify(|count| *count += 1);
        self.complain(kept, "keep events")
    }

    /// Keeps records of the activity log that are not there yet; they are on the disk when this
    /// gives true.
    pub(crate) async fn add_records(&self, records: Vec<Record>, now: Timestamp) -> bool {
        let kept = self
            .write(move |database| database.add_records(&records, now))
            .await;
        self.inner.recorded.send_modify(|count| *count += 1);
        self.complain(kept, "keep the activity log")
    }

    /// Wakes when records of the activity log may have been added.
    pub(crate) fn recorded(&self) -> watch::Receiver<u64> {
        self.inner.recorded.subscribe()
    }

    /// The records of the activity log that are wanted.
    pub(crate) async fn records(&self, wanted: Wanted) -> Result<Vec<Kept>, HistoryError> {
        self.write(move |database| database.records(&wanted)).await
    }

    /// The number of the newest record of the activity log that there ever was.
    pub(crate) async fn newest_record(&self) -> Result<u64, HistoryError> {
        self.write(Database::newest_record).await
    }

    /// How far somebody who reads the activity log came.
    pub(crate) async fn cursor(&self, name: &'static str) -> Result<Option<u64>, HistoryError> {
        self.write(move |database| database.cursor(name)).await
    }

    /// Remembers it; `None`: nobody of that name reads it any more.
    pub(crate) async fn set_cursor(&self, name: &'static str, number: Option<u64>) -> bool {
        let set = self.write(move |database| database.set_cursor(name, number));
        let set = set.await;
        self.complain(set, "remember how far the activity log was read")
    }

    /// Up to `top` events of a link, oldest first: the first after `since`, or the last there are.
    pub(crate) async fn events(
        &self,
        link: &LinkId,
        since: Option<Since>,
        top: usize,
    ) -> Result<Vec<Event>, HistoryError> {
        let link = link.clone();
        self.write(move |database| database.events(&link, since, top))
            .await
    }

    /// Adds what links sent, and remembers how far the counters were read, together.
    pub(crate) async fn add_egress(&self, days: Days, readings: Readings, today: u64) -> bool {
        let kept = self
            .write(move |database| database.add_egress(&days, &readings, today))
            .await;
        self.complain(kept, "keep what links sent")
    }

    /// How far counters were read, and what was ever sent.
    pub(crate) async fn egress_so_far(
        &self,
    ) -> Result<(Readings, BTreeMap<Flow, Sent>), HistoryError> {
        self.write(|database| Ok((database.readings()?, database.egress_totals()?)))
            .await
    }

    /// What went either way between a cache and the one called `other`, from one day to another.
    pub(crate) async fn egress(
        &self,
        cache: String,
        other: String,
        days: (u64, u64),
    ) -> Result<Days, HistoryError> {
        self.write(move |database| database.egress(&cache, &other, days))
            .await
    }

    /// Keeps figures of a minute; what is there of it already is added to. Gives what is not kept.
    pub(crate) async fn add_minute(
        &self,
        minute: u64,
        caches: BTreeMap<CacheUid, Figures>,
    ) -> BTreeMap<CacheUid, Figures> {
        let mut left: Vec<(CacheUid, Figures)> = caches.into_iter().collect();
        while !left.is_empty() {
            let some = left.split_off(left.len().saturating_sub(WRITTEN_AT_ONCE));
            let some = Arc::new(some);
            let written = Arc::clone(&some);
            let kept = self
                .write(move |database| database.add_minute(minute, &written))
                .await;
            if !self.complain(kept, "keep a minute of metrics") {
                left.extend(some.iter().cloned());
                break;
            }
        }
        left.into_iter().collect()
    }

    /// Keeps what an agent sampled, each part once however often it is told. Gives what is news.
    pub(crate) async fn add_sampled(
        &self,
        report: SampledReport,
    ) -> Result<Vec<SampledPart>, HistoryError> {
        let SampledReport {
            region,
            boot,
            parts,
        } = report;
        self.write(move |database| database.add_parts(region.as_str(), boot, parts))
            .await
    }

    /// The figures of a cache from the minute `from` up to `to`, without `to`: by the minute as long
    /// as those are kept, by the hour before.
    pub(crate) async fn figures(
        &self,
        cache: &CacheUid,
        from: u64,
        to: u64,
        now: Timestamp,
    ) -> Result<Spans, HistoryError> {
        let cache = cache.clone();
        let fine = fine_from(now.0 / 60_000);
        self.write(move |database| database.figures(&cache, (from, to), fine))
            .await
    }

    /// Forgets what is too old.
    pub(crate) async fn prune(&self, now: Timestamp) {
        let events = now.0.saturating_sub(EVENTS_KEPT_MS);
        let pruned = self
            .write(move |database| {
                database.forget_events(events)?;
                database.prune_records(events)?;
                database.prune_egress(now.0)
            })
            .await;
        self.complain(pruned, "forget what is old");
        let present = now.0 / 60_000;
        let minutes = fine_from(present).saturating_sub(HOUR);
        let hours = present.saturating_sub(HOURS_KEPT + HOUR);
        loop {
            let more = self
                .write(move |database| database.forget_figures(minutes, hours, FORGOTTEN_AT_ONCE))
                .await;
            let go_on = matches!(more, Ok(true));
            self.complain(more, "forget what is old");
            if !go_on {
                break;
            }
        }
    }

    /// Ends it: what is under way is finished, and the file is free.
    pub(crate) async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let closed = blocking::run(move || drop(inner.database.lock().take())).await;
        if closed.is_err() {
            tracing::debug!("The runtime is ending; the history closes with it");
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let inner = Arc::clone(&self.inner);
        let done = blocking::run(move || {
            let mut database = inner.database.lock();
            work(database.as_mut().ok_or(HistoryError::Closed)?)
        });
        done.await.map_err(|_stopped| HistoryError::Closed)?
    }

    /// Logs a failure when it is new, and its end.
    fn complain<T>(&self, done: Result<T, HistoryError>, what: &str) -> bool {
        let mut failing = self.inner.failing.lock();
        match done {
            Ok(_) => {
                if std::mem::take(&mut *failing) {
                    tracing::info!("The history is kept again");
                }
                true
            }
            Err(HistoryError::Closed) => false,
            Err(error) => {
                if !*failing {
                    tracing::warn!(error = %chain(&error), "Failed to {what}; links go on without it");
                }
                *failing = true;
                false
            }
        }
    }
}

fn with_record(event: Event, record: impl Fn(&Event) -> Record) -> (Event, Record) {
    let record = record(&event);
    (event, record)
}

/// The first minute that is read by the minute: the beginning of an hour, of which all minutes are
/// kept.
pub(crate) fn fine_from(present: u64) -> u64 {
    present.saturating_sub(MINUTES_KEPT).next_multiple_of(HOUR)
}

#[cfg(test)]
mod tests;
