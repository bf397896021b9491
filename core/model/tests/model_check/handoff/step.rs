//! What can happen next.

/// A step. `side` and `shard` are indices; of the sides, 0 is the first geo-primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A side gets its present desired state.
    Order { side: usize },
    HoldOrder { side: usize },
    LateOrder { side: usize },
    /// An agent adopts its order (at the first shard), looks at a shard, and plans.
    Look { side: usize },
    /// It carries the next step of the plan out.
    Act { side: usize },
    /// It fences an engine that has bytes which nobody gets any more.
    FenceDry { side: usize },
    Report { side: usize },
    HoldReport { side: usize },
    LateReport { side: usize },
    /// The control plane looks at the link.
    Reconcile,
    /// It does so behind the deadline of the handoff.
    PassDeadline,
    /// It commits what it planned.
    Commit,
    FailOver,
    Force,
    /// The decision is asked for, and the answer is heard.
    Ask { side: usize },
    AskUnheard { side: usize },
    HoldRequest { side: usize },
    LateRequest,
    Write { side: usize, shard: usize },
    /// The pause of clients runs out in the engine.
    PauseEnds { side: usize, shard: usize },
    /// The agent believes so as well.
    PauseForgotten { side: usize, shard: usize },
    /// A following engine is connected to the other side.
    Connect { side: usize, shard: usize },
    Pump { side: usize, shard: usize },
    Take { side: usize, shard: usize },
    SendBarrier { side: usize, shard: usize },
    TakeBarrier { side: usize, shard: usize },
    Cut { side: usize, shard: usize },
    /// An agent dies and is started again.
    Crash { side: usize },
    /// So, and its journals lack what was written last.
    CrashTorn { side: usize },
    CrashControl,
}
