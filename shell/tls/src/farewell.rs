//! The end of a connection whose handshake failed.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long, and for how much, a refused peer is listened to, so that it gets to read why.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 << 10;

/// Ends a refused connection so that the alert arrives: closing it with bytes unread would reset
/// it, and the alert with it.
pub(crate) async fn farewell(mut tcp: TcpStream) {
    let listen = async {
        tcp.shutdown().await?;
        let mut rest = (&mut tcp).take(FAREWELL_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    if !matches!(timeout(FAREWELL, listen).await, Ok(Ok(_))) {
        tracing::trace!("a refused peer did not close its connection");
    }
}
