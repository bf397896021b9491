//! The engine's users: Godwit as the internal user, clients as the hidden client user or as whom
//! their token names. The `default` user is off: keys and tokens are checked before an engine is
//! reached.

use std::{collections::BTreeSet, fmt::Write as _};

use model::{EngineKind, EngineVersion, Secret};
use sha2::{Digest as _, Sha256};

use super::{CLIENT_USER, Credentials};

/// Commands that the managed service keeps from its clients (`arm.md` 6.5), and those that would
/// let a client do the same by another name. `CLUSTER` goes by its subcommands.
const DENIED: [&str; 15] = [
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
fn hash(secret: &Secret) -> String {
    let digest = Sha256::digest(secret.reveal().as_bytes());
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

/// What `default` is told: nobody comes in as this user, not even without a password.
pub(crate) const DEFAULT_RULES: [&str; 6] = [
    "off",
    "resetpass",
    "resetkeys",
    "resetchannels",
    "-@all",
    "clearselectors",
];

/// What the hidden client user is told: everything less what clients are kept from.
pub(crate) fn client_rules(version: EngineVersion, password: &Secret) -> Vec<String> {
    let mut rules = words("reset on ~* &* +@all");
    rules.insert(2, format!("#{}", hash(password)));
    rules.extend(denied());
    rules.push("-cluster".to_owned());
    let reads = CLUSTER_READS
        .into_iter()
        .chain(newer_cluster_reads(version));
    rules.extend(reads.map(|subcommand| format!("+cluster|{subcommand}")));
    rules
}

/// What a token's user is told, given the subcommands of `CLUSTER` that the engine has.
///
/// Channels are open unless the permissions speak of them, as in the managed service's engines.
pub(crate) fn token_rules(
    version: EngineVersion,
    password: &Secret,
    permissions: &str,
    cluster: &BTreeSet<String>,
) -> Result<Vec<String>, String> {
    let permissions = words(permissions);
    if let Some(word) = permissions.iter().find(|word| !is_permission(word)) {
        return Err(format!(
            "`{}` is no permission; use rules of commands (+ and -), keys (~, %, allkeys) and channels (&, allchannels)",
            word.chars().take(80).collect::<String>().escape_debug()
        ));
    }
    let mut rules = words("reset on");
    rules.push(format!("#{}", hash(password)));
    let speaks =
        |word: &String| word.starts_with('&') || word.to_ascii_lowercase().ends_with("channels");
    if !permissions.iter().any(speaks) {
        rules.push("allchannels".to_owned());
    }
    rules.extend(permissions);
    rules.extend(denied());
    // By name, so that a user without `CLUSTER` does not get some of it back.
    let reads: BTreeSet<&str> = CLUSTER_READS
        .into_iter()
        .chain(newer_cluster_reads(version))
        .collect();
    let writes = cluster.iter().filter(|name| !reads.contains(name.as_str()));
    rules.extend(writes.map(|name| format!("-cluster|{name}")));
    Ok(rules)
}

/// Tells whether a word gives or takes a right, and nothing else: no password, no state, no
/// selector, whose rights the rules after it would not take back.
fn is_permission(word: &str) -> bool {
    let spelt = [
        "allcommands",
        "nocommands",
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
    ];
    let begins = ['+', '-', '~', '&', '%'];
    word.starts_with(begins) || spelt.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn denied() -> impl Iterator<Item = String> {
    DENIED.into_iter().map(|command| format!("-{command}"))
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// The `user` lines of the configuration file.
pub(super) fn user_lines(
    version: EngineVersion,
    clients: &Secret,
    internal: &Credentials,
) -> [String; 3] {
    let default = format!("user default {}", DEFAULT_RULES.join(" "));
    let rules = client_rules(version, clients).join(" ");
    let clients = format!("user {CLIENT_USER} {rules}");
    let hash = hash(&internal.password);
    // A replica whose `PSYNC` is answered `-MASTERDOWN` tries `SYNC` next. When its upstream is in step
    // by then it gets a data set without an offset, and nobody can tell where it stands.
    let internal = format!(
        "user {} on resetpass #{hash} ~* &* +@all -sync",
        internal.user
    );
    [default, clients, internal]
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

    fn rules(permissions: &str) -> Result<Vec<String>, String> {
        let version = EngineVersion {
            kind: EngineKind::Valkey,
            major: 8,
            minor: 0,
            patch: 1,
        };
        let cluster = ["info", "meet", "slots"].map(str::to_owned).into();
        token_rules(version, &Secret::new("p"), permissions, &cluster)
    }

    #[test]
    fn what_is_kept_from_clients_comes_after_what_a_policy_gives() {
        let rules = rules("+@all allkeys").unwrap();
        let at = |word: &str| rules.iter().position(|rule| rule == word);
        assert!(at("+@all") < at("-config") && at("+@all") < at("-cluster|meet"));
        assert_eq!((at("-cluster|info"), at("-cluster|slots")), (None, None));
        assert!(at("allchannels").is_some());
    }

    #[test]
    fn channels_are_a_policys_own_when_it_speaks_of_them() {
        for permissions in ["+@all &news:*", "+@all resetchannels ~a"] {
            let rules = rules(permissions).unwrap();
            assert!(!rules.contains(&"allchannels".to_owned()), "{rules:?}");
        }
    }

    #[test]
    fn a_policy_gives_rights_and_nothing_else() {
        for more in [
            ">secret",
            "nopass",
            "on",
            "off",
            "reset",
            "(+@all",
            "#aa",
            "<x",
            "!aa",
            "clearselectors",
            "sanitize-payload",
        ] {
            let refused = rules(&format!("+@read {more} ~*")).unwrap_err();
            assert!(refused.contains(more), "{refused}");
        }
    }
}
