//! As little of an HTTP client as it takes to ask and to count bytes: what is measured is the other
//! side.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const VERSION: &str = "api-version=2024-11-01";

#[derive(Debug, Clone)]
pub(super) struct Http {
    address: SocketAddr,
    token: &'static str,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).context("read an answer")
    }
}

impl Http {
    pub(super) fn new(address: SocketAddr, token: &'static str) -> Self {
        Self { address, token }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask("GET", path, "").await
    }

    /// Asks, on a connection of its own; a path without a version gets one. Only a 2xx is an answer.
    pub(super) async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        let path = match path {
            path if path.contains("api-version") => path.to_owned(),
            path if path.contains('?') => format!("{path}&{VERSION}"),
            path => format!("{path}?{VERSION}"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        let asked = || format!("{method} {path}");
        let mut stream = TcpStream::connect(self.address).await.with_context(asked)?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.with_context(asked)?;
        let answer = parse(&bytes).with_context(asked)?;
        if !(200..300).contains(&answer.status) {
            let text = String::from_utf8_lossy(&answer.body);
            bail!("{}: {} {text}", asked(), answer.status);
        }
        Ok(answer)
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.context("no answer")? + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = if head.contains("transfer-encoding: chunked") {
        unchunked(body)?
    } else {
        body.to_vec()
    };
    Ok(Answer {
        status: status.context("no status")?,
        body,
    })
}

fn unchunked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (size, after) = rest.split_at(end.context("a chunk without its size")?);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
        let after = after.get(2..).unwrap_or_default();
        if size == 0 {
            return Ok(whole);
        }
        whole.extend_from_slice(after.get(..size).context("a chunk that is cut off")?);
        rest = after.get(size + 2..).context("a chunk that is cut off")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_whole_or_in_chunks() {
        let whole = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert_eq!((whole.status, whole.body.as_slice()), (200, &b"{}"[..]));
        let chunks =
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let chunks = parse(chunks).unwrap();
        assert_eq!(
            (chunks.status, chunks.body.as_slice()),
            (201, &b"abcde"[..])
        );
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc").is_err());
    }
}
