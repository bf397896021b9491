//! Where both APIs are served: connections with TLS or without, and what each may cost.
//!
//! A listener on loopback takes both, told apart by the first byte: whoever is on the same machine
//! may speak plain HTTP. Any other takes TLS alone. Nothing is read from a connection for longer than
//! its limits, and of connections from elsewhere there are so many at a time.

mod certificate;
mod connections;
mod doors;

use std::net::SocketAddr;

pub use certificate::CertificateError;
pub(crate) use certificate::Certificates;
pub(crate) use connections::{Accepted, serve};
pub(crate) use doors::Doors;

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// With TLS that ends here.
    pub(crate) encrypted: bool,
    /// From where; `None` where that is no Internet address.
    pub(crate) peer: Option<SocketAddr>,
}

impl Arrival {
    /// From this process's own surroundings, without TLS.
    pub(crate) fn from_here() -> Self {
        Self {
            encrypted: false,
            peer: None,
        }
    }
}

#[cfg(test)]
mod tests;
