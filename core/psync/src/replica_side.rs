//! The replica's side of the protocol: from the first command to the stream.

use std::{collections::VecDeque, net::IpAddr};

use bytes::Bytes;
use resp::{LineReader, write_command};

use crate::{Framing, Login, Offset, Position, framing::PayloadEnd, position::ReplicationId};

/// The longest line a primary sends outside of payloads: errors carry some text.
const LINE_BYTES: usize = 1024;

/// What a replica says about itself, and what it asks for.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// Who it is; `None` on an engine without passwords.
    pub login: Option<Login>,
    /// The address that the primary shows in `INFO replication`.
    pub address: IpAddr,
    /// The port beside it.
    pub port: u16,
    /// The version of the engine that will load the snapshot, such as `8.0.1`.
    pub version: String,
    /// Where to go on from; `None` asks for a full sync.
    pub have: Option<Position>,
    /// It wants a snapshot and no stream: the engine does not count it among its replicas, keeps
    /// nothing for it, and lets go of it once the snapshot is sent.
    pub snapshot_only: bool,
}

/// A step of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `AUTH`.
    Auth,
    /// `PING`.
    Ping,
    /// `REPLCONF listening-port`.
    ListeningPort,
    /// `REPLCONF ip-address`.
    IpAddress,
    /// `REPLCONF capa eof capa psync2`.
    Capabilities,
    /// `REPLCONF version`.
    Version,
    /// `REPLCONF rdb-only`.
    SnapshotOnly,
    /// `PSYNC`.
    Psync,
    /// The snapshot's announcement.
    Snapshot,
}

impl Step {
    /// The command that the primary answers in this step.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::Ping => "PING",
            Self::ListeningPort => "REPLCONF listening-port",
            Self::IpAddress => "REPLCONF ip-address",
            Self::Capabilities => "REPLCONF capa",
            Self::Version => "REPLCONF version",
            Self::SnapshotOnly => "REPLCONF rdb-only",
            Self::Psync => "PSYNC",
            Self::Snapshot => "PSYNC (the snapshot)",
        }
    }

    /// Tells steps whose refusal by an older engine, or one that is configured so, does no harm.
    fn may_be_refused(self) -> bool {
        match self {
            Self::ListeningPort | Self::IpAddress | Self::Version => true,
            Self::Auth
            | Self::Ping
            | Self::Capabilities
            | Self::SnapshotOnly
            | Self::Psync
            | Self::Snapshot => false,
        }
    }
}

/// What a primary sent, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `+CONTINUE`: the stream goes on behind the offset that was held, perhaps under another
    /// replication ID.
    Continued(Position),
    /// `+FULLRESYNC`: a snapshot will come that ends at this position.
    FullSync(Position),
    /// The snapshot's announcement; its payload follows.
    SnapshotBegins(Framing),
    /// Bytes of the payload, the mark among them when there is one.
    SnapshotBytes(&'a [u8]),
    /// The payload is whole.
    SnapshotEnds,
    /// Bytes of the stream.
    StreamBytes(&'a [u8]),
}

/// The primary does not let this replica follow, or does not speak the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It will, but not now: it is loading, or its own primary is away.
    #[error("the engine answered {} with `{reply}`: it is not ready, ask again", step.command())]
    NotReady {
        /// The command that it answered.
        step: Step,
        /// Its answer.
        reply: String,
    },
    /// It does not accept the user or the password, or the user may not replicate.
    #[error(
        "the engine answered {} with `{reply}`: check the replication user's password and permissions",
        step.command()
    )]
    Denied {
        /// The command that it answered.
        step: Step,
        /// Its answer.
        reply: String,
    },
    /// Any other error.
    #[error("the engine answered {} with `{reply}`", step.command())]
    Refused {
        /// The command that it answered.
        step: Step,
        /// Its answer.
        reply: String,
    },
    /// An answer that is not the protocol's.
    #[error("the engine answered {} with `{reply}`, which is not an answer to it", step.command())]
    Malformed {
        /// The command that it answered.
        step: Step,
        /// Its answer, shortened.
        reply: String,
    },
}

#[derive(Debug)]
enum State {
    Greeting { waiting: VecDeque<Step> },
    WaitingForAnswer,
    WaitingForSnapshot,
    Snapshot(PayloadEnd),
    Stream,
    Failed,
}

