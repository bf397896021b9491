//! One node of a shard: the engine's handle with what was last seen of it.

use std::{net::SocketAddr, time::Duration};

use engine::{CommandError, EngineRole, Node, OnDisk, RefusedUser, Replication};
use model::{
    DEAD_MAN_LAG_SECONDS, EngineBuild, Secret, TokenUser,
    shard::{Gate, NodeFacts, NodeView, Upstream},
};
use psync::{Offset, Position};
use runtime::tasks::Tasks;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// How often everything is asked; in between, replication alone.
const FULL_LOOK: Duration = Duration::from_millis(400);
/// A pause of client writes ends by itself after this long, should the agent die.
const PAUSE: Duration = Duration::from_secs(15);

/// How long a replica must have been connected before the stream is sure to flow. After a diskless
/// full sync the engine sends none before an acknowledgement that the replica gives once a second:
/// until then it says that it is connected, and misses every write.
const FED_AFTER: Duration = Duration::from_millis(1_200);

/// A node's place: there is one for each node that a shard has, or ever had.
#[derive(Default)]
pub(super) struct Slot {
    /// The process, when it runs.
    pub(super) node: Option<Node>,
    /// What was last seen in a full look.
    pub(super) figures: Figures,
    replication: Option<Replication>,
    silent: bool,
    /// It is being stopped, and is asked nothing more.
    stopping: bool,
    /// A question that it has not answered yet.
    asking: Option<oneshot::Receiver<Result<Seen, CommandError>>>,
    looked: Option<Instant>,
    /// When the last question was put, and the one that the figures answer.
    asked: Option<Instant>,
    answered: Option<Instant>,
    connected_since: Option<Instant>,
    /// Until when its writes are paused.
    paused: Option<Instant>,
    conduct: Option<Conduct>,
    /// Which writes it takes; not known of a process that was just found.
    gate: Option<Gate>,
    /// How many databases it has; not known of a process that was just started or found.
    databases: Option<u16>,
    /// Who may log in; not known of a process that was just started or found.
    admitted: Option<Admitted>,
}

/// Who was let in to a node.
struct Admitted {
    users: Vec<TokenUser>,
    /// The first of them whose permissions it does not take.
    refused: Option<RefusedUser>,
}

/// More replicas than any node has: no write is taken.
pub(super) const SHUT: u32 = 1_000;

/// What an engine with so many replicas needs to take writes under a lease: its replicas and the
/// link's outbound half, whose acknowledgements do not depend on it, never suffice.
pub(super) fn keepers_needed(replicas: u32) -> u32 {
    replicas + 2
}

/// Figures that are asked for less often.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) loading: bool,
    pub(super) keys: u64,
    /// The database that holds them, when it is one alone.
    pub(super) only_database: Option<u32>,
    pub(super) used_memory: u64,
    pub(super) ops_per_second: u64,
    pub(super) clients: u64,
    pub(super) on_disk: OnDisk,
}

/// Whom an address belongs to.
pub(super) type Naming<'a> = &'a dyn Fn(SocketAddr) -> Upstream;

impl Slot {
    /// Puts a process in its place.
    pub(super) fn seat(&mut self, node: Node) {
        *self = Self {
            node: Some(node),
            ..Self::default()
        };
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.node.as_ref().map(Node::address)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.node.as_ref().map(Node::pid)
    }

    pub(super) fn replication(&self) -> Option<&Replication> {
        self.replication.as_ref()
    }

