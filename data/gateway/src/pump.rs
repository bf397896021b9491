//! A client's connection and its engine's, and what passes between them.
//!
//! One task owns both sockets. It reads into its thread's memory, decides what each request and
//! each reply is, and writes what passes from where it was read. A direction that is not taken is
//! not read: a slow side slows its own other side down, and nobody else.

mod reading;
mod replies;
mod requests;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use resp::{ReplyFramer, RequestFramer, RequestLimits};
use session::{Boundary, Credentials, Session};
use tls::FrontStream;
use tokio::{io::AsyncWrite as _, time::Instant};

use crate::{outgoing::Outgoing, ticket::Ticket, upstream::Upstream};

/// Which requests may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// All.
    Open,
    /// Those of a transaction that is open.
    Transaction,
    /// None; one that is partly passed on goes on.
    Shut,
}

/// What the pump cannot see to by itself.
#[derive(Debug)]
pub(crate) enum Event {
    /// The client logs in. Everything before is answered, and nothing behind it is looked at.
    Login(Credentials),
    /// The engine's connection ended.
    EngineEnded {
        /// It ended in order, and did not break.
        orderly: bool,
    },
    /// The client's connection is over, one way or the other.
    End(End),
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client went away.
    Gone,
    /// Everything is said; the client is to be given time to read it.
    Said,
    /// It broke the protocol and was told so, or is not to be told anything.
    Protocol,
    /// The engine broke the protocol.
    Engine,
    /// The gateway wants it so, and has nothing to say.
    Closed,
}

/// What becomes of the pieces of a large request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Passed,
    Dropped,
}

/// What is waited for before anything behind it is looked at.
#[derive(Debug)]
enum Waiting {
    /// Nothing.
    No,
    /// The gateway says something, and that is all.
    Close {
        bytes: Vec<u8>,
        end: End,
        since: Instant,
    },
    /// The client logs in.
    Login(Credentials),
}

/// The two sockets, and what is between them.
#[derive(Debug)]
pub(crate) struct Pump {
    client: FrontStream,
    upstream: Option<Upstream>,
    pub(crate) session: Session,

    requests: RequestFramer,
    /// Bytes of the client that nobody took yet.
    kept: Vec<u8>,
    /// Some of them may be whole requests.
    kept_whole: bool,
    rest: Rest,
    waiting: Waiting,
    /// The client sends nothing more; whether the engine knows.
    client_ended: bool,
    engine_told: bool,
    to_engine: Outgoing,

    replies: ReplyFramer,
    kept_replies: Vec<u8>,
    to_client: Outgoing,

    /// Since when the request at the front has not been whole.
    partial_since: Option<Instant>,
    /// Since when the client takes nothing of what is there for it.
    pub(crate) stalled_since: Option<Instant>,
    /// When something passed last.
    pub(crate) active: Instant,
    /// Bytes taken from the client.
    pub(crate) received: u64,
}

impl Pump {
    pub(crate) fn new(client: FrontStream, session: Session) -> Self {
        Self {
            client,
            upstream: None,
            session,
            requests: RequestFramer::new(RequestLimits::BEFORE_LOGIN),
            kept: Vec::new(),
            kept_whole: false,
            rest: Rest::Passed,
            waiting: Waiting::No,
            client_ended: false,
            engine_told: false,
            to_engine: Outgoing::default(),
            replies: ReplyFramer::new(),
            kept_replies: Vec::new(),
            to_client: Outgoing::default(),
            partial_since: None,
            stalled_since: None,
            active: Instant::now(),
            received: 0,
        }
    }

    /// Passes what can be passed; resolves with what it cannot see to.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        gate: Gate,
        ticket: &Ticket,
    ) -> Poll<Event> {
        loop {
            let passed = self.pass(cx, gate, ticket);
            match passed {
                // Whoever has news for it has woken the task.
                Ok(true) if ticket.has_news() => return Poll::Pending,
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(event) => return Poll::Ready(event),
            }
        }
    }

    /// Tells whether anything passed.
    fn pass(&mut self, cx: &mut Context<'_>, gate: Gate, ticket: &Ticket) -> Result<bool, Event> {
        let replies = self.pass_replies(cx, ticket)?;
        let requests = self.pass_requests(cx, gate, ticket)?;
        Ok(replies || requests)
    }

    /// Whether the engine may be exchanged: nothing is on the way to it, and no reply from it.
    pub(crate) fn boundary(&self) -> Boundary {
        if self.is_between() {
            self.session.boundary()
        } else {
            Boundary::Busy
        }
    }

    /// No request and no reply is passed on in part.
    pub(crate) fn is_between(&self) -> bool {
        !self.requests.is_streaming() && !self.replies.is_streaming() && self.to_engine.is_empty()
    }

    /// Whether a part of a reply is with the client: nothing can be said to it any more.
    pub(crate) fn is_within_reply(&self) -> bool {
        self.replies.is_streaming()
    }

    pub(crate) fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    pub(crate) fn upstream_mut(&mut self) -> Option<&mut Upstream> {
        self.upstream.as_mut()
    }

    /// Goes on with another engine, or with none; what was not sent to the one before is not sent
    /// at all.
    pub(crate) fn exchange(&mut self, upstream: Option<Upstream>) {
        self.upstream = upstream;
        self.to_engine.clear();
        self.engine_told = false;
        self.replies = ReplyFramer::new();
        self.kept_replies = Vec::new();
    }

    /// What was passed on of a request in part is lost, and the rest of it is passed to nobody.
    pub(crate) fn forget_request(&mut self) {
        self.rest = Rest::Dropped;
    }

    /// Since when the client has not come to the end of its request, while nobody but the client
    /// is waited for.
    pub(crate) fn partial_since(&self) -> Option<Instant> {
        self.partial_since.filter(|_| self.to_engine.is_empty())
    }

    /// Whether the end of the engine's connection is what was to come: the client has said `QUIT`,
    /// or has sent everything.
    pub(crate) fn is_over(&self) -> bool {
        self.session.is_closing() || self.engine_told
    }

    /// Since when the connection is to end, once everything is answered.
    pub(crate) fn closing_since(&self) -> Option<Instant> {
        match &self.waiting {
            Waiting::Close { since, .. } => Some(*since),
            Waiting::No | Waiting::Login(_) => None,
        }
    }

    /// Says what it was to say last, although not everything is answered.
    pub(crate) fn close_now(&mut self) -> Option<End> {
        match std::mem::replace(&mut self.waiting, Waiting::No) {
            Waiting::Close { bytes, end, .. } => {
                if !self.replies.is_streaming() {
                    self.to_client.push(&bytes);
                }
                Some(end)
            }
            Waiting::No | Waiting::Login(_) => None,
        }
    }

    /// Says something to the client behind what is under way.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.to_client.push(bytes);
    }

    /// Sends something to the engine behind what is under way.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_engine.push(bytes);
    }

    /// Writes to the engine what waits for it, as far as it takes it now.
    pub(crate) fn flush_engine(&mut self, cx: &mut Context<'_>) {
        if let Some(upstream) = &mut self.upstream {
            // Its end, if it has ended, is read behind what it said before.
            let _later = Pin::new(upstream).poll_flush(cx);
        }
    }

    /// Takes requests as the client may send them once it has logged in.
    pub(crate) fn logged_in(&mut self) {
        self.requests.set_limits(RequestLimits::AFTER_LOGIN);
    }

    /// The client's connection, to be ended, with what is still to be said.
    pub(crate) fn into_client(self) -> (FrontStream, Outgoing) {
        (self.client, self.to_client)
    }
}
