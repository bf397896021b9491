//! A connection of the engine, up to its request to follow.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use psync::{Command, Login, Position, PrimarySide, ProtocolError};
use runtime::chain;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::{session, standing::Standing};
use crate::socket::{STEP, prepare};

/// Commands that one connection may send before it asks to follow, and the time it may take.
const MAX_REPLIES: usize = 32;
const GREETING: Duration = Duration::from_secs(30);

/// An engine that asked to follow.
pub(super) struct Follower {
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    pub(super) machine: PrimarySide,
    pub(super) have: Option<Position>,
}

/// Why no request to follow came.
#[derive(Debug, thiserror::Error)]
enum DoorError {
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    #[error("the other side closed the connection")]
    Closed,
    #[error("nothing came for {} s", STEP.as_secs())]
    Late,
    #[error("not an engine that may follow")]
    Protocol(#[from] ProtocolError),
    #[error("{MAX_REPLIES} commands or {} s passed, and nothing asked to follow", GREETING.as_secs())]
    Chatter,
}

pub(super) async fn answer(
    standing: &Arc<Standing>,
    login: Login,
    stream: TcpStream,
    engine: SocketAddr,
) {
    let greeted = timeout(GREETING, greet(login, stream)).await;
    match greeted.unwrap_or(Err(DoorError::Chatter)) {
        Ok(follower) => session::run(standing, follower, engine).await,
        Err(error) => {
            tracing::debug!(%engine, error = %chain(&error), "no engine on this connection");
        }
    }
}

async fn greet(login: Login, stream: TcpStream) -> Result<Follower, DoorError> {
    prepare(&stream)?;
    let (mut read, mut write) = stream.into_split();
    let mut machine = PrimarySide::new(login);
    let mut buffer = [0; 4096];
    let mut replies = 0;
    loop {
        let count = timeout(STEP, read.read(&mut buffer)).await;
        let count = count.map_err(|_elapsed| DoorError::Late)??;
        if count == 0 {
            return Err(DoorError::Closed);
        }
        let handled = machine.handle_bytes(buffer.get(..count).unwrap_or_default());
        while let Some(command) = machine.next_command() {
            match command {
                Command::Reply(reply) => {
                    replies += 1;
                    let written = timeout(STEP, write.write_all(&reply)).await;
                    written.map_err(|_elapsed| DoorError::Late)??;
                }
                Command::Follow(have) => {
                    handled?;
                    return Ok(Follower {
                        read,
                        write,
                        machine,
                        have,
                    });
                }
                // Nothing was sent that could be applied.
                Command::Applied(_) => {}
            }
        }
        handled?;
        if replies > MAX_REPLIES {
            return Err(DoorError::Chatter);
        }
    }
}
