//! What is on its way to a socket.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

/// A buffer that is larger is given back when it is empty.
const KEPT: usize = 1 << 10;

/// Bytes that a socket has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    unflushed: bool,
}

impl Outgoing {
    /// Nothing is waiting, here or in the stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting() == 0 && !self.unflushed
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Has `bytes` wait behind what waits.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes `bytes` behind what waits: as far as the socket takes them now, without a copy; the
    /// rest waits.
    pub(crate) fn send<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        bytes: &[u8],
    ) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.waiting() > 0 {
            self.push(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => {
                    self.unflushed = true;
                    rest = rest.get(written..).unwrap_or_default();
                }
                Poll::Pending => {
                    self.push(rest);
                    return Ok(());
                }
            }
        }
        if self.poll_flush(cx, stream)?.is_pending() {
            // Whoever drains it next goes on with that.
        }
        Ok(())
    }

    /// Resolves when nothing waits any more.
    pub(crate) fn poll_drain<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.sent..)
            && !rest.is_empty()
        {
            match Pin::new(&mut *stream).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    self.unflushed = true;
                    self.sent += written;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        self.sent = 0;
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
        self.poll_flush(cx, stream)
    }

    fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            std::task::ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
