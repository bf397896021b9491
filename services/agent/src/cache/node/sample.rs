//! What metrics are made of, as an engine tells it.

use std::{collections::VecDeque, time::Duration};

use engine::{CommandError, Node, Reading};
use tokio::time::Instant;

/// As many answers are remembered until somebody takes them.
const MOST_ANSWERS: usize = 4_096;
/// A client that leaves more than so many bytes unread is called unresponsive, as the managed service
/// does.
const MUCH_UNREAD: u64 = 1_000_000;
/// With more connections than that an engine is not asked for all of them.
const MANY_CLIENTS: u64 = 10_000;

/// A node's figures for metrics.
#[derive(Debug)]
pub(crate) struct NodeSample {
    pub(crate) reading: Reading,
    /// When it was read.
    pub(crate) at: Instant,
    /// Clients that leave much unread.
    pub(crate) unresponsive: u64,
}

impl NodeSample {
    /// Reads figures. Connections are looked at one by one only when one of them is known to leave
    /// much unread.
    pub(super) async fn read(node: &Node) -> Result<Self, CommandError> {
        let reading = node.reading().await?;
        let at = Instant::now();
        let suspect =
            reading.fullest_output > MUCH_UNREAD && reading.info.connected_clients <= MANY_CLIENTS;
        let unresponsive = if suspect {
            node.clients_with_unread(MUCH_UNREAD).await?
        } else {
            0
        };
        Ok(Self {
            reading,
            at,
            unresponsive,
        })
    }
}

/// How long answers took, in microseconds, the latest last.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<u32>);

impl Answers {
    pub(super) fn note(&mut self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.0.push_back(micros);
        if self.0.len() > MOST_ANSWERS {
            self.0.pop_front();
        }
    }

    pub(super) fn take(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.0).into()
    }
}
