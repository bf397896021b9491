//! The half beside the geo-primary: hands the engine's stream to whoever dials, and the barrier
//! behind it.

use std::{io, sync::Arc, time::Duration};

use model::Epoch;
use psync::Position;
use runtime::tasks::Tasks;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use turmoil::net::{TcpListener, TcpStream};

use super::{Agent, Fence, RELAY};
use crate::{
    engine::Unit,
    lines::{connect, lines},
    machine::{self, Answer, Ask},
};

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What an inbound half says first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) epoch: Epoch,
    pub(super) have: Option<Position>,
}

/// What it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Message {
    Begin {
        from: Position,
        whole: Option<Vec<Unit>>,
    },
    Units(Vec<Unit>),
    Barrier(u64, Position),
}

impl Agent {
    pub(super) async fn serve(self: Arc<Self>, tasks: Tasks) -> io::Result<()> {
        let listener = TcpListener::bind(("0.0.0.0", RELAY)).await?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            let agent = Arc::clone(&self);
            tasks.spawn("outbound session", async move {
                // The other half dials again.
                let _ended = agent.session(stream).await;
            });
        }
    }

    async fn session(&self, stream: TcpStream) -> io::Result<()> {
        let (mut reader, mut writer) = lines(stream);
        let hello: Hello = reader.next().await?;
        if self.state.lock().serves != Some(hello.epoch) {
            return Ok(());
        }
        let fence = self.state.lock().fence;
        if let Fence::Declared(attempt, position) = fence {
            // A fenced engine gives its bytes to nobody; who has them all needs the barrier alone.
            if hello.have == Some(position) {
                writer
                    .send(&Message::Begin {
                        from: position,
                        whole: None,
                    })
                    .await?;
                writer.send(&Message::Barrier(attempt, position)).await?;
                self.until_fence_changes(fence, hello.epoch).await;
            }
            return Ok(());
        }
        let (mut source, mut asks) = connect(self.setup.machine, machine::PORT).await?;
        asks.send(&Ask::Psync(hello.have)).await?;
        let Answer::Streams { from, whole } = source.next().await? else {
            return Ok(());
        };
        let mut sent = from;
        writer.send(&Message::Begin { from, whole }).await?;
        let sent_all = self.send_stream(&mut source, &mut writer, &mut sent, hello.epoch);
        let ended = sent_all.await;
        self.state.lock().sent = None;
        ended
    }

    async fn send_stream(
        &self,
        source: &mut crate::lines::Reader,
        writer: &mut crate::lines::Writer,
        sent: &mut Position,
        epoch: Epoch,
    ) -> io::Result<()> {
        let mut source_ended = false;
        loop {
            self.state.lock().sent = Some(*sent);
            self.nudge.notify_one();
            let fence = self.state.lock().fence;
            if self.state.lock().serves != Some(epoch) {
                return Ok(());
            }
            match fence {
                Fence::Declared(attempt, position) if position == *sent => {
                    writer.send(&Message::Barrier(attempt, position)).await?;
                    self.until_fence_changes(fence, epoch).await;
                    return Ok(());
                }
                Fence::Declared(..) => return Ok(()),
                Fence::Open if source_ended => return Ok(()),
                Fence::Open | Fence::Expected => {}
            }
            tokio::select! {
                units = source.next::<Vec<Unit>>(), if !source_ended => match units {
                    Ok(units) => {
                        let count = units.len() as u64;
                        writer.send(&Message::Units(units)).await?;
                        *sent = Position::new(sent.replid, sent.offset.advanced(count));
                    }
                    Err(_ended) => source_ended = true,
                },
                () = self.rewired.notified() => {}
                () = sleep(HEARTBEAT) => writer.send(&Message::Units(Vec::new())).await?,
            }
        }
    }

    async fn until_fence_changes(&self, fence: Fence, epoch: Epoch) {
        loop {
            let now = {
                let state = self.state.lock();
                (state.fence, state.serves)
            };
            if now != (fence, Some(epoch)) {
                return;
            }
            self.rewired.notified().await;
        }
    }
}
