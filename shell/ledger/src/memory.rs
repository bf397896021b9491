//! One client's keys, and all that it remembers of them.

use crate::{counter::Counter, history::History, kind::Kind, register::Register};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// At this moment; `value` is what the engine answered.
    Acknowledged {
        moment: u32,
        value: u64,
    },
    Refused,
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) kind: Kind,
    pub(crate) history: History,
    pub(crate) counter: Counter,
    pub(crate) register: Register,
    name: String,
    /// Counts checkpoints: each begins with keys of its own.
    generation: u64,
    /// Keys of former generations that are still to be removed.
    pub(crate) obsolete: Vec<String>,
}

impl Memory {
    pub(crate) fn new(prefix: &str, kind: Kind, client: usize) -> Self {
        Self {
            kind,
            history: History::default(),
            counter: Counter::default(),
            register: Register::default(),
            name: format!("{prefix}{kind}:{client}"),
            generation: 0,
            obsolete: Vec::new(),
        }
    }

    /// The list, the counter or the register.
    pub(crate) fn key(&self) -> String {
        self.key_of(self.generation)
    }

    fn key_of(&self, generation: u64) -> String {
        match generation {
            0 => self.name.clone(),
            later => format!("{}:g{later}", self.name),
        }
    }

    /// The accounts of a transfer: whence and whither.
    pub(crate) fn accounts(&self) -> [String; 2] {
        accounts(&self.key())
    }

    /// Every key that it has ever had.
    pub(crate) fn all_keys(&self) -> Vec<String> {
        let generations = (0..=self.generation).map(|generation| self.key_of(generation));
        generations.flat_map(|key| keys(self.kind, key)).collect()
    }

    pub(crate) fn record(&mut self, n: u64, outcome: Outcome, reign: u32) {
        let counts = self.kind == Kind::Counter;
        match outcome {
            Outcome::Acknowledged { moment, value } => {
                match self.kind {
                    Kind::Counter => self.counter.acknowledge(n, value, reign),
                    Kind::Register => self.register.held(value, n, &self.history),
                    Kind::Sequence | Kind::Transfer | Kind::Pipeline => {}
                }
                self.history.acknowledge(n, moment, reign);
            }
            Outcome::Refused => {
                self.history.refused.insert(n);
                if counts {
                    self.counter.refused();
                }
            }
            Outcome::Unknown => {
                self.history.unknown.insert(n);
                if counts {
                    self.counter.unknown();
                }
            }
        }
    }

    /// What its counter or register holds in the end.
    pub(crate) fn held(&mut self, value: u64) {
        match self.kind {
            Kind::Counter => self.counter.held(value),
            Kind::Register => {
                let next = self.history.sent + 1;
                self.register.held(value, next, &self.history);
            }
            Kind::Sequence | Kind::Transfer | Kind::Pipeline => {}
        }
    }

    /// Forgets everything and goes on with new keys.
    pub(crate) fn begin_anew(&mut self) {
        self.obsolete.extend(keys(self.kind, self.key()));
        self.generation += 1;
        self.history = History::default();
        self.counter = Counter::default();
        self.register = Register::default();
    }
}

fn accounts(key: &str) -> [String; 2] {
    [format!("{key}:from"), format!("{key}:to")]
}

fn keys(kind: Kind, key: String) -> Vec<String> {
    match kind {
        Kind::Transfer => {
            let [from, to] = accounts(&key);
            vec![key, from, to]
        }
        Kind::Sequence | Kind::Counter | Kind::Register | Kind::Pipeline => vec![key],
    }
}
