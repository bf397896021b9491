//! Where the caches are, and who is who: shared by all clients.

use std::{future::Future, pin::Pin, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::Endpoint;

/// Asks where the caches are now; `None` when nobody could tell.
pub type LookUp =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Vec<Endpoint>>> + Send>> + Send + Sync>;

/// The endpoints that clients go to, in the order in which they try them.
pub(crate) struct Directory {
    known: Mutex<(u64, Arc<[Endpoint]>)>,
    /// A client has tried all of them in vain.
    pub(crate) lost: Notify,
}

impl Directory {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            known: Mutex::new((1, endpoints.into())),
            lost: Notify::new(),
        }
    }

    /// The endpoints, and a number that changes with them.
    pub(crate) fn known(&self) -> (u64, Arc<[Endpoint]>) {
        self.known.lock().clone()
    }

    pub(crate) fn learn(&self, endpoints: Vec<Endpoint>) {
        let mut known = self.known.lock();
        if !endpoints.is_empty() && *known.1 != *endpoints {
            *known = (known.0 + 1, endpoints.into());
        }
    }
}

/// The primaries that have acknowledged anything, by the replication ID that each had then: a
/// node that becomes primary again has another one.
#[derive(Default)]
pub(crate) struct Reigns(Mutex<Vec<String>>);

impl Reigns {
    /// The number of the primary with this ID; of one of its own when there is none.
    pub(crate) fn number(&self, id: Option<String>) -> u32 {
        let mut all = self.0.lock();
        let found = id
            .as_ref()
            .and_then(|id| all.iter().position(|known| known == id));
        let at = found.unwrap_or_else(|| {
            let unnamed = format!("unnamed-{}", all.len());
            all.push(id.unwrap_or(unnamed));
            all.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    pub(crate) fn name(&self, number: u32) -> String {
        let all = self.0.lock();
        let found = usize::try_from(number).ok().and_then(|at| all.get(at));
        found.cloned().unwrap_or_default()
    }
}
