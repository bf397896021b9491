//! The same for callers that are not asynchronous: a [`Ledger`](crate::Ledger) with threads of its
//! own.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::{Endpoint, Score, SettleError, Sight, Workload};

/// A running workload.
pub struct Ledger {
    runtime: Runtime,
    ledger: crate::Ledger,
}

impl Ledger {
    /// Starts the clients on one thread beside the caller's.
    pub fn start(workload: &Workload, endpoints: Vec<Endpoint>) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ledger")
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let ledger = crate::Ledger::start(workload, endpoints);
        drop(entered);
        Ok(Self { runtime, ledger })
    }

    /// See [`crate::Ledger::learn`].
    pub fn learn(&self, endpoints: Vec<Endpoint>) {
        self.ledger.learn(endpoints);
    }

    /// See [`crate::Ledger::mark`].
    pub fn mark(&self, label: impl Into<String>) {
        self.ledger.mark(label);
    }

    /// See [`crate::Ledger::sight`].
    pub fn sight(&self) -> Sight {
        self.ledger.sight()
    }

    /// See [`crate::Ledger::checkpoint`].
    pub fn checkpoint(&mut self, survivor: &Endpoint) -> Result<Score, SettleError> {
        self.runtime.block_on(self.ledger.checkpoint(survivor))
    }

    /// See [`crate::Ledger::stop`].
    pub fn stop(&self) -> Result<(), SettleError> {
        self.runtime.block_on(self.ledger.stop())
    }

    /// See [`crate::Ledger::settle`]. The keys stay.
    pub fn settle(self, survivor: &Endpoint) -> Result<Score, SettleError> {
        let settled = self.runtime.block_on(self.ledger.settle(survivor))?;
        Ok(settled.score)
    }
}
