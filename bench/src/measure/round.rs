//! One round: a fresh deployment of one side, with everything measured on it in turn.

use serde::Serialize;

use super::{
    Plan,
    failover::{self, Failover},
    footprint::{self, Usage},
    full_sync::{self, FullSync},
    lag::{self, Lag},
    throughput::{self, Throughput},
};
use crate::rig::{self, Ground, Side};

/// What a round found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) full_sync: FullSync,
    pub(crate) throughput: Throughput,
    pub(crate) lag: Lag,
    pub(crate) failovers: Vec<Failover>,
    /// After all that.
    pub(crate) footprint: Vec<Usage>,
}

pub(crate) fn measure(
    side: Side,
    ground: &Ground,
    plan: &Plan,
    is_last: bool,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Round> {
    say("starting and filling");
    let mut rig = rig::start(side, ground)?;
    let full_sync = full_sync::measure(rig.as_mut(), plan)?;
    say(&format!("full sync {:.1} s", full_sync.seconds));
    let throughput = throughput::measure(rig.as_ref(), plan)?;
    say(&format!("{:.0} writes a second", throughput.ops_per_second));
    rig::until_in_step(rig.as_ref())?;
    let lag = lag::measure(rig.as_ref(), plan)?;
    let failovers = if is_last {
        say("failing over");
        failover::measure(rig.as_mut(), plan)?
    } else {
        Vec::new()
    };
    Ok(Round {
        full_sync,
        throughput,
        lag,
        failovers,
        footprint: footprint::now(rig.as_ref()),
    })
}
