//! The planner of restarts, asked in pictures of a shard.

mod exchanges;
mod machine;
mod restarts;

use super::*;
use crate::{
    EngineKind, EngineVersion, GeoRole,
    shard::{Gate, LinkView, NodeFacts, Saving, ShardMemory, Stance, Upstream},
};
use psync::{Offset, ReplicationId};

pub(super) fn id(letter: char) -> ReplicationId {
    letter.to_string().repeat(40).parse().unwrap()
}

pub(super) fn at(offset: u64) -> Position {
    Position::new(id('a'), Offset(offset))
}

pub(super) fn primary(offset: u64) -> NodeFacts {
    NodeFacts {
        upstream: None,
        link_up: false,
        syncing: false,
        loading: false,
        position: at(offset),
        before: None,
        backlog_from: Some(Offset(0)),
        keys: 10,
        at_service_address: true,
        paused: false,
        gate: Gate::Open,
    }
}

pub(super) fn replica(of: Upstream, offset: u64) -> NodeFacts {
    NodeFacts {
        upstream: Some(of),
        link_up: true,
        at_service_address: false,
        ..primary(offset)
    }
}

pub(super) fn memory(stance: Stance) -> ShardMemory {
    ShardMemory {
        founded: true,
        stance,
        lineage: vec![id('a')],
        ..ShardMemory::default()
    }
}

pub(super) fn secondary() -> GeoRole {
    GeoRole::Secondary {
        rejoin: crate::Rejoin::Freely,
        link: crate::LinkId::new("l"),
        source: None,
    }
}

pub(super) fn build(patch: u16) -> EngineBuild {
    let version = EngineVersion {
        kind: EngineKind::Valkey,
        major: 8,
        minor: 0,
        patch,
    };
    EngineBuild::new(version, "abc")
}

pub(super) fn reboot(nodes: RebootNodes) -> RollOrder {
    RollOrder {
        id: 1,
        what: RollWhat::Reboot { shard: None, nodes },
    }
}

pub(super) fn upgrade() -> RollOrder {
    RollOrder {
        id: 1,
        what: RollWhat::Upgrade { to: build(2) },
    }
}

/// A memory that has taken the first order up.
pub(super) fn taken_up(due: &[u8]) -> RollMemory {
    RollMemory {
        order: Some(1),
        due: due.to_vec(),
        ..RollMemory::default()
    }
}

/// Nothing is seen beside a shard whose nodes are all in step.
pub(super) fn sight<'a>(order: &'a RollOrder, memory: &'a RollMemory) -> RollSight<'a> {
    RollSight {
        order: Some(order),
        memory,
        fed: &[true, true, true],
        builds: &[],
        stop: StopSeen::Nothing,
        failure: None,
        cut: false,
        late: false,
        rests: false,
        turn: true,
        hangs: false,
    }
}

pub(super) fn ask(
    role: &GeoRole,
    memory: &ShardMemory,
    nodes: &[NodeView],
    roll: &RollSight<'_>,
) -> RollPlan {
    let now = Situation {
        shard: ShardIndex(0),
        role,
        replicas: u8::try_from(nodes.len()).unwrap() - 1,
        memory,
        nodes,
        link: LinkView {
            held: roll.cut,
            ..LinkView::default()
        },
        lease: None,
        saving: Saving::Idle,
        staged: None,
    };
    plan(&now, roll)
}

pub(super) fn usual(step: Step) -> RollStep {
    RollStep::Usual(step)
}
