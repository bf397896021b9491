//! A client's bytes between two gateways, with their words to each other in between.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tls::TlsStream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::frame::{DATA, FrameError, HEADER, Kind, NUMBER, header, read_header};

/// A tunnel, from either side: a stream of the client's bytes, and what the other side said.
#[derive(Debug)]
pub(crate) struct Tunnel {
    tls: TlsStream,
    reading: Reading,
    writing: Writing,
    /// Words that are not written yet.
    words: Vec<u8>,
    heard: Heard,
}

/// What the other side has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// It wants no requests at present.
    pub(crate) hold: bool,
    /// How often it has begun to want none.
    pub(crate) holds: u32,
    /// It sends none, and none is on the way, since it was told so for this time.
    pub(crate) held: u32,
    /// The cache is led from elsewhere.
    pub(crate) moved: bool,
}

#[derive(Debug, Default)]
struct Reading {
    /// A header, and the number behind it when it has one.
    front: [u8; HEADER + NUMBER],
    have: usize,
    /// Bytes of the data that is being read which have not come.
    left: usize,
}

#[derive(Debug, Default)]
struct Writing {
    header: [u8; HEADER],
    /// Bytes of the header that are written.
    sent: usize,
    /// Bytes that were announced and not written; whoever writes writes them next.
    left: usize,
}

impl Reading {
    /// Bytes that there are at least before it can be said what they are.
    fn need(&self) -> io::Result<usize> {
        if self.have < HEADER {
            return Ok(HEADER);
        }
        let (kind, length, _) = self.take().map_err(odd)?;
        Ok(match kind {
            Kind::Held if length == NUMBER => HEADER + NUMBER,
            Kind::Held => return Err(odd(FrameError::Words)),
            Kind::Enter
            | Kind::Entered
            | Kind::Refused
            | Kind::Data
            | Kind::Hold
            | Kind::Release
            | Kind::Moved => HEADER,
        })
    }

    /// The kind, the length, and the number behind them.
    fn take(&self) -> Result<(Kind, usize, u32), FrameError> {
        let [a, b, c, d, e, number @ ..] = self.front;
        let (kind, length) = read_header([a, b, c, d, e])?;
        Ok((kind, length, u32::from_le_bytes(number)))
    }
}

impl Tunnel {
    pub(crate) fn new(tls: TlsStream) -> Self {
        Self {
            tls,
            reading: Reading::default(),
            writing: Writing::default(),
            words: Vec::new(),
            heard: Heard::default(),
        }
    }

    /// What the other side has said in what was read so far.
    pub(crate) fn heard(&self) -> Heard {
        self.heard
    }

    /// Says a word without anything to it, at the next flush.
    pub(crate) fn say(&mut self, kind: Kind) {
        self.words.extend_from_slice(&header(kind, 0));
    }

    /// Says that no request is sent or on the way, since it was told so for this time.
    pub(crate) fn say_held(&mut self, time: u32) {
        self.words.extend_from_slice(&header(Kind::Held, NUMBER));
        self.words.extend_from_slice(&time.to_le_bytes());
    }

    /// Writes a frame; nobody writes data meanwhile.
    pub(crate) async fn send(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let frame = [&header(kind, payload.len()), payload].concat();
        self.tls.write_all(&frame).await?;
        self.tls.flush().await
    }

    /// Reads one frame; nobody reads data meanwhile.
    pub(crate) async fn receive(&mut self) -> io::Result<(Kind, Vec<u8>)> {
        let mut header = [0; HEADER];
        self.tls.read_exact(&mut header).await?;
        let (kind, length) = read_header(header).map_err(odd)?;
        let mut payload = vec![0; length];
        self.tls.read_exact(&mut payload).await?;
        Ok((kind, payload))
    }

    fn hear(&mut self, kind: Kind, number: u32) -> Result<(), FrameError> {
        match kind {
            Kind::Hold => {
                self.heard.hold = true;
                self.heard.holds = self.heard.holds.wrapping_add(1);
            }
            Kind::Release => self.heard.hold = false,
            Kind::Held => self.heard.held = number,
            Kind::Moved => self.heard.moved = true,
            Kind::Enter | Kind::Entered | Kind::Refused | Kind::Data => {
                return Err(FrameError::Unexpected(kind));
            }
        }
        Ok(())
    }

    fn poll_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Words stand between frames, never within one.
        while self.writing.left == 0 && !self.words.is_empty() {
            let written = ready!(Pin::new(&mut self.tls).poll_write(cx, &self.words))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.words.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

fn odd(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl AsyncRead for Tunnel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while this.reading.left == 0 {
            let reading = &mut this.reading;
            let need = reading.need()?;
            if reading.have < need {
                let missing = reading.front.get_mut(reading.have..need);
                let mut missing = ReadBuf::new(missing.unwrap_or_default());
                ready!(Pin::new(&mut this.tls).poll_read(cx, &mut missing))?;
                let read = missing.filled().len();
                if read == 0 && reading.have > 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                } else if read == 0 {
                    return Poll::Ready(Ok(()));
                }
                reading.have += read;
                continue;
            }
            reading.have = 0;
            let (kind, length, number) = reading.take().map_err(odd)?;
            if kind == Kind::Data {
                reading.left = length;
            } else {
                this.hear(kind, number).map_err(odd)?;
            }
        }
        let room = buf.remaining().min(this.reading.left);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.tls).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        buf.advance(read);
        this.reading.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.writing.left == 0 {
            ready!(this.poll_words(cx))?;
            let length = buf.len().min(DATA);
            this.writing = Writing {
                header: header(Kind::Data, length),
                sent: 0,
                left: length,
            };
        }
        loop {
            let writing = &mut this.writing;
            let head = writing.header.get(writing.sent..).unwrap_or_default();
            let body = buf.get(..writing.left).unwrap_or(buf);
            let parts = [IoSlice::new(head), IoSlice::new(body)];
            let written = ready!(Pin::new(&mut this.tls).poll_write_vectored(cx, &parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(head.len());
            let of_body = written - of_head;
            writing.sent += of_head;
            writing.left -= of_body;
            if of_body > 0 {
                return Poll::Ready(Ok(of_body));
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_words(cx))?;
        Pin::new(&mut this.tls).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_words(cx))?;
        Pin::new(&mut this.tls).poll_shutdown(cx)
    }
}
