//! A node's figures for metrics: those of `INFO` with the statistics of its commands.

use super::{Fields, InfoError, NodeInfo};

/// Commands that get a value, as the managed service counts them.
const GETS: [&str; 7] = [
    "get", "getbit", "getrange", "hget", "hgetall", "hmget", "mget",
];
/// Commands that set one.
const SETS: [&str; 11] = [
    "hmset", "hset", "hsetnx", "lset", "mset", "msetnx", "set", "setbit", "setex", "setnx",
    "setrange",
];

/// A node's figures at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is told of it anyway.
    pub info: NodeInfo,
    /// Bytes that its data may take; 0: as many as there are.
    pub max_memory: u64,
    /// Processor time that it had.
    pub processor: Processor,
    /// Commands that were executed since it started, those of its upstream included.
    pub calls: CommandCalls,
    /// Bytes of the fullest output buffer of a connection lately, replicas' included.
    pub fullest_output: u64,
    /// How writing its files went last.
    pub writing: Writing,
}

/// Processor time of a process since it started, in seconds. Time of child processes, which write
/// snapshots, is in neither.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Processor {
    /// Of all threads.
    pub process: f64,
    /// Of the one that executes commands.
    pub main_thread: f64,
}

/// How often commands were executed; those that were refused (`READONLY`, `OOM`) are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandCalls {
    /// `GET`, `MGET`, `GETBIT`, `GETRANGE`, `HGET`, `HGETALL` and `HMGET`.
    pub gets: u64,
    /// `SET`, `SETBIT`, `SETEX`, `SETNX`, `SETRANGE`, `MSET`, `MSETNX`, `HSET`, `HSETNX`, `HMSET`
    /// and `LSET`.
    pub sets: u64,
}

/// Whether the last attempt to write a file failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Writing {
    /// That of a snapshot.
    pub snapshot_failed: bool,
    /// That of the append-only file.
    pub log_failed: bool,
}

impl Reading {
    /// Reads the answer to `INFO default commandstats`.
    pub(crate) fn parse(text: &str) -> Result<Self, InfoError> {
        let fields = Fields::new(text);
        let sum = |one, other| Ok(fields.seconds(one)? + fields.seconds(other)?);
        let failed = |name| fields.maybe::<String>(name).is_some_and(|how| how != "ok");
        let logs = fields.maybe("aof_enabled") == Some(1_u64);
        Ok(Self {
            info: NodeInfo::parse(text)?,
            max_memory: fields.number("maxmemory")?,
            processor: Processor {
                process: sum("used_cpu_sys", "used_cpu_user")?,
                main_thread: sum("used_cpu_sys_main_thread", "used_cpu_user_main_thread")?,
            },
            calls: CommandCalls {
                gets: fields.calls(|command| GETS.contains(&command)),
                sets: fields.calls(|command| SETS.contains(&command)),
            },
            fullest_output: fields.number("client_recent_max_output_buffer")?,
            writing: Writing {
                snapshot_failed: failed("rdb_last_bgsave_status"),
                log_failed: logs
                    && (failed("aof_last_write_status") || failed("aof_last_bgrewrite_status")),
            },
        })
    }
}

/// Counts the connections in the answer to `CLIENT LIST` that leave more than `bytes` of answers
/// unread: those of clients, and neither Godwit's own nor replicas.
pub(crate) fn unread(list: &str, own: &str, bytes: u64) -> u64 {
    let field = |line: &str, name: &str| {
        let mut words = line.split(' ').filter_map(|word| word.split_once('='));
        let found = words.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    };
    let clients = list.lines().filter(|line| {
        let flags = field(line, "flags").unwrap_or_default();
        let is_replica = flags.contains(['S', 'M']);
        let waits = field(line, "omem").and_then(|omem| omem.parse().ok());
        !is_replica
            && field(line, "user").is_some_and(|user| user != own)
            && waits.is_some_and(|waits: u64| waits > bytes)
    });
    u64::try_from(clients.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_over_the_commands_of_a_kind() {
        let text = "cmdstat_get:calls=3,usec=5,usec_per_call=1.67,rejected_calls=9,failed_calls=0\r\n\
            cmdstat_getex:calls=50,usec=1\r\n\
            cmdstat_hgetall:calls=4,usec=5\r\n\
            cmdstat_config|get:calls=7,usec=5\r\n\
            cmdstat_set:calls=2,usec=5\r\n";
        let fields = Fields::new(text);
        assert_eq!(fields.calls(|command| GETS.contains(&command)), 7);
        assert_eq!(fields.calls(|command| SETS.contains(&command)), 2);
    }

    #[test]
    fn clients_that_do_not_read_are_told_from_replicas_and_from_godwit() {
        let line = |flags: &str, omem: u64, user: &str| {
            format!(
                "id=3 addr=127.0.0.1:5 name= flags={flags} omem={omem} tot-mem=1 user={user} lib-name=\n"
            )
        };
        let list = [
            line("N", 1_000_001, "clients"),
            line("P", 2_000_000, "6f1c4f30"),
            line("N", 1_000_000, "clients"),
            line("S", 9_000_000, "clients"),
            line("N", 9_000_000, "godwit"),
        ];
        assert_eq!(unread(&list.concat(), "godwit", 1_000_000), 2);
    }
}
