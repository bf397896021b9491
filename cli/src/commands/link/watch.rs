//! `godwit link watch`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use clap::Args;
use client::status::{LinkShard, LinkStatus, Offsets};
use model::CacheName;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{failovers, linked, shard::standing, show::health};
use crate::{
    failure::Failure,
    output::{Form, bytes, line, milliseconds, or_dash, table},
    session::Session,
    talk::Talk,
};

const PERIOD: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its upper left corner; goes there; clears from there on.
const CLEAR: &str = "\x1b[2J\x1b[H";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// Show a link every second until interrupted
///
/// Roles and state, and for each shard the lag, how far behind the geo-secondary is, how much it
/// applies, what crosses between the regions before and after compression, and how far the stream
/// has come at each station. JSON is one status a line.
///
/// Example: godwit link watch demo-east
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Either of its two caches
    cache: CacheName,
    /// Show it once
    #[arg(long)]
    once: bool,
}

/// A look at the link.
struct Sample {
    at: Instant,
    status: LinkStatus,
}

impl Watch {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let pair = linked(session, &self.cache).await?;
        let live = session.form == Form::Table && !self.once && io::stdout().is_terminal();
        let mut screen = Screen { live, fresh: true };
        let mut last: Option<Sample> = None;
        let mut period = interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            let asked = session
                .management
                .link_status(&pair.primary, &pair.secondary.name)
                .await;
            let answered = match asked {
                Ok(answered) => answered,
                Err(error) if error.is_outage() && last.is_some() => {
                    screen.trouble(&error.to_string())?;
                    continue;
                }
                Err(error) if error.is_not_found() && last.is_some() => {
                    return Err(Failure::not_found("the two caches are no longer linked"));
                }
                Err(error) => return Err(error.into()),
            };
            let sample = Sample {
                at: Instant::now(),
                status: answered.body,
            };
            match session.form {
                Form::Json => line(&answered.json.to_string())?,
                Form::Table => screen.show(&describe(&sample, last.as_ref()))?,
            }
            if self.once {
                return Ok(());
            }
            last = Some(sample);
        }
    }
}

/// Where the table is drawn: over itself on a terminal, one below the other elsewhere.
struct Screen {
    live: bool,
    fresh: bool,
}

