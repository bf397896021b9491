//! The text of the engine's configuration file.

use std::fmt::Write as _;

use model::{EngineSettings, EngineVersion};

use super::{CLIENT_USER, ConfigError, NodeConfig, acl::user_lines};

/// Connections that Godwit needs beside its clients': its own, the relay's, the replicas'.
const OWN_CLIENTS: u32 = 32;
/// `repl-ping-replica-period` while no handoff holds it.
pub(crate) const PING_PERIOD_SECONDS: u32 = 10;
/// More replicas than any node has.
const NOBODY_HAS: &str = "1000";
const MIB: u64 = 1 << 20;
/// What a replica may have outstanding at least, and at most when memory is not limited.
const REPLICA_BUFFER_FLOOR: u64 = 256 * MIB;
const REPLICA_BUFFER_UNLIMITED: u64 = 1024 * MIB;

/// Options that are the same for every node. Each that differs from the engines' own default, or
/// that something here depends on, says why.
const FIXED: &str = "\
# Written by Godwit at every start; changes made here are lost.
unixsocket engine.sock
unixsocketperm 700
dir .
daemonize no
pidfile \"\"
logfile engine.log
loglevel notice
always-show-logo no
# Every user has a password or is off, and the engine listens where it is told.
protected-mode no
tcp-keepalive 60
# All clients may come at once, after a restart of the gateway. What does not fit is tried again a second later.
tcp-backlog 4096
# A data set is written when Godwit asks for it, never otherwise; a full sync leaves no file.
save \"\"
dbfilename dump.rdb
rdb-del-sync-files yes
stop-writes-on-bgsave-error no
# What a second of writes may cost is what an append-only file promises, where there is one.
appenddirname appendonlydir
appendfilename appendonly.aof
appendfsync everysec
no-appendfsync-on-rewrite no
aof-use-rdb-preamble yes
aof-load-truncated yes
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
# SIGINT saves even while clients are paused; SIGTERM never does.
shutdown-on-sigint save
shutdown-on-sigterm nosave now
shutdown-timeout 5
# Until it is linked: a link compresses better than its snapshots would.
rdbcompression yes
# Minutes of writes, so that a cut of the WAN or a restart of the relay costs a partial resync.
# Kept without replicas too: a link may be down for a day.
repl-backlog-size 64mb
repl-backlog-ttl 0
# Snapshots go straight to the replica; an empty replica loads without a detour over its disk.
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-diskless-load on-empty-db
repl-timeout 60
repl-disable-tcp-nodelay no
replica-read-only yes
# A replica that evicts by itself is no copy.
replica-ignore-maxmemory yes
replica-lazy-flush yes
";

/// Writes the file for a node that listens at `config.address`.
pub(crate) fn render(version: EngineVersion, config: &NodeConfig) -> Result<String, ConfigError> {
    check(config)?;
    let mut text = FIXED.to_owned();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{name} {value}");
    };
    line("bind", &config.address.ip().to_string());
    line("port", &config.address.port().to_string());
    line("repl-ping-replica-period", &PING_PERIOD_SECONDS.to_string());
    line("databases", &config.settings.databases.max(1).to_string());
    for (name, value) in live_settings(&config.settings) {
        // The one option whose value is several words.
        if name == "client-output-buffer-limit" {
            line(name, &value)
        } else {
            line(name, &quoted(&value))
        }
    }
    line(
        "appendonly",
        if config.load_append_only { "yes" } else { "no" },
    );
    line(
        "replica-serve-stale-data",
        if config.serve_stale { "yes" } else { "no" },
    );
    if config.refuses_writes {
        line("min-replicas-to-write", NOBODY_HAS);
    }
    line("masteruser", &quoted(&config.internal.user));
    line("masterauth", &quoted(config.internal.password.reveal()));
    if let Some(upstream) = config.replica_of {
        line(
            "replicaof",
            &format!("{} {}", upstream.ip(), upstream.port()),
        );
    }
    for user in user_lines(version, &config.clients, &config.internal) {
        text.push_str(&user);
        text.push('\n');
    }
    Ok(text)
}

