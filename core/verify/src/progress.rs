//! How far a comparison is, what it found, and what is to be done next; and that as a file.
//!
//! A database is scanned twice: every key that the geo-primary names is compared, then it is
//! checked that the geo-primary has every key that the geo-secondary names. At the end come the
//! keys that were written to all the time, once more and with more patience.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Difference, Finding, Key, Side};

mod file;

pub use file::ResumeError;

/// Moving keys that are kept for the end; more are undecided at once.
const KEPT: usize = 10_000;
/// Different keys that are told from those found before, should an engine name a key twice.
const KNOWN: usize = 100_000;
/// Keys that are looked at together at the end.
const AT_ONCE: usize = 1_000;

/// What is compared: resource IDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The geo-primary.
    pub primary: String,
    /// The geo-secondary.
    pub secondary: String,
}

/// What the findings depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// How far apart times of expiry may be.
    pub tolerance_ms: u64,
    /// How many findings of a kind are named.
    pub first: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Go on with a scan.
    Scan(Scan),
    /// Look at these keys again, with more patience.
    LookAgain(Vec<Key>),
    /// Everything has been done.
    Done,
}

/// Where a scan stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// The database.
    pub database: u16,
    /// Whose keys are named.
    pub side: Side,
    /// The process that the cursor is of; a cursor means nothing to another one.
    pub engine: String,
    /// What `SCAN` is told next.
    pub cursor: u64,
}

/// What a piece of a scan came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Keys that were named.
    pub keys: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Keys that were compared by their dumps.
    pub dumped: u64,
}

/// A key that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Which.
    #[serde(flatten)]
    pub key: Key,
    /// How.
    pub differences: Vec<Difference>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Every key that was there all the time is the same.
    Same,
    /// Some are not.
    Different,
    /// Nothing is different, and of some keys it could not be said.
    Undecided,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Database {
    /// `None`: both scans are through.
    scan: Option<Scan>,
    /// Keys that the geo-primary named.
    compared: u64,
    /// Keys that the geo-secondary named.
    checked: u64,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    version: u32,
    subject: Subject,
    options: Options,
    databases: BTreeMap<u16, Database>,
    bytes: u64,
    dumped: u64,
    different: u64,
    known: BTreeSet<u64>,
    differences: Vec<Found>,
    moving: BTreeSet<Key>,
    undecided: u64,
    undecided_first: Vec<Key>,
}

impl Progress {
    /// Nothing has been done.
    #[must_use]
    pub fn new(subject: Subject, options: Options) -> Self {
        Self {
            version: file::VERSION,
            subject,
            options,
            databases: BTreeMap::new(),
            bytes: 0,
            dumped: 0,
            different: 0,
            known: BTreeSet::new(),
            differences: Vec::new(),
            moving: BTreeSet::new(),
            undecided: 0,
            undecided_first: Vec::new(),
        }
    }

    /// Adds a database, unless it is known already.
    pub fn add(&mut self, database: u16) {
        self.databases.entry(database).or_insert(Database {
            scan: Some(Scan {
                database,
                side: Side::Primary,
                engine: String::new(),
                cursor: 0,
            }),
            compared: 0,
            checked: 0,
        });
    }

    /// What is to be done next.
    #[must_use]
    pub fn work(&self) -> Work {
        if let Some(scan) = self.databases.values().find_map(|each| each.scan.as_ref()) {
            return Work::Scan(scan.clone());
        }
        if self.moving.is_empty() {
            return Work::Done;
        }
        Work::LookAgain(self.moving.iter().take(AT_ONCE).cloned().collect())
    }

    /// Tells which process answers on the side that is scanned now. A scan that another one began
    /// begins anew; `true` tells that it had come somewhere.
    pub fn answered_by(&mut self, engine: &str) -> bool {
        let open = self.databases.values_mut().find(|each| each.scan.is_some());
        let Some(database) = open else {
            return false;
        };
        let Some(scan) = database.scan.as_mut().filter(|scan| scan.engine != engine) else {
            return false;
        };
        let lost = scan.cursor != 0;
        scan.engine = engine.to_owned();
        scan.cursor = 0;
        match scan.side {
            Side::Primary => database.compared = 0,
            Side::Secondary => database.checked = 0,
        }
        lost
    }

    /// Notes a piece of the present scan: what it came to, and where the next piece begins.
    pub fn scanned(&mut self, tally: Tally, findings: Vec<(Key, Finding)>, next: u64) {
        self.bytes += tally.bytes;
        self.dumped += tally.dumped;
        for (key, finding) in findings {
            match finding {
                Finding::Moving if self.moving.len() < KEPT => {
                    self.moving.insert(key);
                }
                Finding::Moving => self.leave_undecided(key),
                Finding::Different(differences) => self.note_different(key, differences),
            }
        }
        let open = self.databases.values_mut().find(|each| each.scan.is_some());
        let Some(database) = open else {
            return;
        };
        let Some(scan) = &mut database.scan else {
            return;
        };
        scan.cursor = next;
        match scan.side {
            Side::Primary => database.compared += tally.keys,
            Side::Secondary => database.checked += tally.keys,
        }
        if next == 0 {
            match scan.side {
                Side::Primary => {
                    scan.side = Side::Secondary;
                    scan.engine.clear();
                }
                Side::Secondary => database.scan = None,
            }
        }
    }

    /// Notes what came of [`Work::LookAgain`]; keys without a finding are the same.
    pub fn looked_again(&mut self, keys: &[Key], findings: Vec<(Key, Finding)>, bytes: u64) {
        self.bytes += bytes;
        for key in keys {
            self.moving.remove(key);
        }
        for (key, finding) in findings {
            match finding {
                Finding::Moving => self.leave_undecided(key),
                Finding::Different(differences) => self.note_different(key, differences),
            }
        }
    }

    fn note_different(&mut self, key: Key, differences: Vec<Difference>) {
        let known = self.known.len() < KNOWN && !self.known.insert(key.mark());
        if known {
            return;
        }
        self.different += 1;
        if self.differences.len() < self.options.first {
            self.differences.push(Found { key, differences });
        }
    }

    fn leave_undecided(&mut self, key: Key) {
        self.undecided += 1;
        if self.undecided_first.len() < self.options.first {
            self.undecided_first.push(key);
        }
    }

    /// The answer, as far as it is known.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.different > 0 {
            Verdict::Different
        } else if self.undecided > 0 || !self.moving.is_empty() {
            Verdict::Undecided
        } else {
            Verdict::Same
        }
    }

    /// Keys of the geo-primary that were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.databases.values().map(|each| each.compared).sum()
    }

    /// Keys of the geo-secondary that were looked for on the geo-primary.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.databases.values().map(|each| each.checked).sum()
    }

    /// The databases that are compared, and how many keys of each were.
    pub fn databases(&self) -> impl Iterator<Item = (u16, u64)> {
        self.databases
            .iter()
            .map(|(number, each)| (*number, each.compared))
    }

    /// Bytes of all answers.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keys that were compared by their dumps.
    #[must_use]
    pub fn dumped(&self) -> u64 {
        self.dumped
    }

    /// How many keys are different, and the first of them.
    #[must_use]
    pub fn different(&self) -> (u64, &[Found]) {
        (self.different, &self.differences)
    }

    /// How many keys were written to all the time, and the first of them.
    #[must_use]
    pub fn undecided(&self) -> (u64, &[Key]) {
        (self.undecided, &self.undecided_first)
    }
}
