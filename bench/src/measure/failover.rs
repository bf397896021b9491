//! What a client feels of a planned failover: the longest time without an acknowledged write.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::bail;
use serde::Serialize;
use tokio::time::Instant;

use super::Plan;
use crate::{
    client::{Client, Endpoint, Reply},
    load::value,
    rig::{self, Rig},
    waiting,
};

/// Between two writes of the client, and before it tries the other cache.
const PACE: Duration = Duration::from_micros(500);
const LOOK: Duration = Duration::from_millis(1);

/// One failover.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Failover {
    /// The longest time between two acknowledged writes.
    pub(crate) pause_ms: f64,
    /// From the command to its answer.
    pub(crate) operation_ms: f64,
}

/// What the client has seen.
#[derive(Default)]
struct Seen {
    acknowledged: AtomicU64,
    longest_micros: AtomicU64,
    stop: AtomicBool,
}

pub(crate) fn measure(rig: &mut dyn Rig, plan: &Plan) -> anyhow::Result<Vec<Failover>> {
    let caches = [rig.primary(), rig.secondary()];
    let seen = Seen::default();
    thread::scope(|scope| {
        let client = scope.spawn(|| keep_writing(&caches, &seen));
        let measured = (0..plan.failovers).map(|_| one(rig, &seen)).collect();
        seen.stop.store(true, Ordering::Relaxed);
        if client.join().is_err() {
            bail!("the client panicked");
        }
        measured
    })
}

fn one(rig: &mut dyn Rig, seen: &Seen) -> anyhow::Result<Failover> {
    rig::until_all_follow(rig)?;
    until_writes(seen, 20)?;
    seen.longest_micros.store(0, Ordering::Relaxed);
    let operation = rig.fail_over()?;
    until_writes(seen, 20)?;
    let longest = Duration::from_micros(seen.longest_micros.load(Ordering::Relaxed));
    Ok(Failover {
        pause_ms: longest.as_secs_f64() * 1e3,
        operation_ms: operation.as_secs_f64() * 1e3,
    })
}

fn until_writes(seen: &Seen, count: u64) -> anyhow::Result<()> {
    let enough = seen.acknowledged.load(Ordering::Relaxed) + count;
    waiting::until_true("the client writes", LOOK, || {
        Ok(seen.acknowledged.load(Ordering::Relaxed) >= enough)
    })
}

/// Writes to whichever cache takes it, one write at a time.
fn keep_writing(caches: &[Endpoint; 2], seen: &Seen) {
    let value = value(100);
    let mut connections: [Option<Client>; 2] = [None, None];
    let mut turn = 0;
    let mut last = Instant::now();
    while !seen.stop.load(Ordering::Relaxed) {
        if write(&caches[turn], &mut connections[turn], &value) {
            let gap = u64::try_from(last.elapsed().as_micros()).unwrap_or(u64::MAX);
            last = Instant::now();
            seen.longest_micros.fetch_max(gap, Ordering::Relaxed);
            seen.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            turn = 1 - turn;
        }
        thread::sleep(PACE);
    }
}

/// Whether a write was acknowledged. A connection that broke is made again next time.
fn write(cache: &Endpoint, connection: &mut Option<Client>, value: &[u8]) -> bool {
    if connection.is_none() {
        *connection = cache.connect().ok();
    }
    let Some(client) = connection else {
        return false;
    };
    match client.command(&[b"SET", b"written", value]) {
        Ok(Reply::Text(_)) => true,
        Ok(Reply::Nil | Reply::Error(_)) => false,
        Err(_broken) => {
            *connection = None;
            false
        }
    }
}