/// The options of `settings` that a running engine takes (all but `databases`).
pub(crate) fn live_settings(settings: &EngineSettings) -> [(&'static str, String); 5] {
    let limit = replica_buffer_limit(settings.maxmemory_bytes);
    [
        ("maxmemory", settings.maxmemory_bytes.to_string()),
        ("maxmemory-policy", settings.maxmemory_policy.clone()),
        (
            "maxclients",
            settings.maxclients.saturating_add(OWN_CLIENTS).to_string(),
        ),
        (
            "notify-keyspace-events",
            settings.notify_keyspace_events.clone(),
        ),
        ("client-output-buffer-limit", format!("replica {limit} 0 0")),
    ]
}

/// How far a replica, or the relay, may fall behind before the engine lets go of it.
///
/// During a full sync over a WAN everything that is written meanwhile waits here. A limit that is
/// reached then starts the sync again, for ever: so it grows with the data set (a quarter), has a
/// floor well above the backlog, and there is no limit in time (`repl-timeout` finds the dead).
/// It is a limit all the same: a link must not take the primary down.
fn replica_buffer_limit(maxmemory_bytes: u64) -> u64 {
    match maxmemory_bytes {
        0 => REPLICA_BUFFER_UNLIMITED,
        limited => (limited / 4).max(REPLICA_BUFFER_FLOOR),
    }
}

fn check(config: &NodeConfig) -> Result<(), ConfigError> {
    let refuse = |what, value: &str, rule| {
        let value = value
            .chars()
            .take(80)
            .collect::<String>()
            .escape_debug()
            .to_string();
        Err(ConfigError::BadValue { what, value, rule })
    };
    let user = config.internal.user.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let others = ["default", CLIENT_USER];
    if user.is_empty() || others.contains(&user) || !user.chars().all(plain) {
        return refuse(
            "the internal user",
            user,
            "use letters, digits, `-` and `_`, and no other user's name",
        );
    }
    let policy = config.settings.maxmemory_policy.as_str();
    if policy.is_empty() || !policy.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        return refuse(
            "maxmemory-policy",
            policy,
            "use one of the engine's policies",
        );
    }
    let events = config.settings.notify_keyspace_events.as_str();
    if !events.chars().all(|c| c.is_ascii_alphabetic() || c == '$') {
        return refuse(
            "notify-keyspace-events",
            events,
            "use the engine's letters, or nothing",
        );
    }
    let secrets = [
        ("the clients' password", &config.clients),
        ("the internal password", &config.internal.password),
    ];
    match secrets
        .iter()
        .find(|(_, secret)| secret.reveal().is_empty())
    {
        Some((what, _)) => Err(ConfigError::EmptySecret(what)),
        None => Ok(()),
    }
}

/// A value in double quotes; whatever is not plain is written as `\xHH`, so that a value can
/// never end its line (`sdssplitargs` in the engines' `sds.c`).
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;
    use crate::config::Credentials;

    #[test]
    fn a_password_with_every_odd_character_stays_on_its_line() {
        let nasty = "a b\"c\\d\ne\r\nuser evil on nopass +@all\0é";
        let plain = render(VERSION.parse().unwrap(), &config("x")).unwrap();
        let text = render(VERSION.parse().unwrap(), &config(nasty)).unwrap();
        assert_eq!(text.lines().count(), plain.lines().count());
        assert!(!text.contains("user evil"));
        assert!(
            text.contains(r#"masterauth "a\x20b\x22c\x5cd\x0ae\x0d\x0auser"#),
            "{text}"
        );
    }

    #[test]
    fn values_outside_their_alphabet_are_refused() {
        let breaks: [fn(&mut NodeConfig); 6] = [
            |c| c.settings.maxmemory_policy = "noeviction\nsave 1 1".to_owned(),
            |c| c.settings.maxmemory_policy = String::new(),
            |c| c.settings.notify_keyspace_events = "KEA\nmodule".to_owned(),
            |c| c.internal.user = "a b".to_owned(),
            |c| c.internal.user = "default".to_owned(),
            |c| c.clients = Secret::new(""),
        ];
        for spoil in breaks {
            let mut config = config("x");
            spoil(&mut config);
            let refused = render(VERSION.parse().unwrap(), &config).unwrap_err();
            assert!(!refused.to_string().contains('\n'), "{refused}");
        }
    }

    #[test]
    fn the_clients_password_is_in_the_file_as_a_hash_only() {
        let text = render(VERSION.parse().unwrap(), &config("internal-password")).unwrap();
        assert!(!text.contains("clients-password"));
        assert_eq!(
            text.matches("internal-password").count(),
            1,
            "masterauth needs it"
        );
    }

    #[test]
    fn the_replica_buffer_grows_with_the_data_set() {
        assert_eq!(replica_buffer_limit(100 * MIB), 256 * MIB);
        assert_eq!(replica_buffer_limit(8 * 1024 * MIB), 2 * 1024 * MIB);
        assert_eq!(replica_buffer_limit(0), 1024 * MIB);
    }

    const VERSION: &str = "Valkey server v=8.0.1";

    fn config(password: &str) -> NodeConfig {
        NodeConfig {
            directory: "/nowhere".into(),
            address: "127.0.0.1:7001".parse().unwrap(),
            settings: EngineSettings {
                maxmemory_bytes: 1 << 30,
                maxmemory_policy: "volatile-lru".to_owned(),
                maxclients: 1000,
                databases: 16,
                notify_keyspace_events: String::new(),
            },
            clients: Secret::new("clients-password"),
            internal: Credentials {
                user: "godwit".to_owned(),
                password: Secret::new(password),
            },
            replica_of: None,
            load_saved: false,
            load_append_only: false,
            serve_stale: true,
            refuses_writes: false,
        }
    }
}
