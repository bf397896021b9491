//! What can be told of a snapshot file (RDB) without understanding what is in it: who wrote it, in
//! which version of the format, where it ends, and whether its bytes are the ones that were written.
//!
//! In: the file's bytes, in order, in pieces of any size. Out: its [`Header`], as soon as that is
//! there, and at the end where the snapshot ends and whether its checksum is right. Memory: a
//! kilobyte, whatever the file's size.
//!
//! It does not read keys or values: whether an engine can load a file, the engine alone knows.

#![warn(missing_docs)]
#![deny(clippy::panic, clippy::expect_used)]

mod crc64;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod header;
mod inspector;

pub use crc64::crc64;
pub use header::{Header, Newer, Writer};
pub use inspector::{Damaged, Inspected, Inspector};
