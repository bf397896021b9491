//! What an engine says of itself: the answer to `INFO`, read.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use model::{EngineKind, EngineVersion};
use psync::{Offset, ReplicationId};

/// `INFO` lacks a field, or the field holds something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The field is not there.
    #[error("INFO has no `{0}`")]
    Missing(&'static str),
    /// The field is there.
    #[error("INFO says `{value}` as `{field}`")]
    Malformed {
        /// Its name.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// The answer is not text at all.
    #[error("the answer is not text")]
    NotText,
}

/// Where a node stands in replication (`INFO replication`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// Primary, or replica of whom.
    pub role: EngineRole,
    /// The history that it writes or follows.
    pub replid: ReplicationId,
    /// The history before the last promotion, when there was one.
    pub replid2: Option<ReplicationId>,
    /// The first offset that is not in `replid2`'s history.
    pub second_offset: Option<Offset>,
    /// Written by a primary, applied by a replica.
    pub offset: Offset,
    /// The last byte before those that its backlog still has; `None` without a backlog.
    pub backlog_from: Option<Offset>,
    /// Who follows this node.
    pub replicas: Vec<ReplicaInfo>,
}

/// A node's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineRole {
    /// Takes writes.
    Primary,
    /// Follows another node.
    Replica {
        /// The address it was told to follow.
        upstream: SocketAddr,
        /// Whether it follows at this moment.
        link_up: bool,
        /// Whether it receives or loads a full sync.
        sync_in_progress: bool,
        /// Bytes of the snapshot that are yet to come, when the upstream told its length.
        sync_left_bytes: Option<u64>,
        /// Seconds since the upstream was last heard.
        last_heard_seconds: Option<u64>,
    },
}

/// A replica, as its upstream sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Where it says it listens.
    pub address: SocketAddr,
    /// `online`, or a stage of a full sync (`wait_bgsave`, `send_bulk`).
    pub state: String,
    /// What it last acknowledged.
    pub offset: Offset,
    /// Seconds since it did; `None` when it never has.
    pub lag_seconds: Option<u64>,
}

/// A node's figures (`INFO`).
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInfo {
    /// Where it stands.
    pub replication: Replication,
    /// Whether it is loading a data set and refuses most commands.
    pub loading: bool,
    /// Keys in every database, those included that have expired and were not removed yet.
    pub keys: u64,
    /// The database that holds them, when it is one alone.
    pub only_database: Option<u32>,
    /// The databases that hold any, each with its keys.
    pub databases: Vec<(u32, u64)>,
    /// While it loads: bytes that are loaded, and all of them.
    pub loaded: Option<(u64, u64)>,
    /// Bytes, as the engine counts them.
    pub used_memory: u64,
    /// Bytes of the process that are in memory.
    pub resident_memory: u64,
    /// Client connections, Godwit's own included, replicas not.
    pub connected_clients: u64,
    /// Clients that wait in a blocking command, or for a pause to end.
    pub blocked_clients: u64,
    /// Commands a second, over the last second and a half.
    pub ops_per_second: u64,
    /// Commands since it started.
    pub total_commands: u64,
    /// Keys that were removed because their time was over, since it started.
    pub expired_keys: u64,
    /// Keys that were removed because memory was full, since it started.
    pub evicted_keys: u64,
    /// Reads that found their key, since it started.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// Full syncs that it gave, since it started.
    pub full_syncs: u64,
    /// Partial resyncs that it gave.
    pub partial_syncs: u64,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// This run of the process: changes with every start.
    pub run_id: String,
    /// What it is.
    pub version: EngineVersion,
}

