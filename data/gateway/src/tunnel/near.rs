//! Goes over to the other side's gateway.

use std::{io, net::SocketAddr};

use model::{CacheId, Region};
use tls::{Identity, Protocol, TlsError};
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

use super::{
    Refused, Tunnel,
    frame::{Enter, FrameError, Kind},
};
use crate::{accept::prepare, entry::Who, limits::DIAL};

/// A connection that does not come to be carried over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    #[error("reach the gateway of {region} at {relay}")]
    Unreachable {
        region: Region,
        relay: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the gateway of {region} at {relay} does not answer")]
    Late {
        region: Region,
        relay: SocketAddr,
        #[source]
        source: Elapsed,
    },
    #[error("prove who is who to the gateway of {region}")]
    Identity {
        region: Region,
        #[source]
        source: TlsError,
    },
    #[error("understand the gateway of {region}")]
    Words {
        region: Region,
        #[source]
        source: FrameError,
    },
    #[error("the gateway of {region} does not let the connection in: {}", refused.why)]
    Refused { region: Region, refused: Refused },
}

/// A client that is to be carried over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// From where it came.
    pub(crate) address: SocketAddr,
    /// It came in by a private endpoint.
    pub(crate) private: bool,
}

/// Opens a tunnel for one client to the engine that leads `cache`.
pub(crate) async fn open(
    identity: &Identity,
    region: &Region,
    relay: SocketAddr,
    cache: &CacheId,
    who: &Who,
    client: Client,
) -> Result<Tunnel, TunnelError> {
    let opening = async {
        let unreachable = |source| TunnelError::Unreachable {
            region: region.clone(),
            relay,
            source,
        };
        let tcp = TcpStream::connect(relay).await.map_err(unreachable)?;
        prepare(&tcp).map_err(unreachable)?;
        let shaken = identity.connect(tcp, region, Protocol::Gateway).await;
        let stream = shaken.map_err(|source| TunnelError::Identity {
            region: region.clone(),
            source,
        })?;
        let mut tunnel = Tunnel::new(stream);
        let enter = Enter {
            cache: cache.clone(),
            who: who.clone(),
            client: client.address,
            private: client.private,
        };
        let sent = tunnel.send(Kind::Enter, &enter.write()).await;
        sent.map_err(unreachable)?;
        let (kind, payload) = tunnel.receive().await.map_err(unreachable)?;
        let words = |source| TunnelError::Words {
            region: region.clone(),
            source,
        };
        match kind {
            Kind::Entered => Ok(tunnel),
            Kind::Refused => Err(TunnelError::Refused {
                region: region.clone(),
                refused: Refused::read(&payload).map_err(words)?,
            }),
            Kind::Enter | Kind::Data | Kind::Hold | Kind::Held | Kind::Release | Kind::Moved => {
                Err(words(FrameError::Unexpected(kind)))
            }
        }
    };
    timeout(DIAL, opening).await.unwrap_or_else(|source| {
        Err(TunnelError::Late {
            region: region.clone(),
            relay,
            source,
        })
    })
}
