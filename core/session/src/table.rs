//! Which commands a session has to know, and why. Every other one is passed on unread.
//!
//! Names are compared with their length and without regard to the case of ASCII letters, as the
//! engines find them (server.c, `lookupCommand`).

/// What a command is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Nothing: it reads or writes data, and has one reply.
    Plain,
    /// Nothing, and it touches no data: the engines run it while they load.
    Free,
    /// It is refused, as if the engine did not know it.
    Refused,
    /// It may wait.
    Blocking,
    /// It may wait if it says `BLOCK`.
    BlockingRead,
    Auth,
    Hello,
    Reset,
    Quit,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Subscription(Verb),
    Monitor,
    Select,
    ReadOnly,
    ReadWrite,
    /// `CLIENT`, which changes the session by its subcommands.
    Client,
    /// `CLUSTER`, of which only questions are passed on.
    Cluster,
    /// `SCRIPT`, without its debugger.
    Script,
}

impl Command {
    /// Whether the engines run it while they have no data set (`CMD_LOADING`).
    pub(crate) const fn is_free(self) -> bool {
        match self {
            Self::Plain | Self::Blocking | Self::BlockingRead | Self::Script => false,
            Self::Free
            | Self::Refused
            | Self::Auth
            | Self::Hello
            | Self::Reset
            | Self::Quit
            | Self::Multi
            | Self::Exec
            | Self::Discard
            | Self::Watch
            | Self::Unwatch
            | Self::Subscription(_)
            | Self::Monitor
            | Self::Select
            | Self::ReadOnly
            | Self::ReadWrite
            | Self::Client
            | Self::Cluster => true,
        }
    }
}

/// What a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

/// A command that begins or ends subscriptions; its confirmations begin with the same word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verb {
    pub(crate) kind: Kind,
    pub(crate) begins: bool,
}

impl Verb {
    const fn new(kind: Kind, begins: bool) -> Self {
        Self { kind, begins }
    }

    /// Reads the first word of a confirmation.
    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"subscribe" => Self::new(Kind::Channel, true),
            b"unsubscribe" => Self::new(Kind::Channel, false),
            b"psubscribe" => Self::new(Kind::Pattern, true),
            b"punsubscribe" => Self::new(Kind::Pattern, false),
            b"ssubscribe" => Self::new(Kind::Shard, true),
            b"sunsubscribe" => Self::new(Kind::Shard, false),
            _ => return None,
        })
    }
}

/// The longest name in the table.
const LONGEST: usize = 16;

/// The command with this name. `None`: the name holds a NUL, which ends it for one half of the
/// engines' look-up and not for the other, so that it may find a command that is refused here.
pub(crate) fn command(name: &[u8]) -> Option<Command> {
    if name.contains(&0) {
        return None;
    }
    let lengths = name.first().map_or(0, |first| lengths_of(*first));
    if name.len() > LONGEST || lengths >> name.len() & 1 == 0 {
        return Some(Command::Plain);
    }
    let mut key = [0; LONGEST];
    for (to, from) in key.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    let found = KEYS.binary_search(&u128::from_be_bytes(key)).ok();
    let row = found.and_then(|at| TABLE.get(at));
    Some(row.map_or(Command::Plain, |(_, command)| *command))
}

