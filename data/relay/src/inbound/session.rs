//! One session: an engine that asked to follow, until it goes away, or until it can only go on by
//! asking anew.

use std::{io, net::SocketAddr, sync::Arc};

use psync::{Command, Position, PrimarySide, ProtocolError};
use runtime::chain;
use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf};
use wire::{FrameError, Refusal, RefusalCode};

use super::{
    door::Follower,
    feed::Feed,
    standing::{Session, Standing},
};
use crate::{pulse::SILENCE, wan::ReadError};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    #[error("the geo-secondary's engine closed the connection")]
    EngineClosed,
    #[error("cannot read from the geo-secondary's engine")]
    EngineRead(#[source] io::Error),
    #[error("cannot write to the geo-secondary's engine")]
    EngineWrite(#[source] io::Error),
    #[error("the geo-secondary's engine broke the protocol")]
    EngineProtocol(#[from] ProtocolError),
    #[error("the geo-secondary's engine acknowledges {acknowledged} and was sent {sent}")]
    EngineAhead { acknowledged: u64, sent: Position },
    #[error("cannot read from the outbound")]
    Read(#[from] ReadError),
    #[error("cannot read from the outbound")]
    Message(#[from] FrameError),
    #[error("cannot write to the outbound")]
    Write(#[source] io::Error),
    #[error("nothing was heard of the outbound for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the outbound broke the protocol: {0}")]
    Protocol(String),
    #[error("the outbound ended the session: {}", .0.why)]
    Refused(Refusal),
    #[error("the outbound has another snapshot now; the engine begins its full sync again")]
    OtherSnapshot,
    #[error("the geo-primary's history goes on under another ID; the engine asks anew")]
    Renamed,
    #[error("a newer connection of the engine took over")]
    Superseded,
    #[error("the agent holds this side, or has it follow another one")]
    Retargeted,
}

pub(super) async fn run(standing: &Arc<Standing>, follower: Follower, engine: SocketAddr) {
    let session = Session::begin(standing, engine);
    let (link, shard) = (&standing.key.link, standing.key.shard);
    tracing::info!(%engine, %link, %shard, have = ?follower.have, "the engine asks to follow");
    let end = tokio::select! {
        end = relay(&session, follower) => end,
        () = session.token.cancelled() => SessionEnd::Superseded,
    };
    let why = chain(&end).to_string();
    if end.is_ordinary() {
        tracing::info!(%engine, %link, %shard, why, "the session with the engine ended");
    } else {
        tracing::warn!(%engine, %link, %shard, why, "the session with the engine ended");
    }
    if let SessionEnd::Refused(refusal) = &end
        && refusal.code == RefusalCode::NotAdmitted
    {
        session.barred(Some(&refusal.why));
    }
    session.fail(why, end.is_engines());
}

impl SessionEnd {
    /// Tells ends that somebody asked for.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Renamed | Self::Superseded | Self::Retargeted => true,
            Self::Refused(refusal) => {
                matches!(
                    refusal.code,
                    RefusalCode::Superseded | RefusalCode::Withdrawn
                )
            }
            Self::EngineClosed
            | Self::EngineRead(_)
            | Self::EngineWrite(_)
            | Self::EngineProtocol(_)
            | Self::EngineAhead { .. }
            | Self::Read(_)
            | Self::Message(_)
            | Self::Write(_)
            | Self::Silent
            | Self::OtherSnapshot
            | Self::Protocol(_) => false,
        }
    }

    /// Tells ends that the geo-secondary's engine brought about.
    fn is_engines(&self) -> bool {
        match self {
            Self::EngineClosed
            | Self::EngineRead(_)
            | Self::EngineWrite(_)
            | Self::EngineProtocol(_)
            | Self::EngineAhead { .. } => true,
            Self::Read(_)
            | Self::Message(_)
            | Self::Write(_)
            | Self::Silent
            | Self::Protocol(_)
            | Self::Refused(_)
            | Self::OtherSnapshot
            | Self::Renamed
            | Self::Superseded
            | Self::Retargeted => false,
        }
    }

    /// Tells ends after which an engine that loads a snapshot need not begin again: the connection
    /// to the outbound is gone, and another one can go on with the next byte.
    pub(super) fn may_resume(&self) -> bool {
        match self {
            Self::Read(_) | Self::Message(_) | Self::Write(_) | Self::Silent => true,
            Self::Refused(refusal) => match refusal.code {
                RefusalCode::UnknownShard
                | RefusalCode::SourceUnreachable
                | RefusalCode::SourceNotReady
                | RefusalCode::SourceDenied
                | RefusalCode::SourceLost
                | RefusalCode::Superseded
                | RefusalCode::JournalFailed
                | RefusalCode::NotAdmitted
                | RefusalCode::Withdrawn => true,
                RefusalCode::WrongEpoch
                | RefusalCode::WrongVersion
                | RefusalCode::Fenced
                | RefusalCode::EmptySource
                | RefusalCode::WrongPeer
                | RefusalCode::Outrun => false,
            },
            Self::EngineClosed
            | Self::EngineRead(_)
            | Self::EngineWrite(_)
            | Self::EngineProtocol(_)
            | Self::EngineAhead { .. }
            | Self::Protocol(_)
            | Self::OtherSnapshot
            | Self::Renamed
            | Self::Superseded
            | Self::Retargeted => false,
        }
    }
}

async fn relay(session: &Session, follower: Follower) -> SessionEnd {
    let Follower {
        mut read,
        write,
        mut machine,
        have,
    } = follower;
    let mut feed = Feed::new(session, write, have);
    tokio::select! {
        end = feed.run() => end,
        end = listen(session, &mut read, &mut machine) => end,
    }
}

/// Takes what the engine acknowledges.
async fn listen(
    session: &Session,
    read: &mut OwnedReadHalf,
    machine: &mut PrimarySide,
) -> SessionEnd {
    let mut buffer = [0; 4096];
    loop {
        match read.read(&mut buffer).await {
            Ok(0) => return SessionEnd::EngineClosed,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if let Err(error) = machine.handle_bytes(bytes) {
                    return error.into();
                }
            }
            Err(error) => return SessionEnd::EngineRead(error),
        }
        while let Some(command) = machine.next_command() {
            match command {
                Command::Applied(offset) => {
                    if let Err(sent) = session.acknowledged(offset) {
                        let acknowledged = offset.0;
                        return SessionEnd::EngineAhead { acknowledged, sent };
                    }
                }
                // A machine that follows has no replies and asks once.
                Command::Reply(_) | Command::Follow(_) => {}
            }
        }
    }
}
