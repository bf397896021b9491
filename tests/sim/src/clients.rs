//! Clients that write wherever they are let.

use std::{io, time::Duration};

use tokio::time::{sleep, timeout};

use crate::{
    engine::Written,
    ledger::Ledger,
    lines::connect,
    machine::{Answer, Ask, PORT},
};

/// Between two writes.
const PACE: Duration = Duration::from_millis(40);
/// An answer that takes longer is none.
const LIMIT: Duration = Duration::from_secs(2);

/// Writes, one write at a time, until the ledger is closed.
pub(crate) async fn write(ledger: Ledger, machines: [&'static str; 2]) -> io::Result<()> {
    let mut turn = 0;
    while !ledger.is_closed() {
        let write = ledger.next();
        let written = timeout(LIMIT, write_once(machines[turn], write)).await;
        match written {
            Ok(Ok(Written::Yes)) => ledger.acknowledge(write),
            Ok(Ok(Written::Paused)) => {}
            Ok(Ok(Written::Refused) | Err(_)) | Err(_) if ledger.is_joined() => turn = 1 - turn,
            Ok(Ok(Written::Refused) | Err(_)) | Err(_) => {}
        }
        sleep(PACE).await;
    }
    Ok(())
}

async fn write_once(machine: &str, write: u64) -> io::Result<Written> {
    let (mut reader, mut writer) = connect(machine, PORT).await?;
    writer.send(&Ask::Write(write)).await?;
    match reader.next().await? {
        Answer::Written(written) => Ok(written),
        Answer::Info(_) | Answer::Done(_) | Answer::Writes(_) | Answer::Streams { .. } => {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}