    /// Asks the process how it is, when it is there; [`Slot::hear`] waits for the answer. A full
    /// question is asked when one is due, when `full` says so, and while the engine loads. An earlier
    /// question that is not answered yet will do, unless the answer has to be `fresh`.
    pub(super) fn ask(&mut self, full: bool, fresh: bool, tasks: &Tasks) -> Asked {
        let Some(node) = &self.node else {
            return Asked::Down;
        };
        if self.stopping {
            // Whoever stops it tidies its directory up after it has ended.
            return Asked::Waits;
        }
        if node.has_exited() {
            let pid = node.pid();
            let unloadable = node.failed_load();
            *self = Self::default();
            return Asked::Died { pid, unloadable };
        }
        if self.asking.is_some() && !fresh {
            return Asked::Waits;
        }
        let due = self.looked.is_none_or(|at| at.elapsed() >= FULL_LOOK);
        let full = full || due || self.figures.loading;
        let (answer, asking) = oneshot::channel();
        let known = (self.gate, self.databases);
        let node = node.clone();
        self.asked = Some(Instant::now());
        tasks.spawn("question to an engine", async move {
            // Nobody waits for it any more when the process was replaced.
            drop(answer.send(see(&node, full, known).await));
        });
        self.asking = Some(asking);
        Asked::Waits
    }

    /// Waits for the answer to [`Slot::ask`], for as long as the engine may take or until `until`.
    pub(super) async fn hear(&mut self, until: Option<Instant>) -> Heard {
        let Some(asking) = &mut self.asking else {
            return Heard::Nothing;
        };
        let answer = match until {
            None => asking.await,
            Some(until) => match timeout_at(until, asking).await {
                Ok(answer) => answer,
                Err(_elapsed) => return Heard::Nothing,
            },
        };
        self.asking = None;
        // The question is dropped with every task of the agent.
        let Ok(answer) = answer else {
            return Heard::Nothing;
        };
        self.silent = answer.is_err();
        match answer {
            Ok(seen) => {
                self.note(seen);
                Heard::Answer
            }
            Err(error) => Heard::Silence(error),
        }
    }

    fn note(&mut self, seen: Seen) {
        if let Some(figures) = seen.figures {
            self.looked = Some(Instant::now());
            self.answered = self.asked;
            self.figures = figures;
        }
        if self.gate.is_none() {
            self.gate = seen.gate;
        }
        self.databases = self.databases.or(seen.databases);
        if !is_connected(&seen.replication) {
            self.connected_since = None;
        } else if self.connected_since.is_none() {
            self.connected_since = Some(Instant::now());
        }
        self.replication = Some(seen.replication);
    }

