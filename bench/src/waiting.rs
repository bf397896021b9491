//! Waiting for a condition, with an end.

use std::{thread, time::Duration};

use anyhow::bail;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(180);

/// Asks every `every` until `ask` gives something. An error of `ask` counts as not yet, and is
/// told when nothing else ever came.
pub(crate) fn until<T>(
    what: &str,
    every: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = ask();
        if let Ok(Some(found)) = asked {
            return Ok(found);
        }
        if Instant::now() > deadline {
            match asked {
                Err(error) => return Err(error.context(format!("wait until {what}"))),
                Ok(_) => bail!("gave up after {} s: {what}", PATIENCE.as_secs()),
            }
        }
        thread::sleep(every);
    }
}

/// Waits until `holds`.
pub(crate) fn until_true(
    what: &str,
    every: Duration,
    mut holds: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    until(what, every, || Ok(holds()?.then_some(())))
}
