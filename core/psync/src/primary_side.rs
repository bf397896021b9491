//! The primary's side of the protocol: what a replica is told until it follows.

use std::{collections::VecDeque, fmt::Write as _};

use bytes::Bytes;
use resp::{CommandDecoder, DecodeError, Item, Limits};

use crate::{Framing, Login, Offset, Position};

/// A replica's commands are short; the longest word is a password.
const LIMITS: Limits = Limits {
    args: 24,
    word_bytes: 1024,
    command_bytes: 4096,
    line_bytes: 256,
};
/// Wrong passwords that one connection may try.
const MAX_DENIALS: u8 = 3;

/// What to do for the replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send these bytes.
    Reply(Bytes),
    /// It asks to follow from here; `None` asks for a full sync. Its answer is made by
    /// [`answer_continue`] or [`answer_full_sync`]; until then single newlines keep it waiting.
    Follow(Option<Position>),
    /// It has applied everything up to here.
    Applied(Offset),
}

/// The replica does not speak the protocol, or may not. The connection is to be closed, after the
/// replies that [`PrimarySide::next_command`] still has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The bytes are no commands.
    #[error("what the engine sent is not a command")]
    Undecodable(#[source] DecodeError),
    /// A command that a replica does not send once it asked to follow.
    #[error(
        "the engine sent `{command}` on its replication link, where only acknowledgements belong"
    )]
    Unexpected {
        /// Its name, shortened.
        command: String,
    },
    /// Too many wrong passwords.
    #[error("the engine gave wrong credentials {MAX_DENIALS} times")]
    Denied,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown { denials: u8 },
    Greeting,
    Following,
}

/// The primary's side of one connection.
#[derive(Debug)]
pub struct PrimarySide {
    login: Login,
    state: State,
    decoder: CommandDecoder,
    commands: VecDeque<Command>,
}

impl PrimarySide {
    /// Waits for a replica that logs in like this.
    #[must_use]
    pub fn new(login: Login) -> Self {
        Self {
            login,
            state: State::Unknown { denials: 0 },
            decoder: CommandDecoder::new(LIMITS),
            commands: VecDeque::new(),
        }
    }

    /// Takes bytes of the replica; what follows from them waits in [`PrimarySide::next_command`].
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.decoder.feed(bytes);
        loop {
            match self.decoder.next_item() {
                Ok(Some(Item::Newline)) => {}
                Ok(Some(Item::Command(words))) => self.handle_command(&words)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(ProtocolError::Undecodable(error)),
            }
        }
    }

    /// What is to be done next.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    fn handle_command(&mut self, words: &[Bytes]) -> Result<(), ProtocolError> {
        let words: Vec<&str> = words
            .iter()
            .map(|word| str::from_utf8(word).unwrap_or("\u{fffd}"))
            .collect();
        let [name, args @ ..] = words.as_slice() else {
            return Ok(());
        };
        let name = name.to_ascii_uppercase();
        match (self.state, name.as_str(), args) {
            (State::Following, "REPLCONF", args) => self.handle_acknowledgement(args),
            (State::Following, _, _) => {
                let command = name.chars().take(32).collect();
                return Err(ProtocolError::Unexpected { command });
            }
            (State::Unknown { .. } | State::Greeting, "AUTH", args) => return self.check(args),
            (State::Unknown { .. }, _, _) => {
                self.reply("-NOAUTH Authentication required.");
            }
            (State::Greeting, "PING", []) => self.reply("+PONG"),
            (State::Greeting, "REPLCONF", args) => self.handle_replconf(args),
            (State::Greeting, "PSYNC", [id, next]) => self.handle_psync(id, next),
            (State::Greeting, "SYNC", _) => {
                self.reply("-ERR SYNC is not served here, use PSYNC");
            }
            (State::Greeting, _, _) => {
                self.reply("-ERR only replicas are served here (AUTH, PING, REPLCONF, PSYNC)");
            }
        }
        Ok(())
    }

    fn check(&mut self, args: &[&str]) -> Result<(), ProtocolError> {
        let good = match args {
            [password] => self.login.matches("default", password),
            [user, password] => self.login.matches(user, password),
            _ => false,
        };
        if good {
            self.state = State::Greeting;
            self.reply("+OK");
            return Ok(());
        }
        let before = match self.state {
            State::Unknown { denials } => denials,
            State::Greeting | State::Following => 0,
        };
        let denials = before.saturating_add(1);
        self.state = State::Unknown { denials };
        self.reply("-WRONGPASS invalid username-password pair or user is disabled.");
        if denials >= MAX_DENIALS {
            return Err(ProtocolError::Denied);
        }
        Ok(())
    }

    fn handle_replconf(&mut self, args: &[&str]) {
        let Some(option) = args.first().map(|option| option.to_ascii_lowercase()) else {
            return self.reply("-ERR syntax error");
        };
        match option.as_str() {
            // Neither is answered by a primary.
            "ack" | "getack" => {}
            // What these ask for is another kind of transfer than the one that will come.
            "rdb-only" | "rdb-filter-only" | "rdb-channel" | "set-rdb-client-id" => {
                self.reply("-ERR this kind of synchronisation is not served here");
            }
            _ => self.reply("+OK"),
        }
    }

    fn handle_psync(&mut self, id: &str, next: &str) {
        let have = match (id, next) {
            ("?", _) => None,
            (id, next) => {
                let next = resp::number(next.as_bytes()).and_then(Offset::before_wanted);
                // Whatever cannot be read is nothing held.
                id.parse()
                    .ok()
                    .zip(next)
                    .map(|(id, o)| Position::new(id, o))
            }
        };
        self.state = State::Following;
        self.commands.push_back(Command::Follow(have));
    }

    fn handle_acknowledgement(&mut self, args: &[&str]) {
        // `ACK <offset>`, and behind it `FACK <offset>` from engines with an append-only file.
        if let [option, offset, ..] = args
            && option.eq_ignore_ascii_case("ack")
            && let Some(offset) = resp::number(offset.as_bytes())
        {
            self.commands.push_back(Command::Applied(Offset(offset)));
        }
    }

    fn reply(&mut self, line: &str) {
        let reply = Bytes::from(format!("{line}\r\n"));
        self.commands.push_back(Command::Reply(reply));
    }
}

/// What tells a replica that the stream goes on behind what it holds, and under which replication
/// ID from now on.
#[must_use]
pub fn answer_continue(position: &Position) -> Bytes {
    format!("+CONTINUE {}\r\n", position.replid).into()
}

/// What tells a replica that a snapshot follows, which ends at `position`.
#[must_use]
pub fn answer_full_sync(position: &Position, framing: &Framing) -> Bytes {
    let mut text = format!("+FULLRESYNC {} {}\r\n", position.replid, position.offset);
    // Writing to a String cannot fail.
    let _infallible = text.write_str(&framing.announcement());
    text.into()
}

#[cfg(test)]
mod tests;
