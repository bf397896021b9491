//! A connection to an engine that hides nothing: it is made once, sends what it is given once, and
//! after any failure it is thrown away.

use std::{io, time::Duration};

use model::Secret;
use resp::write_command;
use tls::{ClientStream, ServerTrust};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::reply::{Malformed, Reply};

/// Where a cache is reached, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address or name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who has to answer there, over TLS; `None`: without TLS, and whoever answers is believed.
    pub tls: Option<ServerTrust>,
    /// Who logs in; nobody in particular when there is only a password.
    pub user: Option<String>,
    /// With which password; an engine that wants none gets none.
    pub password: Option<Secret>,
}

impl Endpoint {
    /// A cache with a password.
    pub fn new(host: impl Into<String>, port: u16, password: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            user: None,
            password: Some(Secret::new(password)),
        }
    }

    /// An engine that lets everybody in.
    pub fn open(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            user: None,
            password: None,
        }
    }

    /// The same over TLS, to a server that proves who it is.
    #[must_use]
    pub fn over_tls(self, tls: ServerTrust) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    async fn dial(&self) -> io::Result<ClientStream> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => tls.connect(tcp).await,
            None => Ok(ClientStream::plain(tcp)),
        }
    }
}

/// Why an engine was not asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection came about.
    #[error("connect to {host}:{port}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("talk to the engine")]
    Broken(#[source] io::Error),
    /// The engine closed the connection.
    #[error("the engine closed the connection")]
    Closed,
    /// No answer in time.
    #[error("no answer for {} ms", .0.as_millis())]
    Silent(Duration),
    /// What it answers is not understood.
    #[error("the engine's answer to {command} is not understood")]
    Foreign {
        /// The command.
        command: &'static str,
    },
    /// The engine answers with an error.
    #[error("the engine refuses {command}: {answer}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it says.
        answer: String,
    },
}

const READ_BYTES: usize = 16 * 1024;

pub(crate) struct Connection {
    stream: ClientStream,
    buffer: Vec<u8>,
    start: usize,
    limit: Duration,
    pub(crate) opened: Instant,
    /// Which primary acknowledges here, as far as it is known.
    pub(crate) reign: Option<u32>,
}

impl Connection {
    /// Connects within `patience` and logs in. Later answers are waited for up to `limit`.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        patience: Duration,
        limit: Duration,
    ) -> Result<Self, AskError> {
        let fail = |source| AskError::Connect {
            host: endpoint.host.clone(),
            port: endpoint.port,
            source,
        };
        let dialled = timeout(patience, endpoint.dial()).await;
        let late = |_late| fail(io::ErrorKind::TimedOut.into());
        let stream = dialled.map_err(late)?.map_err(fail)?;
        let mut connection = Self {
            stream,
            buffer: Vec::new(),
            start: 0,
            limit: patience,
            opened: Instant::now(),
            reign: None,
        };
        if let Some(password) = &endpoint.password {
            let user = endpoint.user.as_ref().map(String::as_bytes);
            let words: Vec<&[u8]> = [&b"AUTH"[..]]
                .into_iter()
                .chain(user)
                .chain([password.reveal().as_bytes()])
                .collect();
            connection.ask("AUTH", &words).await?;
        }
        connection.limit = limit;
        Ok(connection)
    }

    /// Sends bytes that are whole commands.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), AskError> {
        match timeout(self.limit, self.write(bytes)).await {
            Ok(sent) => sent.map_err(AskError::Broken),
            Err(_late) => Err(AskError::Silent(self.limit)),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        // What TLS has not handed to the socket yet would wait for ever.
        self.stream.flush().await
    }

    /// The next answer.
    pub(crate) async fn reply(&mut self) -> Result<Reply, AskError> {
        let limit = self.limit;
        if let Some(reply) = self.buffered()? {
            return Ok(reply);
        }
        let wait = async {
            loop {
                self.fill().await?;
                if let Some(reply) = self.buffered()? {
                    return Ok(reply);
                }
            }
        };
        let answered = timeout(limit, wait).await;
        answered.map_err(|_late| AskError::Silent(limit))?
    }

    /// Sends one command; its answer unless it is an error.
    pub(crate) async fn ask(
        &mut self,
        command: &'static str,
        words: &[&[u8]],
    ) -> Result<Reply, AskError> {
        let mut out = Vec::new();
        write_command(&mut out, words);
        self.send(&out).await?;
        let reply = self.reply().await?;
        if let Reply::Error(answer) = reply {
            return Err(AskError::Refused { command, answer });
        }
        Ok(reply)
    }

    fn buffered(&mut self) -> Result<Option<Reply>, AskError> {
        let unread = self.buffer.get(self.start..).unwrap_or_default();
        let taken = Reply::take(unread).map_err(|Malformed| AskError::Foreign {
            command: "a command",
        })?;
        Ok(taken.map(|(reply, length)| {
            self.start += length;
            reply
        }))
    }

    async fn fill(&mut self) -> Result<(), AskError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.buffer).await;
        match read.map_err(AskError::Broken)? {
            0 => Err(AskError::Closed),
            _ => Ok(()),
        }
    }
}
