//! How far a transfer is, for whoever looks.

use std::sync::atomic::{AtomicU64, Ordering};

use model::TransferPhase;
use parking_lot::Mutex;

/// How far a transfer is. It is told by the one that works and looked at by others.
#[derive(Debug, Default)]
pub struct Progress {
    phase: Mutex<(TransferPhase, Option<u64>)>,
    done: AtomicU64,
}

impl Progress {
    /// Another phase begins, of so many bytes when that is known.
    pub fn begin(&self, phase: TransferPhase, total: Option<u64>) {
        let mut now = self.phase.lock();
        *now = (phase, total);
        self.done.store(0, Ordering::Relaxed);
    }

    /// So many more bytes are done.
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes are done, and so many there are.
    pub fn set(&self, done: u64, total: Option<u64>) {
        self.phase.lock().1 = total;
        self.done.store(done, Ordering::Relaxed);
    }

    /// The phase, the bytes done in it, and all its bytes when that is known.
    #[must_use]
    pub fn look(&self) -> (TransferPhase, u64, Option<u64>) {
        let (phase, total) = *self.phase.lock();
        (phase, self.done.load(Ordering::Relaxed), total)
    }
}
