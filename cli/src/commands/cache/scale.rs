//! `godwit cache scale`.

use clap::Args;
use client::{
    CacheChange,
    resources::{Cache, SkuBody},
    status::CacheStatus,
};
use model::{CacheName, Sku, Tier, default_reserved};
use serde_json::json;

use super::{Size, TierName, show::show, size, sku_text, without_keys};
use crate::{
    arguments::Waiting,
    failure::Failure,
    output::{bytes, table},
    session::Session,
    talk::Talk,
};

const MB: u64 = 1 << 20;

/// Change the size of a cache, or the number of its nodes, without losing data
///
/// Sizes go up, and down when the data fit; tiers go up only, from Basic over Standard to Premium.
/// Where the new size has more databases, its nodes are restarted one after another, the leading one
/// last and after another has taken its place; connections wait for that and go on. A linked cache
/// keeps its size.
///
/// Example: godwit cache scale demo-east --sku P2
///
/// Example: godwit cache scale demo-east --replicas 2 --dry-run
#[derive(Debug, Args)]
#[group(id = "scaling", required = true, multiple = true, args = ["sku", "replicas"])]
pub(crate) struct Scale {
    /// Its name
    name: CacheName,
    /// The new size, such as P2
    #[arg(long, visible_alias = "vm-size", value_parser = size)]
    sku: Option<Size>,
    /// The tier of the new size, when the size does not tell it
    #[arg(long, value_enum, requires = "sku")]
    tier: Option<TierName>,
    /// Replicas of each primary, 1 to 3 (Premium)
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// Say what it would come to, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Scale {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = self.name;
        let cache = session.find(&name).await?.body;
        let sku = self.sku.map(|size| size.sku(self.tier)).transpose()?;
        let status = session.management.cache_status(&cache.id).await?.body;
        let rows = preview(&cache, sku, self.replicas);
        let holds = holds(&status);
        if self.dry_run {
            let shown: Vec<_> = rows
                .iter()
                .map(|[what, now, then]| json!({"what": what, "now": now, "then": then}))
                .collect();
            let json = json!({"cache": name, "changes": shown, "usedMemory": holds});
            return session.form.write(&json, || text(rows, holds, &name));
        }
        Talk.say(&text(rows, holds, &name));
        let change = CacheChange {
            sku,
            replicas: self.replicas,
            ..CacheChange::default()
        };
        let started = session.management.update_cache(&cache.id, &change).await?;
        if self.waiting.no_wait {
            Talk.say(&format!("scaling `{name}` has begun"));
            return session.form.write(&without_keys(started.json), || {
                format!(
                    "to see how it goes: {}",
                    session.command(&format!("cache show {name}"))
                )
            });
        }
        let title = format!("scaling `{name}`");
        let ended = session.finish(&title, started.ticket.as_ref()).await?;
        Talk.say(&format!(
            "scaled `{name}` ({:.1} s)",
            ended.took.as_secs_f64()
        ));
        show(session, &cache.id).await
    }
}

/// What its shards hold, in bytes.
fn holds(status: &CacheStatus) -> Option<u64> {
    let shards = &status.shards;
    (!shards.is_empty()).then(|| shards.iter().map(|shard| shard.used_memory).sum())
}

fn text(rows: Vec<[String; 3]>, holds: Option<u64>, name: &CacheName) -> String {
    if rows.is_empty() {
        return format!("`{name}` has that size already");
    }
    let mut text = table(["", "NOW", "THEN"], rows);
    if let Some(holds) = holds {
        text.push_str(&format!("\n`{name}` holds {}", bytes(holds)));
    }
    text
}

