//! From one engine to another.

use resp::write_command;

use crate::{
    Carried, Login, Name, Policy, Session,
    carried::{Replies, Tracking},
    change::{Asked, Kept},
    expect::{Check, Expect, Silence},
    state::{State, Watch},
    table::{Kind, Verb},
    texts,
};

/// Names in one `SUBSCRIBE`.
const CHUNK: usize = 64;
/// Where a RESP2 client that reads invalidations in place of another listens.
const INVALIDATE: &[u8] = b"__redis__:invalidate";

/// Why a connection cannot be carried over: it has to be closed, with this error before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncarriable {
    /// Replies are due.
    #[error("{0} commands are not answered; wait for their replies")]
    Busy(usize),
    /// It watches the commands of others.
    #[error("MONITOR shows one engine's commands and ends with it; connect again")]
    Monitor,
    /// Invalidations go to another connection, which has another ID at another engine.
    #[error(
        "CLIENT TRACKING with REDIRECT ends with the engine; connect again and drop what was cached"
    )]
    Redirected,
    /// There are more, or longer ones, than are kept.
    #[error(
        "it has more or longer subscriptions, prefixes or names than are carried over; connect again"
    )]
    TooMuch,
    /// Something was changed inside a transaction whose replies were too large to be read.
    #[error(
        "its session was changed inside a transaction that could not be followed; connect again"
    )]
    Unknown,
}

impl Uncarriable {
    /// The error for the client.
    #[must_use]
    pub fn line(self) -> Vec<u8> {
        format!("-ERR the connection cannot be carried over to the new primary: {self}\r\n")
            .into_bytes()
    }
}

impl Session {
    /// What has to be built up at another engine, when everything is answered. The session itself
    /// does not change: [`moved`](Self::moved) says that it was done.
    pub fn carry(&self) -> Result<Carried, Uncarriable> {
        let state = &self.state;
        if !self.queue.is_empty() {
            return Err(Uncarriable::Busy(self.outstanding().max(1)));
        }
        if state.unknown.is_some() {
            return Err(Uncarriable::Unknown);
        }
        if state.monitoring {
            return Err(Uncarriable::Monitor);
        }
        if state.subscriptions.is_incomplete() {
            return Err(Uncarriable::TooMuch);
        }
        let names = |kind| state.subscriptions.names(kind).map(Name::new).collect();
        Ok(Carried {
            resp3: state.resp3,
            database: state.database,
            name: text(&state.name)?,
            library_name: text(&state.library_name)?,
            library_version: text(&state.library_version)?,
            no_evict: state.no_evict,
            no_touch: state.no_touch,
            read_only: state.read_only,
            replies: match self.silence {
                Silence::On => Replies::On,
                Silence::Off => Replies::Off,
                Silence::Skip => Replies::Skip,
            },
            tracking: state.tracking.as_deref().map(tracking).transpose()?,
            caching: state.caching,
            channels: names(Kind::Channel),
            patterns: names(Kind::Pattern),
            shards: names(Kind::Shard),
            transaction: state.transaction.open,
            watch: state.watch != Watch::Nothing,
        })
    }

    /// Goes on with a session that another gateway carried over. [`enter`](Self::enter) builds it
    /// up.
    #[must_use]
    pub fn resume(policy: &Policy, carried: &Carried) -> Self {
        let mut session = Self::new(policy);
        session.silence = match carried.replies {
            Replies::On => Silence::On,
            Replies::Off => Silence::Off,
            Replies::Skip => Silence::Skip,
        };
        session.state = State {
            resp3: carried.resp3,
            database: carried.database,
            name: kept(carried.name.as_ref()),
            library_name: kept(carried.library_name.as_ref()),
            library_version: kept(carried.library_version.as_ref()),
            no_evict: carried.no_evict,
            no_touch: carried.no_touch,
            read_only: carried.read_only,
            tracking: carried
                .tracking
                .as_ref()
                .map(|tracking| Box::new(tracking.asked())),
            caching: carried.caching,
            ..State::default()
        };
        for (kind, names) in carried.subscribed() {
            for name in names {
                session.state.subscriptions.carry(kind, name.bytes());
            }
        }
        if carried.transaction {
            session.state.transaction.carry();
        }
        if carried.watch {
            session.state.watch = Watch::Broken;
        }
        session.settle();
        session
    }

