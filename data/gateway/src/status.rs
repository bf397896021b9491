//! What a gateway has seen, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Endpoint,
    ticket::{Carrier, Standing, Through, Ticket},
};

/// What a gateway sees, and has seen since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayStatus {
    /// Connections that stand, by where they came in.
    pub connections: Connections,
    /// Connections that were let in by the firewall and the number of clients, ever.
    pub accepted: u64,
    /// Connections and logins that were not, by reason.
    pub refused: Refused,
    /// Connections that are held at a command boundary.
    pub held: u64,
    /// Connections that go over to the other side's gateway.
    pub tunnelled: u64,
    /// Connections whose client came in with a token.
    pub by_token: u64,
    /// Connections that came, ever, and that ended: those that are encrypted, and those that are not.
    pub encrypted: Passage,
    /// See `encrypted`.
    pub plain: Passage,
    /// Commands of clients that were passed on to an engine here, ever. What went over to the other
    /// side's gateway is counted there.
    pub commands: u64,
    /// Connections that ended with the token that they came in with, ever.
    pub expired_tokens: u64,
    /// Moves of a connection from one engine to another, ever.
    pub carried: u64,
    /// Commands that were sent to an engine and whose outcome clients were told to be unknown.
    pub unknown_outcomes: u64,
    /// Bytes that came from clients, ever.
    pub bytes_in: u64,
    /// Bytes that went to clients, ever.
    pub bytes_out: u64,
}

/// Connections, by where they came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// The direct endpoint, with TLS.
    pub direct_tls: u64,
    /// The direct endpoint, without.
    pub direct_plain: u64,
    /// The geo endpoint, with TLS.
    pub geo_tls: u64,
    /// The geo endpoint, without.
    pub geo_plain: u64,
    /// The geo endpoint of the other side.
    pub entered: u64,
}

impl Connections {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.direct_tls + self.direct_plain + self.geo_tls + self.geo_plain + self.entered
    }
}

/// Connections that came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passage {
    /// Those that came, ever.
    pub created: u64,
    /// Those of them that ended.
    pub closed: u64,
}

/// What was refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Connections from addresses that no firewall rule has.
    pub firewall: u64,
    /// Connections beyond the number of clients.
    pub clients: u64,
    /// Connections whose TLS handshake failed.
    pub tls: u64,
    /// Logins with a wrong key, user or token.
    pub login: u64,
    /// Of those, the ones with a token.
    pub token: u64,
    /// Logins beyond their address's budget.
    pub throttled: u64,
    /// Connections that broke the protocol.
    pub protocol: u64,
    /// Connections that were too slow: no login, no whole request, or nothing taken.
    pub slow: u64,
    /// Connections of the other side's gateway that were not let in.
    pub entering: u64,
}

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Firewall,
    Clients,
    Tls,
    Login,
    Throttled,
    Protocol,
    Slow,
    Entering,
}

/// What only grows.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    accepted: AtomicU64,
    carried: AtomicU64,
    unknown_outcomes: AtomicU64,
    refused: [AtomicU64; 8],
    refused_tokens: AtomicU64,
    expired_tokens: AtomicU64,
    encrypted: Passages,
    plain: Passages,
    /// Of connections that are gone.
    received: AtomicU64,
    sent: AtomicU64,
    commands: AtomicU64,
}

#[derive(Debug, Default)]
struct Passages {
    created: AtomicU64,
    closed: AtomicU64,
}

impl Passages {
    fn count(&self) -> Passage {
        // What has closed was created before.
        let closed = self.closed.load(Ordering::Relaxed);
        Passage {
            created: self.created.load(Ordering::Relaxed),
            closed,
        }
    }
}

impl Totals {
    /// Counts a connection that came.
    pub(crate) fn note_created(&self, carrier: Carrier) {
        let created = &self.passages(carrier).created;
        created.fetch_add(1, Ordering::Relaxed);
    }

