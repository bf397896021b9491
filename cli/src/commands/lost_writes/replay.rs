//! `godwit lost-writes replay`.

mod apply;
mod keys;
mod plan;
mod reading;
mod report;
mod written;

use clap::{Args, ValueEnum};
use client::lost_writes::{Download, LostWrites};
use model::{CacheId, CacheName};
use tokio::signal;

use super::{Held, ReceiptName, find};
use crate::{
    commands::link, failure::Failure, progress::Transfer, reach::Reach, session::Session,
    talk::Talk,
};
use apply::{Applied, Applier, Door};
use keys::KeyReader;
use plan::Plan;
use reading::{Found, Reader};
use report::Report;
use written::Written;

/// Apply lost writes to the present geo-primary
///
/// The commands go to the geo-primary as any client's do: through its endpoint, with its access
/// key, in their order, transactions as transactions.
///
/// A replay looks first which of the receipt's keys have been written at the geo-primary since it
/// took over. When there are any - clients wrote them, or an earlier replay did, and nothing
/// records which - it does nothing: it would put old values over newer ones, and append a second
/// time to what an earlier replay has appended. --only-missing leaves those keys alone; --again
/// applies everything all the same.
///
/// With --only-missing, a command that names such a key is skipped, a transaction with it as a
/// whole, and whatever comes later on a key of something skipped as well. It looks once, before
/// the first command: what a client writes during the replay may be overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  godwit lost-writes replay demo-east-7 --dry-run --only-missing
  godwit lost-writes replay demo-east-7 --only-missing
  godwit lost-writes replay demo-east-7 --database 0   # they do not say which database they were for")]
pub(crate) struct Replay {
    /// The receipt, as `lost-writes list` names it
    receipt: ReceiptName,
    /// Say what would be applied and what would be skipped, and touch nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip what names a key that was written at the geo-primary since it took over
    #[arg(long)]
    only_missing: bool,
    /// Apply everything although keys have been written since, perhaps by an earlier replay
    #[arg(long, conflicts_with = "only_missing")]
    again: bool,
    /// The database of commands of which the receipt does not know it
    #[arg(long, value_name = "NUMBER")]
    database: Option<u32>,
    /// What to do with commands that empty or exchange whole databases
    #[arg(long, value_enum, value_name = "WHAT")]
    flushes: Option<Flushes>,
    /// Stop at the first command that is refused; this applies one at a time, which takes longer
    #[arg(long)]
    stop_on_error: bool,
    /// The cache to apply them to [default: the geo-primary of the link that took them]
    #[arg(long, value_name = "CACHE")]
    into: Option<CacheName>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// The values of `--flushes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flushes {
    /// Apply them: what has been written since is emptied too.
    Apply,
    /// Skip them.
    Skip,
}

/// Everything that a replay needs to know.
struct Task<'a> {
    session: &'a Session,
    held: &'a Held,
    target: CacheId,
    options: &'a Replay,
}

impl Replay {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let held = find(session, &self.receipt).await?;
        self.check_databases(&held.receipt)?;
        let target = self.target(session, &held.cache).await?;
        let task = Task {
            session,
            held: &held,
            target,
            options: &self,
        };
        if held.receipt.commands == 0 {
            return Err(Failure::new(format!(
                "`{}` holds no commands that could be replayed",
                self.receipt
            )));
        }
        let written = task.written().await?;
        let only = self.only_missing.then_some(written.as_ref()).flatten();
        let plan = task.plan(only).await?;
        let mut report = Report::new(&held.receipt, &task.target.name, self.dry_run);
        report.planned(&plan, written.as_ref());
        if self.dry_run {
            return report.write(session.form);
        }
        task.may_begin(&plan, written.as_ref())?;
        let (applied, ended) = task.apply(&plan).await;
        report.applied(&applied);
        report.write(session.form)?;
        task.conclude(&applied, ended)
    }

    /// Commands of an unknown database have to be given one.
    fn check_databases(&self, receipt: &LostWrites) -> Result<(), Failure> {
        let unknown = receipt
            .databases
            .iter()
            .find(|lost| lost.database.is_none());
        match (unknown, self.database) {
            (Some(lost), None) => Err(Failure::usage(format!(
                "{} commands of `{}` do not say which database they were for",
                lost.commands, self.receipt
            ))
            .hint("if you know it, name it with --database; most applications use 0")),
            (None, Some(_)) => Err(Failure::usage(format!(
                "every command of `{}` says which database it is for; leave out --database",
                self.receipt
            ))),
            (Some(_), Some(_)) | (None, None) => Ok(()),
        }
    }

    async fn target(&self, session: &Session, cache: &CacheId) -> Result<CacheId, Failure> {
        if let Some(into) = &self.into {
            return Ok(session.find(into).await?.body.id);
        }
        match link::pair(session, &cache.name).await? {
            Some(pair) => Ok(pair.primary),
            None => Err(Failure::usage(format!(
                "`{}` is not linked any more, so which cache is to get its lost writes is not known",
                cache.name
            ))
            .hint("name the cache with --into")),
        }
    }
}

