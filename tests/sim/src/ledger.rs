//! Who wrote what and was told so, and what the engines made of it.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;

/// The writes of all clients. Every one has a number of its own.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Score>>);

#[derive(Default)]
struct Score {
    /// Both caches belong to the link: what the second one has of its own is erased before that.
    joined: bool,
    /// Nobody writes any more.
    closed: bool,
    next: u64,
    acknowledged: BTreeSet<u64>,
}

impl Ledger {
    /// Both caches belong to the link from now on.
    pub(crate) fn join(&self) {
        self.0.lock().joined = true;
    }

    /// Tells whether both caches belong to the link.
    pub(crate) fn is_joined(&self) -> bool {
        self.0.lock().joined
    }

    /// Nobody is to write any more.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
    }

    /// Tells whether nobody is to write any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// A number that nobody wrote yet.
    pub(crate) fn next(&self) -> u64 {
        let mut score = self.0.lock();
        score.next += 1;
        score.next
    }

    /// A client was told that this one is written.
    pub(crate) fn acknowledge(&self, write: u64) {
        self.0.lock().acknowledged.insert(write);
    }

    /// How many were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.0.lock().acknowledged.len()
    }

    /// Acknowledged writes that are not among these.
    pub(crate) fn missing(&self, held: &BTreeSet<u64>) -> BTreeSet<u64> {
        self.0
            .lock()
            .acknowledged
            .difference(held)
            .copied()
            .collect()
    }
}
