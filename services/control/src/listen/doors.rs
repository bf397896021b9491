//! Makes of a TCP connection what requests are read from: with TLS, or without where that is allowed.

use std::{net::SocketAddr, time::Duration};

use model::TlsVersion;
use runtime::chain;
use tls::{FrontStream, FrontTls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    net::TcpStream,
    time::timeout,
};

use super::Arrival;

/// The first byte of a TLS client: the record type `handshake` (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;
/// For the first byte of a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a client without TLS is told where TLS is needed.
const NEEDS_TLS: &str = r#"{"error":{"code":"HttpsRequired","message":"This address takes https alone; use an https:// URL."}}"#;
/// As much of what such a client says is listened to, so that it gets to read that.
const LISTENED: u64 = 64 << 10;

/// How connections of one listener come in.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    front: FrontTls,
    /// Connections without TLS come in as well.
    plain: bool,
}

impl Doors {
    /// Both kinds of connections.
    pub(crate) fn both(front: FrontTls) -> Self {
        Self { front, plain: true }
    }

    /// TLS alone.
    pub(crate) fn encrypted(front: FrontTls) -> Self {
        Self {
            front,
            plain: false,
        }
    }

    /// `None`: it does not come in, and is closed.
    pub(crate) async fn open(
        self,
        tcp: TcpStream,
        peer: SocketAddr,
    ) -> Option<(FrontStream, Arrival)> {
        match self.try_open(tcp).await {
            Ok((stream, encrypted)) => {
                let peer = Some(peer);
                Some((stream, Arrival { encrypted, peer }))
            }
            Err(why) => {
                tracing::debug!(%peer, error = why, "A connection did not come in");
                None
            }
        }
    }

    async fn try_open(&self, tcp: TcpStream) -> Result<(FrontStream, bool), String> {
        let _best_effort = tcp.set_nodelay(true);
        let mut first = [0];
        let peeked = timeout(PATIENCE, tcp.peek(&mut first)).await;
        let found = peeked.map_err(|_elapsed| "it sent nothing".to_owned())?;
        match found.map_err(|error| error.to_string())? {
            0 => return Err("it was closed".to_owned()),
            _ if first == [HANDSHAKE] => {}
            _ if self.plain => return Ok((FrontStream::plain(tcp), false)),
            _ => {
                refuse(tcp).await;
                return Err("it does not speak TLS".to_owned());
            }
        }
        let accepted = self.front.accept(tcp, TlsVersion::V1_2).await;
        let stream = accepted.map_err(|error| chain(&error).to_string())?;
        Ok((stream, true))
    }
}

/// Tells a client without TLS what is wrong, and lets it read that.
async fn refuse(mut tcp: TcpStream) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{NEEDS_TLS}",
        NEEDS_TLS.len()
    );
    let said = async {
        tcp.write_all(answer.as_bytes()).await?;
        tcp.shutdown().await?;
        copy(&mut tcp.take(LISTENED), &mut sink()).await
    };
    let _best_effort = timeout(Duration::from_secs(1), said).await;
}
