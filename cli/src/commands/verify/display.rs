//! What a person sees while a comparison goes on: a bar on a terminal, a few lines elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget};
use tokio::time::Instant;
use verify::Progress;

use super::course::Sizes;
use crate::{
    output::bytes,
    progress::{BAR, TICK, style},
    talk::Talk,
};

/// Between two plain lines.
const REPEAT: Duration = Duration::from_secs(10);

pub(super) struct Display {
    bar: Option<ProgressBar>,
    total: u64,
    said: Instant,
}

impl Display {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())
                .with_style(style(BAR))
                .with_prefix("comparing");
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            total: 0,
            said: Instant::now(),
        }
    }

    /// Takes how many keys there are: those of both sides are gone through.
    pub(super) fn expect(&mut self, sizes: &Sizes) {
        self.total = sizes.iter().flatten().map(|(_, keys)| *keys).sum();
        if let Some(bar) = &self.bar {
            bar.set_length(self.total);
        }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        let done = progress.compared() + progress.checked();
        match &self.bar {
            Some(bar) => {
                // Keys are written meanwhile: it is never more than all.
                bar.set_length(self.total.max(done));
                bar.set_position(done);
                bar.set_message(describe(progress));
            }
            None if self.said.elapsed() >= REPEAT => {
                self.said = Instant::now();
                let percent = done.saturating_mul(100) / self.total.max(done).max(1);
                Talk.say(&format!("comparing: {percent}%, {}", describe(progress)));
            }
            None => {}
        }
    }

    /// Says something beside the bar.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| Talk.say(text)),
            None => Talk.say(text),
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn describe(progress: &Progress) -> String {
    let mut parts = vec![
        format!("{} keys compared", HumanCount(progress.compared())),
        format!("{} read", bytes(progress.bytes())),
    ];
    let (different, _) = progress.different();
    if different > 0 {
        parts.push(format!("{} different", HumanCount(different)));
    }
    parts.join(", ")
}
