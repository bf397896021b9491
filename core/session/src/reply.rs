//! Replies: which request each answers, and what it says about the session.

use resp::{Reply, ReplyKind};

use crate::{
    Broken, Passing, Session,
    change::{Change, Kept},
    expect::{Abort, Check, Expect, Login, Silence},
    state::{State, Unknown, Watch},
    subscriptions::Unread,
    table::Verb,
    texts,
};

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It answers the request at the front.
    Answers,
    /// It confirms a name of the subscription at the front.
    Confirms(Verb),
    /// A message or another push, which no request asked for.
    Unasked,
    /// A line of `MONITOR`.
    Monitored,
    /// It answers nothing.
    Stray,
}

impl Session {
    /// Says what to do with a part of a reply that has not ended: to
    /// [`Forward`](Passing::Forward) or to [`Swallow`](Passing::Swallow) its bytes. What is said
    /// of a reply's parts is said of its end.
    #[must_use]
    pub fn part(&self, reply: &Reply<'_>) -> Passing {
        match self.sort(reply) {
            Sort::Confirms(_) | Sort::Answers if self.is_own() => Passing::Swallow,
            Sort::Unasked | Sort::Confirms(_) => Passing::Forward,
            Sort::Answers if self.is_replaced() => Passing::Swallow,
            Sort::Answers | Sort::Monitored => self.heard(),
            Sort::Stray => Passing::Broken(Broken::Stray),
        }
    }

    /// Says what to do with a reply that ends, and takes what it says about the session. To be
    /// called for each [`Replied::Whole`](resp::Replied::Whole) of the engine, in order. The
    /// verdict is about the bytes that come with it.
    pub fn reply(&mut self, reply: &Reply<'_>) -> Passing {
        let plain = !self.state.transaction.open
            && self.state.caching.is_none()
            && self.state.subscriptions.count() == 0
            && !self.state.monitoring
            && self.silence == Silence::On
            && reply.kind() != ReplyKind::Push;
        if plain && self.queue.pop_plain() {
            if self.queue.is_empty() {
                self.settle();
            }
            return Passing::Forward;
        }
        if self.state.replies_are_unknown() {
            return Passing::Forward;
        }
        let passing = match self.sort(reply) {
            Sort::Unasked => {
                if let Some(verb) = verb(reply) {
                    self.confirm(verb, reply);
                }
                return Passing::Forward;
            }
            Sort::Monitored => return self.heard(),
            Sort::Stray => return Passing::Broken(Broken::Stray),
            Sort::Confirms(verb) => self.confirmed(verb, reply),
            Sort::Answers => self.answered(reply),
        };
        if self.state.replies_are_unknown() {
            self.queue.clear();
            if self.silence != Silence::On {
                return Passing::Broken(Broken::Unpaired);
            }
        }
        if self.queue.is_empty() {
            self.settle();
        }
        passing
    }

    /// Nothing is outstanding: what was thought to come is what is.
    pub(crate) const fn settle(&mut self) {
        self.alone = false;
        self.ahead.transaction = self.state.transaction.open;
    }

    fn sort(&self, reply: &Reply<'_>) -> Sort {
        let front = self.queue.front();
        let waits = match front {
            Some(Expect::Confirm(verb, _) | Expect::Own(Check::Confirm(verb, _))) => Some(*verb),
            Some(_) | None => None,
        };
        match reply.kind() {
            ReplyKind::Push => match waits {
                Some(waits) if verb(reply) == Some(waits) => Sort::Confirms(waits),
                Some(_) | None => Sort::Unasked,
            },
            ReplyKind::Array if waits.is_some() && verb(reply) == waits => {
                waits.map_or(Sort::Answers, Sort::Confirms)
            }
            ReplyKind::Array if self.state.is_subscriber() && is_message(reply) => Sort::Unasked,
            ReplyKind::Simple if self.state.monitoring && is_monitor_line(reply) => Sort::Monitored,
            ReplyKind::Simple
            | ReplyKind::Error
            | ReplyKind::Integer
            | ReplyKind::Bulk
            | ReplyKind::Array
            | ReplyKind::Null
            | ReplyKind::Boolean
            | ReplyKind::Double
            | ReplyKind::BigNumber
            | ReplyKind::BulkError
            | ReplyKind::Verbatim
            | ReplyKind::Map
            | ReplyKind::Set
            | ReplyKind::Attribute => match front {
                Some(_) => Sort::Answers,
                None if self.state.replies_are_unknown() => Sort::Unasked,
                None => Sort::Stray,
            },
        }
    }

