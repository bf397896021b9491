//! The session of one client.

use std::sync::Arc;

use crate::{
    expect::{Expect, Queue, Silence},
    login::Hello,
    state::{State, Watch},
    texts,
    verdict::Boundary,
};

/// How a connection begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Nothing but a login is taken before one.
    pub login_required: bool,
    /// What the engine that the client is led to can do.
    pub standing: Standing,
}

/// What the engine that a client is led to can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It serves.
    Serving,
    /// It is a geo-secondary without its data set: commands for data are answered with a sentence.
    Syncing {
        /// Where the client finds the data: the geo-primary's name.
        geo_primary: String,
    },
}

/// What is known of one client's connection, and what is due on it. One for each connection, fed
/// with everything that passes on it, in order.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) login_required: bool,
    /// The engine's user; `None` before a login.
    pub(crate) user: Option<Box<str>>,
    /// A login that is being checked.
    pub(crate) checking: Option<Checking>,
    /// The sentence that is said in the place of data.
    pub(crate) sentence: Option<Arc<str>>,
    pub(crate) queue: Queue,
    /// Nothing is sent behind what is outstanding.
    pub(crate) alone: bool,
    pub(crate) closing: bool,
    /// What the engine keeps, as its replies say.
    pub(crate) state: State,
    /// Which replies the client wants.
    pub(crate) silence: Silence,
    /// What requests that are not answered yet will have done.
    pub(crate) ahead: Ahead,
}

/// What holds behind all requests that were sent, if none of them is refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ahead {
    pub(crate) transaction: bool,
    /// It has commands for data.
    pub(crate) data: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Checking {
    Auth,
    Hello(Hello),
}

impl Session {
    /// Makes the session of a client that has just connected.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let mut session = Self {
            login_required: policy.login_required,
            user: None,
            checking: None,
            sentence: None,
            queue: Queue::default(),
            alone: false,
            closing: false,
            state: State::default(),
            silence: Silence::On,
            ahead: Ahead::default(),
        };
        session.stand(&policy.standing);
        session
    }

    /// Says what the engine can do from now on.
    pub fn stand(&mut self, standing: &Standing) {
        self.sentence = match standing {
            Standing::Serving => None,
            Standing::Syncing { geo_primary } => Some(texts::syncing(geo_primary)),
        };
    }

    /// Whether [`request`](Self::request) may be called. `false`: what is outstanding has to be
    /// answered first, or a login is being checked, or the connection is ending.
    #[must_use]
    pub fn accepts(&self) -> bool {
        !self.alone && !self.closing && self.checking.is_none() && !self.queue.is_full()
    }

    /// Whether a transaction is open behind everything that was sent.
    #[must_use]
    pub const fn is_in_transaction(&self) -> bool {
        self.ahead.transaction
    }

    /// Whether everything that was sent to the engine is answered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the connection may be held where it is.
    #[must_use]
    pub fn boundary(&self) -> Boundary {
        match self.queue.front() {
            None => Boundary::Idle,
            Some(Expect::Blocking) if self.queue.asked() == 1 => Boundary::Blocked,
            Some(_) => Boundary::Busy,
        }
    }

    /// Requests of the client that are not answered.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.queue.asked()
    }

    /// Whether the client has said `QUIT`, or must be closed: nothing more is read from it.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether requests are passed on: a login succeeded, or none is required.
    #[must_use]
    pub const fn is_logged_in(&self) -> bool {
        self.user.is_some() || !self.login_required
    }

    /// The engine's user that the client is, once the engine has let it in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether the client speaks RESP3.
    #[must_use]
    pub const fn is_resp3(&self) -> bool {
        self.state.resp3
    }

    /// Whether the client waits for messages: no reply is due, and yet it is not idle for a time-out.
    #[must_use]
    pub const fn is_listening(&self) -> bool {
        self.state.monitoring || self.state.subscriptions.count() > 0
    }

    pub(crate) fn watch_is_broken(&self) -> bool {
        self.state.watch == Watch::Broken
    }
}
