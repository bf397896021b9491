//! The acknowledgements of all clients in time: how many, how fast, and the longest while without.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    kind::Kind,
    latency::{Histogram, millis},
    score::{Gap, Mark},
};

/// As many outages are remembered.
const OUTAGES: usize = 20;

pub(crate) struct Pulse {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the last acknowledgement, in microseconds since the beginning.
    last: Option<u64>,
    acknowledged: u64,
    unknown: u64,
    refused: u64,
    /// Since when nobody tries, if so.
    rests: Option<u64>,
    /// The longest ones, the longest first.
    outages: Vec<Gap>,
    marks: Vec<Mark>,
    latency: [Histogram; 5],
    trouble: Option<String>,
}

/// A look at a running workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// Since the start.
    pub elapsed: Duration,
    /// Operations that were acknowledged so far.
    pub acknowledged: u64,
    /// Operations of unknown outcome so far.
    pub unknown: u64,
    /// Operations that were refused so far.
    pub refused: u64,
    /// The longest time without an acknowledgement so far, a present one included.
    pub outage: Gap,
    /// Since the last acknowledgement; `None` before the first.
    pub silent: Option<Duration>,
    /// What a client met last that was no acknowledgement.
    pub trouble: Option<String>,
}

impl State {
    fn longest(&self) -> Gap {
        self.outages.first().copied().unwrap_or_default()
    }

    fn gap(&mut self, now: u64) {
        let Some(last) = self.last.filter(|last| *last < now) else {
            return;
        };
        let gap = Gap::between(last, now);
        let full = self.outages.len() == OUTAGES;
        if !full || self.outages.last().is_some_and(|last| last.ms < gap.ms) {
            self.outages.truncate(OUTAGES - 1);
            let at = self.outages.partition_point(|one| one.ms >= gap.ms);
            self.outages.insert(at, gap);
        }
        if let Some(mark) = self.marks.last_mut() {
            mark.outage = mark.outage.longer(gap);
        }
    }
}

impl Gap {
    fn between(from: u64, until: u64) -> Self {
        Self {
            ms: millis(until.saturating_sub(from)),
            at_ms: from / 1_000,
        }
    }

    fn longer(self, other: Self) -> Self {
        if other.ms > self.ms { other } else { self }
    }
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// An acknowledgement has come, `took` after its operation went. Gives the moment.
    pub(crate) fn acknowledge(&self, kind: Kind, took: Duration) -> u32 {
        let mut state = self.state.lock();
        let now = self.micros();
        if state.rests.is_none() {
            state.gap(now);
            state.last = Some(now);
        }
        state.acknowledged += 1;
        if let Some(latency) = state.latency.get_mut(kind.index()) {
            latency.add(took);
        }
        u32::try_from(now / 1_000).unwrap_or(u32::MAX)
    }

    pub(crate) fn unknown(&self, count: u64) {
        self.state.lock().unknown += count;
    }

    pub(crate) fn refused(&self, count: u64) {
        self.state.lock().refused += count;
    }

    pub(crate) fn trouble(&self, what: String) {
        self.state.lock().trouble = Some(what);
    }

    pub(crate) fn mark(&self, label: String) {
        let mut state = self.state.lock();
        let at_ms = self.micros() / 1_000;
        state.marks.push(Mark {
            label,
            at_ms,
            outage: Gap::default(),
        });
    }

    /// Nobody begins anything from now on: no time is an outage.
    pub(crate) fn rest(&self) {
        let mut state = self.state.lock();
        let now = self.micros();
        if state.rests.is_none() {
            state.gap(now);
            state.last = None;
            state.rests = Some(now);
        }
    }

    /// Everybody tries again.
    pub(crate) fn resume(&self) {
        let mut state = self.state.lock();
        state.last = Some(self.micros());
        state.rests = None;
    }

    pub(crate) fn sight(&self) -> Sight {
        let state = self.state.lock();
        let now = self.micros();
        let present = state.last.map(|last| Gap::between(last, now));
        Sight {
            elapsed: Duration::from_micros(now),
            acknowledged: state.acknowledged,
            unknown: state.unknown,
            refused: state.refused,
            outage: state.longest().longer(present.unwrap_or_default()),
            silent: state.last.map(|last| Duration::from_micros(now - last)),
            trouble: state.trouble.clone(),
        }
    }

    /// How long the clients have run.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        let rests = self.state.lock().rests;
        rests.unwrap_or_else(|| self.micros()) / 1_000
    }

    /// The longest outage.
    pub(crate) fn outage(&self) -> Gap {
        self.state.lock().longest()
    }

    /// The longest outages, in the order of time.
    pub(crate) fn outages(&self) -> Vec<Gap> {
        let mut outages = self.state.lock().outages.clone();
        outages.sort_by_key(|gap| gap.at_ms);
        outages
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.state.lock().marks.clone()
    }

    pub(crate) fn latency(&self) -> [Histogram; 5] {
        self.state.lock().latency.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_is_found_overall_and_behind_each_mark() {
        let pulse = Pulse::new();
        let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
        let answer = || pulse.acknowledge(Kind::Sequence, Duration::from_millis(1));
        wait(1_000).await;
        assert_eq!(answer(), 1_000);
        wait(5).await;
        answer();
        pulse.mark("one".to_owned());
        wait(70).await;
        answer();
        wait(10).await;
        pulse.mark("two".to_owned());
        wait(10).await;
        answer();
        pulse.rest();
        wait(2_000).await;
        answer();
        wait(3_000).await;
        pulse.resume();
        answer();
        assert_eq!(
            pulse.outage(),
            Gap {
                ms: 70.0,
                at_ms: 1_005
            }
        );
        let all: Vec<_> = pulse.outages().iter().map(|gap| gap.at_ms).collect();
        assert_eq!(all, [1_000, 1_005, 1_075]);
        let marks: Vec<_> = pulse.marks().iter().map(|mark| mark.outage).collect();
        let second = Gap {
            ms: 20.0,
            at_ms: 1_075,
        };
        assert_eq!(
            marks,
            [
                Gap {
                    ms: 70.0,
                    at_ms: 1_005
                },
                second
            ]
        );
        wait(100).await;
        assert_eq!(pulse.sight().outage.at_ms, 6_095, "the present one counts");
    }
}
