//! `godwit cache persistence …`.

use std::collections::BTreeMap;

use clap::Subcommand;
use client::{CacheChange, status::PersistenceStatus};
use model::CacheName;

use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{bytes, pairs},
    quantity::{counted, since},
    session::Session,
    talk::Talk,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what keeps a cache's data, and what is on disk
    Show {
        /// The cache's name
        cache: CacheName,
    },
    /// Keep snapshots (RDB): what was written since the last one is lost when all engines end at once
    ///
    /// Example: godwit cache persistence rdb demo-east --every 15 --keep 3
    #[command(verbatim_doc_comment)]
    Rdb {
        /// The cache's name
        cache: CacheName,
        /// Minutes between two snapshots [default: as it is, 60 at first]
        #[arg(long, value_name = "MINUTES", value_parser = ["15", "30", "60", "360", "720", "1440"])]
        every: Option<String>,
        /// How many are kept; each takes the room of the data [default: as it is, 1 at first]
        #[arg(long, value_name = "N")]
        keep: Option<u16>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Keep an append-only file (AOF): a second of writes is lost at most
    Aof {
        /// The cache's name
        cache: CacheName,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Keep nothing, but for an orderly stop, and remove what is on disk
    Off {
        /// The cache's name
        cache: CacheName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Failure> {
    match command {
        Command::Show { cache } => show(session, &cache).await,
        Command::Rdb {
            cache,
            every,
            keep,
            waiting,
        } => {
            let mut settings = kinds(true, false);
            let keep = keep.map(|keep| keep.to_string());
            for (key, value) in [
                ("rdb-backup-frequency", every),
                ("rdb-backup-max-snapshot-count", keep),
            ] {
                settings.extend(value.map(|value| (key.to_owned(), value)));
            }
            change(session, &cache, settings, waiting).await
        }
        Command::Aof { cache, waiting } => {
            change(session, &cache, kinds(false, true), waiting).await
        }
        Command::Off {
            cache,
            yes,
            waiting,
        } => {
            let warning = format!(
                "the snapshots or the append-only file of `{cache}` are removed, and its data are gone when all its engines end at once"
            );
            let question = format!("Disable persistence of `{cache}`?");
            if !yes && !Talk.confirm(&warning, &question)? {
                return Err(Failure::new("nothing was changed"));
            }
            change(session, &cache, kinds(false, false), waiting).await
        }
    }
}

/// Both kinds are named: one excludes the other.
fn kinds(rdb: bool, aof: bool) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("rdb-backup-enabled".to_owned(), rdb.to_string()),
        ("aof-backup-enabled".to_owned(), aof.to_string()),
    ])
}

async fn change(
    session: &Session,
    name: &CacheName,
    configuration: BTreeMap<String, String>,
    waiting: Waiting,
) -> Result<(), Failure> {
    let id = session.find(name).await?.body.id;
    let change = CacheChange {
        configuration,
        ..CacheChange::default()
    };
    let started = session.management.update_cache(&id, &change).await?;
    let title = format!("changing the persistence of `{name}`");
    if session.followed(&title, started, waiting).await? {
        show(session, name).await?;
    }
    Ok(())
}

async fn show(session: &Session, name: &CacheName) -> Result<(), Failure> {
    let id = session.find(name).await?.body.id;
    let status = session.management.cache_status(&id).await?;
    let json = status.json.get("persistence").cloned().unwrap_or_default();
    let kept = status.body.persistence;
    for account in kept.iter().flat_map(|kept| &kept.unused_storage_accounts) {
        Talk.warn(&format!(
            "nothing is written to the storage account of `{account}`: the data are on {}",
            kept.as_ref().map_or("", |kept| kept.storage.as_str())
        ));
    }
    session.form.write(&json, || match &kept {
        Some(kept) => describe(kept),
        None => format!(
            "`{name}` has no persistence: its data survive an orderly stop, and not the end of all its engines at once"
        ),
    })
}

/// What keeps a cache's data, in a line.
pub(super) fn in_a_line(kept: &PersistenceStatus) -> String {
    let what = match (kept.kind.as_str(), kept.every_minutes) {
        ("RDB", Some(minutes)) => format!("RDB, every {minutes} minutes"),
        ("None", _) => "being disabled".to_owned(),
        (kind, _) => kind.to_owned(),
    };
    let state = if kept.in_force {
        ""
    } else {
        ", not in force yet"
    };
    let age = kept.shards.iter().filter_map(|shard| shard.snapshot_age_ms);
    let age = age
        .max()
        .map(|ms| format!(", the last one {} ago", since(ms)));
    format!("{what}{state}{}", age.unwrap_or_default())
}

fn describe(kept: &PersistenceStatus) -> String {
    let shards = &kept.shards;
    let total: u64 = shards.iter().map(|shard| shard.bytes).sum();
    let snapshots: u64 = shards.iter().map(|shard| u64::from(shard.snapshots)).sum();
    let failures: u64 = shards.iter().map(|shard| shard.failures).sum();
    let on_disk = if kept.kind == "RDB" {
        let of = kept.max_snapshots.unwrap_or(1);
        format!(
            "{} of {of} a shard, {}",
            counted(snapshots, "snapshot", "snapshots"),
            bytes(total)
        )
    } else {
        bytes(total)
    };
    let problem = shards.iter().find_map(|shard| shard.problem.clone());
    pairs([
        ("persistence", Some(in_a_line(kept))),
        ("on disk", Some(on_disk)),
        ("where", Some(kept.storage.clone())),
        (
            "failures",
            (failures > 0).then(|| format!("{failures} since the agent started")),
        ),
        ("problem", problem),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(json: serde_json::Value) -> PersistenceStatus {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn snapshots_are_described_with_their_age() {
        let kept = status(json!({
            "kind": "RDB", "everyMinutes": 15, "maxSnapshots": 3, "inForce": true, "storage": "a disk",
            "shards": [{"snapshotAgeMs": 61_000, "snapshots": 2, "bytes": 2_048, "failures": 1,
                        "problem": "the disk is full"}],
        }));
        let shown = describe(&kept);
        for part in [
            "RDB, every 15 minutes",
            "2 snapshots of 3 a shard, 2.00 KiB",
            "1 since",
            "the disk is full",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn what_is_not_in_force_says_so() {
        let kept = status(json!({"kind": "AOF", "inForce": false, "shards": []}));
        assert_eq!(in_a_line(&kept), "AOF, not in force yet");
        assert_eq!(kinds(true, false)["aof-backup-enabled"], "false");
    }
}
