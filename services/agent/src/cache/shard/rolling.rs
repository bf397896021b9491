//! A shard's share of an order to restart nodes: what is seen for it, and the steps that it adds.

use std::time::Duration;

use engine::{EngineProgram, StopError, StopHow, left_snapshot};
use model::{
    CacheDesired, EngineBuild, EventKind, RollObserved, RollOrder, RollStanding,
    rolling::{self, Keep, RollMemory, RollPlan, RollSight, RollStep, Stage, StopSeen},
    shard::{Situation, Step},
};
use runtime::chain;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::Instant,
};

use super::{DISCARD_GRACE, ShardRunner, stop::SAVE_GRACE};
use crate::cache::{handoff::attempt_of, node::Slot, store::CacheStore};

/// Writes, or the stream, wait for so long at most while two nodes change places.
const PLACES: Duration = Duration::from_millis(1_500);
/// The engine goes on by itself after this long, should the agent die.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two attempts to change places.
const REST: Duration = Duration::from_secs(5);
/// A node that is started, and neither loads nor follows for so long, does not do.
const IDLE: Duration = Duration::from_secs(60);
/// A node that has not answered for so long hangs.
const HANGS: Duration = Duration::from_secs(10);
/// So often a node is started that does not come up, with the engine that it had before.
const ATTEMPTS: u32 = 3;

/// What a run of the agent knows of the order.
#[derive(Default)]
pub(in crate::cache) struct ShardRoll {
    /// A node that is being stopped; what it comes to.
    stopping: Option<(u8, oneshot::Receiver<Result<bool, StopError>>)>,
    /// A node that has ended, and whether it left a data set.
    ended: Option<(u8, bool)>,
    /// Why a node was not stopped.
    refused: Option<String>,
    /// Why the node that is restarted does not come into step, and how often it was started.
    failure: Option<String>,
    failures: u32,
    /// Since when it makes no progress.
    idle: Option<Instant>,
    /// Since when the leading node does not answer.
    silent: Option<Instant>,
    /// Since when writes, or the stream, wait for two nodes to change places.
    waiting: Option<Instant>,
    /// Until when that is not tried again.
    rests: Option<Instant>,
    /// The inbound half is held for that.
    cut: bool,
    standing: Option<RollStanding>,
}

impl ShardRoll {
    /// A node does not start.
    pub(super) fn note_failure(&mut self, memory: &RollMemory, node: u8, why: &str) {
        let Some(now) = memory.now.filter(|now| now.node == node) else {
            return;
        };
        let newer = match now.stage {
            Stage::Stopping => return,
            Stage::Starting { .. } => memory.builds.contains_key(&node),
            Stage::Back { .. } => false,
        };
        self.failures += 1;
        if newer || self.failures >= ATTEMPTS {
            self.failure = Some(why.to_owned());
        }
    }

    /// A process is gone that nobody stopped.
    pub(super) fn note_death(&mut self, memory: &RollMemory, index: usize) {
        if let Ok(node) = u8::try_from(index) {
            let why = "its process ended before it was in step; see engine.log in its directory";
            self.note_failure(memory, node, why);
        }
    }

    /// What was seen of one node says nothing of the next.
    fn begin_anew(&mut self) {
        (self.ended, self.refused, self.failure) = (None, None, None);
        (self.failures, self.idle) = (0, None);
    }

    fn waits(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// Whoever waited goes on.
    fn goes_on(&mut self) {
        if self.is_late() {
            self.rests = Some(Instant::now() + REST);
        }
        self.waiting = None;
    }

    fn is_late(&self) -> bool {
        self.waiting.is_some_and(|since| since.elapsed() >= PLACES)
    }
}

impl ShardRunner {
    /// The inbound half gives nothing for the moment, so that two nodes can change places.
    pub(super) fn is_cut(&self) -> bool {
        self.roll.cut
    }

    /// Two nodes are changing places, and somebody waits for it.
    pub(in crate::cache) fn changes_places(&self) -> bool {
        self.roll.waiting.is_some()
    }

    /// Nodes are being restarted.
    pub(in crate::cache) fn rolls(&self) -> bool {
        matches!(self.roll.standing, Some(RollStanding::UnderWay { .. }))
    }

