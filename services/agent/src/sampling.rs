//! What the caches' figures come to, minute by minute, for the control plane to keep.
//!
//! In: what the workers read of engines and gateways several times a minute, counters as they stand.
//! Out: for each cache and each minute that is over, one part with sums, told to the control plane
//! once, and again until it says that it has it.
//!
//! Invariants: a counter's growth is counted once, in one part; a counter that began anew counts from
//! its beginning and is never negative; what was not seen (a process that ended between two looks, the
//! minute in which the agent is killed) is not made up.

mod p99;
mod tell;
mod track;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use gateway::GatewayStatus;
use model::{CacheUid, Figures, SampledPart, ShardIndex, Timestamp};
use parking_lot::Mutex;
use runtime::clock::Clock;
use tokio::time::Instant;

use crate::{SamplingPace, cache::NodeSample};

pub(crate) use tell::{run, tell_last};
pub(crate) use track::Exposed;
use track::Track;

/// How long a minute stays open behind its end, so that its last sample finds it.
const GRACE_MS: u64 = 1_000;
/// Parts that wait for the control plane: beyond these the oldest are given up.
const MOST_WAITING: usize = 10_000;
/// And no part waits for longer, in minutes.
const LONGEST_WAIT: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// The figures of an agent's caches.
pub(crate) struct Sampling {
    pace: SamplingPace,
    boot: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tracks: BTreeMap<CacheUid, Track>,
    /// When open minutes were told of last.
    told: Option<Instant>,
    sequence: u64,
    waiting: VecDeque<SampledPart>,
}

/// A node's place, as figures have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) shard: ShardIndex,
    pub(crate) node: u8,
    pub(crate) leads: bool,
}

impl Sampling {
    pub(crate) fn new(pace: SamplingPace, boot: u64) -> Self {
        Self {
            pace,
            boot,
            inner: Mutex::default(),
        }
    }

    /// The number of the present span: engines are read once in each.
    pub(crate) fn span(&self) -> u64 {
        Clock.now().0 / self.every_ms()
    }

    fn every_ms(&self) -> u64 {
        whole_ms(self.pace.every).max(1)
    }

    /// The minute that a sample of now is of: it tells what was since the one before.
    fn minute(&self, now: Timestamp) -> u64 {
        now.0.saturating_sub(self.every_ms() / 2) / MINUTE_MS
    }

    fn track(&self, uid: &CacheUid, note: impl FnOnce(&mut Track, u64)) {
        let minute = self.minute(Clock.now());
        let mut inner = self.inner.lock();
        note(inner.tracks.entry(uid.clone()).or_default(), minute);
    }

    /// Notes what a node told of itself.
    pub(crate) fn note_node(
        &self,
        uid: &CacheUid,
        place: Place,
        sample: &NodeSample,
        answers: Vec<u32>,
    ) {
        self.track(uid, |track, minute| {
            track.note_node(minute, place, sample);
            if place.leads {
                track.note_answers(minute, place.shard, answers);
                track.note_errors(minute, place.shard, sample);
            }
        });
    }

    /// Notes what the gateway counts: all of its clients are those of the node that leads.
    pub(crate) fn note_clients(
        &self,
        uid: &CacheUid,
        place: Place,
        status: &GatewayStatus,
        at: Instant,
    ) {
        self.track(uid, |track, minute| {
            track.note_clients(minute, place, status, at);
        });
    }

    /// Notes who leads a shard, and whether its data are lost.
    pub(crate) fn note_standing(&self, uid: &CacheUid, place: Place, lost: bool) {
        self.track(uid, |track, _| track.note_standing(place, lost));
    }

    /// Notes how many receipts of lost writes there are.
    pub(crate) fn note_receipts(&self, uid: &CacheUid, count: usize) {
        self.track(uid, |track, _| track.note_receipts(count));
    }

    /// The cache is gone.
    pub(crate) fn forget(&self, uid: &CacheUid) {
        self.inner.lock().tracks.remove(uid);
    }

    /// The latest figures of a cache; `None` before there are any, and when they are old.
    pub(crate) fn exposed(&self, uid: &CacheUid) -> Option<Exposed> {
        let inner = self.inner.lock();
        inner.tracks.get(uid)?.exposed(self.pace.every * 3)
    }

    /// Makes parts of what is over; with `all`, of what is open, too.
    fn close(&self, now: Timestamp, all: bool) {
        let over = now
            .0
            .saturating_sub(self.every_ms() / 2)
            .saturating_sub(GRACE_MS)
            / MINUTE_MS;
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let told = inner.told.get_or_insert_with(Instant::now);
        let is_due = self.pace.tell < Duration::from_secs(60) && told.elapsed() >= self.pace.tell;
        if is_due {
            *told = Instant::now();
        }
        for (uid, track) in &mut inner.tracks {
            for (minute, figures) in track.close(|minute| all || is_due || minute < over) {
                inner.sequence += 1;
                inner.waiting.push_back(SampledPart {
                    sequence: inner.sequence,
                    cache: uid.clone(),
                    minute,
                    figures,
                });
            }
        }
        let oldest = (now.0 / MINUTE_MS).saturating_sub(LONGEST_WAIT);
        inner.waiting.retain(|part| part.minute >= oldest);
        while inner.waiting.len() > MOST_WAITING {
            inner.waiting.pop_front();
        }
    }

    /// The first parts that wait.
    fn waiting(&self, most: usize) -> Vec<SampledPart> {
        let inner = self.inner.lock();
        inner.waiting.iter().take(most).cloned().collect()
    }

    /// The control plane has them.
    fn taken(&self, last: u64) {
        let mut inner = self.inner.lock();
        inner.waiting.retain(|part| part.sequence > last);
    }
}

/// A track's figures of one minute that is over.
type Closed = (u64, Figures);

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
