//! What becomes of replication over a WAN: how long things take, and how many bytes cross.

use std::{thread, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::Instant;
use wan::{Direction, Wan, Weather};

use super::{
    Plan, beside,
    lag::{self, Lag},
};
use crate::{
    client::Reply,
    info::Info,
    load::{Content, Load},
    rig::{self, Ground, Rig, Side},
    waiting,
};

const LOOK: Duration = Duration::from_millis(5);
const MARK: &[u8] = b"mark:of-the-last-write";
/// Cuts of the second full sync.
const CUTS: u64 = 3;
/// Between two cuts of the third.
const CUT: Duration = Duration::from_secs(5);
/// Each after such a part of what a full sync needs, in percent.
const PART: u64 = 40;

/// A good connection between two regions: 80 ms there and back, 100 Mbit/s.
pub(crate) fn weather() -> Weather {
    Weather {
        latency: Duration::from_millis(40),
        jitter: Duration::from_millis(2),
        rate: std::num::NonZeroU64::new(12_500_000),
    }
}

/// Sizes of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The data set of the full syncs.
    data_set: Load,
    sessions: Load,
    random: Load,
    counters: Load,
    /// Written while the WAN is away: more than the backlog of the engines, which has 64 MiB.
    outage: Load,
    /// How long a full sync is waited for that is cut again and again.
    patience: Duration,
}

impl Sizes {
    pub(crate) fn full() -> Self {
        Self::of(800_000, 300_000, 40_000, Duration::from_secs(100))
    }

    pub(crate) fn quick() -> Self {
        Self::of(60_000, 30_000, 8_000, Duration::from_secs(20))
    }

    fn of(data_set: u64, sessions: u64, random: u64, patience: Duration) -> Self {
        let load = |writes, value_bytes, content| Load {
            writes,
            keys: writes,
            value_bytes,
            content,
        };
        Self {
            data_set: load(data_set, 320, Content::Sessions),
            sessions: load(sessions, 320, Content::Sessions),
            random: load(random, 1024, Content::Random),
            counters: load(sessions, 0, Content::Counters),
            patience,
            outage: load(250_000, 320, Content::Sessions),
        }
    }
}

/// What something took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Moved {
    pub(crate) seconds: f64,
    /// Megabytes that crossed the WAN to the secondary.
    pub(crate) wan_mb: f64,
}

/// One round of one side.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WanRound {
    /// From the command to a secondary that follows with everything loaded.
    pub(crate) full_sync: Moved,
    /// Latency of a client that writes to the primary meanwhile, in milliseconds.
    pub(crate) beside_p99_ms: f64,
    /// Seconds of a full sync whose connections are cut every 5 s; `None`: it was given up.
    pub(crate) cut_again_seconds: Option<f64>,
    /// The same, cut on its way.
    pub(crate) cut_full_sync: Moved,
    /// From the first write to the last one applied.
    pub(crate) sessions: Moved,
    pub(crate) random: Moved,
    pub(crate) counters: Moved,
    /// From the end of an outage to a secondary that has what was written during it.
    pub(crate) outage: Moved,
    pub(crate) lag: Lag,
}

pub(crate) fn measure(
    side: Side,
    ground: &Ground,
    sizes: &Sizes,
    plan: &Plan,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<WanRound> {
    let mut say_moved = |what: &str, moved: Moved| {
        say(&format!(
            "{what}: {:.1} s, {:.1} MB",
            moved.seconds, moved.wan_mb
        ));
    };
    let mut rig = rig::start(side, ground)?;
    let primary = rig.primary();
    let synced = beside::latency(&primary, || full_sync(rig.as_mut(), sizes, None));
    let (full_sync, beside_p99_ms) = synced.context("full sync")?;
    say_moved("full sync", full_sync);
    let lag = lag::measure(rig.as_ref(), plan)?;
    let sessions = burst(rig.as_ref(), &sizes.sessions)?;
    say_moved("sessions", sessions);
    let random = burst(rig.as_ref(), &sizes.random)?;
    say_moved("random bytes", random);
    let counters = burst(rig.as_ref(), &sizes.counters)?;
    say_moved("counters", counters);
    let outage = outage(rig.as_ref(), &sizes.outage)?;
    say_moved("after an outage", outage);
    drop(rig);

    let mut rig = rig::start(side, ground)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of bytes that was one before"
    )]
    let bytes = (full_sync.wan_mb * 1e6) as u64;
    let cut_full_sync = self::full_sync(rig.as_mut(), sizes, Some(bytes / 100 * PART));
    let cut_full_sync = cut_full_sync.context("full sync with cuts")?;
    say_moved("full sync with cuts", cut_full_sync);
    drop(rig);

    let mut rig = rig::start(side, ground)?;
    let cut_again_seconds = cut_again(rig.as_mut(), sizes).context("full sync, cut every 5 s")?;
    let ended = cut_again_seconds.map_or_else(|| "never".to_owned(), |s| format!("{s:.1} s"));
    say(&format!("full sync, cut every 5 s: {ended}"));
    Ok(WanRound {
        full_sync,
        beside_p99_ms,
        cut_again_seconds,
        cut_full_sync,
        sessions,
        random,
        counters,
        outage,
        lag,
    })
}

