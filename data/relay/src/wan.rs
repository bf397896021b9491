//! Frames over a socket.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use wire::{DATA_BYTES, Decompressor, Frame, FrameError, HEADER_BYTES};

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
    decompressor: Decompressor,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// For a side that is sent messages alone; it never keeps more than a few kilobytes.
    pub(crate) fn for_messages(read: R) -> Self {
        Self {
            read,
            buffer: BytesMut::new(),
            room: MESSAGE_ROOM,
            decompressor: Decompressor::new(),
        }
    }

    /// For a side that is sent data.
    pub(crate) fn for_data(read: R) -> Self {
        Self {
            read,
            buffer: BytesMut::new(),
            room: DATA_ROOM,
            decompressor: Decompressor::new(),
        }
    }

    /// A frame that has come already.
    pub(crate) fn next_ready(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = wire::take_frame(&mut self.buffer)?;
        frame.map(|frame| self.decompressor.open(frame)).transpose()
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
                // A TLS connection whose end was not announced, as of a process that was killed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ReadError::Closed);
                }
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

    /// Hands a frame over; it may wait for [`FrameWriter::flush`].
    pub(crate) async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.whole = false;
        self.write.write_all(frame).await?;
        self.whole = true;
        Ok(())
    }

    /// Sends what was handed over.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.write.flush().await
    }

    /// Sends a frame at once.
    pub(crate) async fn send_now(&mut self, frame: &[u8]) -> io::Result<()> {
        self.send(frame).await?;
        self.flush().await
    }
}