    /// Has everything asked at the next look.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
    }

    /// The figures tell what it writes to its disk by now.
    pub(super) fn knows_disk(&self) -> bool {
        self.looked.is_some()
    }

    /// The figures were asked for after that moment.
    pub(super) fn looked_after(&self, then: Instant) -> bool {
        self.looked.is_some() && self.answered.is_some_and(|asked| asked > then)
    }

    /// It answered the last question.
    pub(super) fn answers(&self) -> bool {
        self.replication.is_some() && !self.silent && !self.stopping && self.asking.is_none()
    }

    /// What the planner sees. Of a process that has not answered the last question, what it said
    /// before is worth nothing.
    pub(super) fn view(&self, service: Option<SocketAddr>, name: Naming<'_>) -> NodeView {
        let Some(node) = &self.node else {
            return NodeView::Down;
        };
        let Some(seen) = self.replication.as_ref().filter(|_| self.answers()) else {
            return NodeView::Silent;
        };
        let (upstream, link_up, syncing) = match &seen.role {
            EngineRole::Primary => (None, false, false),
            EngineRole::Replica {
                upstream,
                link_up,
                sync_in_progress,
                ..
            } => (
                Some(name(*upstream)),
                *link_up && !*sync_in_progress,
                *sync_in_progress,
            ),
        };
        NodeView::Up(NodeFacts {
            upstream,
            link_up,
            syncing,
            loading: self.figures.loading,
            position: Position::new(seen.replid, seen.offset),
            before: before(seen),
            backlog_from: seen.backlog_from,
            keys: self.figures.keys,
            at_service_address: Some(node.address()) == service,
            paused: self.paused.is_some_and(|until| Instant::now() < until),
            gate: self.gate.unwrap_or_default(),
        })
    }

    /// A primary, or a replica that is connected and past any full sync.
    pub(super) fn is_connected(&self) -> bool {
        !self.figures.loading && !self.silent && self.connected_since.is_some()
    }

    /// Connected for long enough to be sure that every write arrives.
    pub(super) fn is_fed(&self) -> bool {
        self.is_connected()
            && self
                .connected_since
                .is_some_and(|at| at.elapsed() >= FED_AFTER)
    }

    /// Pauses its writes for a handoff.
    pub(super) async fn pause(&mut self) -> Result<(), CommandError> {
        self.pause_for(PAUSE).await
    }

    /// Pauses its writes; that ends by itself after this long.
    pub(super) async fn pause_for(&mut self, length: Duration) -> Result<(), CommandError> {
        if let Some(node) = &self.node {
            node.pause_writes(length).await?;
            self.paused = Some(Instant::now() + length);
        }
        Ok(())
    }

    /// The engine that it runs.
    pub(super) fn engine(&self) -> Option<EngineBuild> {
        self.node.as_ref().map(Node::engine)
    }

    /// From now on it is asked nothing; whoever gets this ends it.
    pub(super) fn begin_stop(&mut self) -> Option<Node> {
        self.stopping = self.node.is_some();
        self.node.clone()
    }

    /// Nobody stops it any more: it has ended, or it goes on.
    pub(super) fn end_stop(&mut self, ended: bool) {
        if ended {
            *self = Self::default();
        }
        self.stopping = false;
    }

    /// It loads, or receives, or follows.
    pub(super) fn is_busy(&self) -> bool {
        let syncing = match self.replication.as_ref().map(|seen| &seen.role) {
            Some(EngineRole::Replica {
                sync_in_progress, ..
            }) => *sync_in_progress,
            Some(EngineRole::Primary) | None => false,
        };
        self.figures.loading || syncing || self.is_connected()
    }

    /// It does not answer, for whatever reason but that it is being stopped.
    pub(super) fn is_silent(&self) -> bool {
        self.node.is_some() && !self.stopping && (self.silent || self.asking.is_some())
    }

    pub(super) async fn resume(&mut self) -> Result<(), CommandError> {
        if let Some(node) = &self.node {
            node.resume_writes().await?;
            self.paused = None;
            if self.gate == Some(Gate::Shut) {
                node.hold_pings().await?;
            }
        }
        Ok(())
    }

    /// How many databases it has, when that is known.
    pub(super) fn databases(&self) -> Option<u16> {
        self.databases
    }

    /// Which writes it takes, when that is known.
    pub(super) fn gate(&self) -> Option<Gate> {
        self.gate
    }

    /// Sets which writes it takes, in a shard whose primary has so many replicas.
    pub(super) async fn set_gate(&mut self, gate: Gate, replicas: u32) -> Result<(), CommandError> {
        let Some(node) = &self.node else {
            return Ok(());
        };
        let needed = match gate {
            Gate::Open => 0,
            Gate::Leased => keepers_needed(replicas),
            Gate::Shut => SHUT,
        };
        self.gate = None;
        node.need_replicas(needed, DEAD_MAN_LAG_SECONDS).await?;
        // Each ping would move it away from where the other side stands.
        match gate {
            Gate::Shut => node.hold_pings().await?,
            Gate::Open | Gate::Leased => node.ping_again().await?,
        }
        self.gate = Some(gate);
        Ok(())
    }

    /// Lets these users log in, and the hidden one, with this password; gives the first whose
    /// permissions it does not take.
    pub(super) async fn admit(
        &mut self,
        password: &Secret,
        users: &[TokenUser],
    ) -> Result<Option<RefusedUser>, CommandError> {
        let Some(node) = &self.node else {
            return Ok(None);
        };
        if !self.admits(users) {
            let refused = node.admit(password, users).await?;
            self.admitted = Some(Admitted {
                users: users.to_vec(),
                refused: refused.into_iter().next(),
            });
        }
        let admitted = self.admitted.as_ref();
        Ok(admitted.and_then(|admitted| admitted.refused.clone()))
    }

    /// It was told of these users, and of no others.
    pub(super) fn admits(&self, users: &[TokenUser]) -> bool {
        let admitted = self.admitted.as_ref();
        admitted.is_some_and(|admitted| admitted.users == users)
    }

    /// Settles how it conducts itself in a link, and out of one.
    pub(super) async fn settle(&mut self, conduct: Conduct) -> Result<(), CommandError> {
        let Some(node) = &self.node else {
            return Ok(());
        };
        if self.conduct == Some(conduct) {
            return Ok(());
        }
        node.serve_stale(conduct.stale).await?;
        node.load_beside_old_data(conduct.old_data).await?;
        node.wait_for_snapshot(conduct.patient).await?;
        node.compress_snapshots(conduct.compresses).await?;
        self.conduct = Some(conduct);
        Ok(())
    }
}