    /// Opens a connection to an engine, or finds it open when `login` has no password, and builds a
    /// session up on it: the bytes to be sent before anything else, whose replies this session
    /// swallows and checks. `carried` is what
    /// [`carry`](Self::carry) gave, or nothing for a client that was let in without a login.
    pub fn enter(&mut self, login: Login<'_>, carried: &Carried) -> Vec<u8> {
        self.queue.clear();
        self.alone = true;
        self.user = Some(login.user.into());
        let mut out = Vec::new();
        for (words, check) in carried.commands(login) {
            let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
            write_command(&mut out, &words);
            self.queue.push(Expect::Own(check));
        }
        if carried.transaction {
            // A transaction like the one that was open, and one command that dooms it.
            out.extend_from_slice(texts::MULTI);
            self.queue.push(Expect::Own(Check::Ok));
            out.extend_from_slice(texts::REFUSED);
            self.queue.push(Expect::Own(Check::Error));
        }
        if self.queue.is_empty() {
            self.settle();
        }
        out
    }

    /// The session goes on at another engine: transactions are doomed, what was watched counts as
    /// changed. Gives what has to be said to the client: that everything it cached is invalid.
    pub fn moved(&mut self) -> Vec<u8> {
        if self.state.transaction.open {
            self.state.transaction.carry();
        }
        if self.state.watch == Watch::Watching {
            self.state.watch = Watch::Broken;
        }
        let mut channels = self.state.subscriptions.names(Kind::Channel);
        if self.state.resp3 && self.state.tracking.is_some() {
            b">2\r\n$10\r\ninvalidate\r\n_\r\n".to_vec()
        } else if !self.state.resp3 && channels.any(|name| name == INVALIDATE) {
            b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n".to_vec()
        } else {
            Vec::new()
        }
    }

    /// The connection to the engine is gone: answers requests that have no reply, as many as fit
    /// into `room` bytes and one at least. To be called until it gives nothing. None of them may
    /// be sent again. A client that was sent a part of a reply cannot be helped, and is closed.
    pub fn lost(&mut self, room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < room.max(1) {
            let Some(expect) = self.queue.pop() else {
                self.end_lost();
                break;
            };
            self.lose(expect, &mut out);
        }
        out
    }

    fn lose(&mut self, expect: Expect, out: &mut Vec<u8>) {
        let text = match expect {
            Expect::Own(_) => return,
            // Godwit does this itself: it is as good as done.
            Expect::Silence(silence) => {
                match silence {
                    Silence::On => out.extend_from_slice(texts::OK),
                    Silence::Off | Silence::Skip => {}
                }
                self.silence = silence;
                return;
            }
            Expect::Say(text) => text.into(),
            Expect::Sentence => self.sentence_line(),
            Expect::Abort(_) => {
                self.state.watch = Watch::Nothing;
                texts::EXECABORT_FAILOVER.to_vec()
            }
            Expect::Exec | Expect::Discard => {
                self.state.watch = Watch::Nothing;
                texts::UNKNOWN_OUTCOME.to_vec()
            }
            Expect::Watch => {
                self.state.watch = Watch::Broken;
                texts::UNKNOWN_OUTCOME.to_vec()
            }
            Expect::Quit => texts::OK.to_vec(),
            Expect::Plain
            | Expect::Aside
            | Expect::Blocking
            | Expect::Multi
            | Expect::Unwatch
            | Expect::Monitor
            | Expect::Reset
            | Expect::Change(_)
            | Expect::Hello(_)
            | Expect::Login(_)
            | Expect::Confirm(..) => texts::UNKNOWN_OUTCOME.to_vec(),
        };
        match self.silence {
            Silence::On => out.extend_from_slice(&text),
            Silence::Skip => self.silence = Silence::On,
            Silence::Off => {}
        }
    }

    /// A transaction whose `MULTI` or whose commands were lost must not run without them.
    fn end_lost(&mut self) {
        if self.ahead.transaction && !self.state.is_subscriber() {
            self.state.transaction.carry();
        } else {
            self.state.transaction.end();
        }
        self.settle();
    }
}

impl Carried {
    fn subscribed(&self) -> [(Kind, &[Name]); 3] {
        [
            (Kind::Channel, &self.channels),
            (Kind::Pattern, &self.patterns),
            (Kind::Shard, &self.shards),
        ]
    }

