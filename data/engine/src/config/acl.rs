//! The engine's users: clients as `default`, Godwit as the internal user.

use std::fmt::Write as _;

use model::{AccessKeys, EngineKind, EngineVersion, Secret};
use sha2::{Digest as _, Sha256};

use super::Credentials;

/// Commands that the managed service keeps from its clients (`arm.md` 6.5), and those that would
/// let a client do the same by another name.
const DENIED: [&str; 16] = [
    "acl",
    "bgrewriteaof",
    "bgsave",
    "config",
    "debug",
    "failover",
    "migrate",
    "module",
    "psync",
    "replconf",
    "replicaof",
    "save",
    "shutdown",
    "slaveof",
    "sync",
    "cluster",
];

/// Subcommands of `CLUSTER` that only read. A list of what is allowed stays right when an engine
/// learns to write something new.
const CLUSTER_READS: [&str; 13] = [
    "count-failure-reports",
    "countkeysinslot",
    "getkeysinslot",
    "help",
    "info",
    "keyslot",
    "links",
    "myid",
    "nodes",
    "replicas",
    "shards",
    "slaves",
    "slots",
];

/// SHA-256 in the spelling of `ACL SETUSER … #<hash>`.
pub(super) fn hash(secret: &Secret) -> String {
    let digest = Sha256::digest(secret.reveal().as_bytes());
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

/// The hashes of both keys, in the spelling of `ACL SETUSER`.
pub(crate) fn key_hashes(keys: &AccessKeys) -> [String; 2] {
    [hash(&keys.primary), hash(&keys.secondary)]
}

/// The `user` lines of the configuration file.
pub(super) fn user_lines(
    version: EngineVersion,
    keys: &AccessKeys,
    internal: &Credentials,
) -> [String; 2] {
    let [first, second] = key_hashes(keys);
    let mut clients = format!("user default on resetpass #{first} #{second} ~* &* +@all");
    for command in DENIED {
        clients.push_str(" -");
        clients.push_str(command);
    }
    for subcommand in CLUSTER_READS
        .into_iter()
        .chain(newer_cluster_reads(version))
    {
        clients.push_str(" +cluster|");
        clients.push_str(subcommand);
    }
    let hash = hash(&internal.password);
    // A replica whose `PSYNC` is answered `-MASTERDOWN` tries `SYNC` next. When its upstream is in step
    // by then it gets a data set without an offset, and nobody can tell where it stands.
    let internal = format!(
        "user {} on resetpass #{hash} ~* &* +@all -sync",
        internal.user
    );
    [clients, internal]
}

/// An engine that does not know a subcommand refuses the whole file, so they go by version.
fn newer_cluster_reads(version: EngineVersion) -> impl Iterator<Item = &'static str> {
    let at = (version.major, version.minor);
    let (shard_id, slot_stats) = match version.kind {
        EngineKind::Valkey => (true, at >= (8, 0)),
        EngineKind::Redis => (at >= (7, 2), false),
    };
    let mine = shard_id.then_some("myshardid");
    mine.into_iter().chain(slot_stats.then_some("slot-stats"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hashed_as_the_engine_does() {
        // printf hunter2 | sha256sum
        assert_eq!(
            hash(&Secret::new("hunter2")),
            "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7"
        );
    }
}
