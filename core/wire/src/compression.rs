//! Data frames that carry less than they bring: one zstd stream a connection.
//!
//! Every compressed frame is flushed, so a receiver can use it at once, and the stream goes on in
//! the next one, so that small frames find their like in what went before. Raw frames take no part
//! in the stream: leaving compression out for a while costs nothing on either side.

mod bypass;
mod compressor;
mod decompressor;

pub use compressor::{Compressor, FrameOutcome};
pub use decompressor::Decompressor;

/// The window of the zstd stream is at most 2 to the power of this: 2 MiB on either side.
const WINDOW_LOG: u32 = 21;

#[cfg(test)]
mod tests;
