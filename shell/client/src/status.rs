//! What the control plane sees of caches and links right now: Godwit's own `runtimeStatus`, which
//! the managed service does not have. Everything is optional: a cache that no agent has reported
//! has a status too.

use serde::Deserialize;

use crate::{maintenance::MaintenanceStatus, replication::LinkSettings, resources::or_default};

/// `runtimeStatus` of a cache.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheStatus {
    /// Its role: `Alone`, `Primary`, `Secondary`, ….
    pub role: Option<String>,
    /// The epoch of the role.
    pub epoch: Option<u64>,
    /// Where clients reach it.
    pub endpoint: Option<Endpoint>,
    /// All of its endpoints.
    pub endpoints: Option<Endpoints>,
    /// The engine that its nodes run, such as `valkey 8.0.1`.
    pub engine: Option<String>,
    /// Whether a newer one waits, and what is under way.
    #[serde(deserialize_with = "or_default")]
    pub maintenance: MaintenanceStatus,
    /// By shard index.
    #[serde(deserialize_with = "or_default")]
    pub shards: Vec<ShardStatus>,
    /// What keeps it from its desired state.
    pub problem: Option<String>,
    /// Milliseconds since its agent reported.
    pub ms_since_report: Option<u64>,
    /// Everything that was asked for is in place.
    pub settled: Option<bool>,
    /// What keeps its data over the end of all its engines, when something does.
    pub persistence: Option<PersistenceStatus>,
}

/// What keeps a cache's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistenceStatus {
    /// `RDB`, `AOF`, or `None` while it ends.
    #[serde(deserialize_with = "or_default")]
    pub kind: String,
    /// Minutes between two snapshots.
    pub every_minutes: Option<u32>,
    /// Snapshots that are kept.
    pub max_snapshots: Option<u32>,
    /// It protects the data by now.
    pub in_force: bool,
    /// Where the data are.
    #[serde(deserialize_with = "or_default")]
    pub storage: String,
    /// Settings with connection strings of storage accounts to which nothing is written.
    #[serde(deserialize_with = "or_default")]
    pub unused_storage_accounts: Vec<String>,
    /// By shard index.
    #[serde(deserialize_with = "or_default")]
    pub shards: Vec<KeptStatus>,
}

/// What is on disk of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeptStatus {
    /// Milliseconds since the data of the newest snapshot were taken.
    pub snapshot_age_ms: Option<u64>,
    /// How many there are.
    pub snapshots: u32,
    /// Bytes of all of them, or of the append-only file.
    pub bytes: u64,
    /// Something is being written anew.
    pub writing: bool,
    /// What failed since the agent started.
    pub failures: u64,
    /// What is wrong now.
    pub problem: Option<String>,
}

/// Where clients reach a cache.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    /// An address.
    pub host: String,
    /// A port.
    pub port: u16,
}

/// A cache's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// This cache, whatever its role.
    pub direct: NamedEndpoint,
    /// Whichever cache of the pair is geo-primary.
    pub geo: NamedEndpoint,
}

/// An endpoint with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamedEndpoint {
    /// A name in the deployment's zone.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Its address; `None` while nobody listens there.
    pub address: Option<String>,
    /// The port of TLS.
    pub tls_port: Option<u16>,
    /// The port without TLS, when there is one.
    pub plain_port: Option<u16>,
}

/// One shard of a cache.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShardStatus {
    /// What it can do: `Writable`, `Following`, `Syncing`, ….
    #[serde(deserialize_with = "or_default")]
    pub standing: String,
    /// Keys in all databases.
    pub keys: u64,
    /// Bytes of memory used.
    pub used_memory: u64,
    /// Commands in a second.
    pub ops_per_second: u64,
    /// Client connections.
    pub clients: u64,
}

