//! The connection to the geo-primary's engine, as its replica.

use std::{io, net::SocketAddr, time::Duration};

use psync::{Event, Handshake, Position, ReplicaSide, SourceError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::timeout,
};
use wire::{DATA_BYTES, RefusalCode};

use crate::socket::{STEP, dial};

/// An engine that is silent for so long while it owes something is given up. Engines send a sign
/// of life every second before a snapshot and every ten seconds in the stream; forking a large
/// process is the longest they may be still.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Why the engine does not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    #[error("cannot connect to the geo-primary's engine at {address}; check that it runs")]
    Dial {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("lost the geo-primary's engine at {address}")]
    Broken {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the geo-primary's engine at {address} closed the replication connection")]
    Closed { address: SocketAddr },
    #[error("the geo-primary's engine at {address} was silent for {} s", .after.as_secs())]
    Silent {
        address: SocketAddr,
        after: Duration,
    },
    #[error(
        "the geo-primary's engine at {address} does not go on, and offers a snapshot at {position}"
    )]
    OffersAll {
        address: SocketAddr,
        position: Position,
    },
    #[error("cannot follow the geo-primary's engine at {address}")]
    Protocol {
        address: SocketAddr,
        #[source]
        source: SourceError,
    },
}

impl EngineError {
    pub(super) fn code(&self) -> RefusalCode {
        match self {
            Self::Dial { .. } => RefusalCode::SourceUnreachable,
            Self::Broken { .. }
            | Self::Closed { .. }
            | Self::Silent { .. }
            | Self::OffersAll { .. } => RefusalCode::SourceLost,
            Self::Protocol { source, .. } => match source {
                SourceError::NotReady { .. } => RefusalCode::SourceNotReady,
                SourceError::Denied { .. } => RefusalCode::SourceDenied,
                SourceError::Refused { .. } | SourceError::Malformed { .. } => {
                    RefusalCode::SourceLost
                }
            },
        }
    }
}

/// How the engine answered `PSYNC`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Continued(Position),
    FullSync(Position),
}

/// The reading half of a connection whose `PSYNC` was answered, with bytes read and not handled.
pub(super) struct Engine {
    address: SocketAddr,
    read: OwnedReadHalf,
    machine: ReplicaSide,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Engine {
    /// Dials a node and asks to follow. The writing half is for acknowledgements.
    pub(super) async fn open(
        address: SocketAddr,
        handshake: &Handshake,
    ) -> Result<(Self, OwnedWriteHalf, Answer), EngineError> {
        let broken = |source| EngineError::Broken { address, source };
        let stream = dial(address)
            .await
            .map_err(|source| EngineError::Dial { address, source })?;
        let (read, mut write) = stream.into_split();
        let machine = ReplicaSide::new(handshake);
        let mut engine = Self {
            address,
            read,
            machine,
            buffer: vec![0; DATA_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
        };
        loop {
            match engine.next_event()? {
                Some(Event::Continued(position)) => {
                    return Ok((engine, write, Answer::Continued(position)));
                }
                Some(Event::FullSync(position)) => {
                    return Ok((engine, write, Answer::FullSync(position)));
                }
                Some(
                    Event::SnapshotBegins(_)
                    | Event::SnapshotBytes(_)
                    | Event::SnapshotEnds
                    | Event::StreamBytes(_),
                )
                | None => {}
            }
            while let Some(command) = engine.machine.next_command() {
                write.write_all(&command).await.map_err(broken)?;
            }
            // Every answer is due at once, but for `PSYNC` a large process may have to fork.
            let after = if engine.machine.has_asked() {
                SILENCE
            } else {
                STEP
            };
            let filled = timeout(after, engine.fill()).await;
            filled.map_err(|_elapsed| engine.silent(after))??;
        }
    }

    /// The next event among the bytes that were read; `None`: [`Engine::fill`] first.
    pub(super) fn next_event(&mut self) -> Result<Option<Event<'_>>, EngineError> {
        let address = self.address;
        let mut input = self.buffer.get(self.start..self.end).unwrap_or_default();
        let event = self.machine.handle_bytes(&mut input);
        self.start = self.end - input.len();
        event.map_err(|source| EngineError::Protocol { address, source })
    }

    /// Reads more, once all events are taken. May be dropped and called again without loss.
    pub(super) async fn fill(&mut self) -> Result<(), EngineError> {
        let address = self.address;
        debug_assert_eq!(self.start, self.end, "all events are taken");
        match self.read.read(&mut self.buffer).await {
            Ok(0) => Err(EngineError::Closed { address }),
            Ok(count) => {
                (self.start, self.end) = (0, count);
                Ok(())
            }
            Err(source) => Err(EngineError::Broken { address, source }),
        }
    }

    pub(super) fn broken(&self, source: io::Error) -> EngineError {
        let address = self.address;
        EngineError::Broken { address, source }
    }

    pub(super) fn offers_all(&self, position: Position) -> EngineError {
        let address = self.address;
        EngineError::OffersAll { address, position }
    }

    pub(super) fn silent(&self, after: Duration) -> EngineError {
        let address = self.address;
        EngineError::Silent { address, after }
    }
}
