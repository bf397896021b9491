//! What is seen of a former geo-primary that saves what the other side does not have.

use psync::Position;

/// An outbound half that reads what its journal lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Drained {
    /// Where an empty journal may begin: where the other side took over, as far as that is known.
    pub from: Option<Position>,
    /// How far the journal is written.
    pub end: JournalEnd,
}

/// How far a journal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JournalEnd {
    /// It is not open yet.
    Unknown,
    /// Nowhere: it is empty.
    Nowhere,
    /// Up to here.
    At(Position),
}

/// How far the agent is with saving, as far as this run of it remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Saving<'a> {
    /// It was not asked to.
    #[default]
    Idle,
    /// It is under way.
    UnderWay,
    /// Everything is on disk.
    Done,
    /// Some of it is nowhere any more.
    Impossible {
        /// What, and why.
        why: &'a str,
    },
}
