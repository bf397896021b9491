//! `godwit failover CACHE`.

mod preflight;
mod times;

use std::time::Duration;

use clap::Args;
use client::failover::{FailoverOptions, FailoverTimes, Preflight};
use model::CacheName;
use serde_json::Value;

use super::link::{Pair, pair};
use crate::{
    arguments::{Common, Waiting},
    failure::Failure,
    output::{Form, milliseconds},
    quantity::duration,
    session::Session,
    talk::Talk,
};

const AFTER_HELP: &str = "\
Examples:
  godwit failover demo-west --dry-run          # would it work? nothing changes
  godwit failover demo-west                    # nothing is lost
  godwit failover demo-west --max-lag 500ms --abort-after 5s
  godwit failover demo-west --force            # the region of demo-east is gone
  godwit failover demo-west --force --yes      # the same, without a terminal
  godwit failover demo-west --acknowledge      # I have seen that one happened by itself

Exit codes of --dry-run: 0 when the failover is possible, 1 when it is not.
See docs/failover.md.";

/// Make the geo-secondary of a link its geo-primary, without losing a write
///
/// Writes to the geo-primary wait, everything that it has accepted crosses over, CACHE is promoted,
/// and the former geo-primary follows it. When that cannot be done in time, nothing changes: the
/// geo-primary goes on as before. Only when the geo-primary has lost all its data is CACHE promoted
/// with what it holds.
///
/// With --force nothing is asked of the geo-primary: CACHE is promoted with what it has. What it
/// has not got is lost to it; when the former geo-primary is back, its agent keeps those writes
/// apart (`godwit lost-writes`).
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Failover {
    /// The cache that is to take writes: the present geo-secondary
    cache: CacheName,
    /// Say what the failover would meet, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not begin when CACHE is further behind, such as 500ms
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_lag: Option<Duration>,
    /// Give up, and let the geo-primary go on, when it has not been done by then: 500ms to 60s
    /// [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = abort_after, conflicts_with = "force")]
    abort_after: Option<Duration>,
    /// Promote CACHE with what it has, without the geo-primary; the rest is lost to it
    #[arg(long)]
    force: bool,
    /// With --force: do not ask
    #[arg(long, short, requires = "force")]
    yes: bool,
    /// Say that you have seen that a failover happened by itself; the next one need not wait
    #[arg(long, conflicts_with_all = ["dry_run", "max_lag", "abort_after", "force", "no_wait"])]
    acknowledge: bool,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    common: Common,
}

/// What the API takes, so that a slip is noticed before anything is sent.
fn abort_after(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if !(Duration::from_millis(500)..=Duration::from_secs(60)).contains(&time) {
        return Err(format!(
            "{} is not a number of milliseconds from 500 to 60000",
            time.as_millis()
        ));
    }
    Ok(time)
}