/// What crosses from here on.
struct Crossing {
    began: Instant,
    before: u64,
}

impl Crossing {
    fn begin(wan: &Wan) -> Self {
        Self {
            began: Instant::now(),
            before: wan.carried().to_client,
        }
    }

    fn end(&self, wan: &Wan) -> Moved {
        Moved {
            seconds: self.began.elapsed().as_secs_f64(),
            wan_mb: (wan.carried().to_client - self.before) as f64 / 1e6,
        }
    }
}

/// Fills the primary and links; with `cut_after`, the WAN is cut each time that so many bytes have
/// crossed.
fn full_sync(rig: &mut dyn Rig, sizes: &Sizes, cut_after: Option<u64>) -> anyhow::Result<Moved> {
    sizes.data_set.run(&rig.primary())?;
    rig::until_pair_in_step(rig)?;
    let (secondary, keys, wan) = (rig.secondary(), sizes.data_set.keys, rig.wan()?.clone());
    if let Some(bytes) = cut_after {
        wan.cut_every(Direction::ToClient, bytes);
    }
    let crossing = Crossing::begin(&wan);
    rig.link()?;
    waiting::until_true("the full sync is over", LOOK, || {
        if wan.carried().cuts >= CUTS {
            wan.cut_no_more();
        }
        let info = Info::of(&secondary)?;
        Ok(info.follows() && info.keys() == keys)
    })?;
    let moved = crossing.end(&wan);
    wan.cut_no_more();
    rig.linked()?;
    rig::until_in_step(rig)?;
    Ok(moved)
}

/// How long a full sync takes when every connection is cut every 5 s; `None`: longer than that.
fn cut_again(rig: &mut dyn Rig, sizes: &Sizes) -> anyhow::Result<Option<f64>> {
    sizes.data_set.run(&rig.primary())?;
    rig::until_pair_in_step(rig)?;
    let (secondary, wan) = (rig.secondary(), rig.wan()?.clone());
    rig.link()?;
    let began = Instant::now();
    let mut due = began + CUT;
    while began.elapsed() < sizes.patience {
        if Instant::now() >= due {
            wan.cut();
            due += CUT;
        }
        // One that loads answers few questions.
        let info = Info::of(&secondary);
        if info.is_ok_and(|info| info.follows() && info.keys() == sizes.data_set.keys) {
            return Ok(Some(began.elapsed().as_secs_f64()));
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}

/// From the first write to the last one applied.
fn burst(rig: &dyn Rig, load: &Load) -> anyhow::Result<Moved> {
    let crossing = Crossing::begin(rig.wan()?);
    write(rig, load)?;
    until_applied(rig, &crossing)
}

/// From the end of an outage to everything applied that was written during it.
fn outage(rig: &dyn Rig, load: &Load) -> anyhow::Result<Moved> {
    let wan = rig.wan()?;
    wan.refuse(true);
    wan.cut();
    write(rig, load)?;
    let crossing = Crossing::begin(wan);
    wan.refuse(false);
    until_applied(rig, &crossing)
}

fn write(rig: &dyn Rig, load: &Load) -> anyhow::Result<()> {
    load.run(&rig.primary())?;
    rig.primary().connect()?.text(&[b"SET", MARK, b"1"])?;
    Ok(())
}

fn until_applied(rig: &dyn Rig, crossing: &Crossing) -> anyhow::Result<Moved> {
    let secondary = rig.secondary();
    waiting::until_true("the last write is applied", LOOK, || {
        // A connection of its own each time: a full sync may have been between.
        let answer = secondary.connect()?.command(&[b"GET", MARK])?;
        Ok(matches!(answer, Reply::Text(_)))
    })?;
    let moved = crossing.end(rig.wan()?);
    rig.primary().connect()?.text(&[b"DEL", MARK])?;
    rig::until_in_step(rig)?;
    Ok(moved)
}
