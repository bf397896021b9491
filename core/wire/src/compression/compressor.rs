//! The sending side.

use std::fmt;

use model::Compression;
use zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, compress_bound, zstd_sys::ZSTD_EndDirective,
};

use super::{WINDOW_LOG, bypass::Bypass};
use crate::{
    DataKind,
    frame::{RAW_LENGTH_BYTES, finish_compressed, put_raw, start_compressed},
};

/// Data of fewer bytes go raw: what compression saves of them, the flush costs.
const LEAST: usize = 64;
/// Up to this level zstd's own windows are no larger than [`WINDOW_LOG`] says.
const SMALL_WINDOWS: u8 = 8;

/// Makes data frames, for one connection from its start to its end.
pub struct Compressor {
    level: Compression,
    stream: Option<CCtx<'static>>,
    /// What ends the zstd frame of an earlier level; it stands before the next compressed bytes.
    ending: Vec<u8>,
    bypass: Bypass,
    kind: Option<DataKind>,
    /// zstd has failed; the receiver's context is as it was before, so raw frames can follow.
    broken: bool,
}

/// What became of one frame's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameOutcome {
    /// Data bytes.
    pub raw: usize,
    /// Bytes of the frame that carries them, its header included.
    pub sent: usize,
    /// They went raw, although compression is on, because it saved too little lately.
    pub bypassed: bool,
}

impl Compressor {
    /// For a new connection.
    #[must_use]
    pub fn new(level: Compression) -> Self {
        Self {
            level,
            stream: None,
            ending: Vec::new(),
            bypass: Bypass::new(),
            kind: None,
            broken: false,
        }
    }

    /// Changes the level from the next frame on. Setting the present one again changes nothing.
    pub fn set_level(&mut self, level: Compression) {
        if self.level == level {
            return;
        }
        self.level = level;
        self.bypass = Bypass::new();
        if let Some(mut stream) = self.stream.take() {
            let none = &mut InBuffer::around(&[]);
            let directive = ZSTD_EndDirective::ZSTD_e_end;
            self.broken |= feed(&mut stream, none, directive, &mut self.ending).is_none();
        }
    }

    /// Appends a whole data frame to `out`: `data` behind `place`, the index of its first byte in
    /// the snapshot, or the stream offset before it. `data` has at most [`crate::DATA_BYTES`]
    /// bytes. The frames must be sent in the order in which they were made, and all of them.
    pub fn frame(
        &mut self,
        kind: DataKind,
        place: u64,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> FrameOutcome {
        if self.kind.replace(kind) != Some(kind) {
            // A snapshot says nothing about the stream behind it.
            self.bypass = Bypass::new();
        }
        let start = out.len();
        let bypassed = match self.level {
            Compression::Off => false,
            Compression::Level(_) if data.len() < LEAST => false,
            Compression::Level(_) if self.broken => true,
            Compression::Level(_) if self.bypass.is_resting() => {
                self.bypass.passed(data.len());
                true
            }
            Compression::Level(level) => {
                start_compressed(place, data, out);
                let body = out.len();
                if self.compress(level, data, out).is_some() {
                    finish_compressed(kind, start, out);
                    let sent = RAW_LENGTH_BYTES + out.len() - body;
                    self.bypass.compressed(data.len(), sent);
                    return FrameOutcome {
                        raw: data.len(),
                        sent: out.len() - start,
                        bypassed: false,
                    };
                }
                out.truncate(start);
                self.stream = None;
                self.broken = true;
                true
            }
        };
        put_raw(kind, place, data, out);
        FrameOutcome {
            raw: data.len(),
            sent: out.len() - start,
            bypassed,
        }
    }

    /// Data go raw now, although compression is on, because it saved too little lately.
    #[must_use]
    pub fn is_bypassing(&self) -> bool {
        self.broken || self.bypass.is_resting()
    }

    /// `None`: zstd has failed, and nothing of the zstd stream may be sent any more.
    fn compress(&mut self, level: u8, data: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                out.append(&mut self.ending);
                none.insert(open(level)?)
            }
        };
        out.reserve(compress_bound(data.len()));
        let input = &mut InBuffer::around(data);
        feed(stream, input, ZSTD_EndDirective::ZSTD_e_flush, out)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("level", &self.level)
            .field("bypass", &self.bypass)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

fn open(level: u8) -> Option<CCtx<'static>> {
    let mut stream = CCtx::try_create()?;
    let level = level.clamp(1, 9);
    let parameter = CParameter::CompressionLevel(i32::from(level));
    stream.set_parameter(parameter).ok()?;
    if level > SMALL_WINDOWS {
        stream
            .set_parameter(CParameter::WindowLog(WINDOW_LOG))
            .ok()?;
    }
    Some(stream)
}

/// Appends to `out` what `input` comes to, and everything that was held back.
fn feed(
    stream: &mut CCtx<'static>,
    input: &mut InBuffer<'_>,
    directive: ZSTD_EndDirective,
    out: &mut Vec<u8>,
) -> Option<()> {
    loop {
        out.reserve(64);
        let begin = out.len();
        let mut output = OutBuffer::around_pos(out, begin);
        if stream
            .compress_stream2(&mut output, input, directive)
            .ok()?
            == 0
        {
            return Some(());
        }
    }
}
