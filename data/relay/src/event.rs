//! What happened, for those who keep events.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::EventKind;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};

use crate::ShardKey;

/// Events that may wait to be taken.
const WAITING: usize = 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// On which shard.
    pub key: ShardKey,
    /// What happened.
    pub kind: EventKind,
    /// What exactly and why, in a sentence.
    pub text: String,
}

/// An event that is told again within this time is the same one.
const SAME: Duration = Duration::from_secs(60);

/// Where events go. Clones lead to the same place; when nobody takes them, they are lost.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    told: Arc<Mutex<Told>>,
}

/// What was told last of each kind, and when.
type Told = BTreeMap<(ShardKey, EventKind), (Instant, String)>;

impl Events {
    /// A queue, and its end.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Event>) {
        let (send, receive) = mpsc::channel(WAITING);
        let told = Arc::default();
        (Self { queue: send, told }, receive)
    }

    pub(crate) fn tell(&self, key: &ShardKey, kind: EventKind, text: String) {
        tracing::info!(link = %key.link, shard = %key.shard, %kind, "{text}");
        let key = key.clone();
        if self.queue.try_send(Event { key, kind, text }).is_err() {
            tracing::debug!("nobody takes events fast enough; one is lost");
        }
    }

    /// Tells what is found again and again, once a minute.
    pub(crate) fn tell_once(&self, key: &ShardKey, kind: EventKind, text: String) {
        let now = Instant::now();
        {
            let mut told = self.told.lock();
            let name = (key.clone(), kind);
            if let Some((at, same)) = told.get(&name)
                && *same == text
                && now.saturating_duration_since(*at) < SAME
            {
                return;
            }
            told.insert(name, (now, text.clone()));
        }
        self.tell(key, kind, text);
    }
}
