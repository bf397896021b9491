//! A client's connection, with TLS or without.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use model::TlsVersion;
use rustls::ProtocolVersion;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// The stream of a client's bytes. What is written may stay in the stream until it is flushed.
#[derive(Debug)]
pub struct FrontStream(Kind);

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    /// Behind a pointer: a session has some hundred bytes, and a plain connection should not.
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl FrontStream {
    /// A connection of a listener without TLS.
    #[must_use]
    pub fn plain(tcp: TcpStream) -> Self {
        Self(Kind::Plain(tcp))
    }

    pub(super) fn encrypted(stream: TlsStream<TcpStream>) -> Self {
        Self(Kind::Encrypted(Box::new(stream)))
    }

    /// The connection underneath, for its addresses and options; not to be read or written.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Plain(tcp) => tcp,
            Kind::Encrypted(stream) => stream.get_ref().0,
        }
    }

    /// The host name that the client asked for (RFC 6066, 3), in lower case; nothing in it is
    /// proved. `None`: it asked for none, or for an address, or there is no TLS.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Encrypted(stream) => stream.get_ref().1.server_name(),
        }
    }

    /// The version of TLS that is spoken; `None` without TLS.
    #[must_use]
    pub fn version(&self) -> Option<TlsVersion> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Encrypted(stream) => {
                let version = stream.get_ref().1.protocol_version()?;
                if version == ProtocolVersion::TLSv1_3 {
                    Some(TlsVersion::V1_3)
                } else {
                    Some(TlsVersion::V1_2)
                }
            }
        }
    }
}

impl AsyncRead for FrontStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Kind::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for FrontStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Kind::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Kind::Encrypted(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Plain(tcp) => tcp.is_write_vectored(),
            Kind::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Kind::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Ends this direction: of TLS with its closing alert, which is what a client waits for.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Kind::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
