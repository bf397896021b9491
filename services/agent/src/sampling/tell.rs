//! Tells the control plane the parts, until it has them.

use std::{sync::Arc, time::Duration};

use model::SampledReport;
use runtime::{chain, clock::Clock};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Sampling;
use crate::cache::Host;

/// Between two looks at what is over.
const PERIOD: Duration = Duration::from_secs(1);
/// As many parts go at once: some hundreds of kilobytes.
const AT_ONCE: usize = 250;
/// After parts that did not arrive.
const RETRY: Duration = Duration::from_secs(5);
/// How long the last ones may take, when the agent stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Tells for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let mut period = interval(PERIOD.min(host.sampling.pace.tell));
    period.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut silent = false;
    loop {
        period.tick().await;
        host.sampling.close(Clock.now(), false);
        match tell(&host, &host.sampling).await {
            Ok(()) => silent = false,
            Err(why) => {
                if !silent {
                    tracing::debug!(why, "the figures of a minute did not arrive");
                }
                silent = true;
                sleep(RETRY).await;
            }
        }
    }
}

/// Tells what there is, the open minute included, as the last thing.
pub(crate) async fn tell_last(host: &Host) {
    host.sampling.close(Clock.now(), true);
    match timeout(FAREWELL, tell(host, &host.sampling)).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => tracing::debug!(why, "the last figures did not arrive"),
        Err(_elapsed) => tracing::debug!("the last figures took too long"),
    }
}

async fn tell(host: &Host, sampling: &Sampling) -> Result<(), String> {
    loop {
        let parts = sampling.waiting(AT_ONCE);
        let Some(last) = parts.last().map(|part| part.sequence) else {
            return Ok(());
        };
        let report = SampledReport {
            region: host.region.clone(),
            boot: sampling.boot,
            parts,
        };
        let told = host.client.tell_figures(&report).await;
        told.map_err(|error| chain(&error).to_string())?;
        sampling.taken(last);
    }
}
