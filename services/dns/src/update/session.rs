//! A conversation with the other server: signed messages on one connection.

use std::{io, time::Duration};

use hickory_proto::{
    ProtoError,
    op::{Message, MessageType, ResponseCode},
    rr::{TSigVerifier, TSigner, rdata::tsig::TsigError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::UpdateConfig;

/// How long the other server may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where DNS is.
const PORT: u16 = 53;

/// What went wrong with the other server.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// No connection.
    #[error("connect to it over TCP")]
    Connect(#[source] io::Error),
    /// It broke.
    #[error("exchange a message")]
    Broken(#[source] io::Error),
    /// Nothing came.
    #[error("wait for an answer; none came within {} s", PATIENCE.as_secs())]
    Silent,
    /// The message cannot be made.
    #[error("sign an update")]
    Sign(#[source] ProtoError),
    /// The server does not know the key, or has another secret for it.
    #[error("it refuses the key `{key}`: {why}")]
    Key { key: String, why: &'static str },
    /// Somebody else answers.
    #[error("its answer is not signed with the key `{key}`")]
    Unsigned {
        key: String,
        #[source]
        source: ProtoError,
    },
    /// The server does not want to.
    #[error("it refuses: {0}; allow the key to update the zone there")]
    Refused(String),
}

/// A connection.
pub(super) struct Session {
    stream: TcpStream,
    signer: TSigner,
}

impl Session {
    pub(super) async fn open(config: &UpdateConfig) -> Result<Self, SessionError> {
        let connect = TcpStream::connect(with_port(&config.server));
        let stream = timeout(PATIENCE, connect)
            .await
            .map_err(|_late| SessionError::Silent)?
            .map_err(SessionError::Connect)?;
        stream.set_nodelay(true).map_err(SessionError::Broken)?;
        Ok(Self {
            stream,
            signer: config.key.signer(),
        })
    }

    /// Sends a message at `now` (Unix seconds), and gives the code of its answer.
    pub(super) async fn ask(
        &mut self,
        mut message: Message,
        now: u64,
    ) -> Result<ResponseCode, SessionError> {
        let verifier = message
            .finalize(&self.signer, now)
            .map_err(SessionError::Sign)?;
        let asked = message.to_vec().map_err(SessionError::Sign)?;
        let exchanged = timeout(PATIENCE, exchange(&mut self.stream, &asked));
        let answer = exchanged
            .await
            .map_err(|_late| SessionError::Silent)?
            .map_err(SessionError::Broken)?;
        self.check(message.metadata.id, verifier, &answer)
    }

    fn check(
        &self,
        id: u16,
        verifier: Option<TSigVerifier>,
        answer: &[u8],
    ) -> Result<ResponseCode, SessionError> {
        let key = self.signer.signer_name().to_string();
        let unsigned = |source| SessionError::Unsigned {
            key: key.clone(),
            source,
        };
        let read = Message::from_vec(answer).map_err(|error| unsigned(error.into()))?;
        if let Some(why) = key_trouble(&read) {
            return Err(SessionError::Key { key, why });
        }
        let mut verifier = verifier
            .ok_or("the request is not signed")
            .map_err(|why| unsigned(why.into()))?;
        verifier.verify(answer).map_err(unsigned)?;
        if read.metadata.id != id || read.metadata.message_type != MessageType::Response {
            return Err(unsigned("it is to another message".into()));
        }
        Ok(read.metadata.response_code)
    }
}

/// What a server says about a key; for two of these it cannot sign.
fn key_trouble(answer: &Message) -> Option<&'static str> {
    match answer.signature()?.data.error? {
        TsigError::BadKey => Some("it does not know it, by this name and algorithm"),
        TsigError::BadSig => Some("it has another secret for it"),
        TsigError::BadTime => Some("the clocks of the two hosts differ by minutes; set them right"),
        TsigError::BadTrunc | TsigError::Unknown(_) => Some("it cannot check the signature"),
    }
}

async fn exchange(stream: &mut TcpStream, asked: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = |_too_long| io::Error::from(io::ErrorKind::InvalidInput);
    let length = u16::try_from(asked.len()).map_err(too_long)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(asked);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// An address to connect to.
fn with_port(server: &str) -> String {
    let is_v6 = server.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = !is_v6 && server.rsplit_once(':').is_some();
    match (is_v6, has_port) {
        (true, _) => format!("[{server}]:{PORT}"),
        (false, true) => server.to_owned(),
        (false, false) => format!("{server}:{PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_53_unless_another_is_named() {
        for (server, address) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5300", "192.0.2.1:5300"),
            ("ns1.example.com", "ns1.example.com:53"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5300", "[2001:db8::1]:5300"),
        ] {
            assert_eq!(with_port(server), address);
        }
    }
}
