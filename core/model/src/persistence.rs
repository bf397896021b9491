//! Persistence: how a cache's data survive the end of all its engines at once, as the managed
//! service's `redisConfiguration` names it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Sku, Tier};

/// The intervals at which snapshots can be taken, in minutes.
pub const SNAPSHOT_MINUTES: [u32; 6] = [15, 30, 60, 360, 720, 1_440];
/// The interval when nobody says otherwise.
const DEFAULT_MINUTES: u32 = 60;
/// Snapshots that are kept when nobody says otherwise, and at most: each is a copy of the data set.
const DEFAULT_KEPT: u16 = 1;
const MOST_KEPT: u16 = 100;

const RDB_ENABLED: &str = "rdb-backup-enabled";
const RDB_FREQUENCY: &str = "rdb-backup-frequency";
const RDB_COUNT: &str = "rdb-backup-max-snapshot-count";
const AOF_ENABLED: &str = "aof-backup-enabled";
const AUTH_METHOD: &str = "preferred-data-persistence-auth-method";
const STORAGE_SUBSCRIPTION: &str = "storage-subscription-id";
/// Keys whose values are connection strings of storage accounts.
const STORAGE: [&str; 3] = [
    "aof-storage-connection-string-0",
    "aof-storage-connection-string-1",
    "rdb-storage-connection-string",
];
/// The parts of a connection string that are secret, in lower case, and what stands in their place.
const SECRET_PARTS: [(&str, &str); 3] = [
    ("accountkey", "[key hidden]"),
    ("sharedaccesssignature", "[signature hidden]"),
    ("sharedaccesskey", "[key hidden]"),
];

/// How a cache's data survive the end of all its engines at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Persistence {
    /// They do not, but for an orderly stop.
    #[default]
    Off,
    /// By snapshots (RDB): what was written since the last one is lost.
    Snapshots {
        /// Minutes between two of them.
        every_minutes: u32,
        /// How many are kept.
        keep: u16,
    },
    /// By an append-only file (AOF): a second of writes is lost at most.
    AppendOnly,
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no persistence"),
            Self::Snapshots {
                every_minutes,
                keep,
            } => write!(
                f,
                "a snapshot every {every_minutes} minutes, of which {keep} are kept"
            ),
            Self::AppendOnly => f.write_str("an append-only file"),
        }
    }
}

impl Persistence {
    /// Reads it from a configuration that [`check_persistence`] has passed.
    #[must_use]
    pub fn of(configuration: &BTreeMap<String, String>) -> Self {
        let number = |key: &str| configuration.get(key)?.parse::<u32>().ok();
        if is_true(configuration, AOF_ENABLED) {
            Self::AppendOnly
        } else if is_true(configuration, RDB_ENABLED) {
            let keep = number(RDB_COUNT).and_then(|n| u16::try_from(n).ok());
            Self::Snapshots {
                every_minutes: number(RDB_FREQUENCY).unwrap_or(DEFAULT_MINUTES),
                keep: keep.unwrap_or(DEFAULT_KEPT),
            }
        } else {
            Self::Off
        }
    }
}

fn is_true(configuration: &BTreeMap<String, String>, key: &str) -> bool {
    let value = configuration.get(key);
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A wish for persistence that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersistenceError {
    /// The tier does not have it.
    #[error(
        "`{key}` cannot be `true`: persistence is of the Premium tier, and this cache is {sku}"
    )]
    Tier {
        /// The key.
        key: &'static str,
        /// The size.
        sku: Sku,
    },
    /// Both kinds at once.
    #[error(
        "`rdb-backup-enabled` and `aof-backup-enabled` are both `true`, and a cache has one kind of persistence; set the other one to `false` in the same request"
    )]
    Both,
}

/// Checks what no single value tells: the tier, and that one kind excludes the other.
pub fn check_persistence(
    sku: Sku,
    configuration: &BTreeMap<String, String>,
) -> Result<(), PersistenceError> {
    let (rdb, aof) = (
        is_true(configuration, RDB_ENABLED),
        is_true(configuration, AOF_ENABLED),
    );
    if rdb && aof {
        return Err(PersistenceError::Both);
    }
    let key = if aof { AOF_ENABLED } else { RDB_ENABLED };
    if (rdb || aof) && sku.tier() != Tier::Premium {
        return Err(PersistenceError::Tier { key, sku });
    }
    Ok(())
}

/// Checks one value of a key that is about persistence. `None`: it is another key. The error is the
/// rule that the value breaks.
pub(crate) fn check_value(key: &str, value: &str) -> Option<Result<(), String>> {
    let checked = match key {
        RDB_FREQUENCY => match value.parse() {
            Ok(minutes) if SNAPSHOT_MINUTES.contains(&minutes) => Ok(()),
            Ok(_) | Err(_) => Err("use 15, 30, 60, 360, 720 or 1440 minutes".to_owned()),
        },
        RDB_COUNT => match value.parse() {
            Ok(1..=MOST_KEPT) => Ok(()),
            Ok(_) | Err(_) => Err(format!(
                "use 1 to {MOST_KEPT}; each snapshot takes the room of the data set"
            )),
        },
        AUTH_METHOD if value.eq_ignore_ascii_case("SAS") => Ok(()),
        AUTH_METHOD => Err("use `SAS`; caches have no managed identity".to_owned()),
        STORAGE_SUBSCRIPTION if is_guid(value) => Ok(()),
        STORAGE_SUBSCRIPTION => Err("use the ID of a subscription, which is a GUID".to_owned()),
        _ if is_storage_key(key) => {
            if is_connection_string(value) {
                Ok(())
            } else {
                Err("use a connection string, `name=value` pairs with `;` between them".to_owned())
            }
        }
        _ => return None,
    };
    Some(checked)
}

