//! Which gateway a connection of another region's gateway is for: all of them come to the one
//! address at which agents are reached.

use std::sync::Arc;

use gateway::{Entrance, Gateway, GatewayStatus};
use model::{CacheId, CacheUid};
use parking_lot::Mutex;
use relay::FromGateway;
use runtime::{chain, tasks::Tasks};
use tokio::sync::mpsc;

/// Connections of other gateways that wait for their turn.
pub(crate) const WAITING: usize = 256;

/// The gateways of this agent's caches.
#[derive(Default)]
pub(crate) struct Switchboard(Mutex<Vec<Line>>);

struct Line {
    uid: CacheUid,
    id: CacheId,
    gateway: Gateway,
}

impl Switchboard {
    /// Connections for the cache go to this gateway from now on.
    pub(crate) fn plug(&self, uid: CacheUid, id: CacheId, gateway: Gateway) {
        self.0.lock().push(Line { uid, id, gateway });
    }

    /// And to this cache's no more.
    pub(crate) fn unplug(&self, uid: &CacheUid) {
        self.0.lock().retain(|line| line.uid != *uid);
    }

    /// What a cache's gateway sees.
    pub(crate) fn status(&self, uid: &CacheUid) -> Option<GatewayStatus> {
        let gateway = {
            let lines = self.0.lock();
            let line = lines.iter().find(|line| line.uid == *uid)?;
            line.gateway.clone()
        };
        Some(gateway.status())
    }

    /// A cache that was made again under the same name is the later one.
    fn find(&self, id: &CacheId) -> Option<Gateway> {
        let lines = self.0.lock();
        let line = lines.iter().rev().find(|line| line.id == *id)?;
        Some(line.gateway.clone())
    }
}

/// Leads other regions' gateways to the right one, for ever.
pub(crate) async fn run(
    switchboard: Arc<Switchboard>,
    mut visitors: mpsc::Receiver<FromGateway>,
    tasks: Tasks,
) {
    while let Some(FromGateway { stream, region }) = visitors.recv().await {
        let switchboard = Arc::clone(&switchboard);
        tasks.spawn("visitor", async move {
            match Entrance::hear(stream, region).await {
                Ok(entrance) => match switchboard.find(entrance.cache()) {
                    Some(gateway) => gateway.enter(entrance),
                    None => entrance.refuse().await,
                },
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "a gateway went away");
                }
            }
        });
    }
}
