//! An agent's look at its shard: see, plan, carry out, report.

use std::{io, time::Duration};

use model::{
    CacheDesired, CacheObserved, Epoch, Fencing, GeoRole, LinkObserved, NodeObserved, Rejoin,
    ShardIndex, ShardObserved, ShardStanding,
    shard::{
        Drained, Gate, JournalEnd, LinkView, NodeFacts, NodeView, Plan, Saving, Situation, Step,
        Upstream, fork_of, holds_still, plan,
    },
};
use psync::{Offset, Position};
use tokio::time::{Instant, sleep, timeout};

use super::{Agent, Fence};
use crate::{
    engine::{GateSetting, Info},
    lines::connect,
    machine::{self, Answer, Ask},
};

/// Between two looks.
const CALM: Duration = Duration::from_millis(100);
/// Between two acknowledgements of a held lease.
const KEEP: Duration = Duration::from_millis(300);
/// How long a pause of client writes lasts.
const PAUSE: Duration = Duration::from_secs(15);
/// An engine that takes longer does not answer.
const LIMIT: Duration = Duration::from_secs(2);

impl Agent {
    pub(super) async fn look_for_ever(&self) {
        loop {
            // What failed is planned again.
            let moved = self.look().await.unwrap_or(false);
            if !moved {
                let _late = timeout(CALM, self.nudge.notified()).await;
            }
        }
    }

    /// Acknowledges like a replica while the lease is held, for as long as the host lives.
    pub(super) async fn keep(self: std::sync::Arc<Self>) {
        loop {
            let epoch = self.order().map(|order| order.epoch);
            let held = epoch.is_some_and(|epoch| self.holds_lease(epoch));
            if held {
                let _lost = self.ask(Ask::Acknowledge).await;
            }
            sleep(KEEP).await;
        }
    }

    fn holds_lease(&self, epoch: Epoch) -> bool {
        self.state.lock().lease.is_held(epoch, self.clock())
    }

    pub(super) async fn ask(&self, ask: Ask) -> io::Result<Answer> {
        let asked = async {
            let (mut reader, mut writer) = connect(self.setup.machine, machine::PORT).await?;
            writer.send(&ask).await?;
            reader.next().await
        };
        timeout(LIMIT, asked).await?
    }

