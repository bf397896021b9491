//! What the gateway knows of each of its connections, and how it wakes them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::Context,
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use crate::Endpoint;

/// Through which door a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Through {
    pub(crate) endpoint: Endpoint,
    pub(crate) carrier: Carrier,
}

/// What carries its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    Tls,
    Plain,
    /// Another region's gateway, which has the client.
    Tunnel,
}

/// How far a connection is in being held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes requests.
    Running,
    /// It takes none, and some are not answered.
    Stopping,
    /// It takes none, and waits for none but those that wait themselves (blocked commands).
    Held,
}

impl Standing {
    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Running,
            1 => Self::Stopping,
            _ => Self::Held,
        }
    }
}

/// One connection. The connection's task and the gateway share it; nobody waits for the other.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) since: Instant,
    /// The private endpoint by which it came in here.
    pub(crate) private: Option<Arc<str>>,
    endpoint: AtomicU8,
    carrier: Carrier,
    waker: AtomicWaker,
    changed: AtomicBool,
    evicted: AtomicBool,
    standing: AtomicU8,
    inside: AtomicBool,
    tunnelled: AtomicBool,
    by_token: AtomicBool,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl Ticket {
    pub(crate) fn new(
        id: u64,
        peer: SocketAddr,
        through: Through,
        private: Option<Arc<str>>,
    ) -> Arc<Self> {
        let ticket = Self {
            id,
            peer,
            private,
            since: Instant::now(),
            endpoint: AtomicU8::new(0),
            carrier: through.carrier,
            waker: AtomicWaker::new(),
            // Whoever comes in looks at its orders once.
            changed: AtomicBool::new(true),
            evicted: AtomicBool::new(false),
            standing: AtomicU8::new(0),
            inside: AtomicBool::new(false),
            tunnelled: AtomicBool::new(false),
            by_token: AtomicBool::new(false),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            commands: AtomicU64::new(0),
        };
        ticket.set_endpoint(through.endpoint);
        Arc::new(ticket)
    }

    pub(crate) fn through(&self) -> Through {
        let endpoint = match self.endpoint.load(Ordering::Relaxed) {
            0 => Endpoint::Direct,
            _ => Endpoint::Geo,
        };
        Through {
            endpoint,
            carrier: self.carrier,
        }
    }

    /// The name that the client asked for in its handshake tells which endpoint it means.
    pub(crate) fn set_endpoint(&self, endpoint: Endpoint) {
        let number = match endpoint {
            Endpoint::Direct => 0,
            Endpoint::Geo => 1,
        };
        self.endpoint.store(number, Ordering::Relaxed);
    }

    /// The task is to look at its orders.
    pub(crate) fn wake(&self) {
        self.changed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The connection is to end, without a word.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Tells the task whether there is something to look at, and has it woken by the next.
    pub(crate) fn poll_changed(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.changed.load(Ordering::Relaxed) && self.changed.swap(false, Ordering::Acquire)
    }

    /// Tells whether there is something to look at.
    pub(crate) fn has_news(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing::of(self.standing.load(Ordering::Acquire))
    }

    /// Tells how it stood before.
    pub(crate) fn set_standing(&self, standing: Standing) -> Standing {
        let number = match standing {
            Standing::Running => 0,
            Standing::Stopping => 1,
            Standing::Held => 2,
        };
        Standing::of(self.standing.swap(number, Ordering::AcqRel))
    }

    /// It has logged in.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Acquire)
    }

    /// It has logged in now. Tells whether it had before.
    pub(crate) fn set_inside(&self) -> bool {
        self.inside.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_tunnelled(&self) -> bool {
        self.tunnelled.load(Ordering::Relaxed)
    }

    /// Tells whether it was before.
    pub(crate) fn set_tunnelled(&self, tunnelled: bool) -> bool {
        self.tunnelled.swap(tunnelled, Ordering::Relaxed)
    }

    /// Its client came in with a token.
    pub(crate) fn is_by_token(&self) -> bool {
        self.by_token.load(Ordering::Relaxed)
    }

    pub(crate) fn set_by_token(&self, by_token: bool) {
        self.by_token.store(by_token, Ordering::Relaxed);
    }

    /// Counts commands that were passed on to an engine here.
    pub(crate) fn note_commands(&self, commands: u64) {
        if commands > 0 && !self.is_tunnelled() {
            self.commands.fetch_add(commands, Ordering::Relaxed);
        }
    }

    pub(crate) fn note_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