    fn is_own(&self) -> bool {
        matches!(self.queue.front(), Some(Expect::Own(_)))
    }

    /// Whether something else may be said in the place of the reply.
    fn is_replaced(&self) -> bool {
        matches!(
            self.queue.front(),
            Some(Expect::Say(_) | Expect::Sentence | Expect::Abort(_) | Expect::Own(_))
        )
    }

    fn heard(&self) -> Passing {
        match self.silence {
            Silence::On => Passing::Forward,
            Silence::Off | Silence::Skip => Passing::Swallow,
        }
    }

    /// Takes a confirmation that the front waits for: `CLIENT REPLY` does not silence it.
    fn confirmed(&mut self, verb: Verb, reply: &Reply<'_>) -> Passing {
        let of_kind = self.state.subscriptions.count_of(verb.kind);
        let (left, own) = match self.queue.front_mut() {
            Some(Expect::Confirm(_, left)) => {
                let now = left.unwrap_or(of_kind.max(1)).saturating_sub(1);
                *left = Some(now);
                (now, false)
            }
            Some(Expect::Own(Check::Confirm(_, left))) => {
                *left = left.saturating_sub(1);
                (*left, true)
            }
            Some(_) | None => return Passing::Broken(Broken::Stray),
        };
        if left == 0 {
            self.queue.pop();
        }
        if own {
            // It is in the session already: the engine learns of it.
            return Passing::Swallow;
        }
        self.confirm(verb, reply);
        if left == 0 {
            self.after_skip();
        }
        Passing::Forward
    }

    fn confirm(&mut self, verb: Verb, reply: &Reply<'_>) {
        let total = reply.element(2).and_then(resp::number);
        let total = total.and_then(|total| u32::try_from(total).ok());
        let read = self
            .state
            .subscriptions
            .confirm(verb, reply.element(1), total);
        if let Err(Unread) = read {
            self.state.lose(Unknown::Replies);
        }
    }

    fn after_skip(&mut self) {
        if self.silence == Silence::Skip {
            self.silence = Silence::On;
        }
    }

    fn answered(&mut self, reply: &Reply<'_>) -> Passing {
        let Some(expect) = self.queue.pop() else {
            return Passing::Broken(Broken::Stray);
        };
        if let Expect::Own(check) = expect {
            return self.checked(check, reply);
        }
        if let Expect::Silence(silence) = expect {
            return self.silenced(silence, reply);
        }
        if !matches!(expect, Expect::Change(_) | Expect::Aside) && !self.state.transaction.open {
            self.state.caching = None;
        }
        let heard = self.heard();
        self.after_skip();
        let said = self.take(expect, reply);
        match (heard, said) {
            (Passing::Forward, Some(text)) => Passing::Replace(text),
            // `RESET` turns the replies on before it answers.
            (_, None) if reply.kind() == ReplyKind::Simple && reply.first_line() == b"RESET" => {
                Passing::Forward
            }
            (heard, _) => heard,
        }
    }

    fn silenced(&mut self, silence: Silence, reply: &Reply<'_>) -> Passing {
        let heard = self.heard();
        self.after_skip();
        if !is(reply, b"OK") {
            self.state.note(reply);
            return heard;
        }
        match silence {
            Silence::On => {
                self.silence = Silence::On;
                return Passing::Forward;
            }
            Silence::Off => self.silence = Silence::Off,
            Silence::Skip if self.silence == Silence::On => self.silence = Silence::Skip,
            Silence::Skip => {}
        }
        Passing::Swallow
    }