/// `runtimeStatus` of a link.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkStatus {
    /// What is under way: `Linked`, `Syncing`, `HandingOff`, ….
    pub phase: Option<String>,
    /// Counts role changes.
    pub epoch: Option<u64>,
    /// The state as the API names it.
    pub provisioning_state: Option<String>,
    /// The name of the geo-primary.
    pub primary: Option<String>,
    /// The name of the geo-secondary.
    pub secondary: Option<String>,
    /// Its health in a word: the phase, or `Healthy`, `Unhealthy`, `SourceLost` when linked.
    pub state: Option<String>,
    /// Nothing is wrong with it.
    pub healthy: Option<bool>,
    /// What is wrong and what to do, a sentence each.
    #[serde(deserialize_with = "or_default")]
    pub reasons: Vec<String>,
    /// What is not wrong yet and would be after a failover, a sentence each.
    #[serde(deserialize_with = "or_default")]
    pub warnings: Vec<String>,
    /// How it moves its bytes.
    pub replication_settings: Option<LinkSettings>,
    /// What keeps a geo-primary that nobody can reach from taking writes.
    pub fencing: Option<String>,
    /// The geo-primary's lease.
    pub lease: Option<LeaseStatus>,
    /// What there is to say of failovers that happen by themselves.
    pub auto_failover: Option<AutoStatus>,
    /// The former geo-primary of a forced failover on its way back.
    pub rejoin: Option<Rejoin>,
    /// The receipts of lost writes that wait for somebody.
    #[serde(deserialize_with = "or_default")]
    pub lost_writes: Vec<String>,
    /// By shard index.
    #[serde(deserialize_with = "or_default")]
    pub shards: Vec<LinkShard>,
}

/// A geo-primary's lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseStatus {
    /// For how long it still counts, in milliseconds; `None`: it has none.
    pub held_ms: Option<u64>,
}

/// Failovers that happen by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoStatus {
    /// Why none happens although the geo-primary is away.
    pub waits: Option<String>,
    /// When one happened last, if nobody has acknowledged it.
    pub last_at: Option<String>,
}

/// A former geo-primary on its way back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rejoin {
    /// What it does.
    pub doing: Option<String>,
    /// Why it waits for somebody.
    pub why: Option<String>,
}

/// One shard of a link.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkShard {
    /// The geo-primary's side.
    pub primary: Option<LinkHalf>,
    /// The geo-secondary's side.
    pub secondary: Option<LinkHalf>,
    /// Stream bytes that the geo-secondary has not applied.
    pub bytes_behind: Option<u64>,
    /// Age of the oldest byte that is not applied, in milliseconds.
    pub lag_ms: Option<f64>,
    /// How far the stream has come at each station.
    #[serde(deserialize_with = "or_default")]
    pub offsets: Offsets,
    /// How old writes were when they were applied, over the last minute.
    pub last_minute: Option<Lags>,
    /// The same, over the last hour.
    pub last_hour: Option<Lags>,
    /// Why bytes wait and none is applied.
    pub stalled: Option<String>,
    /// What the connection between the regions carried.
    pub wire: Option<Wire>,
    /// What the geo-primary's side keeps on disk.
    pub journal: Option<Journal>,
}

/// Stream offsets, from the geo-primary's engine to the geo-secondary's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Offsets {
    /// Read from the geo-primary's engine.
    pub received: Option<u64>,
    /// Written to the journal.
    pub journaled: Option<u64>,
    /// Handed to the network.
    pub shipped: Option<u64>,
    /// Applied by the geo-secondary's engine.
    pub applied: Option<u64>,
}

/// How old writes were when they were applied, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lags {
    /// Half of them were younger.
    pub p50_ms: f64,
    /// 99 of 100 were younger.
    pub p99_ms: f64,
    /// The oldest.
    pub max_ms: f64,
}

/// What the connection between the regions carried since the agent started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wire {
    /// Before compression.
    pub raw_bytes: u64,
    /// What was sent.
    pub sent_bytes: u64,
    /// Raw bytes for each byte sent.
    pub ratio: Option<f64>,
    /// Of the raw bytes, what went uncompressed because compression saved too little.
    pub bypassed_bytes: u64,
    /// That is so now.
    pub bypassing: bool,
    /// Connections that ended and were made again.
    pub reconnects: u64,
    /// Stalls that began.
    pub stalls: u64,
}

/// A shard's journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Journal {
    /// Stream bytes kept.
    pub bytes: u64,
    /// Age of the oldest of them, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// Bytes of the snapshot kept.
    pub snapshot_bytes: u64,
    /// Stream bytes read and not yet written.
    pub queued_bytes: u64,
}

/// One side of a shard's link.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkHalf {
    /// What the shard can do.
    pub standing: Option<String>,
    /// Where it stands.
    pub position: Option<PositionStatus>,
    /// Keys in all databases.
    pub keys: Option<u64>,
}

/// A point in a history.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PositionStatus {
    /// The history.
    pub replid: String,
    /// Stream bytes of it.
    pub offset: u64,
}

