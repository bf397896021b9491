//! One session: an engine that asked to follow, until it or the outbound goes away.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use psync::{Command, Position, PrimarySide, ProtocolError};
use runtime::chain;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::sleep,
};
use wire::{FrameError, Refusal, RefusalCode, ToOutbound};

use super::{
    dialer::{Attached, attach},
    door::Follower,
    feed::Feed,
    standing::{Session, Standing},
};
use crate::{
    Peer,
    pulse::{Pulse, SILENCE},
    wan::{FrameWriter, ReadError},
};

/// Between two signs of life to an engine that waits.
const NEWLINE: Duration = Duration::from_secs(1);

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
    session.fail(why, end.is_engines());
}

impl SessionEnd {
    /// Tells ends that somebody asked for.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Superseded | Self::Retargeted => true,
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
            | Self::Superseded
            | Self::Retargeted => false,
        }
    }
}

async fn relay(session: &Session, follower: Follower) -> SessionEnd {
    let Follower {
        mut read,
        mut write,
        mut machine,
        have,
    } = follower;
    // First the engine waits, and is only read to notice that it goes away.
    let attached = tokio::select! {
        attached = attach(session, have) => attached,
        end = listen(session, &mut read, &mut machine) => return end,
        error = keep_waiting(&mut write) => return SessionEnd::EngineWrite(error),
    };
    let Attached {
        peer,
        reader,
        mut writer,
        answer,
    } = attached;
    let mut feed = Feed::new(session, write, reader);
    tokio::select! {
        end = feed.run(answer, have) => end,
        end = listen(session, &mut read, &mut machine) => end,
        error = report(session, &mut writer) => SessionEnd::Write(error),
        end = retargeted(session, peer) => end,
    }
}

/// Resolves when another peer, or none, is to be followed.
async fn retargeted(session: &Session, peer: Peer) -> SessionEnd {
    let mut target = session.standing.target();
    let _gone = target.wait_for(|target| *target != Some(peer)).await;
    SessionEnd::Retargeted
}

async fn keep_waiting(write: &mut OwnedWriteHalf) -> io::Error {
    loop {
        if let Err(error) = write.write_all(b"\n").await {
            return error;
        }
        sleep(NEWLINE).await;
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

/// Reports to the outbound: what is applied at once, what is received with the heartbeats.
async fn report(session: &Session, writer: &mut FrameWriter<OwnedWriteHalf>) -> io::Error {
    match try_report(session, writer).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn try_report(
    session: &Session,
    writer: &mut FrameWriter<OwnedWriteHalf>,
) -> io::Result<Infallible> {
    let mut ticks = Pulse::ticks();
    let mut reported = None;
    loop {
        tokio::select! {
            // A report that waits for the socket carries all that came meanwhile.
            () = session.applied_more.notified() => {}
            _ = ticks.tick() => {
                if let Some(received) = session.received() {
                    let received = ToOutbound::Received(received.offset).encode();
                    writer.send(&received).await?;
                }
                let beat = ToOutbound::Heartbeat(session.beat()).encode();
                writer.send(&beat).await?;
            }
        }
        let applied = session.applied();
        if let Some(offset) = applied
            && applied != reported
        {
            writer.send(&ToOutbound::Applied(offset).encode()).await?;
            reported = applied;
        }
    }
}
