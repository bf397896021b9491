//! How long a full sync takes: from the command to a secondary that follows with everything loaded.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Plan,
    effort::{Effort, Meter},
};
use crate::{
    info::Info,
    rig::{self, Rig},
    waiting,
};

const LOOK: Duration = Duration::from_millis(10);

/// One full sync.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct FullSync {
    pub(crate) seconds: f64,
    /// Megabytes of keys and values in a second.
    pub(crate) mb_per_second: f64,
    pub(crate) cpu_seconds: Effort,
}

/// Fills the primary, links, and empties both again. Leaves the rig linked and in step.
pub(crate) fn measure(rig: &mut dyn Rig, plan: &Plan) -> anyhow::Result<FullSync> {
    plan.data_set.run(&rig.primary())?;
    rig::until_pair_in_step(rig)?;
    let keys = plan.data_set.keys;
    let secondary = rig.secondary();
    let meter = Meter::read(rig);
    let began = Instant::now();
    rig.link()?;
    waiting::until_true("the full sync is over", LOOK, || {
        let info = Info::of(&secondary)?;
        Ok(info.follows() && info.keys() == keys)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_seconds = meter.effort(rig);
    rig.linked()?;
    rig::until_in_step(rig)?;
    // Not in the background, where it would disturb what is measured next.
    rig.primary().connect()?.text(&[b"FLUSHALL", b"SYNC"])?;
    rig::until_in_step(rig)?;
    Ok(FullSync {
        seconds,
        mb_per_second: plan.data_set.data_bytes() as f64 / 1e6 / seconds,
        cpu_seconds,
    })
}
