//! `redisConfiguration`: the keys that are known, their values, and the engine settings they make.

use std::collections::BTreeMap;

use crate::{EngineSettings, Sku, persistence};

/// Eviction policies, in the engines' spelling. The first is the default.
const POLICIES: [&str; 8] = [
    "volatile-lru",
    "allkeys-lru",
    "volatile-lfu",
    "allkeys-lfu",
    "volatile-random",
    "allkeys-random",
    "volatile-ttl",
    "noeviction",
];
/// Letters that `notify-keyspace-events` may be made of (`notify.c`).
const EVENT_LETTERS: &str = "KEg$lshzxetdmnA";
const MB: u64 = 1 << 20;
/// What the largest size has.
const MOST_DATABASES: u16 = 64;

/// A key or value of `redisConfiguration` that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// The key is not one of the service's.
    #[error("redisConfiguration has no key `{key}`; {hint}")]
    UnknownKey {
        /// The key, as given.
        key: String,
        /// The keys that exist.
        hint: String,
    },
    /// The value is not one that the key takes.
    #[error("redisConfiguration `{key}` cannot be `{value}`: {rule}")]
    BadValue {
        /// The key.
        key: String,
        /// The value, as given.
        value: String,
        /// What it takes.
        rule: String,
    },
}

/// Keys that may be set, beside those of persistence.
const SETTABLE: [&str; 7] = [
    "aad-enabled",
    "databases",
    "maxfragmentationmemory-reserved",
    "maxmemory-delta",
    "maxmemory-policy",
    "maxmemory-reserved",
    "notify-keyspace-events",
];
/// Keys that answers carry and that clients send back as they got them.
const READ_ONLY: [&str; 3] = [
    "maxclients",
    "preferred-data-archive-auth-method",
    "zonal-configuration",
];

/// Tells keys that are shown but cannot be set.
#[must_use]
pub fn is_read_only_key(key: &str) -> bool {
    READ_ONLY.contains(&key)
}

/// Checks a configuration and derives the settings of every engine of the cache.
pub fn engine_settings(
    sku: Sku,
    configuration: &BTreeMap<String, String>,
) -> Result<EngineSettings, ConfigurationError> {
    for (key, value) in configuration {
        check(sku, key, value)?;
    }
    let get = |key: &str| configuration.get(key).map(String::as_str);
    let memory = sku.memory_bytes();
    let reserved = megabytes(get("maxmemory-reserved")).unwrap_or_else(|| default_reserved(sku));
    Ok(EngineSettings {
        maxmemory_bytes: memory.saturating_sub(reserved * MB).max(MB),
        maxmemory_policy: get("maxmemory-policy").unwrap_or(POLICIES[0]).to_owned(),
        maxclients: sku.max_clients(),
        databases: get("databases")
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| sku.databases()),
        notify_keyspace_events: get("notify-keyspace-events").unwrap_or("").to_owned(),
    })
}

/// Checks a wish for a number of databases, which a cache of that size may have.
pub fn check_databases(
    sku: Sku,
    configuration: &BTreeMap<String, String>,
) -> Result<(), ConfigurationError> {
    let Some(value) = configuration.get("databases") else {
        return Ok(());
    };
    match value.parse::<u16>() {
        Ok(n) if (1..=sku.databases()).contains(&n) => Ok(()),
        Ok(_) | Err(_) => Err(ConfigurationError::BadValue {
            key: "databases".to_owned(),
            value: shown(value),
            rule: format!("use 1 to {} for {sku}", sku.databases()),
        }),
    }
}

/// Memory that is kept free of data when nobody says otherwise: about a tenth, in MB.
#[must_use]
pub fn default_reserved(sku: Sku) -> u64 {
    sku.memory_bytes() / MB * 1_045 / 10_000
}

