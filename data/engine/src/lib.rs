//! Finds, configures, starts, watches, commands and stops real `valkey-server` and `redis-server`
//! processes. It carries; what an engine is to do is decided by its callers.
//!
//! In: a program ([`find`]), a [`NodeConfig`], and commands on a [`Node`]. Out: what the engine
//! says of itself ([`NodeInfo`], [`Replication`]) and whether its process lives.
//!
//! A node is a process with a private directory (mode 0700), which nobody but Godwit can log in to:
//! clients are let through by the gateway, as [`CLIENT_USER`] or as whom their token names, with a
//! password that they do not know. Godwit's own connection is the unix
//! socket `engine.sock` in there, as the internal user, so that it does not depend on where the
//! engine listens for clients. Engines outlive the process that started them:
//! [`Node::adopt`] takes them over, [`find_orphans`] finds those that nobody wants any more.
//!
//! Invariants:
//! - no secret is in a command line, a log line or an error; the configuration file has mode 0600
//!   and holds the clients' password as a hash only; access keys and tokens never come here;
//! - no value of a configuration can add a line to the file;
//! - a process is signalled through a pidfd whose start time was compared: never a stranger that
//!   was given the same process ID;
//! - a saved data set is loaded only when the caller asks for it, and once: it is removed when
//!   the load has finished;
//! - a command that was not answered in time is taken back by closing its connection, so that it
//!   does not run later, unless it runs already ([`CommandError::may_have_happened`]).
//!
//! It does not: choose roles or addresses, speak PSYNC, restart what has died, or serve clients.

#![warn(missing_docs)]

mod admin;
mod config;
mod find;
mod info;
mod node;
mod orphans;
mod process;
mod record;
mod snapshot;

pub use admin::CommandError;
pub use config::{CLIENT_USER, ConfigError, Credentials, INTERNAL_USER, NodeConfig};
pub use find::{EngineChoice, EngineProgram, FindError, find};
pub use info::{EngineRole, InfoError, NodeInfo, ReplicaInfo, Replication};
pub use node::{
    AdoptError, Failure, ListenError, MergeError, Node, RefusedUser, StartError, StopError,
    StopHow, Stopped,
};
pub use orphans::{Orphan, StopOrphanError, find_orphans, stop_orphan};
pub use process::Holder;
pub use snapshot::offer_snapshot;
