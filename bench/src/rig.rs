//! The two shapes that are measured: Godwit, and the engines alone. Both are two pairs of nodes
//! with the same configuration, of which the second pair can follow the first.

mod godwit;
mod native;
mod way;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use engine::EngineProgram;
use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Handle;
use wan::{Wan, Weather};

use crate::{
    client::Endpoint,
    info::Info,
    processes::{self, Process},
    waiting,
};

const LOOK: Duration = Duration::from_millis(20);

/// Who replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// The engines alone, by `REPLICAOF`.
    Native,
    /// A link.
    Godwit,
}

/// What rigs are made of.
#[derive(Clone)]
pub(crate) struct Ground {
    /// Drives the engines' handles.
    pub(crate) runtime: Handle,
    /// Everything works below this directory.
    pub(crate) root: PathBuf,
    /// The engine of every node.
    pub(crate) program: EngineProgram,
    /// The program `godwit`.
    pub(crate) godwit: PathBuf,
    /// What stands between the pairs; without it they are neighbours.
    pub(crate) weather: Option<Weather>,
}

/// Two pairs of nodes. Dropping it ends every process of it.
pub(crate) trait Rig {
    /// The node that takes writes.
    fn primary(&self) -> Endpoint;
    /// The first node of the other pair.
    fn secondary(&self) -> Endpoint;
    /// Has the second pair follow the first. Returns once that is on its way.
    fn link(&mut self) -> anyhow::Result<()>;
    /// Waits for whatever [`Rig::link`] left to be done.
    fn linked(&mut self) -> anyhow::Result<()>;
    /// Swaps the pairs' roles; how long that took, from the command to its answer.
    fn fail_over(&mut self) -> anyhow::Result<Duration>;
    /// Where it works.
    fn yard(&self) -> &Yard;
    /// What the second pair goes through to the first; its bytes "to the client" are the link's.
    fn wan(&self) -> anyhow::Result<&Wan>;
}

/// Starts four nodes that are not linked yet.
pub(crate) fn start(side: Side, ground: &Ground) -> anyhow::Result<Box<dyn Rig>> {
    let rig: Box<dyn Rig> = match side {
        Side::Native => Box::new(native::Native::start(ground)?),
        Side::Godwit => Box::new(godwit::Godwit::start(ground)?),
    };
    for node in [rig.primary(), rig.secondary()] {
        until_replicas(&node, 1)?;
    }
    Ok(rig)
}

/// Waits until the second pair follows and every node has what its upstream has.
pub(crate) fn until_in_step(rig: &dyn Rig) -> anyhow::Result<()> {
    waiting::until_true("the secondary follows", LOOK, || {
        Ok(Info::of(&rig.secondary())?.follows())
    })?;
    until_replicas(&rig.primary(), 2)?;
    until_replicas(&rig.secondary(), 1)
}

/// Waits until the first pair is in step, the second one not following yet.
pub(crate) fn until_pair_in_step(rig: &dyn Rig) -> anyhow::Result<()> {
    until_replicas(&rig.primary(), 1)
}

/// Waits until every node follows, while writes go on.
pub(crate) fn until_all_follow(rig: &dyn Rig) -> anyhow::Result<()> {
    waiting::until_true("every node follows", LOOK, || {
        let (primary, secondary) = (Info::of(&rig.primary())?, Info::of(&rig.secondary())?);
        Ok(secondary.follows()
            && primary.replicas_online() == 2
            && secondary.replicas_online() == 1)
    })
}

/// Waits until the node's replicas have what it has now. They need not stand where it stands then:
/// it pings once a second, they acknowledge once a second, and over a WAN the two may never meet.
fn until_replicas(node: &Endpoint, count: usize) -> anyhow::Result<()> {
    let offset = waiting::until("the node answers", LOOK, || {
        Info::of(node)?.offset().map(Some)
    })?;
    waiting::until_true("all replicas are in step", LOOK, || {
        Ok(Info::of(node)?.has_replicas_at(count, offset))
    })
}

/// The directory of a rig.
pub(crate) struct Yard(TempDir);

impl Yard {
    fn new(ground: &Ground, prefix: &str) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&ground.root);
        Ok(Self(made.context("make a directory")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The rig's processes that are no engines.
    pub(crate) fn beyond_engines(&self) -> Vec<Process> {
        let mut all = processes::below(self.path());
        all.retain(|process| process.program == "godwit");
        all
    }

    /// Processor time of the engines and of everything else, so far.
    pub(crate) fn cpu(&self) -> (Duration, Duration) {
        let all = processes::below(self.path());
        let of = |own: bool| {
            let mine = all
                .iter()
                .filter(|process| (process.program == "godwit") == own);
            mine.map(|process| process.cpu).sum()
        };
        (of(false), of(true))
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        processes::kill_below(self.path());
    }
}
