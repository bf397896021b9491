//! How fast a burst of writes reaches the secondary: from the first write to the last one applied.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Plan,
    effort::{Effort, Meter},
};
use crate::{client::Reply, info::Info, rig::Rig, waiting};

const MARK: &[u8] = b"mark:of-the-last-write";
const LOOK: Duration = Duration::from_micros(500);

/// One burst.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Throughput {
    /// Until the primary had acknowledged everything.
    pub(crate) accepted_seconds: f64,
    /// Until the secondary had applied everything.
    pub(crate) applied_seconds: f64,
    pub(crate) ops_per_second: f64,
    /// Megabytes of stream in a second.
    pub(crate) mb_per_second: f64,
    pub(crate) cpu_seconds: Effort,
}

pub(crate) fn measure(rig: &dyn Rig, plan: &Plan) -> anyhow::Result<Throughput> {
    let (primary, secondary) = (rig.primary(), rig.secondary());
    let mut writer = primary.connect()?;
    let mut reader = secondary.connect()?;
    let before = Info::ask(&mut writer)?;
    let meter = Meter::read(rig);

    let began = Instant::now();
    plan.stream.run(&primary)?;
    writer.text(&[b"SET", MARK, b"1"])?;
    let accepted_seconds = began.elapsed().as_secs_f64();
    waiting::until_true("the last write is applied", LOOK, || {
        Ok(matches!(reader.command(&[b"GET", MARK])?, Reply::Text(_)))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu_seconds = meter.effort(rig);

    let after = Info::ask(&mut writer)?;
    ensure!(
        after.full_syncs_given() == before.full_syncs_given(),
        "a replica lost its place and needed a full sync while the burst was measured"
    );
    writer.text(&[b"DEL", MARK])?;
    let bytes = after.offset()? - before.offset()?;
    Ok(Throughput {
        accepted_seconds,
        applied_seconds: seconds,
        ops_per_second: plan.stream.writes as f64 / seconds,
        mb_per_second: bytes as f64 / 1e6 / seconds,
        cpu_seconds,
    })
}
