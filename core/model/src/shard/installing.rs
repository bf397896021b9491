//! A data set from outside takes the place of the shard's own: an engine that nobody is led to has
//! loaded it, and becomes the leader in one write to the disk. Before that write the shard has the
//! old data set, behind it the new one, and at no moment parts of both.

use super::{NodeView, Plan, ShardMemory, Situation, Stance, Step, Upstream};
use crate::{OperationId, ShardStanding};
use psync::Position;
use serde::{Deserialize, Serialize};

/// A node that holds a whole data set from outside, and that is none of the shard's nodes yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged<'a> {
    /// The import that it is for.
    pub import: &'a OperationId,
    /// The index that it is to have.
    pub node: u8,
    /// Where it stands, in a history of its own.
    pub position: Position,
}

/// The last data set from outside that was put in the place of the shard's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// The import.
    pub import: OperationId,
    /// A replica has it as well, or none is wanted. Until then the leader, should it die, is started
    /// again with what it was given.
    pub kept: bool,
}

/// Puts the staged node in the leader's place, once the leader does all that it is to do.
pub(super) fn install(now: &Situation<'_>, planned: Plan) -> Plan {
    let Some(staged) = now.staged else {
        return planned;
    };
    let settled = planned.steps.is_empty() && planned.standing == ShardStanding::Writable;
    if !settled || has_installed(now.memory, staged.import) {
        return planned;
    }
    let memory = ShardMemory {
        leader: staged.node,
        founded: true,
        stance: Stance::Primary,
        lineage: vec![staged.position.replid],
        unsettled: false,
        saved: Some(staged.node),
        installed: Some(Installed {
            import: staged.import.clone(),
            kept: false,
        }),
        ..now.memory.clone()
    };
    Plan {
        steps: vec![Step::Install {
            node: staged.node,
            memory,
        }],
        standing: ShardStanding::Starting,
        ready: None,
    }
}

/// Tells whether the shard's data set is, or has grown out of, that import's.
#[must_use]
pub fn has_installed(memory: &ShardMemory, import: &OperationId) -> bool {
    let installed = memory.installed.as_ref();
    installed.is_some_and(|installed| installed.import == *import)
}

/// The leader has what was imported, and nobody else may have it.
pub(super) fn is_alone_with_it(memory: &ShardMemory) -> bool {
    let installed = memory.installed.as_ref();
    installed.is_some_and(|installed| !installed.kept)
}

/// Somebody else has it too, by what is seen of the nodes.
pub(super) fn is_kept(now: &Situation<'_>) -> bool {
    let leader = Upstream::Node(now.memory.leader);
    now.replicas == 0
        || now.nodes.iter().any(|node| match node {
            NodeView::Up(facts) => {
                facts.upstream == Some(leader) && facts.link_up && !facts.loading
            }
            NodeView::Down | NodeView::Silent => false,
        })
}
