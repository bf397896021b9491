//! What became of the operations, when it is settled.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{kind::Kind, latency::Latency};

/// What became of all operations.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// By kind of client; only the kinds that there were.
    pub kinds: BTreeMap<Kind, Tally>,
    /// Which acknowledged operations are lost.
    pub lost: Vec<Lost>,
    /// How much each primary lost, those that lost nothing left out.
    pub losses: Vec<Loss>,
    /// The first [`Score::SHOWN`] violations, one by one.
    pub violations: Vec<Violation>,
    /// The longest time without any acknowledgement.
    pub outage: Gap,
    /// The longest of such times, in their order.
    pub outages: Vec<Gap>,
    /// What was marked, with the longest time without an acknowledgement from there to the next.
    pub marks: Vec<Mark>,
    /// How long acknowledged operations took, all kinds together.
    pub latency: Latency,
    /// How long the clients ran.
    pub elapsed_ms: u64,
}

/// Counts of operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Clients.
    pub clients: u64,
    /// Operations that were acknowledged.
    pub acknowledged: u64,
    /// Acknowledged, and not there.
    pub lost: u64,
    /// Nobody answered, and it is there.
    pub unknown_present: u64,
    /// Nobody answered, and it is not there (or, in a register, not seen).
    pub unknown_absent: u64,
    /// The engine answered with an error.
    pub refused: u64,
    /// There more than once.
    pub doubled: u64,
    /// There, and never sent.
    pub phantom: u64,
    /// There behind a later one.
    pub disordered: u64,
    /// Lost although a later one of the same primary is there: the loss is no suffix.
    pub holes: u64,
    /// Refused, and there.
    pub refused_present: u64,
    /// Transfers of which only a part is there.
    pub torn: u64,
    /// How long acknowledged operations took.
    pub latency: Latency,
}

impl Tally {
    /// Everything that must never be, losses aside.
    pub fn violations(&self) -> u64 {
        self.doubled
            + self.phantom
            + self.disordered
            + self.holes
            + self.refused_present
            + self.torn
    }

    /// Operations that nobody answered.
    pub fn unknown(&self) -> u64 {
        self.unknown_present + self.unknown_absent
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.clients = self.clients.max(other.clients);
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.unknown_present += other.unknown_present;
        self.unknown_absent += other.unknown_absent;
        self.refused += other.refused;
        self.doubled += other.doubled;
        self.phantom += other.phantom;
        self.disordered += other.disordered;
        self.holes += other.holes;
        self.refused_present += other.refused_present;
        self.torn += other.torn;
    }
}

/// Lost operations of one client that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// What the client did.
    pub kind: Kind,
    /// The list, the counter or the register.
    pub key: String,
    /// The first number that was written (of a counter, the value that was answered).
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// What one primary acknowledged and is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// The primary's replication ID at that time.
    pub primary: String,
    /// How many operations.
    pub lost: u64,
    /// When the first of them was acknowledged, in milliseconds since the start.
    pub from_ms: u64,
    /// When the last of them was. The time between is the time that was lost.
    pub until_ms: u64,
}

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Flaw {
    /// There more than once.
    Doubled,
    /// There, and never sent.
    Phantom,
    /// Behind a later one.
    Disordered,
    /// Lost although a later one of the same primary is there.
    Hole,
    /// Refused, and there.
    RefusedPresent,
    /// Accounts and journal of a client disagree.
    Torn,
}

/// One thing that must never be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// What is wrong.
    pub flaw: Flaw,
    /// The key where it is.
    pub key: String,
    /// The operation, or what is there in its place.
    pub found: String,
}

/// A time without an acknowledgement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// How long it was.
    pub ms: f64,
    /// When it began, in milliseconds since the start.
    pub at_ms: u64,
}

/// A moment that somebody marked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// What for.
    pub label: String,
    /// When, in milliseconds since the start.
    pub at_ms: u64,
    /// The longest time without an acknowledgement that ended between this mark and the next.
    pub outage: Gap,
}

impl Score {
    /// As many violations are listed; all are counted.
    pub const SHOWN: usize = 1_000;

    /// All kinds together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.kinds.values() {
            let clients = total.clients + tally.clients;
            total.add(tally);
            total.clients = clients;
        }
        total.latency = self.latency;
        total
    }

    /// Nothing that was acknowledged is lost, and nothing is as it must never be.
    pub fn is_clean(&self) -> bool {
        let total = self.total();
        total.lost == 0 && total.violations() == 0
    }

    /// The lost operations one by one: key and number.
    pub fn lost_operations(&self) -> impl Iterator<Item = (&str, u64)> {
        let ranges = self.lost.iter();
        ranges.flat_map(|lost| (lost.first..=lost.last).map(|n| (lost.key.as_str(), n)))
    }

    /// The worst outage behind a mark whose label begins with `label`.
    pub fn worst_outage(&self, label: &str) -> Gap {
        let marks = self.marks.iter().filter(|m| m.label.starts_with(label));
        let gaps = marks.map(|mark| mark.outage);
        gaps.max_by(|a, b| a.ms.total_cmp(&b.ms))
            .unwrap_or_default()
    }
}