/// The keys that are about persistence.
pub(crate) const KEYS: [&str; 9] = [
    AOF_ENABLED,
    "aof-storage-connection-string-0",
    "aof-storage-connection-string-1",
    AUTH_METHOD,
    RDB_ENABLED,
    RDB_FREQUENCY,
    RDB_COUNT,
    "rdb-storage-connection-string",
    STORAGE_SUBSCRIPTION,
];

/// Tells keys whose values hold secrets of storage accounts.
#[must_use]
pub fn is_storage_key(key: &str) -> bool {
    STORAGE.contains(&key)
}

/// A connection string of a storage account without its secrets, in the managed service's words:
/// `AccountKey=[key hidden]`.
#[must_use]
pub fn without_storage_secret(connection_string: &str) -> String {
    let parts = connection_string.split(';').map(|part| {
        let (name, _) = part.split_once('=').unwrap_or((part, ""));
        let known = name.trim().to_ascii_lowercase();
        let secret = SECRET_PARTS.iter().find(|(secret, _)| *secret == known);
        secret.map_or_else(|| part.to_owned(), |(_, shown)| format!("{name}={shown}"))
    });
    parts.collect::<Vec<_>>().join(";")
}

fn is_connection_string(text: &str) -> bool {
    let mut parts = text.split(';').filter(|part| !part.trim().is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or_default();
        !value.is_empty() && !name.is_empty() && name.chars().all(char::is_alphanumeric)
    };
    let some = !text.trim().is_empty();
    some && text.len() <= 4_096 && !text.chars().any(char::is_control) && parts.all(pair)
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let digits = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    digits && lengths.eq([8, 4, 4, 4, 12])
}

/// What the persistence of a shard has on disk, and what went wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersistenceObserved {
    /// What is in force: an end of all engines at once loses no more than it allows.
    pub in_force: Persistence,
    /// Milliseconds since the data of the last good snapshot were taken.
    pub snapshot_age_ms: Option<u64>,
    /// Snapshots on disk.
    pub snapshots: u32,
    /// Bytes of snapshots, or of the append-only file.
    pub bytes: u64,
    /// A snapshot is being taken, or an append-only file written anew.
    pub writing: bool,
    /// Snapshots, or writes of the append-only file, that failed since the agent started.
    pub failures: u64,
    /// What is wrong now, in a sentence.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn it_is_read_from_the_services_keys() {
        assert_eq!(Persistence::of(&map(&[])), Persistence::Off);
        assert_eq!(
            Persistence::of(&map(&[(RDB_ENABLED, "True"), (AOF_ENABLED, "false")])),
            Persistence::Snapshots {
                every_minutes: 60,
                keep: 1
            }
        );
        let told = map(&[
            (RDB_ENABLED, "true"),
            (RDB_FREQUENCY, "15"),
            (RDB_COUNT, "3"),
        ]);
        assert_eq!(
            Persistence::of(&told),
            Persistence::Snapshots {
                every_minutes: 15,
                keep: 3
            }
        );
        assert_eq!(
            Persistence::of(&map(&[(AOF_ENABLED, "true"), (RDB_FREQUENCY, "15")])),
            Persistence::AppendOnly
        );
    }

    #[test]
    fn one_kind_excludes_the_other_and_only_premium_has_any() {
        let premium = Sku::new(Tier::Premium, 1).unwrap();
        let standard = Sku::new(Tier::Standard, 1).unwrap();
        let rdb = map(&[(RDB_ENABLED, "true")]);
        let both = map(&[(RDB_ENABLED, "true"), (AOF_ENABLED, "TRUE")]);
        assert_eq!(check_persistence(premium, &rdb), Ok(()));
        assert_eq!(check_persistence(standard, &map(&[])), Ok(()));
        assert_eq!(
            check_persistence(premium, &both),
            Err(PersistenceError::Both)
        );
        let refused = check_persistence(standard, &rdb).unwrap_err().to_string();
        assert!(refused.contains("Standard C1"), "{refused}");
    }

    #[test]
    fn values_are_checked_by_their_key() {
        let good = [
            (RDB_FREQUENCY, "1440"),
            (RDB_COUNT, "100"),
            (AUTH_METHOD, "sas"),
            (STORAGE_SUBSCRIPTION, "5d0c4f30-0000-4000-8000-000000000001"),
            (
                STORAGE[2],
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;",
            ),
        ];
        for (key, value) in good {
            assert_eq!(check_value(key, value), Some(Ok(())), "{key} {value}");
        }
        let bad = [
            (RDB_FREQUENCY, "20"),
            (RDB_COUNT, "0"),
            (AUTH_METHOD, "ManagedIdentity"),
            (STORAGE_SUBSCRIPTION, "mine"),
            (STORAGE[0], "hunter2"),
            (STORAGE[0], ""),
        ];
        for (key, value) in bad {
            assert!(check_value(key, value).unwrap().is_err(), "{key} {value}");
        }
        assert_eq!(check_value("maxclients", "1"), None);
        assert!(
            KEYS.iter()
                .all(|key| key.contains("enabled") || check_value(key, "60").is_some())
        );
    }

    #[test]
    fn account_keys_are_hidden_and_nothing_else() {
        let given =
            "DefaultEndpointsProtocol=https;AccountName=a;accountKey=eA/b==;EndpointSuffix=x";
        let shown = without_storage_secret(given);
        assert_eq!(
            shown,
            "DefaultEndpointsProtocol=https;AccountName=a;accountKey=[key hidden];EndpointSuffix=x"
        );
        assert_eq!(without_storage_secret(&shown), shown);
        let sas = without_storage_secret("BlobEndpoint=http://a;SharedAccessSignature=sv=1&sig=2");
        assert!(!sas.contains("sig=2"), "{sas}");
    }
}
