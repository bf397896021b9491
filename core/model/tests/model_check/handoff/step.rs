//! What can happen next.

/// A step. `side` and `shard` are indices; of the sides, 0 is the first geo-primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    HoldOrder {
        side: usize,
    },
    LateOrder {
        side: usize,
    },
    /// An agent looks at a shard and plans; at the first shard with what is on its disk.
    Look {
        side: usize,
    },
    /// It gets its present desired state, adopts it, looks and plans.
    LookAnew {
        side: usize,
    },
    /// It carries the next steps of the plan out, up to one that others can see.
    Act {
        side: usize,
    },
    /// It carries out so many steps that nobody sees, and dies.
    ActAndCrash {
        side: usize,
        steps: u8,
    },
    /// It fences an engine that has bytes which nobody gets any more.
    FenceDry {
        side: usize,
    },
    HoldReport {
        side: usize,
    },
    LateReport {
        side: usize,
    },
    /// The control plane looks at the link.
    Reconcile,
    /// It does so behind the deadline of the handoff.
    PassDeadline,
    /// It commits what it planned.
    Commit,
    FailOver,
    Force,
    /// The decision is asked for. An answer that is not heard is the same as one that is: the agent may
    /// ask again, and what counts is the next desired state.
    Ask {
        side: usize,
    },
    HoldRequest {
        side: usize,
    },
    LateRequest,
    Write {
        side: usize,
        shard: usize,
    },
    /// The pause of clients runs out in the engine.
    PauseEnds {
        side: usize,
        shard: usize,
    },
    /// The agent believes so as well.
    PauseForgotten {
        side: usize,
        shard: usize,
    },
    /// A following engine is connected to the other side.
    Connect {
        side: usize,
        shard: usize,
    },
    Pump {
        side: usize,
        shard: usize,
    },
    Take {
        side: usize,
        shard: usize,
    },
    /// An engine takes what was handed to it before its session ended, or sees that it has ended.
    TakeTail {
        side: usize,
        shard: usize,
    },
    TailEnds {
        side: usize,
        shard: usize,
    },
    /// The barrier arrives.
    TakeBarrier {
        side: usize,
        shard: usize,
    },
    Cut {
        side: usize,
        shard: usize,
    },
    /// An agent dies and is started again.
    Crash {
        side: usize,
    },
    /// So, and its journals lack what was written last.
    CrashTorn {
        side: usize,
    },
    CrashControl,
}
