//! One cache's counters as they stood at the last look, and what they grew by.

mod exposed;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use engine::Reading;
use gateway::{GatewayStatus, Passage};
use model::{Cell, ErrorKind, Figure, Figures, Part, Series, ShardIndex};
use tokio::time::Instant;

use super::{Closed, Place, p99::p99};
use crate::cache::NodeSample;

pub(crate) use exposed::Exposed;

/// What is remembered of a cache from one sample to the next.
#[derive(Default)]
pub(super) struct Track {
    nodes: BTreeMap<(ShardIndex, u8), (Instant, Reading)>,
    front: Option<(Instant, GatewayStatus)>,
    leaders: BTreeMap<ShardIndex, u8>,
    lost: BTreeSet<ShardIndex>,
    receipts: Option<usize>,
    /// What went wrong since the last sample.
    errors: BTreeMap<(ShardIndex, ErrorKind), u64>,
    /// Minutes that are not over.
    open: BTreeMap<u64, Open>,
    exposed: Exposed,
}

#[derive(Default)]
struct Open {
    figures: Figures,
    /// How long answers took, in microseconds.
    answers: BTreeMap<ShardIndex, Vec<u32>>,
}

/// The kinds of error that an agent knows of.
const KINDS: [ErrorKind; 7] = [
    ErrorKind::Failover,
    ErrorKind::Dataloss,
    ErrorKind::UnresponsiveClients,
    ErrorKind::Aof,
    ErrorKind::Rdb,
    ErrorKind::TokenRefused,
    ErrorKind::TokenExpired,
];

impl Track {
    fn add(&mut self, minute: u64, series: Series, cell: Cell) {
        self.exposed.note(series, cell);
        let open = self.open.entry(minute).or_default();
        open.figures.add(series, cell);
    }

    /// What a node tells of itself.
    pub(super) fn note_node(&mut self, minute: u64, place: Place, sample: &NodeSample) {
        let now = &sample.reading;
        let key = (place.shard, place.node);
        let before = self.nodes.insert(key, (sample.at, now.clone()));
        if place.leads {
            self.exposed.lead(place.shard, sample.at);
        }
        let mut told = vec![
            (Figure::UsedMemory, Cell::whole(now.info.used_memory)),
            (Figure::UsedMemoryRss, Cell::whole(now.info.resident_memory)),
            (Figure::Keys, Cell::whole(now.info.keys)),
        ];
        if now.max_memory > 0 {
            let share = percent(figure(now.info.used_memory), figure(now.max_memory));
            told.push((Figure::UsedMemoryPercentage, Cell::one(share)));
        }
        if let Some((at, before)) = before {
            told.extend(grown(&before, now));
            let since = sample.at.saturating_duration_since(at);
            told.extend(worked(&before, now, since));
        }
        for (figure, cell) in told {
            self.add(minute, of_node(figure, place), cell);
        }
    }

    /// How long the leading node took to answer.
    pub(super) fn note_answers(&mut self, minute: u64, shard: ShardIndex, answers: Vec<u32>) {
        let mut cell = Cell::default();
        for micros in &answers {
            cell.add(Cell::whole(u64::from(*micros)));
        }
        if cell.count == 0 {
            return;
        }
        self.add(minute, Series::of_shard(Figure::Latency, shard.0), cell);
        let open = self.open.entry(minute).or_default();
        open.answers.entry(shard).or_default().extend(answers);
    }

    /// What the gateway counts. It begins to count when it is opened, and so with this track.
    pub(super) fn note_clients(
        &mut self,
        minute: u64,
        place: Place,
        status: &GatewayStatus,
        at: Instant,
    ) {
        let before = self.front.replace((at, *status));
        let (since, before) = match before {
            Some((then, before)) => (Some(at.saturating_duration_since(then)), before),
            None => (None, GatewayStatus::default()),
        };
        let since = since.filter(|since| !since.is_zero());
        let clients = status.connections.total().saturating_sub(status.tunnelled);
        let commands = growth(before.commands, status.commands);
        let mut told = vec![
            (Figure::Clients, Cell::whole(clients)),
            (Figure::TokenClients, Cell::whole(status.by_token)),
            (Figure::Commands, Cell::whole(commands)),
        ];
        if let Some(since) = since {
            let rate = |before, now| Cell::one(figure(growth(before, now)) / since.as_secs_f64());
            told.extend([
                (Figure::BytesRead, rate(before.bytes_out, status.bytes_out)),
                (Figure::BytesWritten, rate(before.bytes_in, status.bytes_in)),
                (
                    Figure::OperationsPerSecond,
                    rate(before.commands, status.commands),
                ),
            ]);
            let passages = [
                (true, before.encrypted, status.encrypted),
                (false, before.plain, status.plain),
            ];
            for (encrypted, before, now) in passages {
                let Passage { created, closed } = before;
                for (figure, cell) in [
                    (Figure::ConnectionsCreated, rate(created, now.created)),
                    (Figure::ConnectionsClosed, rate(closed, now.closed)),
                ] {
                    let part = Part::Connections { encrypted };
                    let shard = place.shard.0;
                    let series = Series {
                        figure,
                        shard,
                        part,
                    };
                    self.add(minute, series, cell);
                }
            }
        }
        for (figure, cell) in told {
            self.add(minute, of_node(figure, place), cell);
        }
        for (kind, before, now) in [
            (
                ErrorKind::TokenRefused,
                before.refused.token,
                status.refused.token,
            ),
            (
                ErrorKind::TokenExpired,
                before.expired_tokens,
                status.expired_tokens,
            ),
        ] {
            let count = self.errors.entry((place.shard, kind)).or_default();
            *count += growth(before, now);
        }
    }