/// The replica's side of one connection.
#[derive(Debug)]
pub struct ReplicaSide {
    have: Option<Position>,
    position: Option<Position>,
    state: State,
    lines: LineReader,
    outgoing: VecDeque<Bytes>,
}

impl ReplicaSide {
    /// Begins the handshake: its first commands wait in [`ReplicaSide::next_command`].
    #[must_use]
    pub fn new(handshake: &Handshake) -> Self {
        let (steps, commands) = greeting(handshake);
        Self {
            have: handshake.have,
            position: None,
            state: State::Greeting { waiting: steps },
            lines: LineReader::new(LINE_BYTES),
            outgoing: VecDeque::from([commands]),
        }
    }

    /// The next bytes to send to the primary.
    pub fn next_command(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    /// Tells whether the handshake is over and `PSYNC` was asked.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        !matches!(self.state, State::Greeting { .. })
    }

    /// Where the replica stands: the last stream byte handed out, or the end of the snapshot that
    /// is coming. `None` until the primary answered `PSYNC`.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Takes bytes off the front of `input` and tells the next event. `Ok(None)`: `input` is used
    /// up. After an error nothing more is read.
    pub fn handle_bytes<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, SourceError> {
        let result = self.advance(input);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn advance<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, SourceError> {
        loop {
            match &mut self.state {
                State::Stream => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let bytes = std::mem::take(input);
                    if let Some(position) = &mut self.position {
                        position.offset = position.offset.advanced(bytes.len() as u64);
                    }
                    return Ok(Some(Event::StreamBytes(bytes)));
                }
                State::Snapshot(end) => {
                    let (taken, ended) = end.take(input);
                    if taken == 0 && ended {
                        self.state = State::Stream;
                        return Ok(Some(Event::SnapshotEnds));
                    }
                    if taken == 0 {
                        return Ok(None);
                    }
                    if ended {
                        *end = PayloadEnd::After(0);
                    }
                    let (bytes, rest) = input.split_at(taken);
                    *input = rest;
                    return Ok(Some(Event::SnapshotBytes(bytes)));
                }
                State::Greeting { .. } | State::WaitingForAnswer | State::WaitingForSnapshot => {
                    let step = self.step();
                    let line = self.lines.take(input).map_err(|too_long| {
                        let reply = too_long.to_string();
                        SourceError::Malformed { step, reply }
                    })?;
                    let Some(line) = line else {
                        return Ok(None);
                    };
                    // An empty line is a sign of life.
                    if line.is_empty() {
                        continue;
                    }
                    if let Some(event) = self.handle_line(step, &line)? {
                        return Ok(Some(event));
                    }
                }
                State::Failed => {
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    fn step(&self) -> Step {
        match &self.state {
            State::Greeting { waiting } => waiting.front().copied().unwrap_or(Step::Psync),
            State::WaitingForAnswer => Step::Psync,
            State::WaitingForSnapshot | State::Snapshot(_) | State::Stream | State::Failed => {
                Step::Snapshot
            }
        }
    }

    fn handle_line(
        &mut self,
        step: Step,
        line: &[u8],
    ) -> Result<Option<Event<'static>>, SourceError> {
        if let [b'-', ..] = line {
            let error = refusal(step, line);
            if !(step.may_be_refused() && matches!(error, SourceError::Refused { .. })) {
                return Err(error);
            }
        }
        let malformed = || SourceError::Malformed {
            step,
            reply: shown(line),
        };
        match step {
            Step::Psync => self.handle_answer(line).ok_or_else(malformed).map(Some),
            Step::Snapshot => {
                let framing = Framing::from_announcement(line).ok_or_else(malformed)?;
                self.state = State::Snapshot(PayloadEnd::of(framing));
                Ok(Some(Event::SnapshotBegins(framing)))
            }
            Step::Auth
            | Step::Ping
            | Step::ListeningPort
            | Step::IpAddress
            | Step::Capabilities
            | Step::Version
            | Step::SnapshotOnly => {
                if !matches!(line, [b'+' | b'-', ..]) {
                    return Err(malformed());
                }
                self.finish_step();
                Ok(None)
            }
        }
    }

    fn finish_step(&mut self) {
        if let State::Greeting { waiting } = &mut self.state {
            waiting.pop_front();
            if waiting.is_empty() {
                self.outgoing.push_back(psync(self.have));
                self.state = State::WaitingForAnswer;
            }
        }
    }

    fn handle_answer(&mut self, line: &[u8]) -> Option<Event<'static>> {
        let line = str::from_utf8(line).ok()?;
        let words: Vec<&str> = line.split(' ').collect();
        match (words.as_slice(), self.have) {
            (["+FULLRESYNC", id, offset], _) => {
                let offset = Offset(resp::number(offset.as_bytes())?);
                let position = Position::new(id.parse().ok()?, offset);
                self.position = Some(position);
                self.state = State::WaitingForSnapshot;
                Some(Event::FullSync(position))
            }
            (["+CONTINUE"], Some(have)) => Some(self.go_on(have)),
            (["+CONTINUE", id], Some(have)) => {
                let replid: ReplicationId = id.parse().ok()?;
                Some(self.go_on(Position::new(replid, have.offset)))
            }
            _ => None,
        }
    }

    fn go_on(&mut self, position: Position) -> Event<'static> {
        self.position = Some(position);
        self.state = State::Stream;
        Event::Continued(position)
    }
}

/// The line by which a replica tells how much it has applied.
#[must_use]
pub fn acknowledgement(applied: Offset) -> Bytes {
    let mut out = Vec::with_capacity(64);
    let offset = applied.to_string();
    write_command(&mut out, &[b"REPLCONF", b"ACK", offset.as_bytes()]);
    out.into()
}

/// The commands by which a replica takes a pause of clients over: ends whichever there is, and
/// pauses writes for `ms` milliseconds instead. Sent in one piece, no write comes between.
///
/// While a client's `CLIENT PAUSE … ALL` lasts, an engine runs commands for replicas alone. It
/// drops a replica that it would have to answer, which `CLIENT REPLY SKIP` avoids (`networking.c`).
#[must_use]
pub fn pause_takeover(ms: u64) -> Bytes {
    let mut out = Vec::with_capacity(192);
    let ms = ms.to_string();
    let skip: [&[u8]; 3] = [b"CLIENT", b"REPLY", b"SKIP"];
    write_command(&mut out, &skip);
    write_command(&mut out, &[b"CLIENT", b"UNPAUSE"]);
    write_command(&mut out, &skip);
    write_command(&mut out, &[b"CLIENT", b"PAUSE", ms.as_bytes(), b"WRITE"]);
    out.into()
}

fn greeting(handshake: &Handshake) -> (VecDeque<Step>, Bytes) {
    let mut steps = VecDeque::new();
    let mut out = Vec::new();
    let mut say = |step: Step, words: &[&str]| {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        write_command(&mut out, &words);
        steps.push_back(step);
    };
    if let Some(login) = &handshake.login {
        say(Step::Auth, &login.command());
    }
    let (port, address) = (handshake.port.to_string(), handshake.address.to_string());
    say(Step::Ping, &["PING"]);
    say(Step::ListeningPort, &["REPLCONF", "listening-port", &port]);
    say(Step::IpAddress, &["REPLCONF", "ip-address", &address]);
    say(
        Step::Capabilities,
        &["REPLCONF", "capa", "eof", "capa", "psync2"],
    );
    say(Step::Version, &["REPLCONF", "version", &handshake.version]);
    if handshake.snapshot_only {
        say(Step::SnapshotOnly, &["REPLCONF", "rdb-only", "1"]);
    }
    (steps, out.into())
}

fn psync(have: Option<Position>) -> Bytes {
    let (id, next) = match have {
        Some(Position { replid, offset }) => (replid.to_string(), offset.next_wanted().to_string()),
        None => ("?".to_owned(), "-1".to_owned()),
    };
    let mut out = Vec::new();
    write_command(&mut out, &[b"PSYNC", id.as_bytes(), next.as_bytes()]);
    out.into()
}

fn refusal(step: Step, line: &[u8]) -> SourceError {
    const NOT_READY: [&str; 5] = ["LOADING", "NOMASTERLINK", "MASTERDOWN", "BUSY", "TRYAGAIN"];
    const DENIED: [&str; 3] = ["NOAUTH", "WRONGPASS", "NOPERM"];
    let reply = shown(line);
    let code = reply.trim_start_matches('-').split(' ').next();
    let is_any = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
    if is_any(&NOT_READY) {
        SourceError::NotReady { step, reply }
    } else if is_any(&DENIED) {
        SourceError::Denied { step, reply }
    } else {
        SourceError::Refused { step, reply }
    }
}

fn shown(line: &[u8]) -> String {
    line.iter()
        .take(200)
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests;
