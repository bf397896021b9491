//! What a client of the primary notices of something that goes on beside it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use crate::{
    client::Endpoint,
    statistics::{quantile, sorted},
};

/// Between two requests.
const PACE: Duration = Duration::from_millis(2);

/// Does something, and gives what came of it with the p99 latency of writes meanwhile, in
/// milliseconds.
pub(crate) fn latency<T>(
    primary: &Endpoint,
    act: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, f64)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(primary, &stop));
        let done = act();
        stop.store(true, Ordering::Relaxed);
        match asking.join() {
            Ok(found) => {
                let found = sorted(found.context("write beside it")?);
                let p99 = quantile(&found, 0.99).context("nothing was written beside it")?;
                Ok((done?, p99))
            }
            Err(_panic) => bail!("the client beside it panicked"),
        }
    })
}

/// Milliseconds of every write.
fn ask(primary: &Endpoint, stop: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut client = primary.connect()?;
    let mut found = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        // A key of the data set, so that their number stays.
        client.text(&[b"SET", b"key:0000000000", b"beside"])?;
        found.push(began.elapsed().as_secs_f64() * 1e3);
        thread::sleep(PACE);
    }
    Ok(found)
}
