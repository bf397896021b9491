//! TCP as both halves need it.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tls::TlsStream;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// The two halves of a connection between regions.
pub(crate) type WanReader = ReadHalf<TlsStream>;
pub(crate) type WanWriter = WriteHalf<TlsStream>;

/// A step of a handshake, or a dial, that takes longer has failed.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen for {what} on {address}")]
pub struct BindError {
    what: &'static str,
    address: SocketAddr,
    #[source]
    source: io::Error,
}

pub(crate) async fn listen(
    what: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError {
        what,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Small writes leave at once, and a host that vanished is noticed.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(10))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(STEP, TcpStream::connect(address))
        .await
        .map_err(|_elapsed| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer in {} s", STEP.as_secs()),
            )
        })??;
    prepare(&stream)?;
    Ok(stream)
}

/// Writes all parts in their order, in as few calls as the socket allows.
pub(crate) async fn write_parts<W: AsyncWrite + Unpin>(
    write: &mut W,
    parts: &mut [IoSlice<'_>],
) -> io::Result<()> {
    let mut parts = parts;
    // Parts without bytes would look like a socket that takes none.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match write.write_vectored(parts).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut parts, written),
        }
    }
    Ok(())
}
