//! Replies of engines as a gateway passes them on: RESP2 and RESP3 by what arrives, views into the
//! caller's buffer, nothing copied but the front of replies that do not arrive at once.
//!
//! Streamed strings and aggregates (`$?`, `*?`) are refused: no engine sends them.

mod framer;
mod head;
mod value;

pub use framer::{Replied, ReplyError, ReplyFramer};
pub use head::{Reply, ReplyKind};

/// Bytes of a reply that can be read; a reply of so many bytes at most is handed out in one piece.
pub const HEAD_BYTES: usize = 512;

/// Aggregates inside each other that are read. The engines end a script's reply that is nested
/// deeper than about 8,000 (`LUAI_MAXCSTACK`).
pub const DEPTH: usize = 8_192;

#[cfg(test)]
mod tests;
