//! Compares what the clients remember with what a survivor holds.

use std::collections::BTreeMap;

use crate::{
    directory::Reigns,
    kind::Kind,
    memory::Memory,
    pulse::Pulse,
    ranges::Ranges,
    reading::Reading,
    score::{Flaw, Loss, Lost, Score, Tally, Violation},
};

/// One client: what it remembers, what is there, and what follows from both.
struct Case<'a> {
    memory: &'a Memory,
    key: String,
    tally: Tally,
    /// Operations that were acknowledged and are there.
    kept: Ranges,
    /// Operations that were acknowledged and are not there.
    lost: Ranges,
    /// The same as a person finds them: the numbers that were written, or a counter's values.
    lost_values: Vec<(u64, u64)>,
}

/// Adds to `score` what follows from `readings`, one for each of `memories`.
pub(crate) fn conclude(
    memories: &mut [&mut Memory],
    readings: &[Reading],
    reigns: &Reigns,
    pulse: &Pulse,
    score: &mut Score,
) {
    let mut cases = Vec::new();
    for (memory, reading) in memories.iter_mut().zip(readings) {
        memory.held(reading.value);
        cases.push(Case::of(memory, reading, &mut score.violations));
    }
    find_losses(&mut cases, reigns, score);
    let mut sums: BTreeMap<Kind, Tally> = BTreeMap::new();
    for case in &cases {
        let sum = sums.entry(case.memory.kind).or_default();
        let clients = sum.clients + 1;
        sum.add(&case.tally);
        sum.clients = clients;
        score.lost.extend(case.lost_values.iter().map(|range| Lost {
            kind: case.memory.kind,
            key: case.key.clone(),
            first: range.0,
            last: range.1,
        }));
    }
    for (kind, sum) in sums {
        score.kinds.entry(kind).or_default().add(&sum);
    }
    let by_kind = pulse.latency();
    let mut all = by_kind[0].clone();
    for histogram in &by_kind[1..] {
        all.merge(histogram);
    }
    for (kind, tally) in &mut score.kinds {
        if let Some(histogram) = by_kind.get(kind.index()) {
            tally.latency = histogram.latency();
        }
    }
    score.latency = all.latency();
    score.outage = pulse.outage();
    score.outages = pulse.outages();
    score.marks = pulse.marks();
    score.elapsed_ms = pulse.elapsed_ms();
}

impl<'a> Case<'a> {
    fn of(memory: &'a Memory, reading: &Reading, violations: &mut Vec<Violation>) -> Self {
        let history = &memory.history;
        let mut case = Self {
            memory,
            key: memory.key(),
            tally: Tally {
                acknowledged: history.acknowledged.count(),
                refused: history.refused.count(),
                ..Tally::default()
            },
            kept: Ranges::default(),
            lost: Ranges::default(),
            lost_values: Vec::new(),
        };
        let mut report = Report {
            violations,
            key: case.key.clone(),
        };
        for stranger in &reading.foreign {
            case.tally.phantom += 1;
            report.add(Flaw::Phantom, format!("`{stranger}`"));
        }
        match memory.kind {
            Kind::Sequence | Kind::Pipeline => case.judge_list(reading, &mut report),
            Kind::Transfer => {
                case.judge_list(reading, &mut report);
                case.judge_accounts(reading, &mut report);
            }
            Kind::Counter => case.judge_counter(&mut report),
            Kind::Register => case.judge_register(&mut report),
        }
        case.tally.lost = case.lost.count();
        case
    }

    fn judge_list(&mut self, reading: &Reading, report: &mut Report<'_>) {
        let history = &self.memory.history;
        let there = &reading.present;
        self.lost = history.acknowledged.without(there);
        self.kept = history.acknowledged.without(&self.lost);
        self.lost_values = self.lost.ranges().collect();
        let unknown = history.unknown.within(there).count();
        self.tally.unknown_present = unknown;
        self.tally.unknown_absent = history.unknown.count() - unknown;
        let refused = history.refused.within(there);
        let strangers = there
            .without(&history.acknowledged)
            .without(&history.unknown)
            .without(&refused);
        self.tally.refused_present = report.numbers(Flaw::RefusedPresent, refused.numbers());
        self.tally.phantom += report.numbers(Flaw::Phantom, strangers.numbers());
        self.tally.doubled = report.numbers(Flaw::Doubled, reading.doubled.iter().copied());
        let disordered = reading.disordered.iter().copied();
        self.tally.disordered = report.numbers(Flaw::Disordered, disordered);
    }

    fn judge_accounts(&mut self, reading: &Reading, report: &mut Report<'_>) {
        let ([from, to], length) = (reading.accounts, reading.length);
        let amiss = from.saturating_add(length).unsigned_abs();
        let amiss = amiss.max(to.saturating_sub(length).unsigned_abs());
        self.tally.torn = amiss;
        if amiss > 0 {
            let found = format!("{from} and {to}, after {length} transfers in the journal");
            report.add(Flaw::Torn, found);
        }
    }

