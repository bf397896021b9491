//! The engines' replication protocol (PSYNC), without sockets, clock or dice.
//!
//! Two machines. [`ReplicaSide`] speaks to a primary as its replica: bytes of the primary in,
//! [`Event`]s and the handshake's bytes out. [`PrimarySide`] speaks to a replica as its primary:
//! bytes of the replica in, [`Command`]s out; [`answer_full_sync`] and [`answer_continue`] are
//! what it is told once its caller knows where the bytes come from.
//!
//! Invariants: snapshot and stream bytes are handed on as slices of the input, none added, none
//! dropped; a [`Position`] is the last byte held, and the protocol's "next byte wanted" exists
//! only within [`Offset::next_wanted`] and [`Offset::before_wanted`]; all that is not payload has
//! a limit on its size.
//!
//! It does not look into snapshots or commands of the stream, it knows no time limits (its callers
//! have the clock), and it never offers a second channel for the snapshot.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod backlog;
mod framing;
mod login;
mod position;
mod primary_side;
mod replica_side;

pub use backlog::Backlog;
pub use framing::{EofMark, Framing, ParseEofMarkError};
pub use login::Login;
pub use position::{Offset, ParseReplicationIdError, Position, ReplicationId};
pub use primary_side::{Command, PrimarySide, ProtocolError, answer_continue, answer_full_sync};
pub use replica_side::{
    Event, Handshake, ReplicaSide, SourceError, Step, acknowledgement, pause_takeover,
};