impl Screen {
    fn show(&mut self, text: &str) -> Result<(), Failure> {
        if !self.live {
            return line(text);
        }
        let mut drawn = if self.fresh { CLEAR } else { HOME }.to_owned();
        for row in text.lines() {
            drawn.push_str(row);
            drawn.push_str(CLEAR_LINE);
            drawn.push('\n');
        }
        drawn.push_str(CLEAR_REST);
        self.fresh = false;
        let mut out = io::stdout().lock();
        out.write_all(drawn.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    fn trouble(&mut self, text: &str) -> Result<(), Failure> {
        if self.live {
            self.show(&format!("{text} (asking again)"))
        } else {
            Talk.error(text);
            Ok(())
        }
    }
}

fn describe(sample: &Sample, last: Option<&Sample>) -> String {
    let status = &sample.status;
    let name = |name: &Option<String>| or_dash(name.clone());
    let mut state = vec![or_dash(status.provisioning_state.clone())];
    state.extend(status.phase.clone().filter(|phase| *phase != "Linked"));
    state.extend(health(status).map(str::to_owned));
    state.extend(status.epoch.map(|epoch| format!("epoch {epoch}")));
    let mut text = format!(
        "{} (geo-primary) -> {} (geo-secondary): {}\n",
        name(&status.primary),
        name(&status.secondary),
        state.join(", ")
    );
    for reason in &status.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    for told in failovers::lines(status) {
        text.push_str(&format!("  {told}\n"));
    }
    let rows = status.shards.iter().enumerate().map(|(index, shard)| {
        let before = last.and_then(|last| last.status.shards.get(index).zip(Some(last.at)));
        let since = before.map(|(old, at)| (old, sample.at - at));
        let applied = since.and_then(|(old, between)| applied(shard, old, between));
        let state = if shard.stalled.is_some() {
            "stalled".to_owned()
        } else {
            standing(&shard.secondary)
        };
        [
            index.to_string(),
            standing(&shard.primary),
            state,
            or_dash(shard.lag_ms.map(milliseconds)),
            or_dash(shard.bytes_behind.map(bytes)),
            or_dash(applied.map(per_second)),
            or_dash(since.and_then(|(old, between)| carried(shard, old, between))),
            or_dash(offsets(&shard.offsets)),
        ]
    });
    text.push_str(&table(HEADER, rows));
    text
}

/// The stations of the stream, from the geo-primary's engine to the geo-secondary's.
const HEADER: [&str; 8] = [
    "SHARD",
    "PRIMARY",
    "SECONDARY",
    "LAG",
    "BEHIND",
    "APPLIED",
    "RAW -> WIRE",
    "RECEIVED > JOURNALED > SHIPPED > APPLIED",
];

fn per_second(count: u64) -> String {
    format!("{}/s", bytes(count))
}

/// Stream bytes applied in a second, between two looks at one history.
fn applied(new: &LinkShard, old: &LinkShard, between: Duration) -> Option<u64> {
    let position = |shard: &LinkShard| shard.secondary.as_ref()?.position.clone();
    let (new, old) = (position(new)?, position(old)?);
    if new.replid != old.replid {
        return None;
    }
    rate(new.offset, old.offset, between)
}

/// What went to the other region in a second, before and after compression.
fn carried(new: &LinkShard, old: &LinkShard, between: Duration) -> Option<String> {
    let (new, old) = (new.wire?, old.wire?);
    let raw = rate(new.raw_bytes, old.raw_bytes, between)?;
    let sent = rate(new.sent_bytes, old.sent_bytes, between)?;
    Some(format!("{} -> {}", per_second(raw), per_second(sent)))
}

/// How much a count grew in a second; `None` when it began anew.
fn rate(new: u64, old: u64, between: Duration) -> Option<u64> {
    let grown = u128::from(new.checked_sub(old)?);
    u64::try_from(grown * 1_000 / between.as_millis().max(1)).ok()
}

fn offsets(offsets: &Offsets) -> Option<String> {
    let stations = [
        offsets.received,
        offsets.journaled,
        offsets.shipped,
        offsets.applied,
    ];
    let shown = stations.map(|offset| or_dash(offset.map(|offset| offset.to_string())));
    stations
        .iter()
        .any(Option::is_some)
        .then(|| shown.join(" > "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(at: Instant, replid: &str, offset: u64) -> Sample {
        let status = serde_json::from_value(json!({
            "phase": "Linked", "epoch": 3, "provisioningState": "Succeeded", "healthy": true,
            "primary": "demo-east", "secondary": "demo-west", "reasons": [],
            "shards": [{
                "bytesBehind": 140, "lagMs": 1.26,
                "offsets": {"received": offset + 140, "shipped": offset + 140, "applied": offset},
                "wire": {"rawBytes": offset * 4, "sentBytes": offset},
                "primary": {"standing": "Writable"},
                "secondary": {"standing": "Following", "position": {"replid": replid, "offset": offset}},
            }],
        }));
        let status = status.unwrap();
        Sample { at, status }
    }

    #[test]
    fn one_look_shows_the_link() {
        let shown = describe(&sample(Instant::now(), "a", 100), None);
        let expected = "\
demo-east (geo-primary) -> demo-west (geo-secondary): Succeeded, healthy, epoch 3
SHARD  PRIMARY   SECONDARY  LAG     BEHIND  APPLIED  RAW -> WIRE  RECEIVED > JOURNALED > SHIPPED > APPLIED
0      Writable  Following  1.3 ms  140 B   -        -            240 > - > 240 > 100";
        assert_eq!(shown, expected);
    }

    #[test]
    fn two_looks_show_the_rate() {
        let (old, new) = (Instant::now(), Instant::now() + Duration::from_millis(500));
        let shown = describe(&sample(new, "a", 1_124), Some(&sample(old, "a", 100)));
        let row = "140 B   2.00 KiB/s  8.00 KiB/s -> 2.00 KiB/s  1264 > - > 1264 > 1124";
        assert!(shown.ends_with(row), "{shown}");
    }

    #[test]
    fn another_history_has_no_rate() {
        let (old, new) = (Instant::now(), Instant::now() + PERIOD);
        let shown = describe(&sample(new, "b", 1_124), Some(&sample(old, "a", 100)));
        assert!(shown.contains("140 B   -        "), "{shown}");
    }
}
