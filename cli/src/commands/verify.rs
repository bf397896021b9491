//! `godwit verify CACHE`.

mod course;
mod display;
mod door;
mod look;
mod pace;
mod report;
mod rounds;
mod state;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::Args;
use client::status::LinkStatus;
use model::CacheName;
use tokio::{signal, time::Instant};
use verify::{Options, Side, Subject, Verdict};

use self::{course::Course, door::Door, pace::Pace, state::StateFile};
use super::link::{Pair, pair};
use crate::{
    arguments::Common, failure::Failure, quantity, serve::wan, session::Session, talk::Talk,
};

/// Compare the two sides of a link, key by key, while both go on serving
///
/// Every key of every database is read on both sides, in pages, and its type, its value and the
/// time at which it expires are compared. What differs at first is looked at again, when the
/// geo-secondary has applied what the geo-primary had. Nothing is paused and nothing is written to
/// either cache; values are compared by digests and never shown. docs/verify.md says more.
///
/// Exit codes: 0 when they are the same; 1 when they differ, or when they could not be compared;
/// 2 when no key differs, but some were written to whenever they were looked at, so that it cannot be
/// said whether these are the same.
///
/// Examples:
///   godwit verify demo-east
///   godwit verify demo-east --rate unlimited --byte-rate 200MB/s
///   godwit verify demo-east --state verify.json     # goes on after it was stopped
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Verify {
    /// Either of the two caches of the link
    cache: CacheName,
    /// Keep in FILE how far it is, and go on from there when FILE is there already; it is removed
    /// at the end
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Keys a second, or `unlimited`
    #[arg(long, value_name = "KEYS", default_value = "20000", value_parser = keys)]
    rate: Limit,
    /// Bytes a second that each side hands out, or `unlimited`
    #[arg(long, value_name = "RATE", default_value = "50MB/s", value_parser = bytes)]
    byte_rate: Limit,
    /// How far apart the times may be at which a key expires
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = wan::time)]
    tolerance: Duration,
    /// Name so many of the keys that differ, and of those that could not be decided
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    first: usize,
    #[command(flatten)]
    common: Common,
}

/// A rate; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u64>);

impl Verify {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let began = Instant::now();
        let session = Session::open(self.common).await?;
        let pair = linked(&session, &self.cache).await?;
        ready(&session, &pair).await?;
        let primary = Door::find(&session, &pair.primary, Side::Primary).await?;
        let secondary = Door::find(&session, &pair.secondary, Side::Secondary).await?;
        let subject = Subject {
            primary: pair.primary.to_string(),
            secondary: pair.secondary.to_string(),
        };
        let options = Options {
            tolerance_ms: u64::try_from(self.tolerance.as_millis()).unwrap_or(u64::MAX),
            first: self.first,
        };
        let (state, progress) = StateFile::open(self.state, &subject, &options)?;
        let resumed = (progress.compared() > 0).then(|| progress.compared());
        if let Some(keys) = resumed {
            Talk.say(&format!(
                "going on where it was stopped: {keys} keys are compared"
            ));
        }
        let pace = Pace::new(self.rate.0, self.byte_rate.0);
        let mut course = Course::new([primary, secondary], pace, state, progress, options);
        let ended = tokio::select! {
            ended = course.run() => ended,
            Ok(()) = signal::ctrl_c() => Err(interrupted(&course)),
        };
        course.clear_display();
        let sizes = ended?;
        let report = report::Report {
            primary: pair.primary.name.as_str(),
            secondary: pair.secondary.name.as_str(),
            progress: course.progress(),
            sizes,
            resumed,
            took: began.elapsed(),
        };
        session.form.write(&report.json(), || report.text())?;
        course.remove_state()?;
        conclude(&report)
    }
}

fn interrupted(course: &Course) -> Failure {
    let failure = Failure::interrupted("the comparison was stopped");
    match course.state_path() {
        Some(path) => failure.hint(format!(
            "the same command goes on with what {} has",
            path.display()
        )),
        None => failure.hint("with --state FILE it could go on from here"),
    }
}

async fn linked(session: &Session, name: &CacheName) -> Result<Pair, Failure> {
    let found = pair(session, name).await?;
    found.ok_or_else(|| {
        Failure::not_found(format!(
            "`{name}` is not linked, so there is nothing to compare it with"
        ))
    })
}

/// A link whose geo-secondary is being filled, or whose roles change, is not compared.
async fn ready(session: &Session, pair: &Pair) -> Result<(), Failure> {
    let (primary, secondary) = (&pair.primary, &pair.secondary.name);
    let status: LinkStatus = session
        .management
        .link_status(primary, secondary)
        .await?
        .body;
    match status.phase.as_deref() {
        None | Some("Linked") => Ok(()),
        Some(phase) => {
            let name = &primary.name;
            let watch = session.command(&format!("link watch {name}"));
            let failure = Failure::new(format!(
                "the link of `{name}` and `{secondary}` is in phase {phase}; it can be compared when that is over"
            ));
            Err(failure.hint(format!("`{watch}` shows when it is Succeeded")))
        }
    }
}

/// The exit code, and for people in a sentence why it is not 0.
fn conclude(report: &report::Report<'_>) -> Result<(), Failure> {
    let (primary, secondary) = (report.primary, report.secondary);
    match report.progress.verdict() {
        Verdict::Same => Ok(()),
        Verdict::Different => Err(Failure::new(format!(
            "{} of `{primary}` and `{secondary}` differ",
            quantity::counted(report.progress.different().0, "key", "keys"),
        ))),
        Verdict::Undecided => Err(Failure::undecided(format!(
            "no key differs, but {} written to whenever they were looked at: an exact answer is impossible while that goes on",
            quantity::counted(report.progress.undecided().0, "key was", "keys were"),
        ))),
    }
}

fn keys(text: &str) -> Result<Limit, String> {
    if text.trim() == "unlimited" {
        return Ok(Limit(None));
    }
    let rate: NonZeroU64 = text
        .trim()
        .parse()
        .map_err(|_other| "write a number of keys a second, or `unlimited`".to_owned())?;
    Ok(Limit(Some(rate.get())))
}

fn bytes(text: &str) -> Result<Limit, String> {
    if text.trim() == "unlimited" {
        return Ok(Limit(None));
    }
    let wrong = || "write a rate such as 50MB/s, or `unlimited`".to_owned();
    let rate = quantity::rate(text).map_err(|_other| wrong())?;
    NonZeroU64::new(rate).ok_or_else(wrong)?;
    Ok(Limit(Some(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_or_unlimited() {
        assert_eq!(keys("20000"), Ok(Limit(Some(20_000))));
        assert_eq!(keys("unlimited"), Ok(Limit(None)));
        assert_eq!(bytes("50MB/s"), Ok(Limit(Some(50_000_000))));
        assert_eq!(bytes("unlimited"), Ok(Limit(None)));
        for bad in ["0", "fast", "-1", ""] {
            assert!(keys(bad).is_err() && bytes(bad).is_err(), "{bad}");
        }
    }
}
