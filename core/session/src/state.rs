//! What an engine keeps of a connection.

use crate::{
    change::{Asked, Change, Kept, PREFIXES},
    subscriptions::Subscriptions,
};

/// Changes that a transaction can queue before they are not followed any more.
const QUEUED: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) resp3: bool,
    pub(crate) database: u32,
    pub(crate) name: Kept,
    pub(crate) library_name: Kept,
    pub(crate) library_version: Kept,
    pub(crate) no_evict: bool,
    pub(crate) no_touch: bool,
    pub(crate) read_only: bool,
    pub(crate) tracking: Option<Box<Asked>>,
    /// Holds for the next command.
    pub(crate) caching: Option<bool>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) monitoring: bool,
    pub(crate) transaction: Transaction,
    pub(crate) watch: Watch,
    /// Why what is kept here may not be so.
    pub(crate) unknown: Option<Unknown>,
}

/// Keys that are watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Watch {
    #[default]
    Nothing,
    Watching,
    /// At an engine that is left: an `EXEC` finds them changed.
    Broken,
}

/// Why a session cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A part of the session may have another value; replies are still told apart.
    Value,
    /// Replies cannot be told apart any more.
    Replies,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) open: bool,
    /// A command was refused.
    pub(crate) doomed: bool,
    /// It began at an engine that was left.
    pub(crate) carried: bool,
    queued: u32,
    changes: Vec<(u32, Change)>,
    /// It queued what cannot be followed.
    unknown: Option<Unknown>,
}

impl Transaction {
    pub(crate) fn begin(&mut self) {
        if !self.open {
            *self = Self {
                open: true,
                ..Self::default()
            };
        }
    }

    /// It goes on at another engine, where it can only fail.
    pub(crate) fn carry(&mut self) {
        *self = Self {
            open: true,
            doomed: true,
            carried: true,
            ..Self::default()
        };
    }

    pub(crate) fn end(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Takes the `QUEUED` of a command that changes nothing.
    pub(crate) const fn queue(&mut self) {
        self.queued = self.queued.saturating_add(1);
    }

    pub(crate) fn queue_change(&mut self, change: Change) {
        if self.changes.len() < QUEUED {
            self.changes.push((self.queued, change));
        } else {
            self.queue_unknown(Unknown::Value);
            return;
        }
        self.queue();
    }

    pub(crate) fn queue_unknown(&mut self, unknown: Unknown) {
        self.unknown = match (self.unknown, unknown) {
            (Some(Unknown::Replies), _) | (_, Unknown::Replies) => Some(Unknown::Replies),
            (Some(Unknown::Value) | None, Unknown::Value) => Some(Unknown::Value),
        };
        self.queue();
    }
}

impl State {
    /// Makes a change that the engine has said `OK` to.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Database(index) => self.database = index,
            Change::Name(name) => self.name = name,
            Change::LibraryName(name) => self.library_name = name,
            Change::LibraryVersion(version) => self.library_version = version,
            Change::NoEvict(on) => self.no_evict = on,
            Change::NoTouch(on) => self.no_touch = on,
            Change::ReadOnly(on) => self.read_only = on,
            Change::Tracking(asked) => self.track(asked),
            Change::Caching(yes) => self.caching = Some(yes),
        }
    }

    /// What is asked for counts, except that prefixes are added to those that are there.
    fn track(&mut self, asked: Option<Box<Asked>>) {
        let before = std::mem::replace(&mut self.tracking, asked);
        let (Some(before), Some(now)) = (before, &mut self.tracking) else {
            return;
        };
        if now.broadcast {
            now.prefixes.extend(before.prefixes);
            now.too_many |= before.too_many || now.prefixes.len() > PREFIXES;
            now.prefixes.truncate(PREFIXES);
        }
    }

    /// Ends a transaction that ran, with the text of each of its replies as far as they can be
    /// read.
    pub(crate) fn run<'a>(&mut self, reply: impl Fn(usize) -> Option<&'a [u8]>) {
        let transaction = self.transaction.end();
        self.watch = Watch::Nothing;
        for (at, change) in transaction.changes {
            match usize::try_from(at).ok().and_then(&reply) {
                Some(b"OK") => self.apply(change),
                Some(_) => {}
                None => self.lose(Unknown::Value),
            }
        }
        // What `CLIENT CACHING` says inside a transaction is over with it.
        self.caching = None;
        if let Some(unknown) = transaction.unknown {
            self.lose(unknown);
        }
    }

    /// Ends a transaction that did not run.
    pub(crate) fn discard(&mut self) -> Transaction {
        self.watch = Watch::Nothing;
        self.transaction.end()
    }

    pub(crate) fn lose(&mut self, unknown: Unknown) {
        if self.unknown != Some(Unknown::Replies) {
            self.unknown = Some(unknown);
        }
    }

    /// Whether RESP2's rules for a subscriber hold.
    pub(crate) const fn is_subscriber(&self) -> bool {
        !self.resp3 && self.subscriptions.count() > 0
    }

    pub(crate) fn replies_are_unknown(&self) -> bool {
        self.unknown == Some(Unknown::Replies)
    }
}
