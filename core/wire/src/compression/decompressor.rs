//! The receiving side.

use std::fmt;

use bytes::Buf as _;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::WINDOW_LOG;
use crate::{
    DATA_BYTES, Frame, FrameError,
    frame::{PLACE_BYTES, RAW_LENGTH_BYTES},
};

/// Opens data frames, for one connection from its start to its end.
#[derive(Default)]
pub struct Decompressor {
    stream: Option<DCtx<'static>>,
}

impl Decompressor {
    /// For a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes every frame in the order in which they came; those that are not compressed are given
    /// back as they are. After an error nothing more can be read from the connection.
    pub fn open(&mut self, frame: Frame) -> Result<Frame, FrameError> {
        if !frame.compressed {
            return Ok(frame);
        }
        let Frame {
            kind, mut payload, ..
        } = frame;
        let kind_name = kind.name();
        let bad = |problem| FrameError::BadPayload {
            kind: kind_name,
            problem,
        };
        if payload.len() < PLACE_BYTES + RAW_LENGTH_BYTES {
            return Err(bad("it is too short"));
        }
        let place = payload.split_to(PLACE_BYTES);
        let length = match usize::try_from(payload.get_u32_le()) {
            Ok(length) if length <= DATA_BYTES => length,
            Ok(_) | Err(_) => return Err(bad("it announces more data than a frame may bring")),
        };
        // The byte more shows data that go on behind their announced end.
        let mut raw = Vec::with_capacity(PLACE_BYTES + length + 1);
        raw.extend_from_slice(&place);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(start().ok_or_else(|| bad("there is no memory to open it"))?),
        };
        let mut input = InBuffer::around(&payload);
        loop {
            let begin = raw.len();
            let mut output = OutBuffer::around_pos(&mut raw, begin);
            let before = input.pos();
            let step = stream.decompress_stream(&mut output, &mut input);
            step.map_err(|_code| bad("it is compressed and damaged"))?;
            let (at, full) = (output.pos(), output.pos() == output.capacity());
            if at > PLACE_BYTES + length {
                return Err(bad("it brings more data than it announces"));
            }
            // Room that is left means that nothing is held back.
            if input.pos() == payload.len() && !full {
                break;
            }
            if input.pos() == before && at == begin {
                return Err(bad("it is compressed and damaged"));
            }
        }
        if raw.len() < PLACE_BYTES + length {
            return Err(bad("it brings less data than it announces"));
        }
        Ok(Frame {
            kind,
            payload: raw.into(),
            compressed: false,
        })
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

fn start() -> Option<DCtx<'static>> {
    let mut stream = DCtx::try_create()?;
    let window = DParameter::WindowLogMax(WINDOW_LOG);
    stream.set_parameter(window).ok()?;
    Some(stream)
}
