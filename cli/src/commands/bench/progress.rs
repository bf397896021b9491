//! How a run goes: one line that changes on a terminal, a few plain lines elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::Sight;

use crate::{output::milliseconds, talk::Talk};

/// The rate is of so long.
const SPAN: Duration = Duration::from_secs(1);
/// Between two plain lines.
const REPEAT: Duration = Duration::from_secs(5);
/// So long without an answer is worth a word.
const SILENT: Duration = Duration::from_millis(500);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// When the rate was taken, and the operations then.
    last: (Duration, u64),
    rate: Option<u64>,
    said: Duration,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            let style = style.unwrap_or_else(|_invalid| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Self {
            bar,
            last: (Duration::ZERO, 0),
            rate: None,
            said: Duration::ZERO,
        }
    }

    pub(super) fn show(&mut self, sight: &Sight) {
        let (at, count) = self.last;
        let passed = sight.elapsed.saturating_sub(at);
        if passed >= SPAN {
            let more = u128::from(sight.acknowledged - count);
            self.rate = u64::try_from(more * 1_000 / passed.as_millis().max(1)).ok();
            self.last = (sight.elapsed, sight.acknowledged);
        }
        let said = describe(sight, self.rate);
        match &self.bar {
            Some(bar) => {
                bar.set_message(said);
                bar.tick();
            }
            None if sight.elapsed >= self.said + REPEAT => {
                Talk.say(&said);
                self.said = sight.elapsed;
            }
            None => {}
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn describe(sight: &Sight, rate: Option<u64>) -> String {
    let mut said = format!(
        "{:.0} s: {} acknowledged",
        sight.elapsed.as_secs_f64(),
        sight.acknowledged
    );
    if let Some(rate) = rate {
        said.push_str(&format!(", {rate}/s"));
    }
    if sight.outage.ms > 0.0 {
        let outage = super::report::outage(sight.outage);
        said.push_str(&format!(", longest outage {outage}"));
    }
    if sight.unknown > 0 {
        said.push_str(&format!(", {} unknown", sight.unknown));
    }
    if sight.refused > 0 {
        said.push_str(&format!(", {} refused", sight.refused));
    }
    let silent = sight.silent.unwrap_or(sight.elapsed);
    if silent >= SILENT {
        let silent = milliseconds(silent.as_secs_f64() * 1_000.0);
        said.push_str(&format!("; nothing for {silent} now"));
        if let Some(trouble) = &sight.trouble {
            said.push_str(&format!(" ({trouble})"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use ledger::Gap;

    use super::*;

    #[test]
    fn a_line_says_how_it_goes() {
        let mut sight = Sight {
            elapsed: Duration::from_millis(12_400),
            acknowledged: 100,
            outage: Gap {
                ms: 182.3,
                at_ms: 4_270,
            },
            silent: Some(Duration::from_millis(1)),
            trouble: Some("the engine refuses RPUSH".to_owned()),
            ..Sight::default()
        };
        assert_eq!(
            describe(&sight, Some(8)),
            "12 s: 100 acknowledged, 8/s, longest outage 182 ms (at 4.3 s)"
        );
        (sight.silent, sight.unknown) = (Some(Duration::from_secs(2)), 3);
        assert!(
            describe(&sight, None)
                .ends_with(", 3 unknown; nothing for 2.0 s now (the engine refuses RPUSH)")
        );
    }
}
