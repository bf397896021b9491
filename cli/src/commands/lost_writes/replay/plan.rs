//! What a replay would do: for each unit of the receipt, whether it is applied, and why not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use resp::Touch;

use super::{
    reading::{Found, Write},
    written::Written,
};

/// Why a command is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// It names a key that was written since, or may have been.
    WrittenSince,
    /// It names a key of a command that was skipped before it.
    BehindSkipped,
    /// It empties a database, or exchanges two.
    Flush,
    /// What it writes cannot be told from its words.
    KeysUnknown,
    /// The file ends before its transaction does.
    NotWhole,
}

impl Why {
    /// Its name in JSON.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::WrittenSince => "WrittenSince",
            Self::BehindSkipped => "BehindSkipped",
            Self::Flush => "Flush",
            Self::KeysUnknown => "KeysUnknown",
            Self::NotWhole => "NotWhole",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrittenSince => "on keys that were written there since",
            Self::BehindSkipped => "on keys of commands that are skipped before them",
            Self::Flush => "that empty or exchange databases",
            Self::KeysUnknown => "that do not show which keys they write",
            Self::NotWhole => "of a transaction that is not whole",
        })
    }
}

/// What is known of one database of the receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Commands that are applied.
    pub(super) commands: u64,
    /// Different keys that these name.
    pub(super) keys: BTreeSet<Vec<u8>>,
    /// Commands that are not.
    pub(super) skipped: BTreeMap<Why, u64>,
}

/// Decides about units in their order.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// What was written since; `None`: nobody asks.
    written: Option<&'a Written>,
    /// Commands that empty or exchange databases are applied.
    flushes: bool,
    /// The transaction that is being read.
    open: Vec<Noted>,
    /// What skipped commands touch: what comes later on it must not be applied either.
    behind: BTreeSet<Touch>,
    pub(super) databases: BTreeMap<Option<u32>, Tally>,
    /// The numbers of skipped units, in ascending order.
    pub(super) skipped: Vec<u64>,
    /// Commands that empty or exchange databases, in the whole receipt.
    pub(super) flushing: u64,
    /// Transactions that are applied.
    pub(super) transactions: u64,
}

/// A command, as far as it matters here.
#[derive(Debug)]
struct Noted {
    database: Option<u32>,
    known: bool,
    touches: Vec<Touch>,
}

