//! The engines' replication protocol (PSYNC), without sockets, clock or dice.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod position;

pub use position::{Offset, ParseReplicationIdError, Position, ReplicationId};