    /// The commands that build the session up, with what the engine must answer. Subscriptions
    /// come last: with one, RESP2 allows little else.
    fn commands(&self, login: Login<'_>) -> Vec<(Vec<Vec<u8>>, Check)> {
        let mut commands = Vec::new();
        let mut add = |check, words: &[&[u8]]| {
            commands.push((words.iter().map(|word| word.to_vec()).collect(), check));
        };
        let user = login.user.as_bytes();
        if let Some(password) = login.password {
            add(Check::Ok, &[b"AUTH", user, password.reveal().as_bytes()]);
        }
        if self.resp3 {
            add(Check::Hello, &[b"HELLO", b"3"]);
        }
        if self.database != 0 {
            add(
                Check::Ok,
                &[b"SELECT", self.database.to_string().as_bytes()],
            );
        }
        if let Some(name) = &self.name {
            add(Check::Ok, &[b"CLIENT", b"SETNAME", name.bytes()]);
        }
        for (attribute, value) in [
            (&b"LIB-NAME"[..], &self.library_name),
            (b"LIB-VER", &self.library_version),
        ] {
            if let Some(value) = value {
                add(
                    Check::Any,
                    &[b"CLIENT", b"SETINFO", attribute, value.bytes()],
                );
            }
        }
        if self.no_evict {
            add(Check::Any, &[b"CLIENT", b"NO-EVICT", b"ON"]);
        }
        if self.no_touch {
            add(Check::Any, &[b"CLIENT", b"NO-TOUCH", b"ON"]);
        }
        if self.read_only {
            add(Check::Any, &[b"READONLY"]);
        }
        if let Some(tracking) = &self.tracking {
            add(Check::Ok, &tracking.words());
        }
        for (kind, names) in self.subscribed() {
            let (word, chunk): (&[u8], _) = match kind {
                Kind::Channel => (b"SUBSCRIBE", CHUNK),
                Kind::Pattern => (b"PSUBSCRIBE", CHUNK),
                // Those of one command must be of one slot.
                Kind::Shard => (b"SSUBSCRIBE", 1),
            };
            for names in names.chunks(chunk) {
                let words: Vec<&[u8]> = std::iter::once(word)
                    .chain(names.iter().map(Name::bytes))
                    .collect();
                let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
                add(Check::Confirm(Verb { kind, begins: true }, count), &words);
            }
        }
        if let Some(yes) = self.caching {
            add(
                Check::Ok,
                &[b"CLIENT", b"CACHING", if yes { b"YES" } else { b"NO" }],
            );
        }
        commands
    }
}

impl Tracking {
    fn words(&self) -> Vec<&[u8]> {
        let mut words: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON"];
        for (on, word) in [
            (self.broadcast, &b"BCAST"[..]),
            (self.opt_in, b"OPTIN"),
            (self.opt_out, b"OPTOUT"),
            (self.no_loop, b"NOLOOP"),
        ] {
            if on {
                words.push(word);
            }
        }
        for prefix in &self.prefixes {
            words.extend([&b"PREFIX"[..], prefix.bytes()]);
        }
        words
    }

    fn asked(&self) -> Asked {
        Asked {
            broadcast: self.broadcast,
            opt_in: self.opt_in,
            opt_out: self.opt_out,
            no_loop: self.no_loop,
            redirected: false,
            prefixes: self
                .prefixes
                .iter()
                .map(|prefix| prefix.bytes().into())
                .collect(),
            too_many: false,
        }
    }
}

fn tracking(asked: &Asked) -> Result<Tracking, Uncarriable> {
    if asked.redirected {
        return Err(Uncarriable::Redirected);
    }
    if asked.too_many {
        return Err(Uncarriable::TooMuch);
    }
    Ok(Tracking {
        broadcast: asked.broadcast,
        opt_in: asked.opt_in,
        opt_out: asked.opt_out,
        no_loop: asked.no_loop,
        prefixes: asked
            .prefixes
            .iter()
            .map(|prefix| Name::new(prefix))
            .collect(),
    })
}

fn text(name: &Kept) -> Result<Option<Name>, Uncarriable> {
    match name {
        Kept::Nothing => Ok(None),
        Kept::Text(text) => Ok(Some(Name::new(text))),
        Kept::TooLong => Err(Uncarriable::TooMuch),
    }
}

fn kept(name: Option<&Name>) -> Kept {
    name.map_or(Kept::Nothing, |name| Kept::of(name.bytes()))
}
