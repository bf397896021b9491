//! `godwit lost-writes …`: what a former geo-primary took and the new one never got.

mod discard;
mod download;
mod list;
mod replay;
mod show;

use std::{fmt, str::FromStr};

use clap::Subcommand;
use client::lost_writes::LostWrites;
use model::{CacheId, CacheName};
use serde_json::Value;

use crate::{failure::Failure, session::Session};

const AFTER_HELP: &str = "\
After a forced failover the former geo-primary comes back with writes that the new one never got. Its
agent keeps them apart before it follows: a receipt for each shard, with the commands as they were
and the names of their keys. Nothing is applied by itself. See docs/failover.md.

Examples:
  godwit lost-writes list
  godwit lost-writes show demo-east-7
  godwit lost-writes download demo-east-7 --to lost.aof
  godwit lost-writes replay demo-east-7 --only-missing --dry-run
  godwit lost-writes discard demo-east-7";

#[derive(Debug, Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    List(list::List),
    Show(show::Show),
    Download(download::Download),
    Replay(Box<replay::Replay>),
    Discard(discard::Discard),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::List(list) => list.run(session).await,
        Command::Show(show) => show.run(session).await,
        Command::Download(download) => download.run(session).await,
        Command::Replay(replay) => replay.run(session).await,
        Command::Discard(discard) => discard.run(session).await,
    }
}

/// The name of a receipt: `<cache>-<epoch>`, with `-s<shard>` behind it for all shards but the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiptName {
    cache: CacheName,
    text: String,
}

impl FromStr for ReceiptName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write it as `lost-writes list` does, such as demo-east-7".to_owned();
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (mut rest, mut last) = text.rsplit_once('-').ok_or_else(wrong)?;
        if let Some(shard) = last.strip_prefix('s') {
            let before = rest.rsplit_once('-').ok_or_else(wrong)?;
            if !number(shard) {
                return Err(wrong());
            }
            (rest, last) = before;
        }
        if !number(last) {
            return Err(wrong());
        }
        Ok(Self {
            cache: rest.parse().map_err(|_not_a_name| wrong())?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ReceiptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A receipt and the cache that it is of.
struct Held {
    cache: CacheId,
    receipt: LostWrites,
    json: Value,
}

/// Finds a receipt by its name.
async fn find(session: &Session, name: &ReceiptName) -> Result<Held, Failure> {
    let cache = session.find(&name.cache).await?.body.id;
    match session.management.receipt(&cache, &name.text).await {
        Ok(found) => Ok(Held {
            cache,
            receipt: found.body,
            json: found.json,
        }),
        Err(error) if error.is_not_found() => {
            let list = session.command(&format!("lost-writes list {}", name.cache));
            Err(
                Failure::not_found(format!("there are no lost writes `{name}`"))
                    .hint(format!("`{list}` shows those that there are")),
            )
        }
        Err(error) => Err(error.into()),
    }
}

/// The name of a command or a key, for a terminal.
fn escaped(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{}{more}", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_its_cache() {
        for (text, cache) in [
            ("demo-east-7", "demo-east"),
            ("a-1-12-s3", "a-1"),
            ("a-s1-2", "a-s1"),
        ] {
            let name: ReceiptName = text.parse().unwrap();
            assert_eq!(
                (name.cache.as_str(), name.to_string().as_str()),
                (cache, text)
            );
        }
        for bad in [
            "",
            "demo",
            "demo-east",
            "demo-s1",
            "-7",
            "a-7-s",
            "a-7-sx",
            "a--7/..-1",
        ] {
            assert!(bad.parse::<ReceiptName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_shown_as_no_terminal_would_take_them() {
        assert_eq!(escaped(b"a\x1b[2J\"\xff"), r#"a\x1b[2J\"\xff"#);
        assert_eq!(escaped(&[b'k'; 81]).chars().count(), 81);
    }
}
