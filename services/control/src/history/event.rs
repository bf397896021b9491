//! One event of a link, told by an agent or by the control plane itself.

use std::fmt;

use model::{EventObserved, LinkId, Region, Timestamp};

/// Who tells the control plane's own events, where agents have their region.
pub(crate) const CONTROL: &str = "control plane";
/// No sentence is longer than this.
const LONGEST: usize = 1_000;

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Counts what was kept, over all links; 0 before that.
    pub(crate) number: u64,
    /// The region of the agent that told it, or [`CONTROL`].
    pub(crate) source: String,
    /// With `sequence`, its name among the events of its source.
    pub(crate) boot: u64,
    /// See `boot`.
    pub(crate) sequence: u64,
    /// When it was heard, on the control plane's clock.
    pub(crate) heard: Timestamp,
    /// When it happened, on its source's clock.
    pub(crate) at: Timestamp,
    /// The link.
    pub(crate) link: LinkId,
    /// The shard, when it is one shard's.
    pub(crate) shard: Option<u16>,
    /// What happened, in a word.
    pub(crate) kind: String,
    /// What exactly and why, in a sentence.
    pub(crate) text: String,
}

/// Where a list of events begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// Behind the event of this number.
    Number(u64),
    /// At this time.
    Time(Timestamp),
}

/// What the control plane did to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnEvent {
    pub(crate) link: LinkId,
    pub(crate) kind: OwnKind,
    pub(crate) text: String,
}

/// The control plane's own kinds, beside those of [`model::EventKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnKind {
    LinkCreated,
    InStep,
    FailoverBegun,
    FailoverForced,
    FailoverDecided,
    FailoverAborted,
    LeaseWaited,
    ForkKnown,
    UnsavedAccepted,
    AutoFailoverBegun,
    AutoFailoverWithheld,
    AutoFailoverAcknowledged,
    SettingsChanged,
    EmptyStartAllowed,
    UnlinkBegun,
    Unlinked,
}

impl fmt::Display for OwnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Event {
    pub(super) fn of_agent(region: &Region, event: EventObserved, heard: Timestamp) -> Self {
        Self {
            number: 0,
            source: region.to_string(),
            boot: event.boot,
            sequence: event.sequence,
            heard,
            at: event.at,
            link: event.link,
            shard: event.shard.map(|shard| shard.0),
            kind: event.kind.to_string(),
            text: event.text.chars().take(LONGEST).collect(),
        }
    }
}

impl OwnEvent {
    pub(super) fn numbered(self, boot: u64, sequence: u64, now: Timestamp) -> Event {
        Event {
            number: 0,
            source: CONTROL.to_owned(),
            boot,
            sequence,
            heard: now,
            at: now,
            link: self.link,
            shard: None,
            kind: self.kind.to_string(),
            text: self.text,
        }
    }
}
