//! Sessions in a gateway in memory, before an engine that is played.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod carrying;
mod engine;
mod firewall;
mod gateway;
mod logins;
mod losing;
mod messages;
mod random;

mod silence;
mod syncing;
mod transactions;
