//! What every connection of a gateway is to go by.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{Entry, Place};

/// The gateway's present word to its connections. It is replaced whole; whoever has one keeps it
/// until it looks again.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) entry: Arc<Entry>,
    pub(crate) place: Arc<Place>,
    /// Counts the changes of the place.
    pub(crate) moves: u64,
    /// No request is to be taken; the patience of whoever said so ends then.
    pub(crate) hold: Option<Instant>,
    /// The gateway is ending.
    pub(crate) closed: bool,
}

impl Orders {
    pub(crate) fn new(entry: Entry) -> Self {
        Self {
            entry: Arc::new(entry),
            place: Arc::new(Place::Nowhere {
                why: "the cache is being started".to_owned(),
            }),
            moves: 0,
            hold: None,
            closed: false,
        }
    }
}
