//! Frames over a socket.

use std::io::{self, IoSlice};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use wire::{DATA_BYTES, DataKind, Frame, FrameError, HEADER_BYTES};

use crate::socket::write_parts;

/// Room where data come: a largest frame and most of the next, so that one read brings many.
const DATA_ROOM: usize = 2 * (DATA_BYTES + 2 * HEADER_BYTES);
/// Room where only messages come, which are smaller than half of it.
const MESSAGE_ROOM: usize = 16 * 1024;

/// Why no frame comes any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("the other side closed the connection")]
    Closed,
    #[error("the other side broke the protocol")]
    Frame(#[from] FrameError),
    #[error("the other side sent data where only messages belong")]
    NoRoom,
}

/// Reads frames; [`FrameReader::next`] may be dropped and called again without loss.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    read: R,
    buffer: BytesMut,
    room: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// For a side that is sent messages alone; it never keeps more than a few kilobytes.
    pub(crate) fn for_messages(read: R) -> Self {
        Self {
            read,
            buffer: BytesMut::new(),
            room: MESSAGE_ROOM,
        }
    }

    /// For a side that is sent data.
    pub(crate) fn for_data(read: R) -> Self {
        Self {
            read,
            buffer: BytesMut::new(),
            room: DATA_ROOM,
        }
    }

    /// A frame that has come already.
    pub(crate) fn next_ready(&mut self) -> Result<Option<Frame>, FrameError> {
        wire::take_frame(&mut self.buffer)
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<Frame, ReadError> {
        loop {
            if let Some(frame) = self.next_ready()? {
                return Ok(frame);
            }
            if self.buffer.len() >= self.room {
                return Err(ReadError::NoRoom);
            }
            if self.buffer.capacity() - self.buffer.len() < self.room / 4 {
                self.buffer.reserve(self.room - self.buffer.len());
            }
            match self.read.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(ReadError::Closed),
                Ok(_) => {}
                Err(error) => return Err(ReadError::Broken(error)),
            }
        }
    }
}

/// Writes frames, and knows whether the last one was written whole: a write that was dropped
/// half-way leaves nothing to be said on the connection.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    write: W,
    whole: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(crate) fn new(write: W) -> Self {
        Self { write, whole: true }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) async fn send(&mut self, frame: &Bytes) -> io::Result<()> {
        self.whole = false;
        self.write.write_all(frame).await?;
        self.whole = true;
        Ok(())
    }

    /// Sends a data frame without copying the data.
    pub(crate) async fn send_data(
        &mut self,
        kind: DataKind,
        place: u64,
        data: &[u8],
    ) -> io::Result<()> {
        self.whole = false;
        let header = wire::data_header(kind, place, data);
        let mut parts = [IoSlice::new(&header), IoSlice::new(data)];
        write_parts(&mut self.write, &mut parts).await?;
        self.whole = true;
        Ok(())
    }
}
