//! HTTP over the simulated network: the control plane's door, and a client for it.

use std::{io, net::SocketAddr};

use axum::{body::Bytes, serve::Listener};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use runtime::tasks::Tasks;
use serde_json::Value;
use turmoil::net::{TcpListener, TcpStream};

/// Where the control plane is reached.
pub(crate) const PORT: u16 = 8080;
/// The tokens of clients and agents.
pub(crate) const TOKEN: &str = "management";
pub(crate) const AGENT_TOKEN: &str = "agents";

/// The control plane's listener.
pub(crate) struct Door(TcpListener);

impl Door {
    pub(crate) async fn open() -> io::Result<Self> {
        TcpListener::bind(("0.0.0.0", PORT)).await.map(Self)
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok(accepted) = self.0.accept().await {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Asks the control plane once.
pub(crate) async fn ask(
    token: &str,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> io::Result<Answer> {
    let stream = TcpStream::connect(("control", PORT)).await?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(io::Error::other)?;
    let tasks = Tasks::new();
    tasks.spawn("http connection", async move {
        // Its end shows in the answer.
        let _ended = connection.await;
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "control")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let response = sender.send_request(request).await;
    let (parts, body) = response.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    tasks.cancel();
    Ok(Answer {
        status: parts.status,
        body,
    })
}
