//! Directions that stand still.

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::Direction;

/// Whether one direction carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It carries.
    Open,
    /// It stands still until it is released.
    Stopped,
    /// It stands still until then, or until it is released.
    StoppedUntil(Instant),
}

impl Flow {
    pub(crate) fn is_stopped(self, now: Instant) -> bool {
        match self {
            Self::Open => false,
            Self::Stopped => true,
            Self::StoppedUntil(until) => now < until,
        }
    }
}

/// Both directions; one place sets it, connections wait at it.
#[derive(Debug)]
pub(crate) struct Gate {
    to_server: watch::Sender<Flow>,
    to_client: watch::Sender<Flow>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            to_server: watch::Sender::new(Flow::Open),
            to_client: watch::Sender::new(Flow::Open),
        }
    }

    fn of(&self, direction: Direction) -> &watch::Sender<Flow> {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    pub(crate) fn set(&self, direction: Direction, flow: Flow) {
        self.of(direction).send_replace(flow);
    }

    pub(crate) fn is_stopped(&self, direction: Direction, now: Instant) -> bool {
        self.of(direction).borrow().is_stopped(now)
    }

    /// Resolves once the direction carries.
    pub(crate) async fn passes(&self, direction: Direction) {
        let mut flow = self.of(direction).subscribe();
        loop {
            let now = *flow.borrow_and_update();
            match now {
                Flow::Open => return,
                Flow::Stopped => {
                    // The sender lives as long as the gate.
                    let _changed = flow.changed().await;
                }
                Flow::StoppedUntil(until) => {
                    if timeout_at(until, flow.changed()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
