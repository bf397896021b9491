//! Reaches for the outbound until it answers, while the engine waits.

use std::{convert::Infallible, io, time::Duration};

use model::EventKind;
use psync::Position;
use runtime::chain;
use tls::{Protocol, TlsError};
use tokio::time::{sleep, timeout};
use wire::{
    FrameError, Hello, Partial, Refusal, RefusalCode, SnapshotHead, ToInbound, ToOutbound, VERSION,
};

use super::standing::Session;
use crate::{
    Peer, Phase,
    pulse::{Pulse, SILENCE},
    socket::{WanReader, WanWriter, dial},
    wan::{FrameReader, FrameWriter, ReadError},
};

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// An outbound that answered.
pub(super) struct Attached {
    pub(super) peer: Peer,
    pub(super) reader: FrameReader<WanReader>,
    pub(super) writer: FrameWriter<WanWriter>,
    pub(super) answer: Answer,
}

/// What it answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Continue(Position),
    Snapshot(SnapshotHead),
}

/// What is told of the geo-secondary's engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) have: Option<Position>,
    pub(super) partial: Option<Partial>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(
        "cannot reach the outbound at {}; check that the agent beside the geo-primary runs and that its firewall admits this side", .peer.outbound
    )]
    Dial {
        peer: Peer,
        #[source]
        source: io::Error,
    },
    #[error("cannot trust whoever answers at {} as the agent of {}", .peer.outbound, .peer.region)]
    Trust {
        peer: Peer,
        #[source]
        source: TlsError,
    },
    #[error("lost the outbound at {} before it answered", .peer.outbound)]
    Handshake {
        peer: Peer,
        #[source]
        source: TlsError,
    },
    #[error("the outbound at {} refused: {}", .peer.outbound, .refusal.why)]
    Refused { peer: Peer, refusal: Refusal },
    #[error("the outbound at {} said nothing for {} s", .peer.outbound, SILENCE.as_secs())]
    Silent { peer: Peer },
    #[error("lost the outbound at {} before it answered", .peer.outbound)]
    Write {
        peer: Peer,
        #[source]
        source: io::Error,
    },
    #[error("lost the outbound at {} before it answered", .peer.outbound)]
    Read {
        peer: Peer,
        #[source]
        source: ReadError,
    },
    #[error("the outbound at {} broke the protocol", .peer.outbound)]
    Message {
        peer: Peer,
        #[source]
        source: FrameError,
    },
    #[error("the outbound at {} answered with something else than an answer", .peer.outbound)]
    NotAnswer { peer: Peer },
}

impl DialError {
    /// What the outbound says of its firewall.
    fn barred(&self) -> Option<&str> {
        match self {
            Self::Refused { refusal, .. } if refusal.code == RefusalCode::NotAdmitted => {
                Some(&refusal.why)
            }
            Self::Refused { .. }
            | Self::Dial { .. }
            | Self::Trust { .. }
            | Self::Handshake { .. }
            | Self::Silent { .. }
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::Message { .. }
            | Self::NotAnswer { .. } => None,
        }
    }
}

/// Follows the target as it changes; ends once an outbound answered.
pub(super) async fn attach(session: &Session, progress: Progress) -> Attached {
    let mut target = session.standing.target();
    loop {
        // Each full sync costs the geo-primary a fork: one that the engine here gives up again and
        // again, for instance because it is older than the snapshot's format, must not.
        let pause = session.standing.pause_before_full_sync();
        let fresh = progress.have.is_none() && progress.partial.is_none();
        let pause = pause.filter(|_| fresh).unwrap_or_default();
        let peer = target.borrow_and_update().clone();
        let Some(peer) = peer else {
            session.enter(Phase::Waiting);
            if target.changed().await.is_err() {
                return std::future::pending().await;
            }
            continue;
        };
        session.reaches_for_the_outbound();
        tokio::select! {
            attached = async {
                sleep(pause).await;
                keep_dialling(session, &peer, progress).await
            } => return attached,
            _changed = target.changed() => session.connected(false),
        }
    }
}

