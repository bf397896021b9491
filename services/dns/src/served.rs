//! What is answered from right now, to be read by every socket and followed by whoever pushes it
//! elsewhere.

use std::sync::Arc;

use model::PublishedNames;
use tokio::sync::watch;

use crate::zone::Zone;

/// A generation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) names: PublishedNames,
    pub(crate) zone: Zone,
}

/// The generation that is served; `None` before there is any.
pub(crate) type Present = Option<Arc<Generation>>;

/// Sets it.
pub(crate) type Publish = watch::Sender<Present>;

/// Reads it.
#[derive(Debug, Clone)]
pub(crate) struct Served(pub(crate) watch::Receiver<Present>);

impl Served {
    /// As of now.
    pub(crate) fn present(&self) -> Present {
        self.0.borrow().clone()
    }
}