    /// Nothing of the order is left to do here.
    pub(in crate::cache) fn has_rolled(&self, desired: &CacheDesired) -> bool {
        desired.roll.is_none() || self.roll.standing == Some(RollStanding::Done)
    }

    /// How the order stands here; `None`: it is not taken up yet.
    pub(in crate::cache) fn rolling(
        &self,
        store: &CacheStore,
        order: &RollOrder,
    ) -> Option<RollObserved> {
        let memory = store.shard(self.shard).roll;
        let taken_up = memory.order == Some(order.id);
        let standing = self.roll.standing.clone().filter(|_| taken_up)?;
        let count = |nodes: usize| u32::try_from(nodes).unwrap_or(u32::MAX);
        Some(RollObserved {
            order: order.id,
            standing,
            restarted: count(memory.restarted.len()),
            nodes: count(memory.restarted.len() + memory.due.len()),
        })
    }

    /// What the leading node runs.
    pub(in crate::cache) fn runs(&self, store: &CacheStore) -> Option<EngineBuild> {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        self.slots.get(leader)?.engine()
    }

    /// Every process runs this.
    pub(in crate::cache) fn runs_only(&self, build: &EngineBuild) -> bool {
        let mut running = self.slots.iter().filter_map(|slot| slot.engine());
        running.all(|engine| engine == *build)
    }

    /// Keeps copies of engines that run and are not installed any more.
    pub(in crate::cache) async fn keep_programs(&self) {
        let programs = &self.host.programs;
        for slot in &self.slots {
            if let (Some(pid), Some(engine)) = (slot.pid(), slot.engine())
                && programs.of(&engine).is_none()
            {
                programs.keep_running(pid, &engine).await;
            }
        }
    }

    /// The program that a node is started with.
    pub(super) async fn program_of(
        &self,
        store: &mut CacheStore,
        node: u8,
    ) -> Result<EngineProgram, String> {
        let programs = &self.host.programs;
        programs.refresh().await;
        let own = store.shard(self.shard).roll.builds.get(&node).cloned();
        let wanted = own.clone().or_else(|| store.file().engine.clone());
        let installed = programs.installed();
        let program = match &wanted {
            Some(wanted) => match programs.of(wanted) {
                Some(program) => program,
                None => stand_in(wanted, installed)?,
            },
            None => installed,
        };
        if own.is_none() && wanted.as_ref() != Some(&program.engine()) {
            let kept = store.change(|file| file.engine = Some(program.engine()));
            kept.map_err(|error| chain(&error).to_string())?;
        }
        Ok(program)
    }

    /// Looks what became of a stop, and of a start.
    pub(super) fn look_at_roll(&mut self, store: &CacheStore) {
        let file = store.shard(self.shard);
        self.look_at_stop();
        if file.roll.handing.is_some() {
            self.roll.waits();
        }
        let now = file.roll.now;
        if let Some(now) = now.filter(|now| now.stage == Stage::Stopping)
            && self.roll.stopping.is_none()
            && self.roll.ended.is_none()
            && self
                .slots
                .get(usize::from(now.node))
                .is_none_or(|slot| slot.node.is_none())
        {
            // It ended while no agent was there to see it, or by itself.
            let directory = self.host.directory.node(&self.uid, self.shard.0, now.node);
            self.roll.ended = Some((now.node, left_snapshot(&directory).unwrap_or(false)));
        }
        let leader = self.slots.get(usize::from(file.memory.leader));
        let silent = leader.is_some_and(|slot| slot.is_silent());
        self.roll.silent = silent.then(|| self.roll.silent.unwrap_or_else(Instant::now));
        let idle = now.is_some_and(|now| {
            let slot = self.slots.get(usize::from(now.node));
            now.stage != Stage::Stopping
                && slot.is_some_and(|slot| slot.node.is_some() && !slot.is_busy())
        });
        self.roll.idle = idle.then(|| self.roll.idle.unwrap_or_else(Instant::now));
        if self.roll.idle.is_some_and(|since| since.elapsed() >= IDLE) {
            let why = format!("it runs, and is not in step after {} s", IDLE.as_secs());
            self.roll.failure.get_or_insert(why);
        }
    }

