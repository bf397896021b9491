//! What a DNS server counts: questions by what they ask and how they came, answers by what they say,
//! and what was left unanswered.

use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::answer::Reply;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Udp, Self::Tcp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The kinds of questions that are told apart. Whoever asks cannot make more of them.
pub(crate) const KINDS: [&str; 8] = ["A", "AAAA", "CNAME", "NS", "SOA", "ANY", "other", "none"];
/// The codes of answers that are told apart.
pub(crate) const CODES: [&str; 9] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH", "BADVERS",
    "other",
];

/// What became of a question that got no answer, or not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// Equal answers to one network were too many: none was sent.
    Dropped,
    /// As before, and one was sent that asks for TCP.
    Shortened,
    /// It was no question at all.
    NoQuestion,
    /// A connection beyond those that may be there.
    Connection,
}

impl Withheld {
    pub(crate) const ALL: [Self; 4] = [
        Self::Dropped,
        Self::Shortened,
        Self::NoQuestion,
        Self::Connection,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Shortened => "shortened",
            Self::NoQuestion => "no_question",
            Self::Connection => "connection",
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Dropped => 0,
            Self::Shortened => 1,
            Self::NoQuestion => 2,
            Self::Connection => 3,
        }
    }
}

/// The counts, since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    udp: Counts,
    tcp: Counts,
    withheld: [AtomicU64; 4],
    /// When the control plane was heard last.
    heard: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Counts {
    questions: [AtomicU64; KINDS.len()],
    answers: [AtomicU64; CODES.len()],
}

impl Tally {
    /// A question, with the answer that was made for it.
    pub(crate) fn note(&self, transport: Transport, reply: &Reply) {
        let counts = self.counts(transport);
        add(&counts.questions, kind(reply.kind));
        add(&counts.answers, code(reply.code));
    }

    pub(crate) fn note_withheld(&self, how: Withheld) {
        add(&self.withheld, how.place());
    }

    /// The control plane was heard.
    pub(crate) fn note_heard(&self) {
        *self.heard.lock() = Some(Instant::now());
    }

    pub(crate) fn heard(&self) -> Option<Instant> {
        *self.heard.lock()
    }

    /// Questions by kind.
    pub(crate) fn questions(
        &self,
        transport: Transport,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS
            .into_iter()
            .zip(read(&self.counts(transport).questions))
    }

    /// Answers by code.
    pub(crate) fn answers(
        &self,
        transport: Transport,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        CODES.into_iter().zip(read(&self.counts(transport).answers))
    }

    pub(crate) fn withheld(&self, how: Withheld) -> u64 {
        let count = self.withheld.get(how.place());
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn counts(&self, transport: Transport) -> &Counts {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
        }
    }
}

fn add(counts: &[AtomicU64], place: usize) {
    if let Some(count) = counts.get(place) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn read<const N: usize>(counts: &[AtomicU64; N]) -> [u64; N] {
    counts.each_ref().map(|count| count.load(Ordering::Relaxed))
}

/// The place of what is asked for among [`KINDS`].
fn kind(asked: Option<RecordType>) -> usize {
    match asked {
        Some(RecordType::A) => 0,
        Some(RecordType::AAAA) => 1,
        Some(RecordType::CNAME) => 2,
        Some(RecordType::NS) => 3,
        Some(RecordType::SOA) => 4,
        Some(RecordType::ANY) => 5,
        Some(_) => 6,
        None => 7,
    }
}

/// The place of a code among [`CODES`].
fn code(code: ResponseCode) -> usize {
    // By their numbers (RFC 6895 2.3).
    match u16::from(code) {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 3,
        4 => 4,
        5 => 5,
        9 => 6,
        16 => 7,
        _ => 8,
    }
}
