//! A client over a blocking socket: as little as can be between the clock and the engine.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

/// Nothing that is measured leaves a client without an answer for so long.
const PATIENCE: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 64 * 1024;

/// Where a node is reached, and by whom.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
}

/// An answer of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status, an integer or a bulk string.
    Text(Vec<u8>),
    Nil,
    /// The engine refuses.
    Error(String),
}

/// A connection that has logged in.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Endpoint {
    /// Connects and logs in.
    pub(crate) fn connect(&self) -> anyhow::Result<Client> {
        let mut client = Client::dial(self.address)?;
        let login: [&[u8]; 3] = [b"AUTH", self.user.as_bytes(), self.password.as_bytes()];
        match client.command(&login)? {
            Reply::Text(_) => Ok(client),
            Reply::Nil | Reply::Error(_) => bail!("log in at {}: refused", self.address),
        }
    }
}

impl Client {
    fn dial(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        })
    }

    /// Sends one command and waits for its answer.
    pub(crate) fn command(&mut self, words: &[&[u8]]) -> anyhow::Result<Reply> {
        let mut out = Vec::new();
        encode(&mut out, words);
        self.send(&out)?;
        self.reply()
    }

    /// As [`Client::command`], for answers that are text.
    pub(crate) fn text(&mut self, words: &[&[u8]]) -> anyhow::Result<String> {
        match self.command(words)? {
            Reply::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Reply::Nil => bail!("the engine answers nothing"),
            Reply::Error(error) => bail!("the engine refuses: {error}"),
        }
    }

    /// Sends bytes that are whole commands.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("write to the engine")
    }

    /// The next answer.
    pub(crate) fn reply(&mut self) -> anyhow::Result<Reply> {
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            if let Some((reply, length)) = take_reply(unread)? {
                self.start += length;
                return Ok(reply);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let whole = self.buffer.len();
        self.buffer.resize(whole + READ_BYTES, 0);
        let room = self.buffer.get_mut(whole..).unwrap_or_default();
        let count = self.stream.read(room);
        let count_or_none = count.as_ref().map_or(0, |count| *count);
        self.buffer.truncate(whole + count_or_none);
        ensure!(
            count.context("read from the engine")? > 0,
            "the engine closed the connection"
        );
        Ok(())
    }
}

/// Appends a command as the engines read it.
pub(crate) fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// The first answer in `bytes` and its length; `None` while it is not whole.
fn take_reply(bytes: &[u8]) -> anyhow::Result<Option<(Reply, usize)>> {
    let Some(line) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let (kind, text) = bytes
        .get(..line)
        .and_then(<[u8]>::split_first)
        .context("an empty answer")?;
    let after = line + 2;
    let reply = match kind {
        b'+' | b':' => Reply::Text(text.to_vec()),
        b'-' => Reply::Error(String::from_utf8_lossy(text).into_owned()),
        b'$' if text == b"-1" => Reply::Nil,
        b'$' => {
            let length: usize = std::str::from_utf8(text)?
                .parse()
                .context("read a length")?;
            if bytes.len() < after + length + 2 {
                return Ok(None);
            }
            let body = bytes
                .get(after..after + length)
                .unwrap_or_default()
                .to_vec();
            return Ok(Some((Reply::Text(body), after + length + 2)));
        }
        other => bail!("an answer of kind `{}`", char::from(*other)),
    };
    Ok(Some((reply, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_one_by_one_and_only_when_whole() {
        let bytes = b"+OK\r\n$5\r\nhe\r\no\r\n$-1\r\n-ERR no\r\n:12\r\n";
        let expected = [
            (Reply::Text(b"OK".to_vec()), 5),
            (Reply::Text(b"he\r\no".to_vec()), 11),
            (Reply::Nil, 5),
            (Reply::Error("ERR no".to_owned()), 9),
            (Reply::Text(b"12".to_vec()), 5),
        ];
        let mut at = 0;
        for (reply, length) in expected {
            for cut in at..at + length {
                assert_eq!(take_reply(&bytes[at..cut]).unwrap(), None);
            }
            assert_eq!(take_reply(&bytes[at..]).unwrap(), Some((reply, length)));
            at += length;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn a_command_is_encoded_with_its_lengths() {
        let mut out = vec![];
        encode(&mut out, &[b"SET", b"k", b"a b"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na b\r\n");
    }
}