/// Whether a command turns its connection into a replica's, on which replies are no replies.
pub(crate) fn makes_a_replica(name: &[u8]) -> bool {
    ["SYNC", "PSYNC", "REPLCONF"]
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The lengths of the names in the table that may begin with a letter, a bit for each: most names
/// are told from these alone.
fn lengths_of(first: u8) -> u32 {
    LENGTHS.get(usize::from(first & 31)).copied().unwrap_or(0)
}

/// Whether a subcommand of `CLUSTER` only asks.
pub(crate) fn cluster_asks(subcommand: &[u8]) -> bool {
    const ASK: [&str; 15] = [
        "COUNT-FAILURE-REPORTS",
        "COUNTKEYSINSLOT",
        "GETKEYSINSLOT",
        "HELP",
        "INFO",
        "KEYSLOT",
        "LINKS",
        "MYID",
        "MYSHARDID",
        "NODES",
        "REPLICAS",
        "SHARDS",
        "SLAVES",
        "SLOT-STATS",
        "SLOTS",
    ];
    ASK.iter()
        .any(|name| name.as_bytes().eq_ignore_ascii_case(subcommand))
}

/// Sorted by name. What is refused is what the managed service refuses, and beside it what would
/// take the engine out of Godwit's hands (`FAILOVER`, `MODULE`).
const TABLE: [(&str, Command); 61] = [
    ("ACL", Command::Refused),
    ("ASKING", Command::Free),
    ("AUTH", Command::Auth),
    ("BGREWRITEAOF", Command::Refused),
    ("BGSAVE", Command::Refused),
    ("BLMOVE", Command::Blocking),
    ("BLMPOP", Command::Blocking),
    ("BLPOP", Command::Blocking),
    ("BRPOP", Command::Blocking),
    ("BRPOPLPUSH", Command::Blocking),
    ("BZMPOP", Command::Blocking),
    ("BZPOPMAX", Command::Blocking),
    ("BZPOPMIN", Command::Blocking),
    ("CLIENT", Command::Client),
    ("CLUSTER", Command::Cluster),
    ("COMMAND", Command::Free),
    ("CONFIG", Command::Refused),
    ("DEBUG", Command::Refused),
    ("DISCARD", Command::Discard),
    ("ECHO", Command::Free),
    ("EXEC", Command::Exec),
    ("FAILOVER", Command::Refused),
    ("HELLO", Command::Hello),
    ("INFO", Command::Free),
    ("LASTSAVE", Command::Free),
    ("LATENCY", Command::Free),
    ("MIGRATE", Command::Refused),
    ("MODULE", Command::Refused),
    ("MONITOR", Command::Monitor),
    ("MULTI", Command::Multi),
    (
        "PSUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Pattern, true)),
    ),
    ("PSYNC", Command::Refused),
    ("PUBLISH", Command::Free),
    ("PUBSUB", Command::Free),
    (
        "PUNSUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Pattern, false)),
    ),
    ("QUIT", Command::Quit),
    ("READONLY", Command::ReadOnly),
    ("READWRITE", Command::ReadWrite),
    ("REPLCONF", Command::Refused),
    ("REPLICAOF", Command::Refused),
    ("RESET", Command::Reset),
    ("ROLE", Command::Free),
    ("SAVE", Command::Refused),
    ("SCRIPT", Command::Script),
    ("SELECT", Command::Select),
    ("SHUTDOWN", Command::Refused),
    ("SLAVEOF", Command::Refused),
    ("SLOWLOG", Command::Free),
    ("SPUBLISH", Command::Free),
    (
        "SSUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Shard, true)),
    ),
    (
        "SUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Channel, true)),
    ),
    (
        "SUNSUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Shard, false)),
    ),
    ("SYNC", Command::Refused),
    ("TIME", Command::Free),
    (
        "UNSUBSCRIBE",
        Command::Subscription(Verb::new(Kind::Channel, false)),
    ),
    ("UNWATCH", Command::Unwatch),
    ("WAIT", Command::Blocking),
    ("WAITAOF", Command::Blocking),
    ("WATCH", Command::Watch),
    ("XREAD", Command::BlockingRead),
    ("XREADGROUP", Command::BlockingRead),
];

const KEYS: [u128; TABLE.len()] = keys();

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn keys() -> [u128; TABLE.len()] {
    let mut keys = [0; TABLE.len()];
    let mut row = 0;
    while row < keys.len() {
        keys[row] = key(TABLE[row].0.as_bytes());
        row += 1;
    }
    keys
}

const LENGTHS: [u32; 32] = lengths();

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn lengths() -> [u32; 32] {
    let mut lengths = [0; 32];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].0.as_bytes();
        // Both cases of a letter have the same five low bits.
        lengths[(name[0] & 31) as usize] |= 1 << name.len();
        row += 1;
    }
    lengths
}

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn key(name: &[u8]) -> u128 {
    let mut key = [0; LONGEST];
    let mut at = 0;
    while at < name.len() {
        key[at] = name[at];
        at += 1;
    }
    u128::from_be_bytes(key)
}

#[cfg(test)]
mod tests;
