//! What must hold whatever bytes come in. Each property takes bytes of a fuzzer and panics when
//! it is broken; `fuzz/` runs them against new bytes, this crate's tests against the bytes in
//! `fuzz/corpus`.
//!
//! The first byte of an input chooses how the others are used, so that a fuzzer gets behind
//! checksums and tries every cut.

mod engine_reader;
mod journal_open;
mod memory_disk;
mod psync_sides;
mod reply_frames;
mod request_frames;
mod resp_seeds;
mod seeds;
mod session_machine;
mod tokens_of_anybody;
mod wire_frame;

pub use journal_open::journal_open;
pub use psync_sides::{psync_primary_side, psync_replica_side};
pub use reply_frames::reply_frames;
pub use request_frames::request_frames;
pub use seeds::seeds;
pub use session_machine::session_machine;
pub use tokens_of_anybody::tokens_of_anybody;
pub use wire_frame::wire_frame;

/// A property.
pub type Property = fn(&[u8]);

/// Every property with the name of its corpus and of its fuzz target.
pub const PROPERTIES: [(&str, Property); 8] = [
    ("journal_open", journal_open),
    ("psync_primary_side", psync_primary_side),
    ("psync_replica_side", psync_replica_side),
    ("reply_frames", reply_frames),
    ("request_frames", request_frames),
    ("session", session_machine),
    ("tokens_of_anybody", tokens_of_anybody),
    ("wire_frame", wire_frame),
];

/// Takes so many bytes off the front, or as many as there are.
fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = data.split_at(count.min(data.len()));
    *data = rest;
    taken
}

/// Takes one byte; 0 when there is none.
fn take_byte(data: &mut &[u8]) -> u8 {
    take(data, 1).first().copied().unwrap_or(0)
}