impl Noted {
    fn flushes(&self) -> bool {
        self.touches.iter().any(|touch| match touch {
            Touch::Key { .. } => false,
            Touch::Database(_) | Touch::Everything => true,
        })
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(written: Option<&'a Written>, flushes: bool) -> Self {
        Self {
            written,
            flushes,
            open: Vec::new(),
            behind: BTreeSet::new(),
            databases: BTreeMap::new(),
            skipped: Vec::new(),
            flushing: 0,
            transactions: 0,
        }
    }

    pub(super) fn take(&mut self, found: &Found) {
        match found {
            Found::Multi { .. } => self.open.clear(),
            Found::Write(write) => self.write(write),
            Found::Exec { unit } => {
                let all = std::mem::take(&mut self.open);
                if self.decide(*unit, all) {
                    self.transactions += 1;
                }
            }
        }
    }

    /// The file is at its end; `unfinished` is the transaction that it breaks off in.
    pub(super) fn end(&mut self, unfinished: Option<u64>) {
        if let Some(unit) = unfinished {
            let all = std::mem::take(&mut self.open);
            self.skip(unit, all, Why::NotWhole);
        }
    }

    /// Commands that are applied.
    pub(super) fn commands(&self) -> u64 {
        self.databases.values().map(|tally| tally.commands).sum()
    }

    /// Commands that are not.
    pub(super) fn left_out(&self) -> u64 {
        let all = self.databases.values();
        all.flat_map(|tally| tally.skipped.values()).sum()
    }

    fn write(&mut self, write: &Write) {
        let noted = Noted {
            database: write.database,
            known: write.known,
            touches: write.touches.clone(),
        };
        if noted.flushes() {
            self.flushing += 1;
        }
        if write.inside {
            self.open.push(noted);
        } else {
            self.decide(write.unit, vec![noted]);
        }
    }

    /// Whether a unit is applied.
    fn decide(&mut self, unit: u64, all: Vec<Noted>) -> bool {
        let why = all.iter().find_map(|noted| self.why_not(noted));
        if let Some(why) = why {
            self.skip(unit, all, why);
            return false;
        }
        for noted in all {
            let tally = self.databases.entry(noted.database).or_default();
            tally.commands += 1;
            for touch in noted.touches {
                if let Touch::Key { key, .. } = touch {
                    tally.keys.insert(key);
                }
            }
        }
        true
    }

    fn why_not(&self, noted: &Noted) -> Option<Why> {
        if !self.flushes && noted.flushes() {
            return Some(Why::Flush);
        }
        let written = self.written?;
        if !noted.known {
            return Some(Why::KeysUnknown);
        }
        if noted.touches.iter().any(|touch| written.has(touch)) {
            return Some(Why::WrittenSince);
        }
        let behind = noted.touches.iter().any(|touch| self.is_behind(touch));
        behind.then_some(Why::BehindSkipped)
    }

    fn is_behind(&self, touch: &Touch) -> bool {
        let whole = match touch {
            Touch::Key { database, .. } | Touch::Database(database) => {
                self.behind.contains(&Touch::Database(*database))
            }
            Touch::Everything => !self.behind.is_empty(),
        };
        whole || self.behind.contains(touch) || self.behind.contains(&Touch::Everything)
    }

    fn skip(&mut self, unit: u64, all: Vec<Noted>, why: Why) {
        self.skipped.push(unit);
        for noted in all {
            let tally = self.databases.entry(noted.database).or_default();
            *tally.skipped.entry(why).or_default() += 1;
            if self.written.is_some() {
                self.behind.extend(noted.touches);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{reading::Reader, tests::file},
        *,
    };

    fn planned<'a>(commands: &[&str], written: Option<&'a Written>, flushes: bool) -> Plan<'a> {
        let mut reader = Reader::new(None);
        reader.feed(file(commands).into());
        let mut plan = Plan::new(written, flushes);
        while let Some(found) = reader.next().unwrap() {
            plan.take(&found);
        }
        plan.end(reader.end().unwrap());
        plan
    }

    fn key(database: u32, name: &str) -> Touch {
        Touch::Key {
            database: Some(database),
            key: name.as_bytes().to_vec(),
        }
    }

    /// What was written since, of keys of databases 0 and 1 with these names.
    fn written(lost: &[&str], since: &[Touch]) -> Written {
        let mut written = Written::default();
        for name in lost {
            written.lost(key(0, name));
            written.lost(key(1, name));
        }
        for touch in since {
            written.since(touch);
        }
        written
    }

    fn skipped(plan: &Plan<'_>, database: u32, why: Why) -> u64 {
        let tally = &plan.databases[&Some(database)];
        tally.skipped.get(&why).copied().unwrap_or_default()
    }

    #[test]
    fn everything_is_applied_when_nobody_asks_what_was_written_since() {
        let commands = [
            "SELECT 0", "SET a 1", "SET a 2", "SELECT 1", "MULTI", "DEL b", "EXEC",
        ];
        let plan = planned(&commands, None, true);
        assert_eq!(
            (plan.commands(), plan.left_out(), plan.transactions),
            (3, 0, 1)
        );
        let tally = &plan.databases[&Some(0)];
        assert_eq!((tally.commands, tally.keys.len()), (2, 1));
    }

    #[test]
    fn a_command_on_a_key_that_was_written_since_is_skipped_in_its_database() {
        let written = written(&["a", "b"], &[key(0, "a")]);
        let commands = ["SELECT 0", "SET a 1", "SET b 1", "SELECT 1", "SET a 1"];
        let plan = planned(&commands, Some(&written), true);
        assert_eq!(plan.skipped, [0]);
        assert_eq!(skipped(&plan, 0, Why::WrittenSince), 1);
        assert_eq!(plan.databases[&Some(1)].commands, 1);
    }

    #[test]
    fn a_transaction_is_skipped_whole_and_what_builds_on_it_too() {
        let written = written(&["a", "b", "c"], &[key(0, "a")]);
        let commands = [
            "SELECT 0",
            "SET b 1",
            "MULTI",
            "INCR a",
            "RPUSH b 1",
            "EXEC",
            "APPEND b x",
            "SET c 1",
        ];
        let plan = planned(&commands, Some(&written), true);
        assert_eq!(plan.skipped, [1, 2]);
        assert_eq!(skipped(&plan, 0, Why::WrittenSince), 2);
        assert_eq!(skipped(&plan, 0, Why::BehindSkipped), 1);
        assert_eq!((plan.commands(), plan.transactions), (2, 0));
    }

    #[test]
    fn commands_that_empty_databases_are_applied_only_when_asked_for() {
        let commands = ["SELECT 0", "SET a 1", "FLUSHDB", "SET a 2"];
        assert_eq!(planned(&commands, None, true).skipped, [0_u64; 0]);
        let without = planned(&commands, None, false);
        assert_eq!((without.flushing, &without.skipped[..]), (1, &[1][..]));
        let nothing = written(&["a"], &[]);
        let careful = planned(&commands, Some(&nothing), false);
        assert_eq!(
            careful.skipped,
            [1, 2],
            "what came behind the emptying builds on it"
        );
        let written = written(&["a", "z"], &[key(0, "z")]);
        let careful = planned(&commands, Some(&written), true);
        assert_eq!(skipped(&careful, 0, Why::WrittenSince), 1);
    }

    #[test]
    fn what_cannot_be_told_is_skipped_where_it_matters() {
        let commands = ["SELECT 0", "MODULE.SET a 1", "MULTI", "SET b 1"];
        let written = written(&["a", "b"], &[]);
        let plan = planned(&commands, Some(&written), true);
        assert_eq!(skipped(&plan, 0, Why::KeysUnknown), 1);
        assert_eq!(skipped(&plan, 0, Why::NotWhole), 1);
        assert_eq!(planned(&commands, None, true).skipped, [1]);
    }
}
