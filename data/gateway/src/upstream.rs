//! The connection of a client's own behind the gateway.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use model::Secret;
use resp::{LineReader, write_command};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use crate::{
    entry::Who,
    limits::DIAL,
    tunnel::{Heard, Tunnel},
};

/// The user that opens an engine for whoever came in with an access key.
pub const CLIENT_USER: &str = "godwit-client";

/// A line of the engine that answers `AUTH` is not longer.
const ANSWER: usize = 512;

/// An engine that cannot be opened for a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("reach the cache's engine at {engine}")]
    Unreachable {
        engine: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the cache's engine does not let `{user}` in: {answer}")]
    Refused { user: String, answer: String },
}

/// Where a client's requests go: an engine, or another gateway that leads to one.
#[derive(Debug)]
pub(crate) enum Upstream {
    Engine(TcpStream),
    Tunnel(Box<Tunnel>),
}

impl Upstream {
    /// What the gateway at the other end has said.
    pub(crate) fn heard(&self) -> Heard {
        match self {
            Self::Engine(_) => Heard::default(),
            Self::Tunnel(tunnel) => tunnel.heard(),
        }
    }
}

/// Opens a connection to an engine as `who`.
pub(crate) async fn open_engine(
    engine: SocketAddr,
    who: &Who,
    password: &Secret,
) -> Result<TcpStream, OpenError> {
    let user = who.user();
    let opening = async {
        let mut stream = TcpStream::connect(engine).await?;
        stream.set_nodelay(true)?;
        let mut words = Vec::new();
        let login = [b"AUTH", user.as_bytes(), password.reveal().as_bytes()];
        write_command(&mut words, &login);
        stream.write_all(&words).await?;
        let answer = read_line(&mut stream).await?;
        io::Result::Ok((stream, answer))
    };
    let late = |_elapsed| Err(io::Error::from(io::ErrorKind::TimedOut));
    match timeout(DIAL, opening).await.unwrap_or_else(late) {
        Ok((stream, answer)) if answer == b"+OK" => Ok(stream),
        Ok((_, answer)) => Err(OpenError::Refused {
            user: user.to_owned(),
            answer: String::from_utf8_lossy(&answer).into_owned(),
        }),
        Err(source) => Err(OpenError::Unreachable { engine, source }),
    }
}

/// Tells whether this is what an engine says to a client for which it has no room.
pub(crate) fn is_full(answer: &str) -> bool {
    answer.starts_with("-ERR max number of clients")
}

/// Tells whether an engine answers at all. That it can be connected to says nothing: of one that is
/// dying, the connections may be closed before the listener is.
pub(crate) async fn answers(engine: SocketAddr) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect(engine).await?;
        stream.write_all(b"PING\r\n").await?;
        read_line(&mut stream).await
    };
    matches!(timeout(DIAL, asking).await, Ok(Ok(_)))
}

/// Reads the one line that is the answer to the one command that was sent.
async fn read_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut line = LineReader::new(ANSWER);
    let mut bytes = [0; ANSWER];
    loop {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut input = bytes.get(..read).unwrap_or_default();
        let taken = line
            .take(&mut input)
            .map_err(|long| io::Error::new(io::ErrorKind::InvalidData, long))?;
        if let Some(line) = taken {
            return Ok(line);
        }
    }
}

impl AsyncRead for Upstream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Engine(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tunnel(tunnel) => Pin::new(tunnel).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Engine(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tunnel(tunnel) => Pin::new(tunnel).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Engine(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tunnel(tunnel) => Pin::new(tunnel).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Engine(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tunnel(tunnel) => Pin::new(tunnel).poll_shutdown(cx),
        }
    }
}