impl Task<'_> {
    /// Which of the receipt's keys were written since. `None`: the geo-primary does not know any
    /// more, and --again says that it does not matter.
    async fn written(&self) -> Result<Option<Written>, Failure> {
        let management = &self.session.management;
        let receipt = &self.held.receipt;
        let Some(from) = &receipt.from else {
            return Err(Failure::new(format!(
                "`{}` does not say where the other side took over",
                receipt.name
            )));
        };
        let since = management.written_since(&self.target, receipt.shard, from);
        let mut since = match since.await {
            Ok(since) => since,
            Err(_refused) if self.options.again => return Ok(None),
            Err(error) => {
                let name = &self.target.name;
                let failure = Failure::from(error);
                return Err(failure.or_hint(|| format!(
                    "without that, nobody can tell which keys have been written to `{name}` since, or whether this was replayed before; nothing was applied. --again replays all of it unlooked"
                )));
            }
        };
        let mut written = Written::default();
        let mut lost = management
            .receipt_keys(&self.held.cache, &receipt.name)
            .await?;
        let unknown = self.options.database;
        each_key(&mut lost, unknown, |touch| written.lost(touch)).await?;
        each_key(&mut since, None, |touch| written.since(&touch)).await?;
        Ok(Some(written))
    }

    /// Reads the whole receipt, so that nothing is applied of one that cannot be read.
    async fn plan<'a>(&self, written: Option<&'a Written>) -> Result<Plan<'a>, Failure> {
        let flushes = self.options.flushes != Some(Flushes::Skip);
        let mut plan = Plan::new(written, flushes);
        let mut reader = Reader::new(self.options.database);
        let mut content = self.content().await?;
        let bar = Transfer::new("reading the lost writes", self.held.receipt.file_bytes);
        let mut bytes = 0;
        while let Some(piece) = content.chunk().await? {
            bytes += piece.len() as u64;
            bar.advance(piece.len());
            reader.feed(piece);
            while let Some(found) = reader.next()? {
                plan.take(&found);
            }
        }
        plan.end(reader.end()?);
        let expected = self.held.receipt.file_bytes;
        if bytes != expected {
            return Err(Failure::new(format!(
                "{bytes} bytes of lost writes came, and there should be {expected}; nothing was applied"
            )));
        }
        Ok(plan)
    }

    /// Whether there is a reason not to.
    fn may_begin(&self, plan: &Plan<'_>, written: Option<&Written>) -> Result<(), Failure> {
        let name = &self.target.name;
        let receipt = &self.held.receipt.name;
        if plan.flushing > 0 && self.options.flushes.is_none() {
            let count = plan.flushing;
            return Err(Failure::new(format!(
                "{count} of the lost commands empty or exchange whole databases, and would do that to what `{name}` holds now; nothing was applied"
            ))
            .hint("say what to do with them: --flushes skip or --flushes apply"));
        }
        if let Some((all, since)) = written.map(Written::count)
            && since > 0
            && !self.options.again
            && !self.options.only_missing
        {
            let missing = self
                .session
                .command(&format!("lost-writes replay {receipt} --only-missing"));
            return Err(Failure::new(format!(
                "{since} of the {all} keys of `{receipt}` have been written to `{name}` since it took over, by clients or by an earlier replay; nothing was applied"
            ))
            .hint(format!(
                "`{missing}` leaves those alone; --again applies everything over them, and appends to lists a second time what was appended before"
            )));
        }
        let commands = plan.commands();
        if commands == 0 {
            return Err(Failure::new(format!(
                "there is nothing to apply: all {} commands are skipped",
                plan.left_out()
            )));
        }
        let warning = format!("{commands} commands of `{receipt}` are applied to `{name}`");
        if !self.options.yes && !Talk.confirm(&warning, "Apply them?")? {
            return Err(Failure::new("nothing was applied"));
        }
        Ok(())
    }

    /// Applies what the plan does not skip. Gives what was done however it ended.
    async fn apply(&self, plan: &Plan<'_>) -> (Applied, Result<(), Failure>) {
        let reach = match Reach::find(&self.session.management, &self.target).await {
            Ok(reach) => reach,
            Err(error) => return (Applied::default(), Err(error.into())),
        };
        let door = Door {
            name: self.target.name.as_str(),
            reach: &reach,
        };
        let mut applier = match Applier::connect(&door, self.options.stop_on_error).await {
            Ok(applier) => applier,
            Err(failure) => return (Applied::default(), Err(failure)),
        };
        let ended = tokio::select! {
            ended = self.send(plan, &mut applier) => ended,
            Ok(()) = signal::ctrl_c() => Err(Failure::interrupted(
                "interrupted; what was on its way may have been applied",
            )),
        };
        (applier.applied, ended)
    }

    async fn send(&self, plan: &Plan<'_>, applier: &mut Applier<'_>) -> Result<(), Failure> {
        let mut reader = Reader::new(self.options.database);
        let mut content = self.content().await?;
        let title = format!("applying them to `{}`", self.target.name);
        let bar = Transfer::new(&title, self.held.receipt.file_bytes);
        let mut skipped = plan.skipped.iter().copied().peekable();
        while let Some(piece) = content.chunk().await? {
            bar.advance(piece.len());
            reader.feed(piece);
            while let Some(found) = reader.next()? {
                let unit = unit(&found);
                while skipped.next_if(|passed| *passed < unit).is_some() {}
                if skipped.peek() != Some(&unit) {
                    applier.take(found).await?;
                }
            }
        }
        applier.flush().await
    }

    fn conclude(&self, applied: &Applied, ended: Result<(), Failure>) -> Result<(), Failure> {
        let name = &self.target.name;
        let done = applied.commands;
        if let Err(failure) = ended {
            Talk.say(&format!(
                "`{name}` has taken {done} commands; with --only-missing, a further replay leaves alone what they wrote"
            ));
            return Err(failure);
        }
        if applied.refused > 0 {
            return Err(Failure::new(format!(
                "`{name}` refused {} of the {} commands",
                applied.refused,
                done + applied.refused
            )));
        }
        let receipt = &self.held.receipt.name;
        let discard = self
            .session
            .command(&format!("lost-writes discard {receipt}"));
        Talk.say(&format!(
            "`{name}` has taken {done} commands; `{discard}` removes the receipt when nobody needs it any more"
        ));
        Ok(())
    }

    async fn content(&self) -> Result<Download, Failure> {
        let management = &self.session.management;
        let receipt = &self.held.receipt.name;
        let content = management.receipt_content(&self.held.cache, receipt).await;
        Ok(content?)
    }
}

fn unit(found: &Found) -> u64 {
    match found {
        Found::Multi { unit } | Found::Exec { unit } => *unit,
        Found::Write(write) => write.unit,
    }
}

async fn each_key(
    list: &mut Download,
    unknown: Option<u32>,
    mut take: impl FnMut(resp::Touch),
) -> Result<(), Failure> {
    let mut reader = KeyReader::new(unknown);
    while let Some(piece) = list.chunk().await? {
        reader.feed(&piece);
        while let Some(touch) = reader.next()? {
            take(touch);
        }
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    /// Commands of words apart by spaces, as they stand in a receipt's file.
    pub(super) fn file(commands: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for command in commands {
            let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
            resp::write_command(&mut bytes, &words);
        }
        bytes
    }
}
