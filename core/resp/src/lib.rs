//! RESP framing: requests and replies as a gateway passes them on, commands as arrays of bulk
//! strings, single reply lines, replication streams, and the hash slots of keys.
//!
//! In: bytes as they arrive, cut anywhere. Out: requests, replies, commands and lines, or an error.
//!
//! [`RequestFramer`] and [`ReplyFramer`] leave the bytes with the caller: they say how many at the
//! front of a buffer belong together and hand out views into it, and of what is too large to be
//! kept, how much may be passed on. The other readers keep what they read.
//!
//! Invariants: only canonical framing is accepted (no signs, no leading zeros, CRLF where the
//! protocol has CRLF); nothing is allocated for a count or a length before it is checked against
//! limits; the result does not depend on how the bytes were cut; after an error nothing more
//! comes out.
//!
//! Of what commands mean it knows where they have their keys, in a replication stream.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod command;
mod encode;
mod line;
mod reply;
mod request;
mod slot;
mod stream;

pub use command::{CommandDecoder, DecodeError, Item, Limits};
pub use encode::{
    write_array, write_bulk, write_command, write_error, write_integer, write_null,
    write_null_array, write_null_bulk, write_push, write_simple,
};
pub use line::{LineReader, LineTooLong, number};
pub use reply::{DEPTH, HEAD_BYTES, Replied, Reply, ReplyError, ReplyFramer, ReplyKind};
pub use request::{Arguments, Framed, Request, RequestError, RequestFramer, RequestLimits};
pub use slot::Slot;
pub use stream::{Kind, Piece, StreamCommand, StreamError, StreamLimits, StreamReader, Touch};
