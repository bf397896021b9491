//! What links send to other regions, summed up by the day.
//!
//! Agents report counters that only grow, each with a name that is drawn when it begins at 0. What
//! one grew since it was read last belongs to the day on which that is noticed; one with another
//! name counts whole. How far each was read is kept in the same transaction as the sums, so that
//! no restart of anybody counts a byte twice. What an agent sent after the last report that was
//! heard of it, half a second at most while a control plane runs, is lost when the agent dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{CacheUid, LinkRecord, RegionObserved, Timestamp, WireObserved};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    history::{DAY_MS, Days, Flow, History, HistoryError, Reading, Readings, Sent},
    plane::Plane,
    records::link,
    store::State,
};

/// Between two writes.
const PERIOD: Duration = Duration::from_secs(10);

/// What was sent.
pub(crate) struct Egress {
    book: Mutex<Book>,
    /// One writes at a time.
    saving: tokio::sync::Mutex<()>,
}

struct Book {
    readings: Readings,
    /// Counters that were read since the last write.
    fresh: BTreeSet<(CacheUid, u16)>,
    /// What was sent since the last write.
    unsaved: Days,
    /// What was ever sent.
    totals: BTreeMap<Flow, Sent>,
}

impl Egress {
    /// Goes on where the history says.
    pub(crate) async fn open(history: &History) -> Result<Self, HistoryError> {
        let (readings, totals) = history.egress_so_far().await?;
        Ok(Self {
            book: Mutex::new(Book {
                readings,
                fresh: BTreeSet::new(),
                unsaved: Days::new(),
                totals,
            }),
            saving: tokio::sync::Mutex::default(),
        })
    }

    /// Reads the counters of a report.
    pub(crate) fn hear(&self, state: &State, report: &RegionObserved, now: Timestamp) {
        let mut book = self.book.lock();
        let mut members = None;
        for cache in &report.caches {
            for shard in &cache.shards {
                let Some(wire) = shard.link.as_ref().map(|half| half.wire) else {
                    continue;
                };
                if wire.raw_bytes == 0 && wire.sent_bytes == 0 {
                    continue;
                }
                let key = (cache.uid.clone(), shard.shard.0);
                let known = book.readings.get(&key);
                if known.is_some_and(|known| stands(known, &wire)) {
                    continue;
                }
                let same = known
                    .filter(|known| known.count == wire.count)
                    .and_then(|known| state.links.get(&link::key(&known.link)))
                    .filter(|link| has(link, &cache.uid));
                let link: &LinkRecord = match same {
                    Some(link) => link,
                    None => {
                        let members = members.get_or_insert_with(|| members_of(state));
                        match members.get(&cache.uid) {
                            Some(link) => link,
                            None => continue,
                        }
                    }
                };
                let (sent, reading) = read(known, &wire, link);
                if let Some(flow) = flow(link, &cache.uid)
                    && sent != Sent::default()
                {
                    let day = now.0 / DAY_MS;
                    book.totals.entry(flow.clone()).or_default().add(sent);
                    book.unsaved.entry((flow, day)).or_default().add(sent);
                }
                book.readings.insert(key.clone(), reading);
                book.fresh.insert(key);
            }
        }
    }

    /// Writes what is not written; what cannot be, waits for the next time.
    pub(crate) async fn save(&self, history: &History, now: Timestamp) {
        let _alone = self.saving.lock().await;
        let (days, readings) = {
            let mut book = self.book.lock();
            let fresh = std::mem::take(&mut book.fresh);
            let readings: Readings = fresh
                .into_iter()
                .filter_map(|key| {
                    let reading = book.readings.get(&key)?.clone();
                    Some((key, reading))
                })
                .collect();
            (std::mem::take(&mut book.unsaved), readings)
        };
        if days.is_empty() && readings.is_empty() {
            return;
        }
        let keys: Vec<_> = readings.keys().cloned().collect();
        let kept = history.add_egress(days.clone(), readings, now.0 / DAY_MS);
        if kept.await {
            return;
        }
        let mut book = self.book.lock();
        for (key, sent) in days {
            book.unsaved.entry(key).or_default().add(sent);
        }
        book.fresh.extend(keys);
    }

    /// What was ever sent, by the way that it went.
    pub(crate) fn totals(&self) -> BTreeMap<Flow, Sent> {
        self.book.lock().totals.clone()
    }
}

/// Saves now and then, until the tasks are cancelled, and once more.
pub(crate) async fn run(plane: Arc<Plane>, tasks: Tasks) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = tasks.cancelled() => break,
            _ = period.tick() => {}
        }
        plane.egress.save(&plane.history, plane.clock.now()).await;
    }
    plane.egress.save(&plane.history, plane.clock.now()).await;
}

/// The way that bytes of `sender` go over a link.
pub(crate) fn flow(link: &LinkRecord, sender: &CacheUid) -> Option<Flow> {
    let (from, to) = match (link.primary.uid == *sender, link.secondary.uid == *sender) {
        (true, _) => (&link.primary, &link.secondary),
        (false, true) => (&link.secondary, &link.primary),
        (false, false) => return None,
    };
    Some(Flow {
        from: from.id.to_string().to_ascii_lowercase(),
        to: to.id.to_string().to_ascii_lowercase(),
        from_region: from.region.clone(),
        to_region: to.region.clone(),
    })
}

fn has(link: &LinkRecord, uid: &CacheUid) -> bool {
    link.primary.uid == *uid || link.secondary.uid == *uid
}

fn members_of(state: &State) -> BTreeMap<&CacheUid, &LinkRecord> {
    let links = state.links.iter().map(|link| &**link);
    links
        .flat_map(|link| [(&link.primary.uid, link), (&link.secondary.uid, link)])
        .collect()
}

fn stands(known: &Reading, wire: &WireObserved) -> bool {
    let at = Sent {
        raw: wire.raw_bytes,
        wire: wire.sent_bytes,
    };
    known.count == wire.count && known.at == at
}

/// What was sent since a counter was read last, and how far it is read now.
fn read(known: Option<&Reading>, wire: &WireObserved, link: &LinkRecord) -> (Sent, Reading) {
    let at = Sent {
        raw: wire.raw_bytes,
        wire: wire.sent_bytes,
    };
    let reading = Reading {
        link: link.id.clone(),
        count: wire.count,
        at,
    };
    let grown = |known: Sent| {
        let (raw, wire) = (
            at.raw.checked_sub(known.raw),
            at.wire.checked_sub(known.wire),
        );
        // One that went back began anew.
        raw.zip(wire).map_or(at, |(raw, wire)| Sent { raw, wire })
    };
    let sent = match known {
        Some(known) if known.count == wire.count => grown(known.at),
        // A counter without a name was there before anybody summed it up.
        None if wire.count == 0 => Sent::default(),
        Some(_) | None => at,
    };
    (sent, reading)
}