/// Each thing that changes: what, now, then.
fn preview(cache: &Cache, sku: Option<Sku>, replicas: Option<u8>) -> Vec<[String; 3]> {
    let now = cache.properties.sku.as_ref();
    let Some(before) = now.and_then(known) else {
        return Vec::new();
    };
    let after = sku.unwrap_or(before);
    let mut rows = Vec::new();
    let mut row = |what: &str, now: String, then: String| {
        if now != then {
            rows.push([what.to_owned(), now, then]);
        }
    };
    row(
        "size",
        now.map(sku_text).unwrap_or_default(),
        after.to_string(),
    );
    row(
        "memory for data",
        bytes(room(cache, before)),
        bytes(room(cache, after)),
    );
    let clients = |sku: Sku| sku.max_clients().to_string();
    row("client connections", clients(before), clients(after));
    let chosen = cache.properties.redis_configuration.get("databases");
    let chosen = chosen.and_then(|n| n.parse::<u16>().ok());
    let has = chosen.unwrap_or_else(|| before.databases());
    let gets = chosen.unwrap_or_else(|| after.databases().max(has));
    row("databases", has.to_string(), gets.to_string());
    let has = cache.properties.replicas_per_primary;
    let has = has.unwrap_or_else(|| before.default_replicas());
    let gets = replicas.unwrap_or_else(|| has.max(after.default_replicas()));
    row("replicas", has.to_string(), gets.to_string());
    rows
}

/// Memory for data: the size less what is reserved. A reserve that follows the size is shown like one
/// that was set.
fn room(cache: &Cache, sku: Sku) -> u64 {
    let set = cache
        .properties
        .redis_configuration
        .get("maxmemory-reserved");
    let set = set.and_then(|mb| mb.parse::<u64>().ok());
    let own = cache.properties.sku.as_ref().and_then(known);
    let follows = own.is_some_and(|own| set == Some(default_reserved(own)));
    let reserved = set.filter(|_| !follows);
    let reserved = reserved.unwrap_or_else(|| default_reserved(sku));
    sku.memory_bytes().saturating_sub(reserved * MB)
}

fn known(sku: &SkuBody) -> Option<Sku> {
    let tier = match sku.name.as_str() {
        "Basic" => Tier::Basic,
        "Standard" => Tier::Standard,
        "Premium" => Tier::Premium,
        _ => return None,
    };
    Sku::new(tier, i64::from(sku.capacity)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(properties: &serde_json::Value) -> Cache {
        serde_json::from_value(json!({
            "id": "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/c",
            "name": "c", "properties": properties,
        }))
        .unwrap()
    }

    fn shown(
        properties: &serde_json::Value,
        sku: (Tier, i64),
        replicas: Option<u8>,
    ) -> Vec<String> {
        let sku = Sku::new(sku.0, sku.1).unwrap();
        let rows = preview(&cache(properties), Some(sku), replicas);
        rows.iter().map(|row| row.join(" | ")).collect()
    }

    #[test]
    fn everything_that_a_larger_size_changes_is_shown() {
        let p1 = json!({
            "sku": {"name": "Premium", "family": "P", "capacity": 1}, "replicasPerPrimary": 1,
            "redisConfiguration": {"maxmemory-reserved": "642"},
        });
        assert_eq!(
            shown(&p1, (Tier::Premium, 2), Some(2)),
            [
                "size | Premium P1 | Premium P2",
                "memory for data | 5.37 GiB | 11.64 GiB",
                "client connections | 7500 | 15000",
                "databases | 16 | 32",
                "replicas | 1 | 2",
            ]
        );
        assert!(shown(&p1, (Tier::Premium, 1), None).is_empty());
    }

    #[test]
    fn a_tier_brings_its_replica_and_databases_never_become_fewer() {
        let basic = json!({"sku": {"name": "Basic", "family": "C", "capacity": 0}});
        let rows = shown(&basic, (Tier::Standard, 0), None);
        assert_eq!(rows, ["size | Basic C0 | Standard C0", "replicas | 0 | 1"]);
        let p2 = json!({"sku": {"name": "Premium", "family": "P", "capacity": 2}, "replicasPerPrimary": 1});
        let rows = shown(&p2, (Tier::Premium, 1), None);
        assert!(
            !rows.iter().any(|row| row.starts_with("databases")),
            "{rows:?}"
        );
    }
}
