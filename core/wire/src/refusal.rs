//! Why an outbound does not serve, or stops serving.

use bytes::Bytes;

use crate::{
    FrameError,
    cursor::{Fields, put_text},
};

/// Bytes of the sentence, at most.
const WHY_BYTES: u16 = 1024;

/// The reason, for programs. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// The outbound does not know the link or the shard.
    UnknownShard = 1,
    /// The two sides have different epochs.
    WrongEpoch = 2,
    /// The two sides speak different versions of the protocol.
    WrongVersion = 3,
    /// The geo-primary's engine cannot be reached.
    SourceUnreachable = 4,
    /// The geo-primary's engine is not ready: loading, or without its own primary.
    SourceNotReady = 5,
    /// The geo-primary's engine does not accept the replication user.
    SourceDenied = 6,
    /// The geo-primary's engine ended the connection, or broke the protocol.
    SourceLost = 7,
    /// The geo-primary is fenced for a handoff, and the two stand at different positions.
    Fenced = 8,
    /// A newer connection for the same shard took over.
    Superseded = 9,
    /// The agent withdrew or changed the shard.
    Withdrawn = 10,
    /// The journal beside the geo-primary cannot be written or read.
    JournalFailed = 11,
    /// The geo-primary is empty, its history is another one, and the geo-secondary holds data.
    EmptySource = 12,
    /// This agent is not the one that may follow the shard.
    WrongPeer = 13,
    /// The journal does not reach back any more to where the session stands.
    Outrun = 14,
    /// The geo-primary's firewall does not admit the address that the inbound dials from.
    NotAdmitted = 15,
}

const CODES: [RefusalCode; 15] = [
    RefusalCode::UnknownShard,
    RefusalCode::WrongEpoch,
    RefusalCode::WrongVersion,
    RefusalCode::SourceUnreachable,
    RefusalCode::SourceNotReady,
    RefusalCode::SourceDenied,
    RefusalCode::SourceLost,
    RefusalCode::Fenced,
    RefusalCode::Superseded,
    RefusalCode::Withdrawn,
    RefusalCode::JournalFailed,
    RefusalCode::EmptySource,
    RefusalCode::WrongPeer,
    RefusalCode::Outrun,
    RefusalCode::NotAdmitted,
];

/// A reason and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub code: RefusalCode,
    /// The sentence; what goes beyond 1024 bytes is cut.
    pub why: String,
}

impl Refusal {
    /// Puts the two together.
    #[must_use]
    pub fn new(code: RefusalCode, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { code, why }
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.why.len());
        out.extend_from_slice(&(self.code as u16).to_le_bytes());
        put_text(&mut out, &self.why, WHY_BYTES);
        out
    }

    pub(crate) fn read(payload: Bytes) -> Result<Self, FrameError> {
        let mut fields = Fields::of("refused", payload);
        let number = fields.u16()?;
        let code = CODES.into_iter().find(|code| *code as u16 == number);
        let code = code.ok_or_else(|| fields.bad("its code is unknown"))?;
        let why = fields.text(usize::from(WHY_BYTES))?;
        fields.end()?;
        Ok(Self { code, why })
    }
}
