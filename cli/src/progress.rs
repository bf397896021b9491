//! What a person sees while an operation goes on: one line that changes on a terminal, a few plain
//! lines elsewhere.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use client::{Operation, Progress, Sight, Started, Ticket};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use tokio::{signal, time::Instant};

use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{bytes, milliseconds},
    session::Session,
    talk::Talk,
};

const SPINNER: &str = "{spinner} {prefix}: {msg} ({elapsed})";
pub(crate) const BAR: &str = "{spinner} {prefix}: [{bar:24}] {percent}% {msg} ({elapsed})";
const TRANSFER: &str = "{prefix}: [{bar:24}] {binary_bytes} of {binary_total_bytes} ({elapsed})";
const TRANSFER_SPINNER: &str = "{spinner} {prefix}: {binary_bytes} ({elapsed})";
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Between two plain lines that say the same but for numbers.
const REPEAT: Duration = Duration::from_secs(5);

impl Session {
    /// Waits for an operation, showing how it goes under the title `what`. Gives it as it ended.
    /// `None` has nothing to wait for.
    pub(crate) async fn finish(
        &self,
        what: &str,
        ticket: Option<&Ticket>,
    ) -> Result<Ended, Failure> {
        let began = Instant::now();
        let Some(ticket) = ticket else {
            return Ok(Ended::default());
        };
        let mut display = Display::new(what);
        let wait = self.management.wait(ticket, |sight| display.show(sight));
        let ended = tokio::select! {
            ended = wait => ended.map_err(Failure::from),
            Ok(()) = signal::ctrl_c() => Err(Failure::interrupted(format!(
                "stopped waiting while {what}; the operation goes on"
            ))),
        };
        display.clear();
        let ended = ended?;
        Ok(Ended {
            took: began.elapsed(),
            operation: ended.body,
            json: ended.json,
        })
    }

    /// As [`Session::finish`], unless nobody wants to wait. `Ok(false)`: it goes on.
    pub(crate) async fn followed(
        &self,
        what: &str,
        started: Started,
        waiting: Waiting,
    ) -> Result<bool, Failure> {
        if waiting.no_wait {
            Talk.say(&format!("{what} has begun"));
            return Ok(false);
        }
        self.finish(what, started.ticket.as_ref()).await?;
        Ok(true)
    }
}

/// An operation that has succeeded.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) took: Duration,
    pub(crate) operation: Operation,
    /// All of its last answer.
    pub(crate) json: Value,
}

/// Bytes on their way: a bar on a terminal, nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Transfer(ProgressBar);

impl Transfer {
    /// `total` is 0 when it is not known.
    pub(crate) fn new(what: &str, total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (total, template) = match total {
            0 => (None, TRANSFER_SPINNER),
            total => (Some(total), TRANSFER),
        };
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
            .with_style(style(template))
            .with_prefix(what.to_owned());
        Self(bar)
    }

    pub(crate) fn advance(&self, bytes: usize) {
        self.0.inc(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Where progress is shown.
enum Display {
    Terminal(ProgressBar),
    Lines { what: String, last: Option<Said> },
}

/// The last plain line.
struct Said {
    gist: (Option<String>, Option<String>),
    at: Instant,
}

impl Display {
    fn new(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines {
                what: what.to_owned(),
                last: None,
            };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style(SPINNER))
            .with_prefix(what.to_owned())
            .with_message("accepted");
        bar.enable_steady_tick(TICK);
        Self::Terminal(bar)
    }

    fn show(&mut self, sight: Sight<'_>) {
        match self {
            Self::Terminal(bar) => draw(bar, sight),
            Self::Lines { what, last } => {
                let now = Instant::now();
                let gist = match sight {
                    Sight::Progress(Operation { properties, .. }) => {
                        (properties.phase.clone(), properties.waiting_for.clone())
                    }
                    Sight::Outage(_) => (Some(describe(sight)), None),
                };
                let old = last
                    .as_ref()
                    .is_some_and(|said| said.gist == gist && now - said.at < REPEAT);
                if !old {
                    Talk.say(&format!("{what}: {}", describe(sight)));
                    *last = Some(Said { gist, at: now });
                }
            }
        }
    }

    fn clear(&self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, sight: Sight<'_>) {
    let total = match sight {
        Sight::Progress(operation) => full_sync(&operation.properties),
        Sight::Outage(_) => None,
    };
    match (total, bar.length()) {
        (Some((done, total)), length) => {
            if length.is_none() {
                bar.set_style(style(BAR));
            }
            bar.set_length(total);
            bar.set_position(done);
        }
        (None, Some(_)) => {
            bar.unset_length();
            bar.set_style(style(SPINNER));
        }
        (None, None) => {}
    }
    bar.set_message(describe(sight));
}

/// Bytes done and to do, of a full sync whose size is known.
fn full_sync(progress: &Progress) -> Option<(u64, u64)> {
    let total = progress.bytes_total.filter(|total| *total > 0)?;
    Some((progress.bytes_done?.min(total), total))
}

pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_invalid| ProgressStyle::default_spinner())
}

/// One moment of an operation, in words.
fn describe(sight: Sight<'_>) -> String {
    let operation = match sight {
        Sight::Progress(operation) => operation,
        Sight::Outage(_) => return "the control plane does not answer; asking again".to_owned(),
    };
    let progress = &operation.properties;
    let mut parts = Vec::new();
    parts.extend(progress.phase.clone());
    parts.extend(
        progress
            .waiting_for
            .as_ref()
            .map(|what| format!("waiting for {what}")),
    );
    match (full_sync(progress), progress.bytes_done) {
        (Some((done, total)), _) => parts.push(format!("{} of {}", bytes(done), bytes(total))),
        (None, Some(done)) if done > 0 => parts.push(bytes(done)),
        (None, Some(_) | None) => {}
    }
    parts.extend(
        progress
            .bytes_behind
            .map(|count| format!("{} behind", bytes(count))),
    );
    parts.extend(
        progress
            .lag_ms
            .map(|ms| format!("lag {}", milliseconds(ms))),
    );
    if parts.is_empty() {
        parts.push("in progress".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(progress: Progress) -> String {
        describe(Sight::Progress(&Operation {
            properties: progress,
            ..Operation::default()
        }))
    }

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        assert_eq!(said(Progress::default()), "in progress");
        let syncing = Progress {
            phase: Some("Syncing".to_owned()),
            waiting_for: Some("`b` to load the full sync".to_owned()),
            bytes_done: Some(1 << 20),
            bytes_total: Some(4 << 20),
            bytes_behind: Some(100),
            lag_ms: Some(3.0),
            failover: None,
        };
        assert_eq!(
            said(syncing.clone()),
            "Syncing, waiting for `b` to load the full sync, 1.00 MiB of 4.00 MiB, 100 B behind, lag 3.0 ms"
        );
        let unknown_total = Progress {
            bytes_total: None,
            bytes_behind: None,
            lag_ms: None,
            ..syncing
        };
        assert_eq!(
            said(unknown_total),
            "Syncing, waiting for `b` to load the full sync, 1.00 MiB"
        );
    }

    #[test]
    fn the_bar_never_passes_its_end() {
        let progress = Progress {
            bytes_done: Some(11),
            bytes_total: Some(10),
            ..Progress::default()
        };
        assert_eq!(full_sync(&progress), Some((10, 10)));
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [SPINNER, BAR, TRANSFER, TRANSFER_SPINNER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