    fn judge_counter(&mut self, report: &mut Report<'_>) {
        let counter = &self.memory.counter;
        self.lost = counter.lost_numbers.clone();
        self.lost_values.clone_from(&counter.lost);
        self.tally.unknown_present = counter.unknown_present;
        let unknown = self.memory.history.unknown.count();
        self.tally.unknown_absent = unknown.saturating_sub(counter.unknown_present);
        self.tally.doubled = counter.doubled;
        self.tally.refused_present = counter.refused_present;
        let counts = [
            (Flaw::Doubled, counter.doubled),
            (Flaw::RefusedPresent, counter.refused_present),
        ];
        for (flaw, count) in counts {
            if count > 0 {
                report.add(flaw, format!("{count} too many"));
            }
        }
    }

    fn judge_register(&mut self, report: &mut Report<'_>) {
        let register = &self.memory.register;
        self.lost = register.lost.clone();
        self.lost_values = self.lost.ranges().collect();
        self.tally.unknown_present = register.unknown.count();
        let unknown = self.memory.history.unknown.count();
        self.tally.unknown_absent = unknown - register.unknown.count();
        let refused = register.refused.numbers();
        self.tally.refused_present = report.numbers(Flaw::RefusedPresent, refused);
        let phantom = register.phantom.iter().copied();
        self.tally.phantom += report.numbers(Flaw::Phantom, phantom);
    }
}

/// Collects violations, the first ones one by one.
struct Report<'a> {
    violations: &'a mut Vec<Violation>,
    key: String,
}

impl Report<'_> {
    fn add(&mut self, flaw: Flaw, found: String) {
        if self.violations.len() < Score::SHOWN {
            self.violations.push(Violation {
                flaw,
                key: self.key.clone(),
                found,
            });
        }
    }

    fn numbers(&mut self, flaw: Flaw, numbers: impl Iterator<Item = u64>) -> u64 {
        let mut count = 0;
        for n in numbers {
            count += 1;
            self.add(flaw, n.to_string());
        }
        count
    }
}

/// What is known to be there of what a primary acknowledged.
#[derive(Default)]
struct Kept {
    /// The last moment before which nothing may be missing: something that was sent after it is
    /// there.
    until: u32,
    /// By client: the last number that is there.
    last: BTreeMap<usize, u64>,
}

/// Counts by primary what is lost, and finds the losses that are no suffix of what the primary
/// carried out: those of which a later one of the same client is there, and those which were
/// acknowledged before another one was sent that is there.
fn find_losses(cases: &mut [Case<'_>], reigns: &Reigns, score: &mut Score) {
    if cases.iter().all(|case| case.lost.count() == 0) {
        return;
    }
    let mut kept: BTreeMap<u32, Kept> = BTreeMap::new();
    for (client, case) in cases.iter().enumerate() {
        note_kept(client, case, &mut kept);
    }
    for (client, case) in cases.iter_mut().enumerate() {
        let mut report = Report {
            violations: &mut score.violations,
            key: case.key.clone(),
        };
        for (n, moment, reign) in case.memory.history.acknowledgements() {
            if !case.lost.contains(n) {
                continue;
            }
            note_loss(&mut score.losses, reigns.name(reign), moment);
            let hole = kept.get(&reign).is_some_and(|kept| {
                moment < kept.until || kept.last.get(&client).is_some_and(|last| *last > n)
            });
            if hole {
                case.tally.holes += 1;
                report.add(Flaw::Hole, n.to_string());
            }
        }
    }
}

/// Of each primary: the last operation of this client that is there, and when the one before it
/// had been acknowledged, after which it was sent.
fn note_kept(client: usize, case: &Case<'_>, kept: &mut BTreeMap<u32, Kept>) {
    let depth = case.memory.kind.depth();
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    for (n, _, reign) in case.memory.history.acknowledgements() {
        if case.kept.contains(n) {
            last.insert(reign, n);
        }
    }
    let before = |n: u64| {
        case.memory
            .history
            .acknowledged
            .at_most(n.checked_sub(depth)?)
    };
    let mut wanted: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (reign, n) in last {
        kept.entry(reign).or_default().last.insert(client, n);
        if let Some(before) = before(n) {
            wanted.entry(before).or_default().push(reign);
        }
    }
    for (n, moment, _) in case.memory.history.acknowledgements() {
        for reign in wanted.get(&n).into_iter().flatten() {
            let kept = kept.entry(*reign).or_default();
            kept.until = kept.until.max(moment);
        }
    }
}

fn note_loss(losses: &mut Vec<Loss>, primary: String, moment: u32) {
    let moment = u64::from(moment);
    let known = losses.iter_mut().find(|loss| loss.primary == primary);
    match known {
        Some(loss) => {
            loss.lost += 1;
            loss.from_ms = loss.from_ms.min(moment);
            loss.until_ms = loss.until_ms.max(moment);
        }
        None => losses.push(Loss {
            primary,
            lost: 1,
            from_ms: moment,
            until_ms: moment,
        }),
    }
}
