//! The activity log: who asked for what, what became of it, and what happened on links.
//!
//! A request that changes the store has its record in the very commit that makes the change, in the
//! store's outbox; from there it is moved to the history once the answer is known. So the record is
//! there if and only if the change is, whatever dies when. Requests that change nothing (refusals,
//! `listKeys`) wait in memory for the next move, a moment later. Nothing here makes a request wait or
//! fail; `docs/adr/0021-activity-log.md` says what is guaranteed and what is not.

mod changes;
mod flood;
mod links;
mod names;
mod record;
mod redaction;
mod request;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use model::Timestamp;
use parking_lot::Mutex;
use runtime::{chain, tasks::Tasks};
use tokio::{sync::Notify, time::timeout};

use crate::{plane::Plane, store::OutboxError};
use flood::Flood;
pub(crate) use links::of_link;
pub(crate) use record::{Asked, Kind, Origin, Record, Refusal, Status};
pub(crate) use request::{Request, attach, ended, unauthenticated};

/// As many records wait in memory for the history.
const QUEUE: usize = 4_096;
/// As many answers wait for their records to be moved.
const MOST_ANSWERS: usize = 10_000;
/// As many are moved at a time.
const BATCH: usize = 500;
/// How long a record waits for the answer to its request.
const ANSWER_MS: u64 = 30_000;
/// Between two looks at what is due.
const PERIOD: Duration = Duration::from_secs(1);

/// What is not in the history yet.
#[derive(Default)]
pub(crate) struct Activity {
    waiting: Mutex<Waiting>,
    flood: Mutex<Flood>,
    nudge: Notify,
    figures: Figures,
}

#[derive(Default)]
struct Waiting {
    /// Records that are in no commit.
    queue: VecDeque<Record>,
    /// Records in the outbox, by ID, whose requests are not answered yet.
    open: BTreeSet<String>,
    /// The same, answered.
    answered: BTreeMap<String, Answer>,
}

/// What a request was answered.
#[derive(Debug, Clone)]
struct Answer {
    http_status: u16,
    refusal: Option<Refusal>,
}

/// Counted since the start.
#[derive(Default)]
struct Figures {
    kept: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    unauthenticated: AtomicU64,
}

/// [`Figures`], read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// Records that the history has.
    pub(crate) kept: u64,
    /// Records that were lost, because the history could not be written for long.
    pub(crate) dropped: u64,
    /// Requests that were refused.
    pub(crate) refused: u64,
    /// Requests of somebody who did not say truly who they are.
    pub(crate) unauthenticated: u64,
}

impl Activity {
    pub(crate) fn counted(&self) -> Counted {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        Counted {
            kept: read(&self.figures.kept),
            dropped: read(&self.figures.dropped),
            refused: read(&self.figures.refused),
            unauthenticated: read(&self.figures.unauthenticated),
        }
    }

    /// Takes a record that is in no commit.
    pub(crate) fn tell(&self, record: Record, now: Timestamp) {
        let counter = match record.kind {
            Kind::Refusal => Some(&self.figures.refused),
            Kind::Unauthenticated => Some(&self.figures.unauthenticated),
            Kind::Operation | Kind::Link | Kind::Notice => None,
        };
        let record = match counter {
            Some(counter) => {
                counter.fetch_add(1, Ordering::Relaxed);
                self.flood.lock().pass(record, now)
            }
            None => Some(record),
        };
        if let Some(record) = record {
            self.queue(record);
        }
    }