    fn look_at_stop(&mut self) {
        let Some((node, answer)) = &mut self.roll.stopping else {
            return;
        };
        let (node, answer) = (*node, answer.try_recv());
        let ended = match &answer {
            Err(TryRecvError::Empty) => return,
            Ok(Ok(_)) => true,
            Ok(Err(_)) | Err(TryRecvError::Closed) => false,
        };
        if let Some(slot) = self.slots.get_mut(usize::from(node)) {
            slot.end_stop(ended);
        }
        match answer {
            Ok(Ok(saved)) => self.roll.ended = Some((node, saved)),
            Ok(Err(error)) => {
                self.roll.refused = Some(match error {
                    StopError::NotSaved { why, .. } => {
                        format!("it holds the only data, and they cannot be saved: {why}")
                    }
                    error @ (StopError::Signal { .. } | StopError::StillThere { .. }) => {
                        chain(&error).to_string()
                    }
                });
            }
            // The task is gone with all others of the agent.
            Err(TryRecvError::Empty | TryRecvError::Closed) => {}
        }
        self.roll.stopping = None;
    }

    /// What to do next, with what an order adds.
    pub(super) fn roll_plan(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
        (held, turn): (bool, bool),
        lease: Option<bool>,
    ) -> RollPlan {
        let memory = store.shard(self.shard).roll;
        let fed: Vec<bool> = self.slots.iter().map(|slot| slot.is_fed()).collect();
        let builds: Vec<_> = self.slots.iter().map(|slot| slot.engine()).collect();
        let now = memory.now.map(|now| now.node);
        let roll = &self.roll;
        let stop = match (&roll.stopping, &roll.refused, roll.ended) {
            (Some((node, _)), _, _) if Some(*node) == now => StopSeen::UnderWay,
            (_, Some(why), _) => StopSeen::Refused { why },
            (_, None, Some((node, saved))) if Some(node) == now => StopSeen::Ended { saved },
            (_, None, _) => StopSeen::Nothing,
        };
        let sight = RollSight {
            order: desired.roll.as_ref(),
            memory: &memory,
            fed: &fed,
            builds: &builds,
            stop,
            failure: roll.failure.as_deref(),
            cut: roll.cut,
            late: roll.is_late(),
            rests: roll.rests.is_some_and(|until| Instant::now() < until),
            turn,
            hangs: roll.silent.is_some_and(|since| since.elapsed() >= HANGS),
        };
        let planned = |situation: &Situation<'_>| rolling::plan(situation, &sight);
        self.with_situation(store, desired, (held, lease), planned)
    }

    pub(super) fn note_roll(&mut self, standing: Option<RollStanding>) {
        self.roll.standing = standing;
    }

    /// Carries a step out.
    pub(super) async fn take(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        step: &RollStep,
    ) -> Result<(), String> {
        match step {
            RollStep::Usual(Step::Pause { node }) if attempt_of(desired).is_none() => {
                self.roll.waits();
                let paused = self.slot(*node)?.pause_for(PAUSE).await;
                paused.map_err(|error| chain(&error).to_string())
            }
            RollStep::Usual(step) => {
                self.carry_out(store, desired, step).await?;
                if let Step::Resume { .. } = step {
                    self.roll.goes_on();
                }
                Ok(())
            }
            RollStep::Note(memory) => self.keep_roll(store, desired, memory),
            RollStep::MoveService { node } => {
                let address = self.engine(*node)?.address();
                let kept = store.change(|file| file.service = Some(address));
                kept.map_err(|error| chain(&error).to_string())
            }
            RollStep::CutInbound => {
                self.roll.waits();
                self.roll.cut = true;
                Ok(())
            }
            RollStep::RejoinInbound => {
                self.roll.cut = false;
                self.roll.goes_on();
                Ok(())
            }
            RollStep::Stop { node, keep } => {
                self.begin_stop(store, desired, (*node, *keep));
                Ok(())
            }
        }
    }

