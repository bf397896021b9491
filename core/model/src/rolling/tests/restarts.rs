//! One node's restart.

use super::{NodeView::*, *};

fn stop(node: u8, keep: Keep) -> RollStep {
    RollStep::Stop { node, keep }
}

fn in_step() -> [NodeView; 2] {
    [Up(primary(9)), Up(replica(Upstream::Node(0), 9))]
}

fn alone(nodes: &[NodeView], roll: &RollSight<'_>) -> RollPlan {
    ask(&GeoRole::Alone, &memory(Stance::Primary), nodes, roll)
}

fn restarting(node: u8, stage: Stage, due: &[u8]) -> RollMemory {
    RollMemory {
        now: Some(Restarting { node, stage }),
        ..taken_up(due)
    }
}

#[test]
fn each_kind_of_reboot_takes_its_own_nodes_up_before_anything_is_done() {
    let orders = [
        (RebootNodes::Primary, vec![0]),
        (RebootNodes::Replicas, vec![1]),
        (RebootNodes::All, vec![0, 1]),
        (RebootNodes::These(vec![(ShardIndex(0), 1)]), vec![1]),
        (RebootNodes::These(vec![(ShardIndex(1), 1)]), vec![]),
    ];
    for (nodes, due) in orders {
        let (order, fresh) = (reboot(nodes), RollMemory::default());
        let plan = alone(&in_step(), &sight(&order, &fresh));
        assert_eq!(plan.steps, [RollStep::Note(taken_up(&due))]);
    }
}

#[test]
fn a_replica_is_stopped_before_the_leader_and_keeps_its_data() {
    let (order, known) = (reboot(RebootNodes::All), taken_up(&[0, 1]));
    let plan = alone(&in_step(), &sight(&order, &known));
    assert!(matches!(plan.steps[0], RollStep::Note(_)));
    assert_eq!(plan.steps[1..], [stop(1, Keep::IfPossible)]);
}

#[test]
fn nothing_is_stopped_while_another_node_is_not_in_step() {
    let (order, known) = (reboot(RebootNodes::All), taken_up(&[0, 1]));
    let roll = RollSight {
        fed: &[true, false],
        ..sight(&order, &known)
    };
    let plan = alone(&in_step(), &roll);
    assert_eq!(plan.steps, []);
    let told = doing("waits for node 1 to be in step");
    assert_eq!(plan.order, Some(told));
}

#[test]
fn the_only_node_is_stopped_once_its_data_are_saved() {
    let (order, known) = (reboot(RebootNodes::Primary), taken_up(&[0]));
    let only = [Up(primary(9))];
    let plan = alone(&only, &sight(&order, &known));
    assert_eq!(plan.steps[1..], [stop(0, Keep::Surely)]);

    let stopping = restarting(0, Stage::Stopping, &[0]);
    let ended = RollSight {
        stop: StopSeen::Ended { saved: true },
        ..sight(&order, &stopping)
    };
    let plan = alone(&[Down], &ended);
    let kept = ShardMemory {
        saved: Some(0),
        ..memory(Stance::Primary)
    };
    assert_eq!(plan.steps[0], usual(Step::Remember(kept)));

    let refused = RollSight {
        stop: StopSeen::Refused {
            why: "the disk is full",
        },
        ..sight(&order, &stopping)
    };
    let plan = alone(&only, &refused);
    let told = |why: &String| why.contains("the disk is full");
    assert!(matches!(&plan.order, Some(RollStanding::Stopped { why }) if told(why)));
}

#[test]
fn a_stopped_replica_is_started_with_what_it_saved() {
    let order = reboot(RebootNodes::Replicas);
    let known = restarting(1, Stage::Starting { saved: true }, &[1]);
    let plan = alone(&[Up(primary(9)), Down], &sight(&order, &known));
    let start = Step::Start {
        node: 1,
        upstream: Some(Upstream::Node(0)),
        saved: true,
        at_service_address: false,
    };
    assert_eq!(plan.steps, [usual(start)]);
}

#[test]
fn a_newer_engine_that_does_not_do_is_exchanged_for_the_one_of_before() {
    let order = upgrade();
    let mut known = restarting(1, Stage::Starting { saved: true }, &[0, 1]);
    known.builds.insert(1, build(2));
    let roll = RollSight {
        failure: Some("it refuses its configuration"),
        fed: &[true, false],
        ..sight(&order, &known)
    };
    let plan = alone(&[Up(primary(9)), Down], &roll);
    let [RollStep::Note(back)] = &plan.steps[..] else {
        panic!("{plan:?}")
    };
    assert!(back.builds.is_empty());
    let stage = back.now.map(|now| now.stage);
    assert_eq!(stage, Some(Stage::Back { saved: true }));

    let plan = alone(&in_step(), &sight(&order, back));
    let Some(RollStanding::Stopped { why }) = &plan.order else {
        panic!("{plan:?}")
    };
    assert!(why.contains("valkey 8.0.2") && why.contains("refuses its configuration"));
    let RollStep::Note(ended) = &plan.steps[0] else {
        panic!("{plan:?}")
    };
    assert_eq!((ended.now, ended.due.len()), (None, 0));
    let plan = alone(&in_step(), &sight(&order, ended));
    assert_eq!(plan.steps, [], "the leader is not touched");
}

#[test]
fn nodes_that_run_the_build_already_are_left_alone() {
    let (order, known) = (upgrade(), taken_up(&[0, 1]));
    let roll = RollSight {
        builds: &[Some(build(2)), Some(build(2))],
        ..sight(&order, &known)
    };
    let plan = alone(&in_step(), &roll);
    assert_eq!((plan.steps, plan.order), (vec![], Some(RollStanding::Done)));
}

#[test]
fn a_withdrawn_order_ends_with_what_it_has_begun() {
    let order = reboot(RebootNodes::All);
    let known = restarting(1, Stage::Stopping, &[0, 1]);
    let begun = RollSight {
        order: None,
        stop: StopSeen::Ended { saved: true },
        ..sight(&order, &known)
    };
    let plan = alone(&[Up(primary(9)), Down], &begun);
    assert!(matches!(plan.steps[0], RollStep::Note(_)), "{plan:?}");
    let quiet = taken_up(&[0]);
    let roll = RollSight {
        order: None,
        ..sight(&order, &quiet)
    };
    let plan = alone(&in_step(), &roll);
    assert_eq!((plan.steps, plan.order), (vec![], None));
}

#[test]
fn a_leader_that_hangs_is_killed_for_a_reboot_and_not_for_an_upgrade() {
    let nodes = [Silent, Up(replica(Upstream::Node(0), 9))];
    let known = taken_up(&[0]);
    let kill = stop(0, Keep::Nothing);
    for (order, kills) in [(reboot(RebootNodes::Primary), true), (upgrade(), false)] {
        let roll = RollSight {
            hangs: true,
            ..sight(&order, &known)
        };
        let plan = alone(&nodes, &roll);
        assert_eq!(plan.steps.contains(&kill), kills, "{plan:?}");
        let plan = alone(&[Silent, Down], &roll);
        assert!(!plan.steps.contains(&kill), "nobody else has its data");
    }
}