/// How a node conducts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conduct {
    /// It answers reads with the data it has while it is not in step.
    pub(super) stale: bool,
    /// It keeps that data until a full sync is whole.
    pub(super) old_data: bool,
    /// It waits for the next byte of a snapshot for as long as it takes.
    pub(super) patient: bool,
    /// It compresses its snapshots, because no link does.
    pub(super) compresses: bool,
}

/// What an engine answered.
struct Seen {
    replication: Replication,
    /// After a full question.
    figures: Option<Figures>,
    /// When it was not known.
    gate: Option<Gate>,
    /// When that was not known.
    databases: Option<u16>,
}

/// Asks an engine; in full, or for its replication alone.
async fn see(
    node: &Node,
    full: bool,
    (gate, databases): (Option<Gate>, Option<u16>),
) -> Result<Seen, CommandError> {
    let (replication, figures) = if full {
        let info = node.info().await?;
        let figures = Figures {
            loading: info.loading,
            keys: info.keys,
            only_database: info.only_database,
            used_memory: info.used_memory,
            ops_per_second: info.ops_per_second,
            clients: info.connected_clients,
            on_disk: info.on_disk,
        };
        (info.replication, Some(figures))
    } else {
        (node.replication().await?, None)
    };
    let gate = match gate {
        Some(_known) => None,
        None => Some(found(node, gate_of(node.needed_replicas().await?)).await?),
    };
    let databases = match databases {
        Some(_known) => None,
        None => Some(node.databases().await?),
    };
    Ok(Seen {
        replication,
        figures,
        gate,
        databases,
    })
}

/// A process that was just found is pinged by whoever found it.
async fn found(node: &Node, gate: Gate) -> Result<Gate, CommandError> {
    if gate == Gate::Shut {
        node.hold_pings().await?;
    }
    Ok(gate)
}

/// The last byte of the history before its present one.
pub(super) fn before(seen: &Replication) -> Option<Position> {
    let (replid, next) = seen.replid2.zip(seen.second_offset)?;
    Some(Position::new(replid, Offset::before_wanted(next.0)?))
}

fn gate_of(needed: u32) -> Gate {
    match needed {
        0 => Gate::Open,
        SHUT.. => Gate::Shut,
        _ => Gate::Leased,
    }
}

fn is_connected(seen: &Replication) -> bool {
    match &seen.role {
        EngineRole::Primary => true,
        EngineRole::Replica {
            link_up,
            sync_in_progress,
            ..
        } => *link_up && !*sync_in_progress,
    }
}

/// What asking a process came to.
pub(super) enum Asked {
    /// There is none.
    Down,
    /// It was there before and is gone.
    Died {
        /// Its process ID.
        pid: u32,
        /// What it said, when it could not load its data set.
        unloadable: Option<String>,
    },
    /// An answer is due.
    Waits,
}

/// What was heard of a process.
pub(super) enum Heard {
    /// Nothing yet, or nothing was asked.
    Nothing,
    /// It is there and does not answer.
    Silence(CommandError),
    /// It answered.
    Answer,
}