    fn keep_roll(
        &mut self,
        store: &mut CacheStore,
        desired: &CacheDesired,
        memory: &RollMemory,
    ) -> Result<(), String> {
        let before = store.shard(self.shard).roll;
        let kept = store.change_shard(self.shard, |file| file.roll = memory.clone());
        kept.map_err(|error| chain(&error).to_string())?;
        if memory.now != before.now {
            self.roll.begin_anew();
        }
        if memory.handing.is_none() && before.handing.is_some() {
            self.roll.goes_on();
        }
        if memory.restarted.len() > before.restarted.len()
            && let Some(node) = memory.restarted.last()
        {
            let slot = self.slots.get(usize::from(*node));
            let runs = slot.and_then(|slot| slot.engine());
            let runs = runs.map_or_else(String::new, |engine| format!(" with {engine}"));
            let text = format!(
                "node {node} of `{}` was restarted{runs} and is in step",
                desired.id.name
            );
            self.tell_roll(desired, EventKind::NodeRestarted, text);
        }
        if let Some(why) = memory.stopped.as_ref().filter(|_| before.stopped.is_none()) {
            let text = format!(
                "no further node of `{}` is restarted: {why}",
                desired.id.name
            );
            self.tell_roll(desired, EventKind::RestartsStopped, text);
        }
        Ok(())
    }

    fn tell_roll(&self, desired: &CacheDesired, kind: EventKind, text: String) {
        tracing::info!(cache.id = %desired.id.name, shard = %self.shard, %kind, "{text}");
        if let Some(link) = desired.role.link() {
            let shard = Some(self.shard);
            self.host.board.tell_of(link.clone(), shard, kind, text);
        }
    }

    /// Stops a node in the background: a data set takes its time to be saved.
    fn begin_stop(&mut self, store: &CacheStore, desired: &CacheDesired, (node, keep): (u8, Keep)) {
        if self
            .roll
            .stopping
            .as_ref()
            .is_some_and(|(of, _)| *of == node)
        {
            return;
        }
        let leads = node == store.shard(self.shard).memory.leader;
        if leads {
            // The engine's stop would wait for whoever acknowledges for the lease.
            self.let_lease_go();
        }
        // One with fewer databases than it followed may have taken a write for another one: it gets all
        // of it anew.
        let databases = self.slots.get(usize::from(node)).and_then(Slot::databases);
        let fewer = databases.is_some_and(|has| has < desired.settings.databases);
        let slot = self.slots.get_mut(usize::from(node));
        let Some(engine) = slot.and_then(|slot| slot.begin_stop()) else {
            return;
        };
        let (how, grace) = match keep {
            Keep::Surely => (StopHow::SaveOrStay, SAVE_GRACE),
            Keep::IfPossible if !fewer => (StopHow::SaveAtOnce, SAVE_GRACE),
            Keep::IfPossible | Keep::Nothing => (StopHow::Discard, DISCARD_GRACE),
        };
        tracing::info!(cache.id = %desired.id.name, shard = %self.shard, node, pid = engine.pid(), ?keep, "stopping an engine to start it again");
        let (answer, asked) = oneshot::channel();
        self.host
            .relay_tasks
            .spawn("stop of an engine", async move {
                let stopped = engine.stop(how, grace).await;
                // Nobody waits for it when the agent ends.
                drop(answer.send(stopped.map(|stopped| stopped.snapshot_saved)));
            });
        self.roll.refused = None;
        self.roll.stopping = Some((node, asked));
    }
}

/// What takes the place of a program that is nowhere any more.
fn stand_in(wanted: &EngineBuild, installed: EngineProgram) -> Result<EngineProgram, String> {
    let same = installed.version.kind == wanted.version.kind;
    let newer = installed.version >= wanted.version;
    if same && (newer || installed.version.interchangeable(wanted.version)) {
        tracing::warn!(wanted = %wanted, installed = %installed.version, "the engine of this cache is neither installed nor kept; its nodes are started with the installed one");
        return Ok(installed);
    }
    Err(format!(
        "the nodes of this cache run {wanted}, which is neither installed nor kept, and {} cannot take its place; install it again",
        installed.version
    ))
}
