//! Where a node listens for clients, changed while it runs.

use std::net::SocketAddr;

use runtime::durable::FileError;

use super::Node;
use crate::{
    CommandError,
    process::{Holder, holder_of},
};

/// The node does not listen at the address; it listens where it did before.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("listen at {address}: {holder} listens there")]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Who.
        holder: Holder,
    },
    /// It is not an address of this host, or the port may not be used.
    #[error(
        "listen at {address}: the engine cannot ({answer}), and nobody else listens there; is it an address of this host, and may this user use the port?"
    )]
    Unusable {
        /// The address.
        address: SocketAddr,
        /// What the engine answered.
        answer: String,
    },
    /// The engine was not asked, or did not answer.
    #[error("listen at {address}")]
    Command {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// It listens there now, but an agent that starts anew would not know.
    #[error("note that the engine listens at {address}")]
    Record {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: FileError,
    },
}

impl Node {
    /// Moves the listener to `address`. Connections that are open stay open. When the address
    /// cannot be used, the node goes on listening where it did.
    pub async fn listen_on(&self, address: SocketAddr) -> Result<(), ListenError> {
        if self.address() == address {
            return Ok(());
        }
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let moved = self.ask("CONFIG SET", &["bind", &ip, "port", &port]).await;
        match moved {
            Ok(_) => {}
            Err(CommandError::Refused { answer, .. }) => return Err(explain(address, answer)),
            Err(source) => return Err(ListenError::Command { address, source }),
        }
        *self.0.address.lock() = address;
        self.write_record()
            .map_err(|source| ListenError::Record { address, source })
    }

    /// Asks the engine where it listens. `None`: nowhere, or at more than one address.
    pub(super) async fn ask_address(&self) -> Result<Option<SocketAddr>, CommandError> {
        let ip = self.configured("bind").await?;
        let port = self.configured("port").await?;
        let port: Option<u16> = port.parse().ok();
        Ok(ip
            .parse()
            .ok()
            .zip(port)
            .map(|(ip, port)| SocketAddr::new(ip, port)))
    }

    pub(super) async fn configured(&self, option: &'static str) -> Result<String, CommandError> {
        let answer = self.ask("CONFIG GET", &[option]).await?;
        let pair: Vec<String> = redis::from_redis_value(answer).unwrap_or_default();
        Ok(pair.into_iter().nth(1).unwrap_or_default())
    }
}

fn explain(address: SocketAddr, answer: String) -> ListenError {
    match holder_of(address) {
        holder @ Holder::Known { .. } => ListenError::Taken { address, holder },
        Holder::Unknown => ListenError::Unusable { address, answer },
    }
}
