//! Another node takes the leader's place.

use super::{NodeView::*, *};

fn place_of(plan: &RollPlan, step: &RollStep) -> usize {
    let found = plan.steps.iter().position(|other| other == step);
    found.unwrap_or_else(|| panic!("no {step:?} in {plan:?}"))
}

fn follow(node: u8, upstream: Upstream) -> RollStep {
    usual(Step::Follow { node, upstream })
}

fn promote(node: u8) -> RollStep {
    usual(Step::StandAlone { node })
}

fn paused(offset: u64) -> NodeView {
    Up(NodeFacts {
        paused: true,
        ..primary(offset)
    })
}

fn chained(offset: u64) -> NodeView {
    Up(replica(Upstream::Node(0), offset))
}

/// The agent noted that node 1 leads, and did nothing else.
fn handing() -> (ShardMemory, RollMemory) {
    let shard = ShardMemory {
        leader: 1,
        unsettled: true,
        ..memory(Stance::Primary)
    };
    let roll = RollMemory {
        handing: Some(0),
        ..taken_up(&[0])
    };
    (shard, roll)
}

#[test]
fn a_leader_is_paused_until_the_other_node_stands_where_it_does() {
    let (order, known) = (reboot(RebootNodes::Primary), taken_up(&[0]));
    let memory = memory(Stance::Primary);
    let plan = |nodes: [NodeView; 2], late| {
        let roll = RollSight {
            late,
            ..sight(&order, &known)
        };
        ask(&GeoRole::Alone, &memory, &nodes, &roll).steps
    };
    let pause = usual(Step::Pause { node: 0 });
    assert_eq!(plan([Up(primary(9)), chained(7)], false), [pause]);
    assert_eq!(plan([paused(9), chained(7)], false), []);
    let resume = usual(Step::Resume { node: 0 });
    assert_eq!(plan([paused(9), chained(7)], true), [resume]);
}

/// Its gate is shut, and the agent noted that before.
fn shut(offset: u64) -> NodeView {
    Up(NodeFacts {
        paused: true,
        gate: Gate::Shut,
        ..primary(offset)
    })
}

#[test]
fn a_leader_s_gate_is_shut_before_another_node_takes_its_place() {
    let (order, known) = (reboot(RebootNodes::Primary), taken_up(&[0]));
    let memory = memory(Stance::Primary);
    let nodes = [paused(9), chained(9)];
    let plan = ask(&GeoRole::Alone, &memory, &nodes, &sight(&order, &known));
    let gate = Gate::Shut;
    let shut = usual(Step::SetGate { node: 0, gate });
    let [RollStep::Note(noted), last] = &plan.steps[..] else {
        panic!("{plan:?}")
    };
    assert_eq!((noted.handing, last), (Some(0), &shut));
}

#[test]
fn the_former_leader_is_a_replica_before_the_new_one_is_promoted() {
    let order = reboot(RebootNodes::Primary);
    let memory = memory(Stance::Primary);
    let known = RollMemory {
        handing: Some(0),
        ..taken_up(&[0])
    };
    let plan = |nodes: [NodeView; 2], late| {
        let roll = RollSight {
            late,
            ..sight(&order, &known)
        };
        ask(&GeoRole::Alone, &memory, &nodes, &roll)
    };
    let done = plan([shut(9), chained(9)], false);
    let fenced = place_of(&done, &follow(0, Upstream::Node(1)));
    let resumed = place_of(&done, &usual(Step::Resume { node: 0 }));
    let moved = place_of(&done, &RollStep::MoveService { node: 1 });
    let promoted = place_of(&done, &promote(1));
    assert!(fenced < resumed && resumed < promoted && moved < promoted);

    assert_eq!(plan([shut(9), chained(8)], false).steps, [], "it is behind");
    for given_up in [
        plan([shut(9), chained(8)], true),
        plan([shut(9), Down], false),
        plan([paused(9), chained(9)], false),
    ] {
        assert_eq!(given_up.steps[0], RollStep::Note(taken_up(&[0])));
        assert!(!given_up.steps.contains(&promote(1)), "{given_up:?}");
    }
}