    fn checked(&mut self, check: Check, reply: &Reply<'_>) -> Passing {
        let good = match check {
            Check::Ok => is(reply, b"OK"),
            Check::Any => true,
            Check::Error => reply.kind().is_error(),
            Check::Hello => matches!(reply.kind(), ReplyKind::Map | ReplyKind::Array),
            Check::Confirm(..) => false,
        };
        if good {
            Passing::Swallow
        } else {
            Passing::Broken(Broken::Replay)
        }
    }

    /// Takes what the reply to a request says. What is given back is said in its place.
    fn take(&mut self, expect: Expect, reply: &Reply<'_>) -> Option<Vec<u8>> {
        let ok = is(reply, b"OK");
        let state = &mut self.state;
        match expect {
            Expect::Multi if ok => state.transaction.begin(),
            Expect::Exec => return state.executed(reply),
            Expect::Abort(why) => return Some(self.aborted(why, reply)),
            Expect::Discard if ok => drop(state.discard()),
            Expect::Watch if ok && state.watch == Watch::Nothing => state.watch = Watch::Watching,
            Expect::Unwatch if ok => state.watch = Watch::Nothing,
            Expect::Monitor if ok => state.monitoring = true,
            Expect::Reset if is(reply, b"RESET") => self.reset(),
            Expect::Change(change) if ok => state.apply(*change),
            Expect::Change(change) => state.note_change(*change, reply),
            Expect::Hello(name) => state.greeted(name, reply),
            Expect::Login(login) => self.logged_in(*login, reply),
            Expect::Confirm(..) if is_queued(reply) => {
                state.transaction.queue_unknown(Unknown::Replies);
            }
            Expect::Say(text) => {
                state.note(reply);
                return Some(text.into());
            }
            Expect::Sentence => {
                state.note(reply);
                return Some(self.sentence_line());
            }
            Expect::Plain
            | Expect::Aside
            | Expect::Blocking
            | Expect::Multi
            | Expect::Discard
            | Expect::Watch
            | Expect::Unwatch
            | Expect::Monitor
            | Expect::Reset
            | Expect::Quit
            | Expect::Confirm(..)
            | Expect::Silence(_)
            | Expect::Own(_) => state.note(reply),
        }
        None
    }

    /// Takes the reply to a `DISCARD` that was sent in the place of an `EXEC`.
    fn aborted(&mut self, why: Abort, reply: &Reply<'_>) -> Vec<u8> {
        if !is(reply, b"OK") {
            if reply.first_line() == b"ERR DISCARD without MULTI" {
                return texts::EXEC_WITHOUT_MULTI.to_vec();
            }
            if self.state.is_subscriber() {
                // What is wrong with an `EXEC` ends the transaction, and what was watched.
                drop(self.state.discard());
                return texts::exec_abort(&texts::not_as_subscriber("exec"));
            }
            return texts::exec_abort(&String::from_utf8_lossy(reply.first_line()));
        }
        let transaction = self.state.discard();
        if transaction.carried {
            texts::EXECABORT_FAILOVER.to_vec()
        } else if transaction.doomed {
            texts::EXECABORT.to_vec()
        } else {
            match (why, &self.sentence) {
                (Abort::Syncing, Some(sentence)) => texts::exec_abort(sentence),
                (Abort::Syncing, None) => texts::EXECABORT.to_vec(),
                (Abort::Watch, _) if self.state.resp3 => b"_\r\n".to_vec(),
                (Abort::Watch, _) => b"*-1\r\n".to_vec(),
            }
        }
    }

    /// What is said in the place of data; the full sync may have ended since it was decided.
    pub(crate) fn sentence_line(&self) -> Vec<u8> {
        let sentence = self.sentence.as_deref().unwrap_or(texts::SYNCED);
        format!("-{sentence}\r\n").into_bytes()
    }

