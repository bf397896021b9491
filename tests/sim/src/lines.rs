//! Messages between simulated hosts: one JSON value a line.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};
use turmoil::net::TcpStream;

/// The receiving half.
pub(crate) struct Reader(BufReader<ReadHalf<TcpStream>>);

/// The sending half.
pub(crate) struct Writer(WriteHalf<TcpStream>);

/// A connection's two halves.
pub(crate) fn lines(stream: TcpStream) -> (Reader, Writer) {
    let (read, write) = split(stream);
    (Reader(BufReader::new(read)), Writer(write))
}

/// Connects and splits.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<(Reader, Writer)> {
    Ok(lines(TcpStream::connect((host, port)).await?))
}

impl Reader {
    /// The next message; an error when the connection ended.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Writer {
    /// Sends a message.
    pub(crate) async fn send<T: Serialize + Sync>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }
}
