//! An agent's look at its shard: see, plan, carry out, report.

use std::{io, time::Duration};

use model::{
    CacheDesired, CacheObserved, Fencing, GeoRole, LinkObserved, NodeObserved, ShardIndex,
    ShardObserved, ShardStanding,
    shard::{Gate, LinkView, NodeFacts, NodeView, Plan, Situation, Step, Upstream, plan},
};
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

    fn holds_lease(&self, epoch: model::Epoch) -> bool {
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
            Answer::Written(_) | Answer::Done(_) | Answer::Streams { .. } => {
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
                (None, source.map(|_address| order.epoch))
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
        let (sent, barrier, paused) = {
            let state = self.state.lock();
            (state.sent, state.barrier, state.paused)
        };
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
        let memory = self.setup.disk.0.lock().memory.clone();
        plan(&Situation {
            shard: ShardIndex(0),
            role: &order.role,
            replicas: 0,
            memory: &memory,
            nodes: &[view],
            link: LinkView {
                sent,
                lags: false,
                barrier,
            },
            lease: leased.then(|| self.holds_lease(order.epoch)),
        })
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
            Step::Retire { .. } | Step::TakeServiceAddress { .. } | Step::TakePauseOver { .. } => {
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
            epoch: self.setup.disk.0.lock().epoch,
            role: order.role.kind(),
            endpoint: Some(([127, 0, 0, 1], machine::PORT).into()),
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
                fork: None,
            }],
            problem: None,
            lost_writes: Vec::new(),
            handoff: None,
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
