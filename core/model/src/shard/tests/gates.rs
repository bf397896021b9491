//! Tests: which writes a leader takes under a lease, without one, and where none is asked for.

use super::*;
use crate::{GeoRole, ShardIndex, ShardStanding, Standing};

fn ask(role: &GeoRole, memory: &ShardMemory, leader: NodeFacts, lease: Option<bool>) -> Plan {
    plan(&Situation {
        saving: Saving::Idle,
        staged: None,
        shard: ShardIndex(0),
        role,
        replicas: 0,
        memory,
        nodes: &[Up(leader)],
        link: LinkView::default(),
        lease,
    })
}

fn gated(gate: Gate) -> NodeFacts {
    NodeFacts { gate, ..primary(5) }
}

fn sets(gate: Gate) -> Step {
    Step::SetGate { node: 0, gate }
}

#[test]
fn a_leader_takes_writes_while_the_lease_is_held() {
    let role = geo_primary(Standing::Founder);
    let m = memory(Stance::Primary);
    for (lease, gate, standing) in [
        (None, Gate::Open, ShardStanding::Writable),
        (Some(true), Gate::Leased, ShardStanding::Writable),
        (Some(false), Gate::Shut, ShardStanding::Unleased),
    ] {
        let settled = ask(&role, &m, gated(gate), lease);
        assert_eq!((settled.steps, settled.standing), (vec![], standing));
        for other in [Gate::Open, Gate::Leased, Gate::Shut] {
            if other != gate {
                let plan = ask(&role, &m, gated(other), lease);
                assert_eq!(plan.steps, [sets(gate)], "{other:?}");
                assert_eq!(plan.standing, ShardStanding::Starting);
            }
        }
    }
}

#[test]
fn a_new_primary_is_gated_before_it_is_promoted() {
    let m = memory(Stance::Follower);
    let plan = ask(&taken_over_at(5), &m, follower(5), Some(false));
    let gate = plan.steps.iter().position(|step| *step == sets(Gate::Shut));
    let promoted = plan
        .steps
        .iter()
        .position(|step| matches!(step, Step::StandAlone { .. }));
    assert!(gate.is_some() && gate < promoted, "{:?}", plan.steps);
}

#[test]
fn the_lease_counts_until_the_fence() {
    let m = memory(Stance::Primary);
    let plan = ask(&yielding(), &m, gated(Gate::Leased), Some(false));
    assert_eq!(plan.steps, [sets(Gate::Shut)]);
    let plan = ask(&yielding(), &m, gated(Gate::Shut), Some(false));
    assert!(
        plan.steps.contains(&Step::Pause { node: 0 }),
        "the handoff goes on: {:?}",
        plan.steps
    );
}

#[test]
fn the_gate_is_open_out_of_the_link() {
    let m = memory(Stance::Primary);
    let plan = ask(&GeoRole::Alone, &m, gated(Gate::Shut), None);
    assert_eq!(plan.steps, [sets(Gate::Open)]);
}
