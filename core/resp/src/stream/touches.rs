//! What one command touches, found out word by word; only words that may be keys, or that say
//! where keys are, are looked at.

use super::{
    Touch,
    rules::{NAME_BYTES, Rule},
};
use crate::number;

/// What to do with a word that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Nothing: its bytes are passed over.
    Pass,
    /// Read it if it is short: it may be an option or a number.
    Short,
    /// Read it: it may be a key.
    Key,
}

/// What the word behind an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Any,
    /// So many words that are no options.
    Passed(u64),
    Destination,
    Database,
}

/// A command of which some words have come.
#[derive(Debug, Clone)]
pub(super) struct Touches {
    rule: Rule,
    /// Words, the name among them.
    words: u64,
    selected: Option<u32>,
    next: Next,
    /// Keys that are told when the command ends: only then it is known whether and where.
    held: Vec<Vec<u8>>,
    /// The first and the word behind the last of a run of keys.
    run: Option<(u64, u64)>,
    database: Option<u32>,
}

impl Touches {
    pub(super) fn new(rule: Rule, words: u64, selected: Option<u32>) -> Self {
        Self {
            rule,
            words,
            selected,
            next: Next::Any,
            held: Vec::new(),
            run: None,
            database: None,
        }
    }

    /// What to do with the word at `index`; the name is 0.
    pub(super) fn want(&self, index: u64) -> Want {
        match self.rule {
            Rule::Nothing | Rule::Database | Rule::Everything => Want::Pass,
            Rule::Range { first, last, step } => {
                let last = match u64::try_from(last) {
                    Ok(last) => last,
                    Err(_below_zero) => self.words.saturating_sub(last.unsigned_abs()),
                };
                let inside = (first..=last).contains(&index);
                key_if(inside && index.saturating_sub(first).is_multiple_of(step))
            }
            Rule::Counted { count, also } => {
                if index == count {
                    Want::Short
                } else {
                    key_if(also == Some(index) || self.in_run(index))
                }
            }
            Rule::Streams if self.run.is_some() => key_if(self.in_run(index)),
            Rule::Migrate if self.run.is_some() => key_if(self.in_run(index)),
            Rule::Streams | Rule::TwoDatabases => Want::Short,
            Rule::Migrate => key_or_option(index == 3),
            Rule::Sort | Rule::GeoStore => {
                key_or_option(index == 1 || self.next == Next::Destination)
            }
            Rule::Copy => key_or_option(index == 1 || index == 2),
            Rule::Move => key_or_option(index == 1),
        }
    }

    /// Takes a word that was wanted; tells what is touched for sure.
    pub(super) fn take(&mut self, index: u64, word: &[u8]) -> Option<Touch> {
        match self.rule {
            Rule::Nothing | Rule::Database | Rule::Everything => None,
            Rule::Range { .. } => Some(self.key(word)),
            Rule::Counted { count, .. } if index == count => {
                let from = index.saturating_add(1);
                let keys = number(word).unwrap_or(0);
                self.run = Some((from, from.saturating_add(keys)));
                None
            }
            Rule::Counted { .. } => Some(self.key(word)),
            Rule::Streams | Rule::Migrate if self.run.is_some() => Some(self.key(word)),
            Rule::Streams => {
                if word.eq_ignore_ascii_case(b"STREAMS") {
                    let from = index.saturating_add(1);
                    let keys = self.words.saturating_sub(from) / 2;
                    self.run = Some((from, from.saturating_add(keys)));
                }
                None
            }
            Rule::Migrate if index == 3 => (!word.is_empty()).then(|| self.key(word)),
            Rule::Migrate => {
                if index > 5 && word.eq_ignore_ascii_case(b"KEYS") {
                    self.run = Some((index.saturating_add(1), self.words));
                }
                None
            }
            Rule::Sort | Rule::GeoStore | Rule::Copy | Rule::Move if index == 1 => {
                if self.rule == Rule::Move {
                    self.held = vec![word.to_vec()];
                }
                Some(self.key(word))
            }
            Rule::Sort | Rule::GeoStore => {
                self.option(index, word);
                None
            }
            Rule::Copy => {
                self.copy_word(index, word);
                None
            }
            Rule::Move | Rule::TwoDatabases => {
                let database = number(word).and_then(|number| u32::try_from(number).ok());
                if self.rule == Rule::TwoDatabases {
                    return Some(Touch::Database(database));
                }
                let key = self.held.pop()?;
                Some(Touch::Key { database, key })
            }
        }
    }

    /// The command is whole.
    pub(super) fn end(self) -> Vec<Touch> {
        let database = match self.rule {
            Rule::Copy => self.database.or(self.selected),
            Rule::Database => return vec![Touch::Database(self.selected)],
            Rule::Everything => return vec![Touch::Everything],
            Rule::Sort | Rule::GeoStore => self.selected,
            Rule::Nothing
            | Rule::Range { .. }
            | Rule::Counted { .. }
            | Rule::Streams
            | Rule::Migrate
            | Rule::Move
            | Rule::TwoDatabases => return Vec::new(),
        };
        let held = self.held.into_iter();
        held.map(|key| Touch::Key { database, key }).collect()
    }

    fn key(&self, word: &[u8]) -> Touch {
        Touch::Key {
            database: self.selected,
            key: word.to_vec(),
        }
    }

    fn in_run(&self, index: u64) -> bool {
        self.run
            .is_some_and(|(from, to)| (from..to).contains(&index))
    }

    /// A word of SORT or GEORADIUS. The last destination is the one that counts.
    fn option(&mut self, index: u64, word: &[u8]) {
        // Before them stand the centre and the radius, whatever they look like.
        if self.rule == Rule::GeoStore && index < 5 {
            return;
        }
        match self.next {
            Next::Destination => {
                self.held = vec![word.to_vec()];
                self.next = Next::Any;
            }
            Next::Passed(words) => {
                self.next = match words {
                    0 | 1 => Next::Any,
                    more => Next::Passed(more - 1),
                };
            }
            Next::Any | Next::Database => self.next = self.behind(word),
        }
    }

    fn behind(&self, word: &[u8]) -> Next {
        let is = |option: &[u8]| word.eq_ignore_ascii_case(option);
        let sorts = self.rule == Rule::Sort;
        if is(b"STORE") || !sorts && is(b"STOREDIST") {
            Next::Destination
        } else if sorts && is(b"LIMIT") {
            Next::Passed(2)
        } else if sorts && (is(b"BY") || is(b"GET")) {
            Next::Passed(1)
        } else {
            Next::Any
        }
    }

    fn copy_word(&mut self, index: u64, word: &[u8]) {
        if index == 2 {
            self.held = vec![word.to_vec()];
        } else if self.next == Next::Database {
            self.database = number(word).and_then(|number| u32::try_from(number).ok());
            self.next = Next::Any;
        } else if word.eq_ignore_ascii_case(b"DB") {
            self.next = Next::Database;
        }
    }

    /// A word that was too long to be an option or a number.
    pub(super) fn pass(&mut self, index: u64) {
        if matches!(self.rule, Rule::Sort | Rule::GeoStore) {
            self.option(index, &[0; NAME_BYTES]);
        }
    }
}

fn key_if(key: bool) -> Want {
    if key { Want::Key } else { Want::Pass }
}

fn key_or_option(key: bool) -> Want {
    if key { Want::Key } else { Want::Short }
}