async fn keep_dialling(session: &Session, peer: &Peer, progress: Progress) -> Attached {
    let (mut pause, longest) = PAUSES;
    let mut last = String::new();
    loop {
        let error = match attempt(session, peer, progress).await {
            Ok(attached) => {
                session.barred(None);
                return attached;
            }
            Err(error) => error,
        };
        session.connected(false);
        session.barred(error.barred());
        let why = chain(&error).to_string();
        if why != last {
            let key = &session.standing.key;
            tracing::warn!(outbound = %peer.outbound, link = %key.link, shard = %key.shard, why, "cannot follow yet");
            session.fail(why.clone(), false);
            last.clone_from(&why);
        }
        if let DialError::Trust { source, .. } = &error
            && source.presented().is_some()
        {
            session.standing.tell_once(EventKind::PeerRefused, why);
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn attempt(
    session: &Session,
    peer: &Peer,
    progress: Progress,
) -> Result<Attached, DialError> {
    let whose = || peer.clone();
    let stream = dial(peer.outbound).await;
    let stream = stream.map_err(|source| DialError::Dial {
        peer: whose(),
        source,
    })?;
    let identity = &session.standing.identity;
    let stream = identity
        .connect(stream, &peer.region, Protocol::Relay)
        .await;
    let stream = stream.map_err(|source| match source {
        TlsError::Broken(_) | TlsError::Late => DialError::Handshake {
            peer: whose(),
            source,
        },
        TlsError::NoIdentity { .. }
        | TlsError::Protocol(_)
        | TlsError::Anonymous
        | TlsError::Refused(_)
        | TlsError::RefusedByPeer(_)
        | TlsError::Application { .. } => DialError::Trust {
            peer: whose(),
            source,
        },
    })?;
    session.connected(true);
    let (read, write) = tokio::io::split(stream);
    let mut reader = FrameReader::for_data(read);
    let mut writer = FrameWriter::new(write);
    let key = &session.standing.key;
    let hello = Hello {
        version: VERSION,
        link: key.link.clone(),
        shard: key.shard,
        epoch: peer.epoch,
        have: progress.have,
        partial: progress.partial,
        keys_held: session.standing.keys(),
    };
    let lost = |source| DialError::Write {
        peer: whose(),
        source,
    };
    let hello = ToOutbound::Hello(hello).encode();
    writer.send_now(&hello).await.map_err(lost)?;
    let answer = tokio::select! {
        answer = answer(session, &mut reader, peer) => answer?,
        never = beat(session, &mut writer) => match never.map_err(lost)? {},
    };
    if !writer.is_whole() {
        // A heartbeat was cut short by the answer; on a socket that takes 60 bytes that is rare.
        let source = io::Error::other("a heartbeat did not leave in time");
        return Err(lost(source));
    }
    Ok(Attached {
        peer: peer.clone(),
        reader,
        writer,
        answer,
    })
}

async fn beat(session: &Session, writer: &mut FrameWriter<WanWriter>) -> io::Result<Infallible> {
    let mut ticks = Pulse::ticks();
    loop {
        ticks.tick().await;
        let beat = ToOutbound::Heartbeat(session.beat()).encode();
        writer.send_now(&beat).await?;
    }
}

async fn answer(
    session: &Session,
    reader: &mut FrameReader<WanReader>,
    peer: &Peer,
) -> Result<Answer, DialError> {
    let whose = || peer.clone();
    loop {
        let frame = timeout(SILENCE, reader.next()).await;
        let frame = frame.map_err(|_elapsed| DialError::Silent { peer: whose() })?;
        let frame = frame.map_err(|source| DialError::Read {
            peer: whose(),
            source,
        })?;
        session.heard();
        let message = ToInbound::read(frame);
        match message.map_err(|source| DialError::Message {
            peer: whose(),
            source,
        })? {
            ToInbound::Heartbeat(beat) => session.heard_beat(&beat),
            ToInbound::Continue(position) => return Ok(Answer::Continue(position)),
            ToInbound::Snapshot(head) => return Ok(Answer::Snapshot(head)),
            ToInbound::Refused(refusal) => {
                return Err(DialError::Refused {
                    peer: whose(),
                    refusal,
                });
            }
            ToInbound::SnapshotData { .. }
            | ToInbound::SnapshotEnd
            | ToInbound::Stream { .. }
            | ToInbound::Barrier(_) => return Err(DialError::NotAnswer { peer: whose() }),
        }
    }
}