impl Failover {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let session = Session::open(self.common.clone()).await?;
        let name = &self.cache;
        let Some(pair) = pair(&session, name).await? else {
            let create = session.command(&format!("link create PRIMARY {name}"));
            let failure = Failure::new(format!(
                "`{name}` is not linked, so there is no role to take over"
            ));
            return Err(failure.hint(format!("link it first: `{create}`")));
        };
        if self.acknowledge {
            return acknowledge(&session, &pair).await;
        }
        if pair.primary.name == *name {
            let secondary = &pair.secondary.name;
            let command = session.command(&format!("failover {secondary}"));
            let failure = Failure::new(format!("`{name}` is the geo-primary already"));
            return Err(failure.hint(format!(
                "to make `{secondary}` the geo-primary: `{command}`"
            )));
        }
        let found = session
            .management
            .failover_preflight(&pair.primary, name, &self.options().without_patience())
            .await?;
        if self.dry_run {
            session
                .form
                .write(&found.json, || preflight::describe(&found.body))?;
            return self.judge(&session, &found.body);
        }
        self.may_begin(&session, &pair, &found.body)?;
        let (old, new) = (&pair.primary, &pair.secondary);
        let started = session
            .management
            .fail_over(new, old, &pair.primary_location, &self.options())
            .await?;
        if self.waiting.no_wait {
            Talk.say(&format!("failing over to `{name}` has begun"));
            return session.form.write(&started.json, || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("link watch {name}"))
                )
            });
        }
        let title = format!("failing over to `{name}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        let took = milliseconds(ended.took.as_secs_f64() * 1_000.0);
        let times = ended.operation.properties.failover.unwrap_or_default();
        self.tell(&session, &pair, &took, &times);
        let json = ended.json.pointer("/properties/failover").cloned();
        show(&session, &pair, json).await
    }

    fn options(&self) -> FailoverOptions {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        FailoverOptions {
            abort_after_ms: self.abort_after.map(ms),
            max_lag_ms: self.max_lag.map(ms),
            force: self.force,
        }
    }

    /// Fails when something stands in the way.
    fn judge(&self, session: &Session, found: &Preflight) -> Result<(), Failure> {
        if found.possible {
            return Ok(());
        }
        let name = &self.cache;
        let blockers = preflight::blockers(found);
        let why = if blockers.is_empty() {
            "the control plane does not say why".to_owned()
        } else {
            blockers.join("; ")
        };
        let failure = Failure::new(format!("cannot fail over to `{name}`: {why}"));
        if !self.force && found.primary_heard == Some(false) {
            let force = session.command(&format!("failover {name} --force --dry-run"));
            return Err(failure.hint(format!(
                "the geo-primary does not answer; what a forced failover would lose: `{force}`"
            )));
        }
        Err(failure)
    }

    /// Tells what was found, and asks where something may be lost.
    fn may_begin(&self, session: &Session, pair: &Pair, found: &Preflight) -> Result<(), Failure> {
        let findings = preflight::findings(&preflight::worth_saying(found));
        if !findings.is_empty() {
            Talk.say(&findings);
        }
        self.judge(session, found)?;
        if !self.force {
            return Ok(());
        }
        let (old, new) = (pair.primary.name.as_str(), pair.secondary.name.as_str());
        Talk.say(&preflight::loss(found, old, new));
        if self.yes {
            return Ok(());
        }
        let what = format!("this promotes `{new}` without `{old}`");
        let question = "To go on, type the name of the cache that is to take writes:";
        if Talk.confirm_name(&what, question, new)? {
            return Ok(());
        }
        Err(Failure::new("nothing was changed"))
    }

    fn tell(&self, session: &Session, pair: &Pair, took: &str, times: &FailoverTimes) {
        let (old, new) = (&pair.primary.name, &pair.secondary.name);
        if self.force {
            let list = session.command(&format!("lost-writes list {old}"));
            let watch = session.command(&format!("link watch {new}"));
            Talk.say(&format!(
                "`{new}` is the geo-primary now and takes writes ({took})\n\
                 when `{old}` is back, its agent refuses client writes, saves what `{new}` has not got, and lets it follow; nothing of that has to be started\n\
                 to see it come back: `{watch}`; to see what was saved then: `{list}`"
            ));
        } else {
            Talk.say(&format!(
                "`{new}` is the geo-primary now, and `{old}` follows it ({took})"
            ));
        }
        let steps = times::describe(times);
        if !steps.is_empty() {
            Talk.say(&steps);
        }
    }
}

async fn acknowledge(session: &Session, pair: &Pair) -> Result<(), Failure> {
    let (primary, secondary) = (&pair.primary, &pair.secondary.name);
    let management = &session.management;
    let status = management
        .acknowledge_auto_failover(primary, secondary)
        .await?;
    Talk.say(&format!(
        "the next automatic failover of `{}` and `{secondary}` need not wait",
        primary.name
    ));
    match session.form {
        Form::Table => Ok(()),
        Form::Json => session.form.write(&status.json, String::new),
    }
}

/// The link as the new geo-primary has it; in JSON with how the failover went.
async fn show(session: &Session, pair: &Pair, times: Option<Value>) -> Result<(), Failure> {
    let (new, old) = (&pair.secondary, &pair.primary.name);
    match session.form {
        Form::Table => super::link::show(session, new, old).await,
        Form::Json => {
            let mut json = session.management.link(new, old).await?.json;
            if let Value::Object(fields) = &mut json {
                fields.insert("failover".to_owned(), times.unwrap_or(Value::Null));
            }
            session.form.write(&json, String::new)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patience_of_a_handoff_has_bounds() {
        assert_eq!(abort_after("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(abort_after("500ms"), Ok(Duration::from_millis(500)));
        let wrong = "400 is not a number of milliseconds from 500 to 60000";
        assert_eq!(abort_after("400ms").unwrap_err(), wrong);
        assert!(abort_after("2m").is_err());
    }
}
