mod following;
mod forced;
mod gates;
mod handoff;
mod installing;
mod rejoin;
mod succession;

use super::*;
use crate::{Epoch, LinkId, Standing};
use psync::Offset;

fn id(letter: char) -> ReplicationId {
    letter.to_string().repeat(40).parse().unwrap()
}

fn at(offset: u64) -> Position {
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

fn replica(of: Upstream, offset: u64) -> NodeFacts {
    let upstream = Some(of);
    NodeFacts {
        upstream,
        link_up: true,
        at_service_address: false,
        ..primary(offset)
    }
}

pub(super) fn follower(offset: u64) -> NodeFacts {
    NodeFacts {
        at_service_address: true,
        ..replica(Upstream::Inbound, offset)
    }
}

pub(super) fn memory(stance: Stance) -> ShardMemory {
    ShardMemory {
        leader: 0,
        founded: true,
        stance,
        lineage: vec![id('a')],
        unsettled: false,
        saved: None,
        emptied: None,
        fork: None,
        rejoined: None,
        installed: None,
    }
}

fn link() -> LinkId {
    LinkId::new("l")
}

pub(super) fn geo_primary(standing: Standing) -> GeoRole {
    GeoRole::Primary {
        link: link(),
        standing,
        accept_empty: None,
    }
}

pub(super) fn yielding() -> GeoRole {
    GeoRole::Yielding {
        link: link(),
        attempt: 4,
    }
}

fn secondary() -> GeoRole {
    GeoRole::Secondary {
        rejoin: crate::Rejoin::Freely,
        link: link(),
        source: None,
    }
}

pub(super) fn taken_over_at(offset: u64) -> GeoRole {
    geo_primary(Standing::AtBarrier {
        attempt: 4,
        barriers: vec![at(offset)],
    })
}

fn ask(role: &GeoRole, memory: &ShardMemory, nodes: &[NodeView], link: LinkView) -> Plan {
    plan(&Situation {
        shard: ShardIndex(0),
        role,
        replicas: 1,
        memory,
        nodes,
        link,
        lease: None,
        saving: Saving::Idle,
        staged: None,
    })
}

fn steps(role: &GeoRole, memory: &ShardMemory, nodes: &[NodeView]) -> Vec<Step> {
    ask(role, memory, nodes, LinkView::default()).steps
}

use NodeView::{Down, Up};

const IN_STEP: NodeView = Up(NodeFacts {
    upstream: Some(Upstream::Node(0)),
    link_up: true,
    syncing: false,
    loading: false,
    position: Position {
        replid: ZEROS,
        offset: Offset(5),
    },
    before: None,
    backlog_from: Some(Offset(0)),
    keys: 10,
    at_service_address: false,
    paused: false,
    gate: Gate::Open,
});
const ZEROS: ReplicationId = ReplicationId::UNSET;

fn starts(node: u8, upstream: Option<Upstream>, saved: bool, at_service_address: bool) -> Step {
    Step::Start {
        node,
        upstream,
        saved,
        at_service_address,
    }
}

fn may_be_empty() -> GeoRole {
    GeoRole::Primary {
        link: link(),
        standing: Standing::Founder,
        accept_empty: Some(Epoch(3)),
    }
}
