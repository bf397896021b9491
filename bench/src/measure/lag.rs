//! How old data on the secondary are under a moderate load: from a write that is sent to the
//! primary to the first read on the secondary that shows it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Plan,
    effort::{Effort, Meter},
};
use crate::{
    client::{Endpoint, Reply},
    load::value,
    rig::Rig,
    statistics::{quantile, sorted},
};

/// One write every so often: 2000 a second.
const PACE: Duration = Duration::from_micros(500);
const BETWEEN_PROBES: Duration = Duration::from_millis(5);
const PROBE: &[u8] = b"probe";
const PATIENCE: Duration = Duration::from_secs(10);

/// What the probes found.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Lag {
    pub(crate) probes: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) cpu_seconds: Effort,
}

pub(crate) fn measure(rig: &dyn Rig, plan: &Plan) -> anyhow::Result<Lag> {
    let (primary, secondary) = (rig.primary(), rig.secondary());
    let stop = AtomicBool::new(false);
    let meter = Meter::read(rig);
    thread::scope(|scope| {
        let load = scope.spawn(|| keep_writing(&primary, &stop));
        let probed = probe(&primary, &secondary, plan.probes);
        stop.store(true, Ordering::Relaxed);
        match load.join() {
            Ok(Ok(())) => Lag::of(probed?, meter.effort(rig)).context("there was no probe"),
            Ok(Err(error)) => Err(error.context("write while the lag is probed")),
            Err(_panic) => bail!("the load panicked"),
        }
    })
}

impl Lag {
    fn of(probes: Vec<f64>, cpu_seconds: Effort) -> Option<Self> {
        let all = sorted(probes);
        Some(Self {
            probes: all.len(),
            p50_ms: quantile(&all, 0.5)?,
            p99_ms: quantile(&all, 0.99)?,
            max_ms: quantile(&all, 1.0)?,
            cpu_seconds,
        })
    }
}

fn keep_writing(primary: &Endpoint, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut client = primary.connect()?;
    let value = value(100);
    let mut due = Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let key = format!("paced:{}", number % 10_000);
        client.text(&[b"SET", key.as_bytes(), &value])?;
        number += 1;
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Milliseconds of every probe.
fn probe(primary: &Endpoint, secondary: &Endpoint, count: usize) -> anyhow::Result<Vec<f64>> {
    let (mut writer, mut reader) = (primary.connect()?, secondary.connect()?);
    let mut found = Vec::with_capacity(count);
    for number in 0..count {
        thread::sleep(BETWEEN_PROBES);
        let text = number.to_string();
        let wanted = Reply::Text(text.clone().into_bytes());
        let began = Instant::now();
        writer.text(&[b"SET", PROBE, text.as_bytes()])?;
        while reader.command(&[b"GET", PROBE])? != wanted {
            ensure!(
                began.elapsed() < PATIENCE,
                "a probe did not arrive in {PATIENCE:?}"
            );
        }
        found.push(began.elapsed().as_secs_f64() * 1e3);
    }
    writer.text(&[b"DEL", PROBE])?;
    Ok(found)
}
