//! What an outbound sends.

use bytes::Bytes;
use psync::{EofMark, Framing, Position};

use crate::{
    Frame, FrameError, Refusal,
    cursor::{Fields, put_optional, put_position},
    frame::{Kind, encode},
};

/// The final offset of a shard under a write pause, in one attempt at a handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// Which attempt; a later one has a higher number.
    pub attempt: u64,
    /// Where the stream ends.
    pub position: Position,
}

/// A sign of life. `stamp` and `echo` give the round trip without comparing two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Microseconds on the sender's clock, counted from any start; never 0.
    pub stamp: u64,
    /// The last stamp received from the other side; 0 when there is none.
    pub echo: u64,
    /// Microseconds between the receipt of `echo` and this message.
    pub held: u64,
    /// Microseconds that the geo-secondary lags behind; only the outbound can tell.
    pub lag: Option<u64>,
}

impl Heartbeat {
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40);
        for field in [self.stamp, self.echo, self.held] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_optional(&mut out, self.lag.as_ref(), |out, lag| {
            out.extend_from_slice(&lag.to_le_bytes());
        });
        out
    }

    pub(crate) fn read(payload: Bytes) -> Result<Self, FrameError> {
        let mut fields = Fields::of("heartbeat", payload);
        let beat = Self {
            stamp: fields.u64()?,
            echo: fields.u64()?,
            held: fields.u64()?,
            lag: fields.optional(Fields::u64)?,
        };
        fields.end()?;
        Ok(beat)
    }
}

/// The snapshot that is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Names it, so that a later session can go on with it.
    pub id: u64,
    /// The index of the first byte that will be sent; those before it are already there.
    pub from: u64,
    /// Where it ends.
    pub position: Position,
    /// How the end of its payload is told.
    pub framing: Framing,
}

/// A message of the outbound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToInbound {
    /// The stream goes on behind this position, whose replication ID may be new.
    Continue(Position),
    /// A snapshot follows that ends at this position.
    Snapshot(SnapshotHead),
    /// Bytes of the snapshot's payload.
    SnapshotData {
        /// The index of the first of them.
        at: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The payload is whole.
    SnapshotEnd,
    /// Bytes of the stream.
    Stream {
        /// The offset before the first of them.
        after: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The stream ends here until the handoff is decided.
    Barrier(Barrier),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// The outbound closes the connection.
    Refused(Refusal),
}

impl ToInbound {
    /// The bytes of the message. Data are better sent behind [`crate::data_header`].
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Continue(position) => {
                put_position(&mut out, position);
                encode(Kind::Continue, &out)
            }
            Self::Snapshot(head) => {
                out.extend_from_slice(&head.id.to_le_bytes());
                out.extend_from_slice(&head.from.to_le_bytes());
                put_position(&mut out, &head.position);
                put_framing(&mut out, &head.framing);
                encode(Kind::Snapshot, &out)
            }
            Self::SnapshotData { at, bytes } => with_header(crate::DataKind::Snapshot, *at, bytes),
            Self::SnapshotEnd => encode(Kind::SnapshotEnd, &out),
            Self::Stream { after, bytes } => with_header(crate::DataKind::Stream, *after, bytes),
            Self::Barrier(Barrier { attempt, position }) => {
                out.extend_from_slice(&attempt.to_le_bytes());
                put_position(&mut out, position);
                encode(Kind::Barrier, &out)
            }
            Self::Heartbeat(beat) => encode(Kind::Heartbeat, &beat.payload()),
            Self::Refused(refusal) => encode(Kind::Refused, &refusal.payload()),
        }
    }

    /// Reads a frame that came from an outbound.
    pub fn read(frame: Frame) -> Result<Self, FrameError> {
        let (kind, payload) = frame.opened()?;
        let name = kind.name();
        let mut fields = Fields::of(name, payload);
        let message = match kind {
            Kind::Continue => Self::Continue(fields.position()?),
            Kind::Snapshot => Self::Snapshot(SnapshotHead {
                id: fields.u64()?,
                from: fields.u64()?,
                position: fields.position()?,
                framing: framing(&mut fields)?,
            }),
            Kind::SnapshotData => {
                let at = fields.u64()?;
                let bytes = fields.remainder();
                return Ok(Self::SnapshotData { at, bytes });
            }
            Kind::SnapshotEnd => Self::SnapshotEnd,
            Kind::Stream => {
                let after = fields.u64()?;
                let bytes = fields.remainder();
                return Ok(Self::Stream { after, bytes });
            }
            Kind::Barrier => Self::Barrier(Barrier {
                attempt: fields.u64()?,
                position: fields.position()?,
            }),
            Kind::Heartbeat => return Heartbeat::read(fields.remainder()).map(Self::Heartbeat),
            Kind::Refused => return Refusal::read(fields.remainder()).map(Self::Refused),
            Kind::Hello | Kind::Received | Kind::Applied | Kind::Promoted => {
                return Err(FrameError::WrongDirection { kind: name });
            }
        };
        fields.end()?;
        Ok(message)
    }
}

fn with_header(kind: crate::DataKind, place: u64, bytes: &Bytes) -> Bytes {
    let header = crate::data_header(kind, place, bytes);
    let mut out = Vec::with_capacity(header.len() + bytes.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(bytes);
    out.into()
}

const LENGTH: u8 = 0;
const EOF: u8 = 1;
/// Bytes of a mark.
const MARK: usize = 40;

fn put_framing(out: &mut Vec<u8>, framing: &Framing) {
    match framing {
        Framing::Length(bytes) => {
            out.push(LENGTH);
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        Framing::Eof(mark) => {
            out.push(EOF);
            out.extend_from_slice(mark.as_str().as_bytes());
        }
    }
}

fn framing(fields: &mut Fields) -> Result<Framing, FrameError> {
    match fields.u8()? {
        LENGTH => Ok(Framing::Length(fields.u64()?)),
        EOF => {
            let mark = fields.bytes(MARK)?;
            let mark: Option<EofMark> = str::from_utf8(&mark).ok().and_then(|m| m.parse().ok());
            let mark = mark.ok_or_else(|| fields.bad("its mark is not 40 letters and digits"))?;
            Ok(Framing::Eof(mark))
        }
        _ => Err(fields.bad("its framing is unknown")),
    }
}
