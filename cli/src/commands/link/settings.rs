//! How a link moves its bytes and fails over, on the command line and in words.

use std::num::NonZeroU64;

use clap::Args;
use client::replication::{LinkSettings, SettingsChange};
use model::{
    AutoFailover, Compression, Fencing, LEAST_JOURNAL, LEAST_RATE, ReplicationSettings, Retention,
    SecondaryReads, SnapshotSource,
};

use crate::{
    failure::Failure,
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
    /// What keeps a geo-primary that nobody can reach from taking writes: `none`, or `lease`, with
    /// which it takes none while its region cannot reach the control plane [default: none]
    #[arg(long, value_name = "HOW", value_parser = fencing, help_heading = FAILOVERS)]
    fencing: Option<Fencing>,
    /// How long a lease lasts: a region that is cut off takes writes for so long, and a forced
    /// failover waits for so long [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = lease, help_heading = FAILOVERS)]
    lease: Option<u16>,
    /// Fail over without being asked: `off`, or `after=30s,max-lag=5s` for when the geo-primary
    /// took no writes for so long, and the geo-secondary was at most so far behind. Needs
    /// `--fencing lease` [default: off]
    #[arg(long, value_name = "WHEN", value_parser = auto_failover, help_heading = FAILOVERS)]
    auto_failover: Option<Automatic>,
}

/// The value of `--auto-failover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Automatic(Option<AutoFailover>);

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
            fencing: self.fencing,
            lease_seconds: self.lease,
            auto_failover: self.auto_failover.map(|Automatic(when)| when),
        }
    }

    /// Refuses what no new link can have, in the API's words.
    pub(super) fn check_new(&self) -> Result<(), Failure> {
        self.check(self.fencing.unwrap_or_default())
    }

    /// Refuses what no link can have, whatever it has now.
    pub(super) fn check_change(&self) -> Result<(), Failure> {
        // Without a word about fencing, the link may have leases already.
        self.check(self.fencing.unwrap_or(Fencing::Lease))
    }

    fn check(&self, fencing: Fencing) -> Result<(), Failure> {
        let settings = ReplicationSettings {
            fencing,
            auto_failover: self.auto_failover.and_then(|Automatic(when)| when),
            ..ReplicationSettings::default()
        };
        settings
            .check()
            .map_err(|wrong| Failure::usage(wrong.to_string()))
    }
}

const FAILOVERS: &str = "Failovers without the geo-primary";

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

fn fencing(text: &str) -> Result<Fencing, String> {
    match text {
        "none" => Ok(Fencing::None),
        "lease" => Ok(Fencing::Lease),
        _ => Err("use `none` or `lease`".to_owned()),
    }
}

fn lease(text: &str) -> Result<u16, String> {
    let lease_seconds = u16::try_from(quantity::seconds(text)?).unwrap_or(u16::MAX);
    let settings = ReplicationSettings {
        lease_seconds,
        ..ReplicationSettings::default()
    };
    settings.check().map_err(|wrong| wrong.to_string())?;
    Ok(lease_seconds)
}

fn auto_failover(text: &str) -> Result<Automatic, String> {
    if text == "off" {
        return Ok(Automatic(None));
    }
    let rule = || "write `off`, or both times as in after=30s,max-lag=5s".to_owned();
    let (mut after, mut max_lag) = (None, None);
    for part in text.split(',') {
        let (name, time) = part.split_once('=').ok_or_else(rule)?;
        let time = quantity::seconds(time).map_err(|wrong| format!("{name}: {wrong}"))?;
        match name.trim() {
            "after" => after = Some(time),
            "max-lag" => max_lag = Some(time),
            _ => return Err(rule()),
        }
    }
    let (Some(after), Some(max_lag)) = (after, max_lag) else {
        return Err(rule());
    };
    let when = Some(AutoFailover { after, max_lag });
    let settings = ReplicationSettings {
        fencing: Fencing::Lease,
        auto_failover: when,
        ..ReplicationSettings::default()
    };
    settings.check().map_err(|wrong| wrong.to_string())?;
    Ok(Automatic(when))
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
        ("fencing", fencing_text(settings)),
        ("automatic failover", automatic_text(settings)),
    ])
}

fn fencing_text(settings: &LinkSettings) -> Option<String> {
    let fencing = settings.fencing.as_deref()?;
    Some(match (fencing, settings.lease_seconds) {
        ("lease", Some(seconds)) => format!("lease of {seconds} s"),
        (other, _) => other.to_owned(),
    })
}

fn automatic_text(settings: &LinkSettings) -> Option<String> {
    settings.fencing.as_ref()?;
    Some(match settings.auto_failover {
        Some(AutoFailover { after, max_lag }) => {
            format!("after {after} s, unless the geo-secondary was more than {max_lag} s behind")
        }
        None => "off".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failovers_without_the_geo_primary_are_set_in_the_words_of_the_api() {
        assert_eq!(lease("10s"), Ok(10));
        assert_eq!(
            lease("7s").unwrap_err(),
            "`7` is not a lease of 8 to 300 seconds"
        );
        assert!(lease("99999999s").is_err() && lease("10").is_err());
        assert_eq!(auto_failover("off"), Ok(Automatic(None)));
        let when = AutoFailover {
            after: 30,
            max_lag: 5,
        };
        assert_eq!(
            auto_failover("after=30s,max-lag=5s"),
            Ok(Automatic(Some(when)))
        );
        assert_eq!(
            auto_failover("after=9s,max-lag=5s").unwrap_err(),
            "`9` is not at least 10 seconds for `autoFailover.after`"
        );
        for bad in [
            "",
            "on",
            "after=30s",
            "max-lag=5s",
            "after=30s,lag=5s",
            "after=500ms,max-lag=1s",
        ] {
            assert!(auto_failover(bad).is_err(), "{bad}");
        }
    }

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
            fencing: Some("lease".to_owned()),
            lease_seconds: Some(10),
            auto_failover: Some(AutoFailover {
                after: 30,
                max_lag: 5,
            }),
        };
        let expected = "\
snapshots from        replica
compression           level 3
rate limit            10.00 MiB/s
journal               4.00 GiB
reads in a full sync  refused
fencing               lease of 10 s
automatic failover    after 30 s, unless the geo-secondary was more than 5 s behind";
        assert_eq!(describe(&settings), expected);
        let unlimited = LinkSettings {
            journal: Some("unlimited".to_owned()),
            ..LinkSettings::default()
        };
        assert!(describe(&unlimited).ends_with("unlimited"));
    }
}