    /// Who leads a shard, and whether its data are lost.
    pub(super) fn note_standing(&mut self, place: Place, lost: bool) {
        let before = self.leaders.insert(place.shard, place.node);
        if before.is_some_and(|before| before != place.node) {
            self.note_error(place.shard, ErrorKind::Failover);
        }
        if !lost {
            self.lost.remove(&place.shard);
        } else if self.lost.insert(place.shard) {
            self.note_error(place.shard, ErrorKind::Dataloss);
        }
    }

    /// How many receipts of lost writes there are.
    pub(super) fn note_receipts(&mut self, count: usize) {
        let before = self.receipts.replace(count);
        for _ in before.unwrap_or(count)..count {
            self.note_error(ShardIndex(0), ErrorKind::Dataloss);
        }
    }

    fn note_error(&mut self, shard: ShardIndex, kind: ErrorKind) {
        *self.errors.entry((shard, kind)).or_default() += 1;
    }

    /// What went wrong since the last sample, and what is wrong in this one.
    pub(super) fn note_errors(&mut self, minute: u64, shard: ShardIndex, sample: &NodeSample) {
        let writing = sample.reading.writing;
        for kind in KINDS {
            let happened = self.errors.remove(&(shard, kind)).unwrap_or_default();
            let count = match kind {
                ErrorKind::UnresponsiveClients => sample.unresponsive,
                ErrorKind::Aof => u64::from(writing.log_failed),
                ErrorKind::Rdb => u64::from(writing.snapshot_failed),
                ErrorKind::Failover
                | ErrorKind::Dataloss
                | ErrorKind::Import
                | ErrorKind::Export
                | ErrorKind::TokenRefused
                | ErrorKind::TokenExpired => happened,
            };
            let series = Series {
                figure: Figure::Errors,
                shard: shard.0,
                part: Part::Error(kind),
            };
            self.add(minute, series, Cell::whole(count));
        }
    }

    /// Takes the minutes that `is_over` names.
    pub(super) fn close(&mut self, is_over: impl Fn(u64) -> bool) -> Vec<Closed> {
        let over: Vec<u64> = self
            .open
            .keys()
            .copied()
            .filter(|minute| is_over(*minute))
            .collect();
        let mut closed = Vec::new();
        for minute in over {
            let Some(Open {
                mut figures,
                answers,
            }) = self.open.remove(&minute)
            else {
                continue;
            };
            for (shard, answers) in answers {
                if let Some(micros) = p99(answers) {
                    let series = Series::of_shard(Figure::LatencyP99, shard.0);
                    let cell = Cell::whole(u64::from(micros));
                    self.exposed.note(series, cell);
                    figures.add(series, cell);
                }
            }
            closed.push((minute, figures));
        }
        closed
    }

    /// The latest figures, when they are not older than that.
    pub(super) fn exposed(&self, age: Duration) -> Option<Exposed> {
        self.exposed.fresh(age)
    }
}

/// What a process's counters grew by. Another process began to count at its start, since which
/// nothing was counted of it.
fn grown(before: &Reading, now: &Reading) -> [(Figure, Cell); 6] {
    let same = before.info.run_id == now.info.run_id;
    let growth = |of: fn(&Reading) -> u64| {
        let before = if same { of(before) } else { 0 };
        Cell::whole(growth(before, of(now)))
    };
    [
        (Figure::Hits, growth(|reading| reading.info.keyspace_hits)),
        (
            Figure::Misses,
            growth(|reading| reading.info.keyspace_misses),
        ),
        (Figure::Gets, growth(|reading| reading.calls.gets)),
        (Figure::Sets, growth(|reading| reading.calls.sets)),
        (Figure::Evicted, growth(|reading| reading.info.evicted_keys)),
        (Figure::Expired, growth(|reading| reading.info.expired_keys)),
    ]
}

/// The shares of the time that a process worked.
fn worked(before: &Reading, now: &Reading, since: Duration) -> Vec<(Figure, Cell)> {
    if before.info.run_id != now.info.run_id || since.is_zero() {
        return Vec::new();
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let all = since.as_secs_f64() * figure(u64::try_from(processors).unwrap_or(1));
    let (then, now) = (before.processor, now.processor);
    vec![
        (
            Figure::ServerLoad,
            Cell::one(share(
                now.main_thread - then.main_thread,
                since.as_secs_f64(),
            )),
        ),
        (
            Figure::ProcessorTime,
            Cell::one(share(now.process - then.process, all)),
        ),
    ]
}

/// In percent; clocks that are read one after the other may tell a little more than all of it.
fn share(part: f64, whole: f64) -> f64 {
    percent(part, whole).clamp(0.0, 100.0)
}

fn percent(part: f64, whole: f64) -> f64 {
    part * 100.0 / whole
}

/// How much a counter grew. One that went back began anew.
fn growth(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

fn of_node(figure: Figure, place: Place) -> Series {
    let Place { shard, node, leads } = place;
    let part = Part::Node { index: node, leads };
    let shard = shard.0;
    Series {
        figure,
        shard,
        part,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more digits")]
fn figure(number: u64) -> f64 {
    number as f64
}
