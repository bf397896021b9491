//! The WAN protocol between an inbound (which dials) and an outbound (which answers), for one
//! shard: frames and messages. `docs/format/wire.md` has every byte.
//!
//! In: bytes as they arrive. Out: whole checked [`Frame`]s, read as [`ToOutbound`] or [`ToInbound`]
//! by the side that expects them. The other way: messages into bytes; [`Compressor`] makes data
//! frames, smaller where that pays, and [`Decompressor`] opens them; [`data_header`] lets stream and
//! snapshot bytes be sent raw from where they lie.
//!
//! Invariants: a length is checked against its kind's limit before anything is allocated; no byte
//! of a payload is handed out before its checksum was compared; compressed data never become more
//! than a raw frame may bring; one message (data apart) has one encoding, and
//! whatever is left over or reserved and set is an error.
//!
//! It does not know time, does not retry, and encrypts nothing.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod compression;
mod cursor;
mod frame;
mod hello;
mod refusal;
mod to_inbound;
mod to_outbound;

pub use compression::{Compressor, Decompressor, FrameOutcome};
pub use frame::{DATA_BYTES, DataKind, Frame, FrameError, HEADER_BYTES, data_header, take_frame};
pub use hello::{Hello, Partial, VERSION};
pub use refusal::{Refusal, RefusalCode};
pub use to_inbound::{Barrier, Heartbeat, SnapshotHead, ToInbound};
pub use to_outbound::ToOutbound;
