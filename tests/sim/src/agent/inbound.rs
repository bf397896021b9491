//! The half beside the geo-secondary: dials, and feeds the engine.

use std::{io, sync::Arc, time::Duration};

use model::Epoch;
use tokio::time::{sleep, timeout};

use super::{
    Agent, RELAY,
    outbound::{Hello, Message},
};
use crate::{
    lines::connect,
    machine::{self, Answer, Ask},
};

/// Between two attempts.
const REDIAL: Duration = Duration::from_millis(200);
/// Without a sign of life for so long the other half is gone.
const SILENCE: Duration = Duration::from_secs(5);

impl Agent {
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            let follows = self.state.lock().follows;
            if let Some(epoch) = follows {
                tokio::select! {
                    // It is dialled again.
                    _ended = self.feed(epoch) => {}
                    () = self.until_followed_otherwise(epoch) => {}
                }
                self.state.lock().barrier = None;
                self.nudge.notify_one();
            }
            sleep(REDIAL).await;
        }
    }

    async fn until_followed_otherwise(&self, epoch: Epoch) {
        while self.state.lock().follows == Some(epoch) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn feed(&self, epoch: Epoch) -> io::Result<()> {
        let Some(info) = self.info().await? else {
            return Ok(());
        };
        let (mut reader, mut writer) = connect(self.setup.peer, RELAY).await?;
        let have = Some(info.position);
        writer.send(&Hello { epoch, have }).await?;
        let Message::Begin { from, whole } = timeout(SILENCE, reader.next()).await?? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (mut answers, mut feed) = connect(self.setup.machine, machine::PORT).await?;
        let what = if whole.is_some() {
            "a full sync"
        } else {
            "a partial resync"
        };
        self.setup.trace.note(format_args!(
            "{} begins {what} from {from}",
            self.setup.region
        ));
        feed.send(&Ask::Feed { from, whole }).await?;
        if !matches!(answers.next().await?, Answer::Done(true)) {
            return Ok(());
        }
        self.nudge.notify_one();
        loop {
            match timeout(SILENCE, reader.next()).await?? {
                Message::Units(units) => feed.send(&units).await?,
                Message::Barrier(attempt, position) => {
                    self.state.lock().barrier = Some((attempt, position));
                }
                Message::Begin { .. } => return Ok(()),
            }
            self.nudge.notify_one();
        }
    }
}
