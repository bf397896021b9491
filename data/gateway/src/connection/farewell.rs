//! The end of a client's connection.

use std::time::Duration;

use tls::FrontStream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::Connection;
use crate::{
    limits::{FAREWELL, FAREWELL_BYTES},
    outgoing::Outgoing,
    pump::End,
    status::Refusal,
    ticket::Standing,
};

/// Time for a client to take what is left for it when there is nothing to explain.
const LAST: Duration = Duration::from_secs(5);

impl Connection {
    /// Ends it as `end` wants it.
    pub(super) async fn finish(self, end: End) {
        if end == End::Protocol {
            let why = "it broke the protocol";
            self.house
                .refused(Refusal::Protocol, &self.entered.peer, why);
        }
        // Nobody has to wait for it any more.
        self.entered.stand(Standing::Held);
        let (client, waiting) = self.pump.into_client();
        match end {
            End::Gone => {}
            End::Said | End::Protocol | End::Engine | End::Closed => {
                let ending = finish(client, waiting);
                tokio::select! {
                    ended = timeout(LAST, ending) => drop(ended),
                    () = self.house.tasks.cancelled() => {}
                }
            }
        }
        // Its place is free when all of it is over.
        drop(self.entered);
    }
}

/// Writes what waits, ends this direction, and waits for the other side to do the same: closing
/// with bytes unread would take the last words along.
async fn finish(mut client: FrontStream, mut waiting: Outgoing) -> std::io::Result<()> {
    std::future::poll_fn(|cx| waiting.poll_drain(cx, &mut client)).await?;
    client.shutdown().await?;
    let listen = async {
        let mut bytes = [0; 1024];
        let mut left = FAREWELL_BYTES;
        while left > 0 {
            let read = client.read(&mut bytes).await?;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read);
        }
        std::io::Result::Ok(())
    };
    timeout(FAREWELL, listen).await.unwrap_or(Ok(()))
}