impl CacheStatus {
    /// The direct endpoint's listeners. A control plane that names none names one port without TLS,
    /// and no more.
    #[must_use]
    pub fn direct(&self) -> Option<NamedEndpoint> {
        let direct = self.endpoints.as_ref().map(|all| all.direct.clone());
        let listens = direct.filter(|direct| direct.address.is_some());
        listens.or_else(|| {
            let endpoint = self.endpoint.as_ref()?;
            Some(NamedEndpoint {
                address: Some(endpoint.host.clone()),
                plain_port: Some(endpoint.port),
                ..NamedEndpoint::default()
            })
        })
    }

    /// The geo endpoint's listeners.
    #[must_use]
    pub fn geo(&self) -> Option<NamedEndpoint> {
        let geo = self.endpoints.as_ref().map(|all| all.geo.clone());
        geo.filter(|geo| geo.address.is_some())
    }
}

impl NamedEndpoint {
    /// The port of TLS; 0 is none.
    #[must_use]
    pub fn tls(&self) -> Option<u16> {
        self.tls_port.filter(|port| *port > 0)
    }

    /// The port without TLS; 0 is none.
    #[must_use]
    pub fn plain(&self) -> Option<u16> {
        self.plain_port.filter(|port| *port > 0)
    }
}

impl LinkStatus {
    /// The sum over the shards; `None` while any is unknown.
    #[must_use]
    pub fn bytes_behind(&self) -> Option<u64> {
        let all: Option<Vec<u64>> = self.shards.iter().map(|shard| shard.bytes_behind).collect();
        let all = all.filter(|all| !all.is_empty())?;
        Some(all.into_iter().fold(0, u64::saturating_add))
    }

    /// The lag of the shard that lags most, in milliseconds; `None` while any is unknown.
    #[must_use]
    pub fn lag_ms(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.shards.iter().map(|shard| shard.lag_ms).collect();
        all?.into_iter().reduce(f64::max)
    }

    /// The offsets that the geo-secondary has applied, summed over the shards.
    #[must_use]
    pub fn applied(&self) -> Option<u64> {
        let offsets: Option<Vec<u64>> = self
            .shards
            .iter()
            .map(|shard| Some(shard.secondary.as_ref()?.position.as_ref()?.offset))
            .collect();
        let offsets = offsets.filter(|all| !all.is_empty())?;
        Some(offsets.into_iter().fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_required() {
        let status: LinkStatus = serde_json::from_value(json!({})).unwrap();
        assert_eq!(
            (status.bytes_behind(), status.lag_ms(), status.applied()),
            (None, None, None)
        );
        let status: CacheStatus = serde_json::from_value(json!({"shards": null})).unwrap();
        assert_eq!(status, CacheStatus::default());
    }

    #[test]
    fn the_direct_endpoint_is_the_named_one_or_else_the_one_port() {
        let named: CacheStatus = serde_json::from_value(json!({
            "endpoint": {"host": "127.0.0.1", "port": 1},
            "endpoints": {
                "direct": {"name": "east.zone.test", "address": "127.77.0.1", "tlsPort": 6380, "plainPort": null},
                "geo": {"name": "east.geo.zone.test", "address": "127.77.0.2", "tlsPort": 6380},
            },
        }))
        .unwrap();
        let direct = named.direct().unwrap();
        assert_eq!(direct.address.as_deref(), Some("127.77.0.1"));
        assert_eq!((direct.tls(), direct.plain()), (Some(6380), None));
        let one: CacheStatus =
            serde_json::from_value(json!({"endpoint": {"host": "127.0.0.1", "port": 6401}}))
                .unwrap();
        let direct = one.direct().unwrap();
        assert_eq!((direct.tls(), direct.plain()), (None, Some(6401)));
        assert_eq!(CacheStatus::default().direct(), None);
    }

    #[test]
    fn a_link_is_as_far_behind_as_its_shards_together_and_lags_as_its_worst() {
        let position = |offset: u64| json!({"position": {"replid": "a", "offset": offset}});
        let status: LinkStatus = serde_json::from_value(json!({"shards": [
            {"bytesBehind": 10, "lagMs": 1.5, "secondary": position(100)},
            {"bytesBehind": 4, "lagMs": 9.0, "secondary": position(50)},
        ]}))
        .unwrap();
        assert_eq!(status.bytes_behind(), Some(14));
        assert_eq!(status.lag_ms(), Some(9.0));
        assert_eq!(status.applied(), Some(150));
    }
}
