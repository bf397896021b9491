//! `godwit cache export`, `import` and `flush`.

use std::io::Read as _;

use clap::Args;
use model::{CacheName, ExportPrefix, Secret};
use serde_json::Value;

use crate::{
    arguments::Waiting, failure::Failure, output::bytes, progress::Ended, session::Session,
    talk::Talk,
};

/// A URL that may hold a signature is not typed on a command line that others can see.
const FROM_INPUT: &str = "-";

/// Write a cache's data to snapshot files (RDB), without disturbing it or its link
///
/// Places are a folder beside the region's agent that its operator allows (file:///…), S3-compatible
/// storage (s3://bucket/folder) and blob containers with a shared access signature (https://…?…). A URL
/// with a signature is a secret: `-` reads it from standard input.
///
/// Example: godwit cache export demo-east --to file:///srv/backups --prefix nightly
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Its name
    name: CacheName,
    /// Where to
    #[arg(long, value_name = "URL", value_parser = place)]
    to: Secret,
    /// What the files' names begin with
    #[arg(long, value_parser = prefix)]
    prefix: ExportPrefix,
    #[command(flatten)]
    waiting: Waiting,
}

/// Put what snapshot files (RDB) hold in the place of a cache's data
///
/// The data of before stay until the new ones are whole, and stay when they cannot be loaded. A
/// geo-secondary takes none: import into the geo-primary, and it follows. Places are as for `export`.
///
/// Example: godwit cache import demo-east file:///srv/backups/nightly.rdb
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Its name
    name: CacheName,
    /// The files; a key that several hold is the last one's
    #[arg(required = true, value_name = "URL", value_parser = place)]
    from: Vec<Secret>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Remove every key of a cache, and of whatever follows it
#[derive(Debug, Args)]
pub(crate) struct Flush {
    /// Its name
    name: CacheName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

fn place(text: &str) -> Result<Secret, String> {
    if text != FROM_INPUT {
        model::Place::parse(text).map_err(|error| error.to_string())?;
    }
    Ok(Secret::new(text))
}

fn prefix(text: &str) -> Result<ExportPrefix, String> {
    let prefix = ExportPrefix::try_from(text.to_owned());
    prefix.map_err(|error| error.to_string())
}

/// The place, or what is on standard input in its stead.
fn told(place: Secret) -> Result<Secret, Failure> {
    if place.reveal() != FROM_INPUT {
        return Ok(place);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("read a URL from standard input: {error}")))?;
    let text = text.trim();
    match model::Place::parse(text) {
        Ok(_) => Ok(Secret::new(text)),
        Err(error) => Err(Failure::usage(format!(
            "what is on standard input is no place for snapshots: {error}"
        ))),
    }
}

impl Export {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let to = told(self.to)?;
        let cache = session.find(&self.name).await?.body;
        let management = &session.management;
        let started = management.export_cache(&cache.id, &to, self.prefix.as_str());
        let started = started.await?;
        let title = format!("exporting `{}`", self.name);
        if self.waiting.no_wait {
            Talk.say(&format!("{title} has begun"));
            return Ok(());
        }
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!("exported `{}`{}", self.name, came_to(&ended)));
        session.form.write(figures(&ended), || {
            let files = figures(&ended)["files"].as_array();
            let files = files.into_iter().flatten().filter_map(Value::as_str);
            files.collect::<Vec<_>>().join("\n")
        })
    }
}

impl Import {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = &self.name;
        let from = self.from.into_iter().map(told);
        let from = from.collect::<Result<Vec<_>, _>>()?;
        let cache = session.find(name).await?.body;
        let warning = format!("this replaces all data of `{name}`");
        if !self.yes && !Talk.confirm(&warning, &format!("Import into `{name}`?"))? {
            return Err(Failure::new("nothing was imported"));
        }
        let started = session.management.import_cache(&cache.id, &from).await?;
        let title = format!("importing into `{name}`");
        if self.waiting.no_wait {
            Talk.say(&format!("{title} has begun"));
            return Ok(());
        }
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        let keys = figures(&ended)["keys"].as_u64();
        let keys = keys.map_or_else(String::new, |keys| format!(" {keys} keys"));
        Talk.say(&format!("imported{keys} into `{name}`{}", came_to(&ended)));
        let notes = figures(&ended)["notes"].as_array();
        for note in notes.into_iter().flatten().filter_map(Value::as_str) {
            Talk.warn(note);
        }
        Ok(())
    }
}

impl Flush {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = &self.name;
        let cache = session.find(name).await?.body;
        let warning = format!("this removes all data of `{name}`");
        if !self.yes && !Talk.confirm(&warning, &format!("Flush `{name}`?"))? {
            return Err(Failure::new("nothing was removed"));
        }
        let started = session.management.flush_cache(&cache.id).await?;
        let title = format!("flushing `{name}`");
        if session.followed(&title, started, self.waiting).await? {
            Talk.say(&format!("flushed `{name}`"));
        }
        Ok(())
    }
}

fn figures(ended: &Ended) -> &Value {
    &ended.json["properties"]["transfer"]
}

fn came_to(ended: &Ended) -> String {
    let seconds = ended.took.as_secs_f64();
    match figures(ended)["bytes"].as_u64() {
        Some(count) => format!(": {} in {seconds:.1} s", bytes(count)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_checked_and_not_shown() {
        assert!(place("file:///srv").is_ok() && place("-").is_ok());
        let refused = place("https://host.example?sig=hunter2").unwrap_err();
        assert!(
            !refused.is_empty() && !refused.contains("hunter2"),
            "{refused}"
        );
    }
}
