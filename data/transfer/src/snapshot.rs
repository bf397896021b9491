//! A snapshot from an engine, asked for as a replica that wants nothing else.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use model::EngineVersion;
use psync::{Event, Framing, Handshake, Login, ReplicaSide, SourceError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Progress,
    file::{CHUNK, Chunks},
};

/// A step of the handshake, or a dial, that takes longer has failed.
const STEP: Duration = Duration::from_secs(10);
/// An engine that is silent for so long while it owes something is given up; forking a large
/// process is the longest that it may be still.
const SILENCE: Duration = Duration::from_secs(60);
/// Read at once.
const READ: usize = 256 << 10;
/// The mark at the end of a snapshot whose length was not told.
const MARK: usize = 40;

/// An engine to take a snapshot from.
#[derive(Debug, Clone)]
pub struct EngineSource {
    /// Where it listens.
    pub address: SocketAddr,
    /// As whom to ask.
    pub login: Login,
    /// What it runs.
    pub version: EngineVersion,
}

/// An engine gave no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be reached, or the connection broke.
    #[error("take a snapshot from the engine at {address}")]
    Broken {
        /// Where it listens.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not give one.
    #[error("take a snapshot from the engine at {address}")]
    Refused {
        /// Where it listens.
        address: SocketAddr,
        /// Why.
        #[source]
        source: SourceError,
    },
}

impl SnapshotError {
    /// Another attempt, or another engine, may do better.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { source, .. } => match source {
                SourceError::NotReady { .. } => true,
                SourceError::Denied { .. }
                | SourceError::Refused { .. }
                | SourceError::Malformed { .. } => false,
            },
        }
    }
}

impl EngineSource {
    /// Has the engine write a snapshot, and hands its bytes on. When the other end takes no more,
    /// it stops, and says nothing: the other end knows why.
    pub(crate) async fn take(&self, to: Chunks, progress: &Progress) -> Result<(), SnapshotError> {
        let address = self.address;
        let broken = |source| SnapshotError::Broken { address, source };
        let dialled = timeout(STEP, TcpStream::connect(address)).await;
        let mut stream = dialled
            .map_err(|_late| broken(late(STEP)))?
            .map_err(broken)?;
        let shown_as = stream.local_addr().map_err(broken)?;
        let mut machine = ReplicaSide::new(&self.handshake(shown_as));
        let mut buffer = vec![0; READ];
        let mut payload = Payload::default();
        loop {
            while let Some(command) = machine.next_command() {
                stream.write_all(&command).await.map_err(broken)?;
            }
            let patience = if machine.has_asked() { SILENCE } else { STEP };
            let read = timeout(patience, stream.read(&mut buffer)).await;
            let read = read
                .map_err(|_late| broken(late(patience)))?
                .map_err(broken)?;
            if read == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
            let mut input = buffer.get(..read).unwrap_or_default();
            loop {
                let event = machine.handle_bytes(&mut input);
                match event.map_err(|source| SnapshotError::Refused { address, source })? {
                    Some(Event::SnapshotBegins(framing)) => {
                        progress.set(0, framing.total_bytes());
                        payload.framing = Some(framing);
                    }
                    Some(Event::SnapshotBytes(bytes)) => {
                        progress.advance(bytes.len() as u64);
                        payload.bytes.extend_from_slice(bytes);
                    }
                    Some(Event::SnapshotEnds) => {
                        // When nobody takes it, whoever should have knows why.
                        let _refused = to.send(payload.rest()).await;
                        return Ok(());
                    }
                    Some(Event::FullSync(_) | Event::Continued(_) | Event::StreamBytes(_)) => {}
                    None => break,
                }
            }
            while let Some(chunk) = payload.next_chunk() {
                if to.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn handshake(&self, shown_as: SocketAddr) -> Handshake {
        let EngineVersion {
            major,
            minor,
            patch,
            ..
        } = self.version;
        Handshake {
            login: Some(self.login.clone()),
            address: shown_as.ip(),
            port: shown_as.port(),
            version: format!("{major}.{minor}.{patch}"),
            have: None,
            snapshot_only: true,
        }
    }
}

/// Bytes that came and are not handed on; the last ones may be the mark.
#[derive(Default)]
struct Payload {
    framing: Option<Framing>,
    bytes: BytesMut,
}

impl Payload {
    fn next_chunk(&mut self) -> Option<Bytes> {
        let ready = self.bytes.len().checked_sub(MARK)?;
        (ready >= CHUNK).then(|| self.bytes.split_to(ready).freeze())
    }

    /// What is left of the snapshot itself.
    fn rest(mut self) -> Bytes {
        if let Some(Framing::Eof(_)) = self.framing {
            self.bytes.truncate(self.bytes.len().saturating_sub(MARK));
        }
        self.bytes.freeze()
    }
}

fn late(after: Duration) -> io::Error {
    let text = format!("it was silent for {} s", after.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text)
}
