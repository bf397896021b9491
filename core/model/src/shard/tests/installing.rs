//! A data set from outside takes the place of the shard's own, as a whole.

use super::*;
use crate::OperationId;

fn import() -> OperationId {
    OperationId::new("import")
}

fn staged(import: &OperationId) -> Staged<'_> {
    Staged {
        import,
        node: 2,
        position: Position::new(id('f'), Offset(0)),
    }
}

fn with_staged(role: &GeoRole, memory: &ShardMemory, nodes: &[NodeView]) -> Plan {
    let import = import();
    plan(&Situation {
        shard: ShardIndex(0),
        role,
        replicas: 1,
        memory,
        nodes,
        link: LinkView::default(),
        lease: None,
        saving: Saving::Idle,
        staged: Some(staged(&import)),
    })
}

/// What the shard remembers once it is done.
fn installed(kept: bool) -> ShardMemory {
    ShardMemory {
        leader: 2,
        lineage: vec![id('f')],
        saved: (!kept).then_some(2),
        installed: Some(Installed {
            import: import(),
            kept,
        }),
        ..memory(Stance::Primary)
    }
}

/// The node that was staged, as the leader.
fn leader() -> NodeView {
    Up(NodeFacts {
        position: Position::new(id('f'), Offset(7)),
        ..primary(7)
    })
}

fn old(upstream: Option<Upstream>, link_up: bool) -> NodeView {
    Up(NodeFacts {
        upstream,
        link_up,
        at_service_address: false,
        ..primary(5)
    })
}

#[test]
fn a_shard_that_takes_writes_takes_the_staged_node_in_one_step() {
    for role in [GeoRole::Alone, geo_primary(Standing::Founder)] {
        let plan = with_staged(&role, &memory(Stance::Primary), &[Up(primary(5)), IN_STEP]);
        assert_eq!(
            plan.steps,
            [Step::Install {
                node: 2,
                memory: installed(false)
            }]
        );
        assert_eq!(plan.standing, ShardStanding::Starting);
    }
}

#[test]
fn nothing_is_installed_twice() {
    let plan = with_staged(
        &GeoRole::Alone,
        &installed(true),
        &[old(Some(Upstream::Node(2)), true), Down, leader()],
    );
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Writable)
    );
}

#[test]
fn whoever_does_not_take_writes_takes_no_data_set_from_outside() {
    let follows = memory(Stance::Follower);
    let plan = with_staged(&secondary(), &follows, &[Up(follower(5)), IN_STEP]);
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Following)
    );
    let m = memory(Stance::Primary);
    for (role, nodes) in [
        (yielding(), [Up(primary(5)), IN_STEP]),
        (GeoRole::Alone, [Down, IN_STEP]),
        (GeoRole::Alone, [NodeView::Silent, IN_STEP]),
        (
            GeoRole::Alone,
            [
                Up(NodeFacts {
                    loading: true,
                    ..primary(5)
                }),
                IN_STEP,
            ],
        ),
    ] {
        let plan = with_staged(&role, &m, &nodes);
        let installs = |step: &Step| matches!(step, Step::Install { .. });
        assert!(!plan.steps.iter().any(installs), "{plan:?}");
    }
}

#[test]
fn the_nodes_of_before_follow_the_new_leader() {
    let m = installed(false);
    let nodes = [
        old(None, false),
        old(Some(Upstream::Node(0)), true),
        leader(),
    ];
    assert_eq!(
        steps(&GeoRole::Alone, &m, &nodes),
        [
            Step::Follow {
                node: 0,
                upstream: Upstream::Node(2)
            },
            Step::Retire { node: 1 },
        ]
    );
}

#[test]
fn the_leader_alone_with_it_is_started_again_with_what_it_was_given() {
    let m = installed(false);
    let unlike = old(None, false);
    let half = old(Some(Upstream::Node(2)), false);
    for role in [GeoRole::Alone, geo_primary(Standing::Founder)] {
        for others in [unlike, half, Down] {
            assert_eq!(
                steps(&role, &m, &[others, Down, Down]),
                [starts(2, None, true, true)]
            );
        }
    }
}

#[test]
fn a_replica_that_has_it_is_the_heir() {
    let m = installed(false);
    let has_it = Up(NodeFacts {
        upstream: Some(Upstream::Node(2)),
        link_up: false,
        position: Position::new(id('f'), Offset(7)),
        ..primary(7)
    });
    let next = steps(&GeoRole::Alone, &m, &[has_it, Down, Down]);
    assert!(
        matches!(&next[..], [Step::Remember(memory)] if memory.leader == 0),
        "{next:?}"
    );
}

#[test]
fn once_a_replica_has_it_the_file_is_not_needed_any_more() {
    let m = installed(false);
    let still = steps(
        &GeoRole::Alone,
        &m,
        &[old(Some(Upstream::Node(2)), false), Down, leader()],
    );
    assert_eq!(still, []);
    let nodes = [old(Some(Upstream::Node(2)), true), Down, leader()];
    assert_eq!(
        steps(&GeoRole::Alone, &m, &nodes),
        [Step::Remember(installed(true))]
    );
}

#[test]
fn without_replicas_it_is_kept_at_once() {
    let m = installed(false);
    let plan = plan(&Situation {
        shard: ShardIndex(0),
        role: &GeoRole::Alone,
        replicas: 0,
        memory: &m,
        nodes: &[Down, Down, leader()],
        link: LinkView::default(),
        lease: None,
        saving: Saving::Idle,
        staged: None,
    });
    assert_eq!(plan.steps, [Step::Remember(installed(true))]);
}
