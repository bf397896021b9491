//! The replies that are due, in order.

use std::collections::VecDeque;

use crate::{
    change::{Change, Kept},
    table::Verb,
};

/// What a request's reply will be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One reply, which changes nothing outside a transaction.
    Plain,
    /// The same of a `CLIENT`: what holds for the next command holds on.
    Aside,
    /// One reply, after a while perhaps.
    Blocking,
    Multi,
    Exec,
    /// `DISCARD`, sent in the place of an `EXEC` that must not run.
    Abort(Abort),
    Discard,
    Watch,
    Unwatch,
    Monitor,
    Reset,
    Quit,
    /// `OK` makes the change.
    Change(Box<Change>),
    /// `CLIENT REPLY ON`, sent in the place of what the client said.
    Silence(Silence),
    /// `HELLO` without a login.
    Hello(Option<Kept>),
    Login(Box<Login>),
    /// So many confirmations, or one error. `None`: as many as there are subscriptions.
    Confirm(Verb, Option<u32>),
    /// An error, in whose place this is said.
    Say(Box<[u8]>),
    /// An error, in whose place the sentence of a full sync is said.
    Sentence,
    /// Godwit's own command, of which the client learns nothing.
    Own(Check),
}

/// Why an `EXEC` must not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abort {
    /// A watched key may have changed.
    Watch,
    /// The data set is not there.
    Syncing,
}

/// What `CLIENT REPLY` was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    On,
    Off,
    Skip,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Box<str>,
    /// The connection's name from now on, when `HELLO` sets it.
    pub(crate) name: Option<Kept>,
}

/// What a reply to Godwit's own command must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Ok,
    /// What is good to have, and may be refused by an older engine.
    Any,
    Error,
    Hello,
    Confirm(Verb, u32),
}

/// The queue: equal neighbours that carry nothing are counted, so that a long pipeline is one entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    runs: VecDeque<(Expect, u32)>,
    /// Requests that the client sent.
    asked: usize,
    /// Bytes that are kept beside the entries.
    kept: usize,
}

impl Queue {
    /// Entries that are kept.
    const ENTRIES: usize = 4096;
    /// Bytes that are kept beside them.
    const BYTES: usize = 256 << 10;
    /// Room for entries that an empty queue keeps.
    const ROOM: usize = 32;

    /// Expects a plain reply, which is the path of most requests.
    pub(crate) fn push_plain(&mut self) {
        match self.runs.back_mut() {
            Some((Expect::Plain, count)) if *count < u32::MAX => {
                *count += 1;
                self.asked += 1;
            }
            Some(_) | None => self.push(Expect::Plain),
        }
    }

    pub(crate) fn push(&mut self, expect: Expect) {
        if !matches!(expect, Expect::Own(_)) {
            self.asked += 1;
        }
        self.kept += kept(&expect);
        match self.runs.back_mut() {
            Some((last, count)) if counts(last) && *last == expect && *count < u32::MAX => {
                *count += 1;
            }
            Some(_) | None => self.runs.push_back((expect, 1)),
        }
    }

    pub(crate) fn front(&self) -> Option<&Expect> {
        self.runs.front().map(|(expect, _)| expect)
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Expect> {
        self.runs.front_mut().map(|(expect, _)| expect)
    }

    /// Takes the front if it is a plain request, which is the path of most replies.
    pub(crate) fn pop_plain(&mut self) -> bool {
        match self.runs.front_mut() {
            Some((Expect::Plain, count)) => {
                self.asked -= 1;
                *count -= 1;
                if *count == 0 {
                    self.runs.pop_front();
                    self.shrink();
                }
                true
            }
            Some(_) | None => false,
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Expect> {
        let (expect, count) = self.runs.front_mut()?;
        let expect = if *count > 1 {
            *count -= 1;
            expect.clone()
        } else {
            self.runs.pop_front()?.0
        };
        if !matches!(expect, Expect::Own(_)) {
            self.asked -= 1;
        }
        self.kept -= kept(&expect);
        self.shrink();
        Some(expect)
    }

    /// Thousands of idle connections must not keep what one pipeline took.
    fn shrink(&mut self) {
        if self.runs.is_empty() && self.runs.capacity() > Self::ROOM {
            self.runs = VecDeque::new();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.runs.len() >= Self::ENTRIES || self.kept >= Self::BYTES
    }

    pub(crate) const fn asked(&self) -> usize {
        self.asked
    }
}

/// Whether equal entries may be counted as one.
fn counts(expect: &Expect) -> bool {
    matches!(
        expect,
        Expect::Plain
            | Expect::Aside
            | Expect::Sentence
            | Expect::Own(Check::Ok | Check::Any | Check::Error)
    )
}

fn kept(expect: &Expect) -> usize {
    match expect {
        Expect::Say(text) => text.len(),
        Expect::Hello(name) => name.as_ref().map_or(0, Kept::bytes),
        Expect::Login(login) => login.user.len() + login.name.as_ref().map_or(0, Kept::bytes),
        Expect::Change(change) => change.bytes(),
        Expect::Plain
        | Expect::Aside
        | Expect::Blocking
        | Expect::Multi
        | Expect::Exec
        | Expect::Abort(_)
        | Expect::Discard
        | Expect::Watch
        | Expect::Unwatch
        | Expect::Monitor
        | Expect::Reset
        | Expect::Quit
        | Expect::Silence(_)
        | Expect::Confirm(..)
        | Expect::Sentence
        | Expect::Own(_) => 0,
    }
}