    fn passages(&self, carrier: Carrier) -> &Passages {
        match carrier {
            // Regions talk by TLS.
            Carrier::Tls | Carrier::Tunnel => &self.encrypted,
            Carrier::Plain => &self.plain,
        }
    }

    pub(crate) fn note_refused_token(&self) {
        self.refused_tokens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_expired_token(&self) {
        self.expired_tokens.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_carried(&self) {
        self.carried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_unknown(&self, commands: usize) {
        self.unknown_outcomes
            .fetch_add(commands as u64, Ordering::Relaxed);
    }

    /// Counts a refusal, and tells how many of its kind there were before.
    pub(crate) fn note_refused(&self, refusal: Refusal) -> u64 {
        self.refusals(refusal).fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn note_gone(&self, ticket: &Ticket) {
        let received = ticket.received.load(Ordering::Relaxed);
        let sent = ticket.sent.load(Ordering::Relaxed);
        let commands = ticket.commands.load(Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.commands.fetch_add(commands, Ordering::Relaxed);
        let closed = &self.passages(ticket.through().carrier).closed;
        closed.fetch_add(1, Ordering::Relaxed);
    }

    fn refusals(&self, refusal: Refusal) -> &AtomicU64 {
        let [
            firewall,
            clients,
            tls,
            login,
            throttled,
            protocol,
            slow,
            entering,
        ] = &self.refused;
        match refusal {
            Refusal::Firewall => firewall,
            Refusal::Clients => clients,
            Refusal::Tls => tls,
            Refusal::Login => login,
            Refusal::Throttled => throttled,
            Refusal::Protocol => protocol,
            Refusal::Slow => slow,
            Refusal::Entering => entering,
        }
    }

    /// Everything but what the connections that stand add.
    pub(crate) fn status(&self) -> GatewayStatus {
        let count = |refusal| self.refusals(refusal).load(Ordering::Relaxed);
        GatewayStatus {
            connections: Connections::default(),
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: Refused {
                firewall: count(Refusal::Firewall),
                clients: count(Refusal::Clients),
                tls: count(Refusal::Tls),
                login: count(Refusal::Login),
                token: self.refused_tokens.load(Ordering::Relaxed),
                throttled: count(Refusal::Throttled),
                protocol: count(Refusal::Protocol),
                slow: count(Refusal::Slow),
                entering: count(Refusal::Entering),
            },
            held: 0,
            tunnelled: 0,
            by_token: 0,
            encrypted: self.encrypted.count(),
            plain: self.plain.count(),
            commands: self.commands.load(Ordering::Relaxed),
            expired_tokens: self.expired_tokens.load(Ordering::Relaxed),
            carried: self.carried.load(Ordering::Relaxed),
            unknown_outcomes: self.unknown_outcomes.load(Ordering::Relaxed),
            bytes_in: self.received.load(Ordering::Relaxed),
            bytes_out: self.sent.load(Ordering::Relaxed),
        }
    }
}

impl GatewayStatus {
    /// Adds a connection that stands.
    pub(crate) fn add(&mut self, ticket: &Ticket) {
        let Through { endpoint, carrier } = ticket.through();
        let connections = &mut self.connections;
        let count = match (endpoint, carrier) {
            (Endpoint::Direct, Carrier::Tls) => &mut connections.direct_tls,
            (Endpoint::Direct, Carrier::Plain) => &mut connections.direct_plain,
            (Endpoint::Geo, Carrier::Tls) => &mut connections.geo_tls,
            (Endpoint::Geo, Carrier::Plain) => &mut connections.geo_plain,
            (Endpoint::Direct | Endpoint::Geo, Carrier::Tunnel) => &mut connections.entered,
        };
        *count += 1;
        self.held += u64::from(ticket.standing() == Standing::Held);
        self.tunnelled += u64::from(ticket.is_tunnelled());
        self.by_token += u64::from(ticket.is_by_token());
        self.commands += ticket.commands.load(Ordering::Relaxed);
        self.bytes_in += ticket.received.load(Ordering::Relaxed);
        self.bytes_out += ticket.sent.load(Ordering::Relaxed);
    }
}
