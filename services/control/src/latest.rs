//! The latest figures of each cache, and what its counters came to since this start: what a scrape
//! shows.

use std::collections::BTreeMap;

use model::{CacheUid, Figure, Figures, SampledPart};
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// Figures that are older than this are not shown.
const FRESH: Duration = Duration::from_secs(180);

/// A figure, its shard, and the value of its label (`""` without one).
type Line = (Figure, u16, &'static str);

/// By cache.
#[derive(Default)]
pub(crate) struct Latest(Mutex<BTreeMap<CacheUid, Shown>>);

/// One cache's.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    at: Instant,
    pub(crate) latest: BTreeMap<Line, f64>,
    pub(crate) totals: BTreeMap<Line, f64>,
}

impl Latest {
    /// Takes parts that are news.
    pub(crate) fn take(&self, parts: &[SampledPart]) {
        let mut caches = self.0.lock();
        for part in parts {
            let shown = caches.entry(part.cache.clone()).or_insert_with(|| Shown {
                at: Instant::now(),
                latest: BTreeMap::new(),
                totals: BTreeMap::new(),
            });
            shown.take(&part.figures);
        }
    }

    /// Those of a cache, when they are fresh.
    pub(crate) fn of(&self, cache: &CacheUid) -> Option<Shown> {
        let caches = self.0.lock();
        let shown = caches.get(cache)?;
        (shown.at.elapsed() <= FRESH).then(|| shown.clone())
    }

    /// Keeps those of caches that are there.
    pub(crate) fn retain(&self, is_there: impl Fn(&CacheUid) -> bool) {
        self.0.lock().retain(|uid, _| is_there(uid));
    }
}

impl Shown {
    fn take(&mut self, figures: &Figures) {
        self.at = Instant::now();
        for (series, cell) in figures.iter() {
            let Some(label) = series.part.label() else {
                continue;
            };
            let line = (series.figure, series.shard, label);
            self.latest.insert(line, cell.average());
            *self.totals.entry(line).or_default() += cell.total;
        }
    }
}