fn check(sku: Sku, key: &str, value: &str) -> Result<(), ConfigurationError> {
    let bad = |rule: String| {
        Err(ConfigurationError::BadValue {
            key: key.to_owned(),
            value: shown(value),
            rule,
        })
    };
    if let Some(checked) = persistence::check_value(key, value) {
        return checked.or_else(bad);
    }
    match key {
        "maxmemory-policy" if POLICIES.contains(&value) => Ok(()),
        "maxmemory-policy" => bad(format!("use one of {}", POLICIES.join(", "))),
        "maxmemory-reserved" | "maxmemory-delta" | "maxfragmentationmemory-reserved" => {
            let most = sku.memory_bytes() / MB * 6 / 10;
            match megabytes(Some(value)) {
                Some(mb) if mb <= most => Ok(()),
                Some(_) | None => bad(format!("use megabytes from 0 to {most} for {sku}")),
            }
        }
        "notify-keyspace-events" if value.chars().all(|c| EVENT_LETTERS.contains(c)) => Ok(()),
        "notify-keyspace-events" => bad(format!("use letters of {EVENT_LETTERS}, or nothing")),
        // What the size allows is asked for of those who set it: a cache that was scaled down has
        // more than a new one would get, and they may hold data.
        "databases" => match value.parse::<u16>() {
            Ok(n) if (1..=MOST_DATABASES).contains(&n) => Ok(()),
            Ok(_) | Err(_) => bad(format!("use 1 to {} for {sku}", sku.databases())),
        },
        "aad-enabled" | "rdb-backup-enabled" | "aof-backup-enabled" => {
            match value.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => bad("use `true` or `false`".to_owned()),
            }
        }
        "maxclients" if value == sku.max_clients().to_string() => Ok(()),
        "maxclients" => bad(format!(
            "it follows from the size: {} for {sku}",
            sku.max_clients()
        )),
        _ if is_read_only_key(key) => Ok(()),
        _ => Err(ConfigurationError::UnknownKey {
            key: shown(key),
            hint: format!(
                "the keys are {}, {}",
                SETTABLE.join(", "),
                persistence::KEYS.join(", ")
            ),
        }),
    }
}

fn shown(text: &str) -> String {
    text.chars()
        .take(80)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

fn megabytes(value: Option<&str>) -> Option<u64> {
    value?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;

    #[expect(clippy::unwrap_in_result, reason = "P1 exists")]
    fn settings(pairs: &[(&str, &str)]) -> Result<EngineSettings, ConfigurationError> {
        let map = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        engine_settings(Sku::new(Tier::Premium, 1).unwrap(), &map)
    }

    #[test]
    fn defaults_follow_the_size() {
        let made = settings(&[]).unwrap();
        assert_eq!(made.maxmemory_bytes, (6_144 - 642) * MB);
        assert_eq!(
            (made.maxmemory_policy.as_str(), made.databases),
            ("volatile-lru", 16)
        );
    }

    #[test]
    fn keys_and_values_are_checked() {
        assert!(settings(&[("maxmemory-policy", "allkeys-lru"), ("maxclients", "7500")]).is_ok());
        assert!(settings(&[("rdb-backup-enabled", "true")]).is_ok());
        for (key, value) in [
            ("maxmemory-policy", "sometimes"),
            ("maxmemory-reserved", "-1"),
            ("maxmemory-reserved", "6000"),
            ("notify-keyspace-events", "K\nsave 1 1"),
            ("databases", "65"),
            ("rdb-backup-enabled", "sometimes"),
            ("rdb-backup-frequency", "20"),
            ("maxclients", "8"),
            ("appendonly", "yes"),
        ] {
            let error = settings(&[(key, value)]).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn a_size_has_so_many_databases_for_those_who_ask() {
        let p1 = Sku::new(Tier::Premium, 1).unwrap();
        let asked = |n: &str| {
            let map = BTreeMap::from([("databases".to_owned(), n.to_owned())]);
            check_databases(p1, &map)
        };
        assert!(asked("16").is_ok() && check_databases(p1, &BTreeMap::new()).is_ok());
        for bad in ["17", "0", "x"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
        // One that was scaled down keeps what it has.
        let kept = settings(&[("databases", "32")]).unwrap();
        assert_eq!(kept.databases, 32);
    }
}
