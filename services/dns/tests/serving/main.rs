//! A server on real sockets, beside a control plane of a few lines.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod deployment;
mod dig;
mod lifetime;
mod sockets;
