//! What a node is started with.

mod acl;
mod file;

use std::{net::SocketAddr, path::PathBuf};

use model::{EngineSettings, Secret};

pub(crate) use acl::{DEFAULT_RULES, client_rules, token_rules};
pub(crate) use file::{PING_PERIOD_SECONDS, live_settings, render};

/// The engine user that Godwit itself is, by convention: agents, the relay, and nodes that follow.
pub const INTERNAL_USER: &str = "godwit";
/// The engine user that clients are who come in with an access key: the gateway knows its password,
/// they do not.
pub const CLIENT_USER: &str = "godwit-client";

/// A user of the engine and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Letters, digits, `-` and `_`.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Everything that a node's start depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The node's private directory. Made when it is missing.
    pub directory: PathBuf,
    /// Where it listens for the gateway, the relay and its replicas. With port 0 a free one is chosen: see
    /// [`Node::address`](crate::Node::address).
    pub address: SocketAddr,
    /// Sizes and limits.
    pub settings: EngineSettings,
    /// The password of [`CLIENT_USER`].
    pub clients: Secret,
    /// Godwit's own user. A node that follows another one logs in there as this user too.
    pub internal: Credentials,
    /// Starts as a replica of that node.
    pub replica_of: Option<SocketAddr>,
    /// Loads the data set that [`StopHow::SaveSnapshot`](crate::StopHow::SaveSnapshot) left, when
    /// there is one. With `false`, or without one, the node starts empty; a leftover is removed.
    pub load_saved: bool,
    /// Loads the append-only file that is in the directory, and goes on writing it
    /// ([`Node::keep_append_only`](crate::Node::keep_append_only)); without one the start fails. With `false` a
    /// leftover is removed.
    pub load_append_only: bool,
    /// Whether a replica without its upstream answers reads with what it has
    /// (`replica-serve-stale-data`).
    pub serve_stale: bool,
    /// It takes no write, not even as a primary, before
    /// [`Node::need_replicas`](crate::Node::need_replicas) says otherwise.
    pub refuses_writes: bool,
}

/// A value that no engine configuration can take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value has characters outside its alphabet.
    #[error("configure the engine: {what} cannot be `{value}`; {rule}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// The value, escaped.
        value: String,
        /// What it may be.
        rule: &'static str,
    },
    /// A password is empty, which would let everybody in.
    #[error("configure the engine: {0} is empty, which would let everybody in")]
    EmptySecret(&'static str),
}
