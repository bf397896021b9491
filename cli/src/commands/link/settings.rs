//! How a link moves its bytes, on the command line and in words.

use std::num::NonZeroU64;

use clap::Args;
use client::replication::{LinkSettings, SettingsChange};
use model::{Compression, LEAST_JOURNAL, LEAST_RATE, Retention, SecondaryReads, SnapshotSource};

use crate::{
    output::{bytes, pairs},
    quantity,
};

/// The options of `link create` and `link update`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the link moves its bytes")]
pub(super) struct SettingsArgs {
    /// Compression between the regions: `off`, or a level from 1 (fast) to 9 [default: 1]
    #[arg(long, value_name = "LEVEL")]
    compression: Option<Compression>,
    /// Bytes a second that a shard may send to the other region, such as 10MB/s, or `none`
    /// [default: none]
    #[arg(long, value_name = "RATE", value_parser = rate_limit)]
    rate_limit: Option<RateLimit>,
    /// How much of the stream the geo-primary's side keeps on disk for each shard, such as 4GiB,
    /// or `unlimited`: a longer cut than that needs a full sync [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = retention)]
    journal: Option<Retention>,
    /// The node that snapshots are taken from: `replica` spares the primary [default: replica]
    #[arg(long, value_parser = source)]
    source: Option<SnapshotSource>,
    /// What the geo-secondary answers during a full sync: `refused`, or `stale` for the old data,
    /// which needs memory for both [default: refused]
    #[arg(long, value_name = "ANSWER", value_parser = secondary_reads)]
    secondary_reads: Option<SecondaryReads>,
}

/// The value of `--rate-limit`.
#[derive(Debug, Clone, Copy)]
struct RateLimit(Option<NonZeroU64>);

impl SettingsArgs {
    pub(super) fn change(&self) -> SettingsChange {
        SettingsChange {
            source: self.source,
            compression: self.compression,
            rate_limit: self.rate_limit.map(|RateLimit(rate)| rate),
            journal: self.journal,
            secondary_reads: self.secondary_reads,
        }
    }
}

fn rate_limit(text: &str) -> Result<RateLimit, String> {
    if text == "none" {
        return Ok(RateLimit(None));
    }
    let rate = quantity::rate(text)?;
    if rate < LEAST_RATE {
        return Err(format!("the least is {}/s", bytes(LEAST_RATE)));
    }
    Ok(RateLimit(NonZeroU64::new(rate)))
}

fn retention(text: &str) -> Result<Retention, String> {
    if text == "unlimited" {
        return Ok(Retention::Unlimited);
    }
    let kept = quantity::bytes(text).map_err(|wrong| format!("{wrong}, or `unlimited`"))?;
    if kept < LEAST_JOURNAL {
        return Err(format!("the least is {}", bytes(LEAST_JOURNAL)));
    }
    Ok(Retention::Bytes(kept))
}

fn source(text: &str) -> Result<SnapshotSource, String> {
    match text {
        "replica" => Ok(SnapshotSource::Replica),
        "primary" => Ok(SnapshotSource::Primary),
        _ => Err("use `replica` or `primary`".to_owned()),
    }
}

fn secondary_reads(text: &str) -> Result<SecondaryReads, String> {
    match text {
        "refused" => Ok(SecondaryReads::Refused),
        "stale" => Ok(SecondaryReads::Stale),
        _ => Err("use `refused` or `stale`".to_owned()),
    }
}

/// Settings for people.
pub(super) fn describe(settings: &LinkSettings) -> String {
    let rate = settings.rate_limit;
    let rate = rate.map_or_else(|| "none".to_owned(), |rate| format!("{}/s", bytes(rate)));
    let amount = |kept: &String| kept.parse().map_or_else(|_word| kept.clone(), bytes);
    let compression = settings.compression.as_deref();
    pairs([
        ("snapshots from", settings.source.clone()),
        (
            "compression",
            compression.map(|level| match level {
                "off" => level.to_owned(),
                _ => format!("level {level}"),
            }),
        ),
        ("rate limit", Some(rate)),
        ("journal", settings.journal.as_ref().map(amount)),
        ("reads in a full sync", settings.secondary_reads.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_before_anything_is_sent() {
        assert!(rate_limit("none").unwrap().0.is_none());
        assert_eq!(rate_limit("10MB/s").unwrap().0, NonZeroU64::new(10_000_000));
        assert_eq!(rate_limit("1kB").unwrap_err(), "the least is 64.00 KiB/s");
        assert_eq!(retention("unlimited"), Ok(Retention::Unlimited));
        assert_eq!(retention("4GiB"), Ok(Retention::Bytes(4 << 30)));
        assert_eq!(retention("1MB").unwrap_err(), "the least is 128.00 MiB");
    }

    #[test]
    fn settings_are_described_with_units() {
        let settings = LinkSettings {
            source: Some("replica".to_owned()),
            compression: Some("3".to_owned()),
            rate_limit: Some(10 << 20),
            journal: Some((4_u64 << 30).to_string()),
            secondary_reads: Some("refused".to_owned()),
        };
        let expected = "\
snapshots from        replica
compression           level 3
rate limit            10.00 MiB/s
journal               4.00 GiB
reads in a full sync  refused";
        assert_eq!(describe(&settings), expected);
        let unlimited = LinkSettings {
            journal: Some("unlimited".to_owned()),
            ..LinkSettings::default()
        };
        assert!(describe(&unlimited).ends_with("unlimited"));
    }
}