    fn logged_in(&mut self, login: Login, reply: &Reply<'_>) {
        if is(reply, b"OK") || self.state.greet(login.name, reply) {
            self.user = Some(login.user);
        }
    }

    /// `RESET`: as after connecting.
    pub(crate) fn reset(&mut self) {
        self.user = None;
        self.state = State::default();
        self.silence = Silence::On;
    }
}

impl State {
    /// Takes the reply to a command that a transaction may have queued or refused.
    fn note(&mut self, reply: &Reply<'_>) {
        if !self.transaction.open {
            return;
        }
        if is_queued(reply) {
            self.transaction.queue();
        } else if reply.kind().is_error() && !is_harmless(reply) {
            self.transaction.doomed = true;
        }
    }

    fn note_change(&mut self, change: Change, reply: &Reply<'_>) {
        if self.transaction.open && is_queued(reply) {
            self.transaction.queue_change(change);
        } else {
            self.note(reply);
        }
    }

    fn greeted(&mut self, name: Option<Kept>, reply: &Reply<'_>) {
        if !self.greet(name, reply) {
            if self.transaction.open && is_queued(reply) {
                self.transaction.queue_unknown(Unknown::Replies);
            } else {
                self.note(reply);
            }
        }
    }

    /// Takes the reply to `HELLO`, which is of the protocol that it says.
    fn greet(&mut self, name: Option<Kept>, reply: &Reply<'_>) -> bool {
        self.resp3 = match reply.kind() {
            ReplyKind::Map => true,
            ReplyKind::Array => false,
            ReplyKind::Simple
            | ReplyKind::Error
            | ReplyKind::Integer
            | ReplyKind::Bulk
            | ReplyKind::Null
            | ReplyKind::Boolean
            | ReplyKind::Double
            | ReplyKind::BigNumber
            | ReplyKind::BulkError
            | ReplyKind::Verbatim
            | ReplyKind::Set
            | ReplyKind::Push
            | ReplyKind::Attribute => return false,
        };
        if let Some(name) = name {
            self.name = name;
        }
        true
    }

    /// Takes the reply to `EXEC`. A transaction is over with it, whatever it says.
    fn executed(&mut self, reply: &Reply<'_>) -> Option<Vec<u8>> {
        let aborted = reply.kind().is_error() && reply.first_line().starts_with(b"EXECABORT");
        if !self.transaction.open && !aborted {
            return None;
        }
        if reply.kind() == ReplyKind::Array {
            self.run(|index| reply.element(index));
            return None;
        }
        let transaction = self.discard();
        (transaction.carried && aborted).then(|| texts::EXECABORT_FAILOVER.to_vec())
    }
}

fn verb(reply: &Reply<'_>) -> Option<Verb> {
    Verb::of(reply.element(0)?)
}

fn is(reply: &Reply<'_>, word: &[u8]) -> bool {
    reply.kind() == ReplyKind::Simple && reply.first_line() == word
}

/// What Redis 7.0 answers inside a transaction without giving it up; Valkey gives it up.
fn is_harmless(reply: &Reply<'_>) -> bool {
    matches!(
        reply.first_line(),
        b"ERR MULTI calls can not be nested" | b"ERR WATCH inside MULTI is not allowed"
    )
}

fn is_queued(reply: &Reply<'_>) -> bool {
    is(reply, b"QUEUED")
}

/// What RESP2 delivers to a subscriber. No reply that it can get then begins like this, except
/// that a cluster that moves a slot away ends the subscriptions of its shard channels.
fn is_message(reply: &Reply<'_>) -> bool {
    matches!(
        reply.element(0),
        Some(b"message" | b"pmessage" | b"smessage" | b"sunsubscribe")
    )
}

/// `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`.
fn is_monitor_line(reply: &Reply<'_>) -> bool {
    let line = reply.first_line();
    let stamp = line
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'.'))
        .count();
    stamp > 0
        && line
            .get(stamp..)
            .is_some_and(|rest| rest.starts_with(b" ["))
}