    fn queue(&self, record: Record) {
        let mut waiting = self.waiting.lock();
        if waiting.queue.len() >= QUEUE {
            drop(waiting);
            if self.figures.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
                tracing::warn!(
                    "Records of the activity log are lost: the history has not taken any for long"
                );
            }
            return;
        }
        waiting.queue.push_back(record);
        drop(waiting);
        self.nudge.notify_one();
    }

    /// A record goes into the outbox, and the answer to its request is still to come.
    fn open(&self, id: String) {
        self.waiting.lock().open.insert(id);
    }

    /// The commit came to nothing.
    fn withdraw(&self, id: &str) {
        self.waiting.lock().open.remove(id);
    }

    /// The request of these records is answered; `None`: nobody will know what it was.
    fn answered(&self, ids: &[String], answer: Option<&Answer>) {
        let mut waiting = self.waiting.lock();
        for id in ids {
            let is_open = waiting.open.remove(id);
            // While the history takes nothing, only so many answers are remembered.
            let has_room = waiting.answered.len() < MOST_ANSWERS;
            if let Some(answer) = answer.filter(|_| is_open && has_room) {
                waiting.answered.insert(id.clone(), answer.clone());
            }
        }
        drop(waiting);
        self.nudge.notify_one();
    }

    /// The record from the outbox as it is to be kept; `None`: its answer is still to come.
    fn complete(&self, mut record: Record, now: Timestamp) -> Option<Record> {
        let waiting = self.waiting.lock();
        if let Some(answer) = waiting.answered.get(&record.id) {
            record.http_status = Some(answer.http_status);
            if let Some(refusal) = &answer.refusal {
                record.refusal = Some(refusal.clone());
                record.status = Status::Failed;
            }
            return Some(record);
        }
        let waits = waiting.open.contains(&record.id) && now < record.at.plus_ms(ANSWER_MS);
        (!waits).then_some(record)
    }

    fn take_queue(&self) -> Vec<Record> {
        let mut waiting = self.waiting.lock();
        let count = waiting.queue.len().min(BATCH);
        waiting.queue.drain(..count).collect()
    }

    fn put_back(&self, records: Vec<Record>) {
        let mut waiting = self.waiting.lock();
        for record in records.into_iter().rev() {
            waiting.queue.push_front(record);
        }
    }
}

/// Moves records to the history until the tasks are cancelled.
pub(crate) async fn run(plane: Arc<Plane>, tasks: Tasks) {
    let mut told = plane.store.told();
    loop {
        while drain(&plane, false).await {}
        let more = async {
            tokio::select! {
                _ = told.changed() => {}
                () = plane.activity.nudge.notified() => {}
            }
        };
        tokio::select! {
            () = tasks.cancelled() => return,
            // Late is as good as nudged: windows end by themselves.
            _late_or_nudged = timeout(PERIOD, more) => {}
        }
    }
}

/// Moves what is left, when nobody asks for anything any more.
pub(crate) async fn finish(plane: &Plane) {
    while drain(plane, true).await {}
}

/// Moves a batch; gives whether there may be more at once.
async fn drain(plane: &Plane, last: bool) -> bool {
    let (activity, now) = (&plane.activity, plane.clock.now());
    for record in activity.flood.lock().over(now, last) {
        activity.queue(record);
    }
    let rows = match plane.store.outbox().await {
        Ok(rows) => rows,
        Err(OutboxError::Stopped) => return false,
        Err(error @ OutboxError::Failed { .. }) => {
            tracing::warn!(error = %chain(&error), "Failed to read what the activity log is to tell");
            return false;
        }
    };
    let found = rows.len();
    let mut taken = Vec::new();
    let mut records = Vec::new();
    // What a request led to is told behind it.
    let mut held = BTreeSet::new();
    let long_after = if last { Timestamp(u64::MAX) } else { now };
    for (number, text) in rows.into_iter().take(BATCH) {
        match serde_json::from_str::<Record>(&text) {
            Ok(record) if held.contains(&record.correlation) => continue,
            Ok(record) => {
                let correlation = record.correlation.clone();
                let Some(record) = activity.complete(record, long_after) else {
                    held.insert(correlation);
                    continue;
                };
                records.push(record);
            }
            Err(error) => {
                tracing::warn!(%error, number, "A record of the activity log cannot be read and is left out");
            }
        }
        taken.push(number);
    }
    let queued = activity.take_queue();
    if taken.is_empty() && queued.is_empty() {
        return false;
    }
    let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
    let count = records.len() + queued.len();
    records.extend(queued.iter().cloned());
    records.sort_by_key(|record| record.at);
    if !plane.history.add_records(records, now).await {
        activity.put_back(queued);
        return false;
    }
    let kept = u64::try_from(count).unwrap_or(u64::MAX);
    activity.figures.kept.fetch_add(kept, Ordering::Relaxed);
    plane.store.take(taken);
    let mut waiting = activity.waiting.lock();
    for id in &ids {
        waiting.answered.remove(id);
        waiting.open.remove(id);
    }
    found > BATCH || !waiting.queue.is_empty()
}

#[cfg(test)]
pub(crate) mod tests;