#[test]
fn a_former_leader_that_does_not_answer_is_killed_before_the_new_one_is_promoted() {
    let order = reboot(RebootNodes::Primary);
    let (memory, known) = handing();
    let plan_with = |former, heir, late| {
        let roll = RollSight {
            late,
            ..sight(&order, &known)
        };
        ask(&GeoRole::Alone, &memory, &[former, heir], &roll)
    };
    let plan = |former| plan_with(former, chained(9), true);
    let kill = RollStep::Stop {
        node: 0,
        keep: Keep::Nothing,
    };
    assert_eq!(plan(Silent).steps, std::slice::from_ref(&kill));
    assert_eq!(plan_with(Silent, chained(9), false).steps, []);
    let leads = plan_with(Silent, Up(primary(9)), true);
    assert!(
        !leads.steps.contains(&kill),
        "it was fenced before: {leads:?}"
    );
    place_of(&plan(Down), &promote(1));
}

#[test]
fn after_a_kill_in_between_the_former_leader_is_fenced_first_or_leads_again() {
    let order = reboot(RebootNodes::Primary);
    let (memory, known) = handing();
    let plan = |former| {
        let nodes = [former, chained(9)];
        ask(&GeoRole::Alone, &memory, &nodes, &sight(&order, &known))
    };
    let goes_on = plan(shut(9));
    let fenced = place_of(&goes_on, &follow(0, Upstream::Node(1)));
    assert!(fenced < place_of(&goes_on, &promote(1)));
    let goes_back = plan(Up(primary(10)));
    let RollStep::Usual(Step::Remember(back)) = &goes_back.steps[0] else {
        panic!("{goes_back:?}")
    };
    assert_eq!(back.leader, 0);
    assert!(!goes_back.steps.contains(&promote(1)));
}

#[test]
fn a_geo_secondary_changes_its_leading_node_between_two_bytes_of_the_stream() {
    let (order, known) = (reboot(RebootNodes::Primary), taken_up(&[0]));
    let memory = memory(Stance::Follower);
    let leading = |link_up| {
        Up(NodeFacts {
            at_service_address: true,
            link_up,
            ..replica(Upstream::Inbound, 9)
        })
    };
    let plan = |nodes: [NodeView; 2], cut| {
        let roll = RollSight {
            cut,
            ..sight(&order, &known)
        };
        ask(&secondary(), &memory, &nodes, &roll)
    };
    let first = plan([leading(true), chained(9)], false);
    assert_eq!(first.steps, [RollStep::CutInbound]);
    assert_eq!(plan([leading(false), chained(8)], true).steps, []);
    let plan = plan([leading(false), chained(9)], true);
    let follows = place_of(&plan, &follow(1, Upstream::Inbound));
    assert!(follows < place_of(&plan, &follow(0, Upstream::Node(1))));
    assert_eq!(plan.steps.last(), Some(&RollStep::RejoinInbound));
}

#[test]
fn nothing_begins_in_the_middle_of_a_failover() {
    let (order, known) = (reboot(RebootNodes::All), taken_up(&[0, 1]));
    let yielding = GeoRole::Yielding {
        link: crate::LinkId::new("l"),
        attempt: 1,
    };
    let memory = memory(Stance::Primary);
    let nodes = [Up(primary(9)), chained(9)];
    let plan = ask(&yielding, &memory, &nodes, &sight(&order, &known));
    assert_eq!(plan.order, Some(doing("waits for the failover to end")));
    let stops = |step: &RollStep| matches!(step, RollStep::Stop { .. });
    assert!(!plan.steps.iter().any(stops));
}

#[test]
fn a_side_that_took_over_by_force_does_not_wait_for_what_cannot_come() {
    let order = reboot(RebootNodes::Primary);
    let role = GeoRole::Primary {
        link: crate::LinkId::new("l"),
        standing: crate::Standing::Forced {
            at: crate::Epoch(3),
            forks: None,
        },
        accept_empty: None,
    };
    let (memory, known) = handing();
    let nodes = [Up(replica(Upstream::Node(1), 9)), chained(9)];
    let plan = ask(&role, &memory, &nodes, &sight(&order, &known));
    place_of(&plan, &follow(1, Upstream::Inbound));
}
