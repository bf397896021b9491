//! Typed clients of the control plane: [`Agents`] for the agents of regions, [`Management`] for
//! whoever manages caches (the command line, the portal), [`Names`] for whoever serves DNS.
//!
//! In: a base URL and a token. Out: typed answers, or a [`RequestError`] that says what was asked,
//! of whom, and what came back, with the code and message of the control plane when it gave them.
//!
//! Invariants: a token goes to the base URL and nowhere else (no redirects, no proxies, and plain
//! HTTP to loopback only); every request ends, by an answer or by its time limit; answers with
//! fields that this version does not know are understood all the same.
//!
//! It does not retry, cache, or read files and the environment. Repeating a request is its caller's
//! decision; [`Management::wait`] alone repeats, and only reads.

#![warn(missing_docs)]

pub mod access;
mod agents;
mod connection;
pub mod failover;
pub mod lost_writes;
pub mod maintenance;
mod management;
mod names;
mod operation;
pub mod replication;
pub mod resources;
pub mod status;

pub use agents::Agents;
pub use connection::{BuildError, RequestError};
pub use management::{Answered, CacheChange, KeyKind, Management, Sight};
pub use names::Names;
pub use operation::{Operation, OperationError, Progress, Started, Ticket, WaitError};
