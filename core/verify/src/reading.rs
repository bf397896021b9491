//! Reading one key page by page: commands out, answers in, facts at the end.
//!
//! A page is sized after those before it, so that a command hands out about [`PAGE`] bytes however
//! large the elements are, and never more than [`MOST`] elements. An engine serves everybody else
//! between two pages; what was changed between them makes a digest that nothing has, and the key is
//! looked at again.

mod list;
mod members;
mod opaque;
mod sorted;
mod stream;
mod text;

use crate::{
    Command, Digest, Facts, Kind, Measure, Reply, Seen, Unexpected,
    reply::{Reader, command},
};

/// Bytes that a page is to have.
const PAGE: u64 = 64 << 10;
/// Elements of a first page.
const FIRST: u64 = 16;
/// Elements of any page: an engine looks each up in a place of its own, some 2 µs a field of a
/// large hash.
const MOST: u64 = 250;

/// One key being read.
pub struct Reading {
    key: Vec<u8>,
    expires: Option<u64>,
    state: State,
}

enum State {
    /// Its type and its expiry are asked for.
    Head,
    Pages(Kind, Box<dyn Pages>),
    Ended(Seen),
}

/// A value of one type.
trait Pages: Send {
    /// What to ask next.
    fn ask(&self, key: &[u8]) -> Vec<Command>;

    /// Takes the answers to that. `Some`: the value has been read.
    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected>;
}

impl Reading {
    /// Begins.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self {
            key,
            expires: None,
            state: State::Head,
        }
    }

    /// What to ask next; nothing when it has ended.
    #[must_use]
    pub fn ask(&self) -> Vec<Command> {
        match &self.state {
            State::Head => vec![
                command(&[b"TYPE", &self.key]),
                command(&[b"PEXPIRETIME", &self.key]),
            ],
            State::Pages(_, pages) => pages.ask(&self.key),
            State::Ended(_) => Vec::new(),
        }
    }

    /// Takes the answers to [`Reading::ask`], one for each command.
    pub fn take(&mut self, replies: Vec<Reply>) -> Result<(), Unexpected> {
        if replies.contains(&Reply::Gone) {
            self.state = State::Ended(Seen::Torn);
            return Ok(());
        }
        match &mut self.state {
            State::Head => {
                let [name, expires] =
                    Reader("TYPE and PEXPIRETIME").exactly(Reply::List(replies))?;
                let name = Reader("TYPE").bytes(name)?;
                // -1: it never expires. -2: it has, since TYPE answered.
                let expires = Reader("PEXPIRETIME").number(expires)?;
                self.expires = u64::try_from(expires).ok();
                self.state = match name.as_slice() {
                    b"none" => State::Ended(Seen::Missing),
                    _ if expires == -2 => State::Ended(Seen::Torn),
                    name => {
                        let kind = Kind::named(name);
                        let pages = pages_of(&kind);
                        State::Pages(kind, pages)
                    }
                };
            }
            State::Pages(kind, pages) => {
                if let Some((length, digest)) = pages.take(replies)? {
                    self.state = State::Ended(Seen::There(Facts {
                        kind: kind.clone(),
                        value: Measure { length, digest },
                        expires: self.expires,
                    }));
                }
            }
            State::Ended(_) => {}
        }
        Ok(())
    }

    /// What was seen, once it has ended.
    #[must_use]
    pub fn seen(&self) -> Option<&Seen> {
        match &self.state {
            State::Ended(seen) => Some(seen),
            State::Head | State::Pages(..) => None,
        }
    }
}

fn pages_of(kind: &Kind) -> Box<dyn Pages> {
    match kind {
        Kind::String => Box::new(text::Text::new()),
        Kind::List => Box::new(list::Elements::new()),
        Kind::Set => Box::new(members::Members::of_set()),
        Kind::Hash => Box::new(members::Members::of_hash()),
        Kind::SortedSet => Box::new(sorted::Ranked::new()),
        Kind::Stream => Box::new(stream::Stream::new()),
        Kind::Module(_) => Box::new(opaque::Dumped),
    }
}

/// How many elements the next page is to have.
#[derive(Clone, Copy)]
struct Appetite(u64);

impl Appetite {
    fn new() -> Self {
        Self(FIRST)
    }

    fn count(self) -> u64 {
        self.0
    }

    /// Learns from a page: at most four times as many next time.
    fn learn(&mut self, elements: u64, bytes: u64) {
        let each = (bytes / elements.max(1)).max(1);
        self.0 = (PAGE / each).min(self.0.saturating_mul(4)).clamp(1, MOST);
    }
}

fn digits(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
