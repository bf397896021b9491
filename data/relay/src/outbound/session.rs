//! One session: an inbound that was admitted, until either side, the engine or the agent ends it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use runtime::chain;
use tokio::{sync::watch, time::timeout};
use wire::{FrameError, Refusal, RefusalCode, ToOutbound};

use super::{
    opening::{Greeting, refuse},
    pump::Pump,
    shard::{Session, Shard, Wanted, withdrawn},
    shelf::ShelfError,
};
use crate::{
    pulse::SILENCE,
    socket::WanReader,
    wan::{FrameReader, ReadError},
};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    #[error("cannot read from the inbound")]
    Read(#[from] ReadError),
    #[error("cannot read from the inbound")]
    Message(#[from] FrameError),
    #[error("cannot write to the inbound")]
    Write(#[source] std::io::Error),
    #[error("nothing was heard of the inbound for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the inbound broke the protocol: {0}")]
    Protocol(String),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error("{}", .0.why)]
    Refused(Refusal),
}

pub(super) async fn run(shard: &Arc<Shard>, wanted: Wanted, peer: SocketAddr, greeting: Greeting) {
    let Greeting {
        mut reader,
        mut writer,
        hello,
    } = greeting;
    let session = Session::begin(shard, peer, &hello);
    let (link, index) = (&shard.key.link, shard.key.shard);
    tracing::info!(%peer, %link, shard = %index, have = ?hello.have, partial = ?hello.partial, "an inbound connected");
    let changes = shard.wanted();
    let mut pump = Pump::new(&session, &mut writer, shard.wanted(), &hello);
    let end = tokio::select! {
        end = pump.run() => end,
        end = listen(&session, &mut reader) => end,
        end = invalid(changes, wanted.generation, peer.ip()) => end,
        () = session.token.cancelled() => SessionEnd::Refused(superseded()),
    };
    let why = chain(&end).to_string();
    if end.is_ordinary() {
        tracing::info!(%peer, %link, shard = %index, why, "the session with an inbound ended");
    } else {
        tracing::warn!(%peer, %link, shard = %index, why, "the session with an inbound ended");
    }
    session.fail(why.clone());
    drop(session);
    match end {
        SessionEnd::Refused(refusal) => refuse(&mut writer, refusal).await,
        SessionEnd::Shelf(_) => {
            let refusal = Refusal::new(RefusalCode::JournalFailed, why);
            refuse(&mut writer, refusal).await;
        }
        SessionEnd::Read(_)
        | SessionEnd::Message(_)
        | SessionEnd::Write(_)
        | SessionEnd::Silent
        | SessionEnd::Protocol(_) => {}
    }
}

impl SessionEnd {
    /// Tells ends that somebody asked for.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(
                    refusal.code,
                    RefusalCode::Superseded | RefusalCode::Withdrawn
                )
            }
            Self::Read(_)
            | Self::Message(_)
            | Self::Write(_)
            | Self::Silent
            | Self::Protocol(_)
            | Self::Shelf(_) => false,
        }
    }
}

/// Resolves when the agent wants something else than what the session was begun for, or does not
/// admit it any more.
async fn invalid(mut wanted: watch::Receiver<Wanted>, generation: u64, from: IpAddr) -> SessionEnd {
    let barred = |wanted: &Wanted| wanted.source.as_ref()?.firewall.refusal(from);
    let ended =
        wanted.wait_for(|wanted| wanted.generation != generation || barred(wanted).is_some());
    let refusal = match ended.await {
        Ok(wanted) if wanted.generation == generation => barred(&wanted),
        // An error is a shard that is gone, which is no longer wanted either.
        Ok(_) | Err(_) => None,
    };
    SessionEnd::Refused(refusal.unwrap_or_else(withdrawn))
}

/// Takes what the inbound reports.
async fn listen(session: &Session, reader: &mut FrameReader<WanReader>) -> SessionEnd {
    loop {
        let frame = match timeout(SILENCE, reader.next()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => return error.into(),
            Err(_elapsed) => return SessionEnd::Silent,
        };
        session.heard();
        match ToOutbound::read(frame) {
            Ok(ToOutbound::Heartbeat(beat)) => session.heard_beat(&beat),
            Ok(ToOutbound::Received(offset)) => session.received(offset),
            Ok(ToOutbound::Applied(offset)) => {
                if let Err(sent) = session.note_applied(offset) {
                    let sent = sent.map_or_else(|| "nothing".to_owned(), |sent| sent.to_string());
                    let what = format!("it says that {offset} is applied and was sent {sent}");
                    return SessionEnd::Protocol(what);
                }
            }
            Ok(ToOutbound::Promoted { epoch, position }) => {
                tracing::info!(%epoch, %position, "the geo-secondary says it was promoted");
            }
            Ok(ToOutbound::Hello(_)) => return SessionEnd::Protocol("a second hello".to_owned()),
            Err(error) => return error.into(),
        }
    }
}

fn superseded() -> Refusal {
    let why = "a newer connection for the same shard took over";
    Refusal::new(RefusalCode::Superseded, why)
}
