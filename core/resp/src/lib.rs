//! RESP framing: commands as arrays of bulk strings, single reply lines, and replication streams.
//!
//! In: bytes as they arrive, cut anywhere. Out: whole commands and lines, or an error.
//!
//! Invariants: only canonical framing is accepted (no signs, no leading zeros, CRLF where the
//! protocol has CRLF); nothing is allocated for a count or a length before it is checked against
//! [`Limits`]; the result does not depend on how the bytes were cut; after an error nothing more
//! comes out.
//!
//! Of what commands mean it knows where they have their keys, in a replication stream; it does not
//! read nested or RESP3 replies.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod command;
mod line;
mod stream;

pub use command::{CommandDecoder, DecodeError, Item, Limits, write_command};
pub use line::{LineReader, LineTooLong, number};
pub use stream::{Kind, Piece, StreamCommand, StreamError, StreamLimits, StreamReader, Touch};