    pub(super) async fn info(&self) -> io::Result<Option<Info>> {
        match self.ask(Ask::Info).await? {
            Answer::Info(info) => Ok(info),
            Answer::Written(_) | Answer::Done(_) | Answer::Writes(_) | Answer::Streams { .. } => {
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }

    /// Tells whether a step was taken.
    async fn look(&self) -> io::Result<bool> {
        let Some(order) = self.order() else {
            return Ok(false);
        };
        self.wire(&order);
        let info = self.info().await?;
        let plan = self.plan(&order, info);
        self.pin(&order, &plan, info);
        for step in &plan.steps {
            self.carry_out(&order, step).await?;
        }
        if let Some((_, barrier)) = plan.ready {
            self.ask_for_the_decision(barrier).await;
        }
        Ok(!plan.steps.is_empty())
    }

    /// Brings the halves of the link in line with the role.
    fn wire(&self, order: &CacheDesired) {
        let mut state = self.state.lock();
        let (serves, follows) = match &order.role {
            GeoRole::Alone => (None, None),
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => (Some(order.epoch), None),
            GeoRole::Secondary { source, .. } | GeoRole::Taking { source, .. } => {
                let holds = holds_still(&order.role, &self.setup.disk.0.lock().memory);
                (None, source.filter(|_| !holds).map(|_address| order.epoch))
            }
        };
        let before = (state.serves, state.follows);
        if state.serves != serves {
            state.fence = Fence::Open;
        }
        (state.serves, state.follows) = (serves, follows);
        drop(state);
        if before != (serves, follows) {
            self.rewired.notify_waiters();
        }
    }

    fn plan(&self, order: &CacheDesired, info: Option<Info>) -> Plan {
        let (link, paused) = self.link_view(info);
        let settings = order.replication.as_ref().map(|link| &link.settings);
        let leased = settings.is_some_and(|link| link.fencing == Fencing::Lease);
        let view = info.map_or(NodeView::Down, |info| {
            let upstream = info.follows.then_some(Upstream::Inbound);
            NodeView::Up(NodeFacts {
                upstream,
                link_up: info.link_up,
                syncing: false,
                loading: false,
                position: info.position,
                before: info.before,
                backlog_from: Some(Offset(0)),
                keys: info.keys,
                at_service_address: true,
                paused: paused.is_some_and(|at| at.elapsed() < PAUSE),
                gate: match info.gate {
                    GateSetting::Open => Gate::Open,
                    GateSetting::Leased => Gate::Leased,
                    GateSetting::Shut => Gate::Shut,
                },
            })
        });
        let (memory, saved_for) = {
            let files = self.setup.disk.0.lock();
            (files.memory.clone(), files.saved_for)
        };
        let at = forced_at(&order.role);
        plan(&Situation {
            shard: ShardIndex(0),
            role: &order.role,
            replicas: 0,
            memory: &memory,
            nodes: &[view],
            link,
            lease: leased.then(|| self.holds_lease(order.epoch)),
            saving: if at.is_some() && saved_for == at {
                Saving::Done
            } else {
                Saving::Idle
            },
            staged: None,
        })
    }

    fn link_view(&self, info: Option<Info>) -> (LinkView, Option<Instant>) {
        let state = self.state.lock();
        let position = info.map(|info| info.position);
        let drained = state.drains.map(|from| Drained {
            from,
            end: position.map_or(JournalEnd::Unknown, JournalEnd::At),
        });
        let view = LinkView {
            sent: state.sent,
            lags: false,
            barrier: state.barrier,
            held: state.follows.is_none(),
            drained,
        };
        (view, state.paused)
    }

    /// Keeps what the other side does not have.
    async fn save_lost(&self, at: Epoch, from: Position) -> io::Result<()> {
        let answer = self.ask(Ask::Behind(from.offset)).await?;
        let Answer::Writes(writes) = answer else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let region = self.setup.region;
        let count = writes.len();
        self.setup
            .trace
            .note(format_args!("{region} saves {count} writes behind {from}"));
        let mut files = self.setup.disk.0.lock();
        files.saved.extend(writes);
        files.saved_for = Some(at);
        Ok(())
    }

    async fn carry_out(&self, order: &CacheDesired, step: &Step) -> io::Result<()> {
        if !matches!(step, Step::Remember(_)) {
            let region = self.setup.region;
            self.setup
                .trace
                .note(format_args!("{region} does {step:?}"));
        }
        let ask = match step {
            Step::Remember(memory) => {
                self.setup.disk.0.lock().memory = memory.clone();
                return Ok(());
            }
            Step::Start { upstream, .. } => Ask::Start {
                follows: upstream.is_some(),
            },
            Step::Follow { .. } => Ask::Follow,
            Step::StandAlone { .. } => Ask::StandAlone,
            Step::Pause { .. } => Ask::Pause {
                ms: u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX),
            },
            Step::Resume { .. } => Ask::Resume,
            Step::SetGate { gate, .. } => Ask::Gate(match gate {
                Gate::Open => GateSetting::Open,
                Gate::Leased => GateSetting::Leased,
                Gate::Shut => GateSetting::Shut,
            }),
            Step::ExpectFence => return self.tell_fence(Fence::Expected),
            Step::DeclareBarrier { attempt, position } => {
                return self.tell_fence(Fence::Declared(*attempt, *position));
            }
            Step::LiftFence => return self.tell_fence(Fence::Open),
            Step::Drain => {
                let fork = known_fork(&order.role);
                self.state.lock().drains = Some(fork);
                return Ok(());
            }
            Step::SaveLost { at, from, .. } => return self.save_lost(*at, *from).await,
            Step::Retire { .. }
            | Step::Install { .. }
            | Step::TakeServiceAddress { .. }
            | Step::TakePauseOver { .. } => {
                return Ok(());
            }
        };
        let (pauses, resumes) = (matches!(ask, Ask::Pause { .. }), matches!(ask, Ask::Resume));
        if matches!(ask, Ask::Acknowledge) && !self.holds_lease(order.epoch) {
            return Ok(());
        }
        let asked = Instant::now();
        self.ask(ask).await?;
        if pauses {
            self.state.lock().paused = Some(asked);
        } else if resumes {
            self.state.lock().paused = None;
        }
        Ok(())
    }

    fn tell_fence(&self, fence: Fence) -> io::Result<()> {
        self.state.lock().fence = fence;
        self.rewired.notify_waiters();
        Ok(())
    }

    /// Pins up what was seen for the next report.
    fn pin(&self, order: &CacheDesired, plan: &Plan, info: Option<Info>) {
        let node = NodeObserved {
            index: 0,
            pid: info.map(|_runs| 1),
            address: None,
            leads: true,
            in_step: info.is_some_and(|info| !info.follows || info.link_up),
        };
        let settled = matches!(
            plan.standing,
            ShardStanding::Writable | ShardStanding::Following
        );
        let (epoch, fork) = {
            let files = self.setup.disk.0.lock();
            (files.epoch, fork_of(&order.role, &files.memory))
        };
        let mut state = self.state.lock();
        let connected = match order.role {
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => state.sent.is_some(),
            GeoRole::Alone | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                info.is_some_and(|info| info.link_up)
            }
        };
        let link = order.role.link().map(|_link| LinkObserved {
            connected,
            ..LinkObserved::default()
        });
        let observed = CacheObserved {
            uid: order.uid.clone(),
            settled_revision: if settled { order.revision } else { 0 },
            epoch,
            role: order.role.kind(),
            doors: None,
            engine: "Valkey server v=8.0.1".parse().ok(),
            shards: vec![ShardObserved {
                shard: ShardIndex(0),
                standing: plan.standing.clone(),
                position: info.map(|info| info.position),
                keys: info.map_or(0, |info| info.keys),
                used_memory: 0,
                ops_per_second: 0,
                clients: 0,
                nodes: vec![node],
                link,
                fork,
            }],
            problem: None,
            lost_writes: Vec::new(),
            handoff: None,
            transfer: None,
        };
        let is_news = state.observed.as_ref().is_none_or(|before| {
            let standing = |seen: &CacheObserved| seen.shards[0].standing.clone();
            (standing(before), before.epoch, before.role)
                != (standing(&observed), observed.epoch, observed.role)
        });
        state.observed = Some(observed);
        drop(state);
        if is_news {
            self.news.notify_one();
        }
    }
}

/// The epoch at which the other side took over by force.
fn forced_at(role: &GeoRole) -> Option<Epoch> {
    match role {
        GeoRole::Secondary {
            rejoin: Rejoin::AfterForce { at, .. },
            ..
        } => Some(*at),
        GeoRole::Secondary { .. }
        | GeoRole::Alone
        | GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Taking { .. } => None,
    }
}

/// Where it took over, when that is known.
fn known_fork(role: &GeoRole) -> Option<Position> {
    match role {
        GeoRole::Secondary {
            rejoin: Rejoin::AfterForce {
                forks: Some(forks), ..
            },
            ..
        } => forks.first().copied(),
        GeoRole::Secondary { .. }
        | GeoRole::Alone
        | GeoRole::Primary { .. }
        | GeoRole::Yielding { .. }
        | GeoRole::Taking { .. } => None,
    }
}
