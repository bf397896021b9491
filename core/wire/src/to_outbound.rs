//! What an inbound sends.

use bytes::Bytes;
use model::Epoch;
use psync::{Offset, Position};

use crate::{
    Frame, FrameError, Heartbeat, Hello,
    cursor::{Fields, put_position},
    frame::{Kind, encode},
};

/// A message of the inbound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToOutbound {
    /// The first message, and the only one before an answer.
    Hello(Hello),
    /// The stream up to here was handed to the geo-secondary's engine.
    Received(Offset),
    /// The geo-secondary's engine has applied the stream up to here.
    Applied(Offset),
    /// The geo-secondary was promoted at this position, under this epoch.
    Promoted {
        /// The new epoch.
        epoch: Epoch,
        /// Where the old history ends.
        position: Position,
    },
    /// A sign of life.
    Heartbeat(Heartbeat),
}

impl ToOutbound {
    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Hello(hello) => encode(Kind::Hello, &hello.payload()),
            Self::Received(offset) => encode(Kind::Received, &offset.0.to_le_bytes()),
            Self::Applied(offset) => encode(Kind::Applied, &offset.0.to_le_bytes()),
            Self::Promoted { epoch, position } => {
                let mut out = epoch.0.to_le_bytes().to_vec();
                put_position(&mut out, position);
                encode(Kind::Promoted, &out)
            }
            Self::Heartbeat(beat) => encode(Kind::Heartbeat, &beat.payload()),
        }
    }

    /// Reads a frame that came from an inbound.
    pub fn read(frame: Frame) -> Result<Self, FrameError> {
        let (kind, payload) = frame.opened()?;
        let name = kind.name();
        let mut fields = Fields::of(name, payload);
        let message = match kind {
            Kind::Hello => return Hello::read(fields.remainder()).map(Self::Hello),
            Kind::Heartbeat => return Heartbeat::read(fields.remainder()).map(Self::Heartbeat),
            Kind::Received => Self::Received(Offset(fields.u64()?)),
            Kind::Applied => Self::Applied(Offset(fields.u64()?)),
            Kind::Promoted => Self::Promoted {
                epoch: Epoch(fields.u64()?),
                position: fields.position()?,
            },
            Kind::Continue
            | Kind::Snapshot
            | Kind::SnapshotData
            | Kind::SnapshotEnd
            | Kind::Stream
            | Kind::Barrier
            | Kind::Refused => return Err(FrameError::WrongDirection { kind: name }),
        };
        fields.end()?;
        Ok(message)
    }
}
