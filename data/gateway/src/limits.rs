//! What a gateway bounds, in time, number and bytes.

use std::time::Duration;

/// The bounds of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the moment it was accepted to the login.
    pub login: Duration,
    /// For a request to be whole once it began; of one that is too large to be kept, between two
    /// pieces of it.
    pub frame: Duration,
    /// For a client to take anything of what is there for it.
    pub stalled: Duration,
    /// Without a request and without a reply; `None`: for as long as the client likes.
    pub idle: Option<Duration>,
    /// For a place to go to, when there is none.
    pub nowhere: Duration,
    /// For what was sent to be answered, before a connection is moved without the answer.
    pub moving: Duration,
    /// For an open transaction to come to its end while a connection is being held; no longer than
    /// the patience of whoever holds.
    pub transaction: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(30),
            frame: Duration::from_secs(60),
            stalled: Duration::from_secs(120),
            idle: None,
            nowhere: Duration::from_secs(10),
            moving: Duration::from_secs(5),
            transaction: Duration::from_millis(30),
        }
    }
}

/// Bytes that are taken from a client before it has logged in.
pub(crate) const BEFORE_LOGIN_BYTES: u64 = 256 << 10;
/// Time for a client to close a connection that was ended, so that it gets to read why.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that are read, and dropped, meanwhile.
pub(crate) const FAREWELL_BYTES: usize = 256 << 10;
/// Connections that the system keeps for a listener until they are accepted.
pub(crate) const BACKLOG: u32 = 4096;
/// A connection to an engine, or to another gateway, that takes longer to be opened has failed.
pub(crate) const DIAL: Duration = Duration::from_secs(5);
