//! Tells the outbound how far the geo-secondary's engine is: what is applied at once, what is
//! received with the heartbeats.

use std::{convert::Infallible, io};

use wire::ToOutbound;

use super::standing::Session;
use crate::{pulse::Pulse, socket::WanWriter, wan::FrameWriter};

/// Reports until the connection breaks.
pub(super) async fn report(session: &Session, writer: &mut FrameWriter<WanWriter>) -> io::Error {
    match try_report(session, writer).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn try_report(
    session: &Session,
    writer: &mut FrameWriter<WanWriter>,
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
                writer.send_now(&beat).await?;
            }
        }
        let applied = session.applied();
        if let Some(offset) = applied
            && applied != reported
        {
            let applied = ToOutbound::Applied(offset).encode();
            writer.send_now(&applied).await?;
            reported = Some(offset);
        }
    }
}
