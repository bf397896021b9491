//! Heartbeats: signs of life, and the round trip without comparing two clocks.

use std::time::Duration;

use tokio::time::Instant;
use tokio::time::{Interval, MissedTickBehavior, interval};
use wire::Heartbeat;

/// Between two heartbeats.
const PERIOD: Duration = Duration::from_millis(500);
/// A side that hears nothing for so long ends the session.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// One side's heartbeats in one session.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    heard: Instant,
    echo: Option<(u64, Instant)>,
    round_trip: Option<Duration>,
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            heard: now,
            echo: None,
            round_trip: None,
        }
    }

    /// Ticks when a heartbeat is due, at once to begin with.
    pub(crate) fn ticks() -> Interval {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// The heartbeat to send.
    pub(crate) fn beat(&self, now: Instant, lag: Option<Duration>) -> Heartbeat {
        Heartbeat {
            stamp: micros(now - self.start).saturating_add(1),
            echo: self.echo.map_or(0, |(stamp, _)| stamp),
            held: self.echo.map_or(0, |(_, since)| micros(now - since)),
            lag: lag.map(micros),
        }
    }

    /// Anything came from the other side.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A heartbeat came from the other side.
    pub(crate) fn heard_beat(&mut self, beat: &Heartbeat, now: Instant) {
        self.heard = now;
        self.echo = Some((beat.stamp, now));
        if beat.echo > 0 {
            let away = micros(now - self.start).saturating_add(1);
            let away = away.saturating_sub(beat.echo).saturating_sub(beat.held);
            self.round_trip = Some(Duration::from_micros(away));
        }
    }

    pub(crate) fn silent(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_round_trip_leaves_out_what_the_other_side_waited() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let (mut here, mut there) = (Pulse::new(now), Pulse::new(now + ms(5000)));
        let out = here.beat(now + ms(10), None);
        there.heard_beat(&out, now + ms(5040));
        let back = there.beat(now + ms(5500), None);
        here.heard_beat(&back, now + ms(5540) - ms(5000));
        // 40 ms there on the other clock, 460 ms held, back at 540 ms here.
        assert_eq!(here.round_trip(), Some(ms(540 - 10 - 460)));
        assert_eq!(here.silent(now + ms(600)), ms(60));
    }
}
