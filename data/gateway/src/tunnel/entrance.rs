//! Another region's gateway at this one's door.

use std::{io, net::SocketAddr};

use model::{CacheId, Region};
use tls::TlsStream;
use tokio::time::timeout;

use super::{
    Kind, RefusalCode, Refused, Tunnel,
    frame::{Enter, FrameError},
};
use crate::limits::DIAL;

/// Another region's gateway did not say whom it carries over.
#[derive(Debug, thiserror::Error)]
#[error("learn from the gateway of {region} whom it carries over")]
pub struct EnterError {
    region: Region,
    #[source]
    source: io::Error,
}

/// A connection of another region's gateway that said whom it carries over, and to which cache.
#[derive(Debug)]
pub struct Entrance {
    pub(super) tunnel: Tunnel,
    pub(super) enter: Enter,
    pub(super) region: Region,
}

impl Entrance {
    /// Hears whom the gateway of `region` carries over.
    ///
    /// # Errors
    ///
    /// When it does not say so in time, or says something else.
    pub async fn hear(stream: TlsStream, region: Region) -> Result<Self, EnterError> {
        let mut tunnel = Tunnel::new(stream);
        let heard = timeout(DIAL, tunnel.receive()).await;
        let heard = heard.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
        let read = heard.and_then(|(kind, payload)| {
            let read = match kind {
                Kind::Enter => Enter::read(&payload),
                Kind::Entered
                | Kind::Refused
                | Kind::Data
                | Kind::Hold
                | Kind::Held
                | Kind::Release
                | Kind::Moved => Err(FrameError::Unexpected(kind)),
            };
            read.map_err(|odd| io::Error::new(io::ErrorKind::InvalidData, odd))
        });
        match read {
            Ok(enter) => Ok(Self {
                tunnel,
                enter,
                region,
            }),
            Err(source) => Err(EnterError { region, source }),
        }
    }

    /// The cache that it is to lead to.
    #[must_use]
    pub fn cache(&self) -> &CacheId {
        &self.enter.cache
    }

    /// Where the client is.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.enter.client
    }

    /// Says that the cache is not here; it may be soon.
    pub async fn refuse(mut self) {
        let refused = Refused {
            code: RefusalCode::NotNow,
            why: "the cache is not on the other side, or not yet".to_owned(),
        };
        refuse(&mut self.tunnel, &refused).await;
    }
}

pub(super) async fn refuse(tunnel: &mut Tunnel, refused: &Refused) {
    let sent = timeout(DIAL, tunnel.send(Kind::Refused, &refused.write())).await;
    if !matches!(sent, Ok(Ok(()))) {
        tracing::debug!("another gateway went away before it heard why it is refused");
    }
}