impl Replication {
    /// Reads the answer to `INFO replication`.
    pub(crate) fn parse(text: &str) -> Result<Self, InfoError> {
        Self::from_fields(&Fields::new(text))
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, InfoError> {
        let written: u64 = fields.number("master_repl_offset")?;
        let (role, offset) = match fields.text("role")? {
            "master" => (EngineRole::Primary, written),
            "slave" => {
                let role = fields.replica_role()?;
                // A replica that was never in step says 1 here; what it holds is its own history.
                let applied = fields.number("slave_repl_offset")?;
                (role, if applied > 1 { applied } else { written })
            }
            other => return Err(malformed("role", other)),
        };
        let replid2: ReplicationId = fields.parsed("master_replid2")?;
        // -1 when there is none.
        let second_offset = fields.maybe::<u64>("second_repl_offset").map(Offset);
        let replicas = (0_u32..).map_while(|at| fields.0.get(format!("slave{at}").as_str()));
        Ok(Self {
            role,
            replid: fields.parsed("master_replid")?,
            replid2: (!replid2.is_unset()).then_some(replid2),
            second_offset,
            offset: Offset(offset),
            backlog_from: fields.backlog_from(),
            replicas: replicas.filter_map(|line| replica(line)).collect(),
        })
    }
}

impl NodeInfo {
    /// Reads the answer to `INFO`.
    pub(crate) fn parse(text: &str) -> Result<Self, InfoError> {
        let fields = Fields::new(text);
        Ok(Self {
            replication: Replication::from_fields(&fields)?,
            loading: is_loading(text)?,
            keys: fields.keys(),
            only_database: fields.only_database(),
            databases: fields.databases().collect(),
            loaded: fields
                .maybe("loading_loaded_bytes")
                .zip(fields.maybe("loading_total_bytes")),
            used_memory: fields.number("used_memory")?,
            resident_memory: fields.number("used_memory_rss")?,
            connected_clients: fields.number("connected_clients")?,
            blocked_clients: fields.number("blocked_clients")?,
            ops_per_second: fields.number("instantaneous_ops_per_sec")?,
            total_commands: fields.number("total_commands_processed")?,
            expired_keys: fields.number("expired_keys")?,
            evicted_keys: fields.number("evicted_keys")?,
            keyspace_hits: fields.number("keyspace_hits")?,
            keyspace_misses: fields.number("keyspace_misses")?,
            full_syncs: fields.number("sync_full")?,
            partial_syncs: fields.number("sync_partial_ok")?,
            uptime_seconds: fields.number("uptime_in_seconds")?,
            run_id: fields.text("run_id")?.to_owned(),
            version: fields.version()?,
        })
    }
}

/// Reads `loading` in the answer to `INFO persistence`.
pub(crate) fn is_loading(text: &str) -> Result<bool, InfoError> {
    let fields = Fields::new(text);
    Ok(fields.number("loading")? != 0 || fields.maybe("async_loading") == Some(1_u64))
}

/// Every `name:value` line.
struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn new(text: &'a str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .filter_map(|line| line.trim_end().split_once(':'))
                .collect(),
        )
    }

    fn text(&self, name: &'static str) -> Result<&'a str, InfoError> {
        self.0.get(name).copied().ok_or(InfoError::Missing(name))
    }

    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, InfoError> {
        let text = self.text(name)?;
        text.parse().map_err(|_unreadable| malformed(name, text))
    }

    fn number(&self, name: &'static str) -> Result<u64, InfoError> {
        self.parsed(name)
    }

    /// A field that may be absent, or negative for "none".
    fn maybe<T: FromStr>(&self, name: &'static str) -> Option<T> {
        self.0.get(name)?.parse().ok()
    }

    fn backlog_from(&self) -> Option<Offset> {
        self.maybe::<u64>("repl_backlog_active")
            .filter(|on| *on == 1)?;
        Offset::before_wanted(self.maybe("repl_backlog_first_byte_offset")?)
    }

    fn replica_role(&self) -> Result<EngineRole, InfoError> {
        let ip: IpAddr = self.parsed("master_host")?;
        let port: u16 = self.parsed("master_port")?;
        Ok(EngineRole::Replica {
            upstream: SocketAddr::new(ip, port),
            link_up: self.text("master_link_status")? == "up",
            sync_in_progress: self.number("master_sync_in_progress")? != 0,
            sync_left_bytes: self.maybe("master_sync_left_bytes"),
            last_heard_seconds: self.maybe("master_last_io_seconds_ago"),
        })
    }

    /// The sum of `keys` over the lines `db0:keys=1,expires=0,avg_ttl=0`.
    fn keys(&self) -> u64 {
        self.databases().map(|(_, keys)| keys).sum()
    }

    fn only_database(&self) -> Option<u32> {
        let mut filled = self.databases().filter(|(_, keys)| *keys > 0);
        let (only, _) = filled.next()?;
        filled.next().is_none().then_some(only)
    }

    fn databases(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().filter_map(|(name, line)| {
            let number = name.strip_prefix("db")?;
            let digits = number.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| number.parse().ok())??;
            Some((number, part::<u64>(line, "keys")?))
        })
    }

    /// Valkey says its own version beside the Redis version that it is compatible with.
    fn version(&self) -> Result<EngineVersion, InfoError> {
        let (kind, field) = match self.0.get("valkey_version") {
            Some(_) => (EngineKind::Valkey, "valkey_version"),
            None => (EngineKind::Redis, "redis_version"),
        };
        let text = self.text(field)?;
        let mut numbers = text.split(['.', '-']).map(str::parse::<u16>);
        let mut next = || {
            numbers
                .next()
                .and_then(Result::ok)
                .ok_or_else(|| malformed(field, text))
        };
        Ok(EngineVersion {
            kind,
            major: next()?,
            minor: next()?,
            patch: next()?,
        })
    }
}

fn malformed(field: &'static str, value: &str) -> InfoError {
    let value = value
        .chars()
        .take(80)
        .collect::<String>()
        .escape_debug()
        .to_string();
    InfoError::Malformed { field, value }
}

/// Reads `ip=127.0.0.1,port=7002,state=online,offset=14,lag=1`; a replica that has not said yet
/// where it listens is left out.
fn replica(line: &str) -> Option<ReplicaInfo> {
    Some(ReplicaInfo {
        address: SocketAddr::new(part(line, "ip")?, part(line, "port")?),
        state: part(line, "state")?,
        offset: Offset(part(line, "offset")?),
        lag_seconds: part(line, "lag"),
    })
}

fn part<T: FromStr>(line: &str, name: &str) -> Option<T> {
    let mut parts = line.split(',').filter_map(|part| part.split_once('='));
    parts.find(|(key, _)| *key == name)?.1.parse().ok()
}

#[cfg(test)]
mod tests;
