//! A planned handoff, on both sides.

use super::*;

#[test]
fn yielding_pauses_catches_up_fences_then_declares() {
    let m = memory(Stance::Primary);
    let sent = |offset| LinkView {
        sent: Some(at(offset)),
        ..LinkView::default()
    };
    let paused = NodeFacts {
        paused: true,
        ..primary(5)
    };
    let plan = ask(&yielding(), &m, &[Up(primary(5)), IN_STEP], sent(5));
    assert_eq!(
        plan.steps,
        [Step::Pause { node: 0 }],
        "even when it is caught up"
    );
    let plan = ask(&yielding(), &m, &[Up(paused), IN_STEP], sent(4));
    assert_eq!(plan.steps, [], "waits for the last bytes");
    let plan = ask(&yielding(), &m, &[Up(paused), IN_STEP], sent(5));
    let fenced = memory(Stance::Fenced {
        attempt: 4,
        declared: false,
    });
    assert_eq!(
        plan.steps,
        [
            Step::Remember(fenced.clone()),
            Step::ExpectFence,
            Step::Follow {
                node: 0,
                upstream: Upstream::Inbound
            },
            Step::Resume { node: 0 },
        ]
    );
    let held = NodeFacts {
        link_up: false,
        ..follower(5)
    };
    let plan = ask(&yielding(), &fenced, &[Up(held), IN_STEP], sent(5));
    let declared = memory(Stance::Fenced {
        attempt: 4,
        declared: true,
    });
    let declare = Step::DeclareBarrier {
        attempt: 4,
        position: at(5),
    };
    assert_eq!(
        plan.steps,
        [Step::Remember(declared.clone()), declare.clone()]
    );
    assert_eq!(plan.standing, ShardStanding::Yielded { attempt: 4 });
    let plan = ask(
        &yielding(),
        &declared,
        &[Up(held), IN_STEP],
        LinkView::default(),
    );
    assert_eq!(plan.steps, [declare], "stays, whatever the other half says");
}

#[test]
fn bytes_that_slip_past_the_fence_undo_it_unless_it_was_declared() {
    let fenced = memory(Stance::Fenced {
        attempt: 4,
        declared: false,
    });
    let held = NodeFacts {
        link_up: false,
        ..follower(19)
    };
    let link = LinkView {
        sent: Some(at(5)),
        ..LinkView::default()
    };
    let plan = ask(&yielding(), &fenced, &[Up(held), IN_STEP], link);
    assert!(
        plan.steps.contains(&Step::StandAlone { node: 0 }),
        "{:?}",
        plan.steps
    );
    let declared = memory(Stance::Fenced {
        attempt: 3,
        declared: true,
    });
    let plan = ask(&yielding(), &declared, &[Up(held), IN_STEP], link);
    assert!(
        !plan.steps.contains(&Step::StandAlone { node: 0 }),
        "{:?}",
        plan.steps
    );
}

#[test]
fn an_aborted_handoff_gives_the_writes_back() {
    let declared = memory(Stance::Fenced {
        attempt: 4,
        declared: true,
    });
    let held = NodeFacts {
        link_up: false,
        ..follower(5)
    };
    let plan = ask(
        &geo_primary(Standing::Founder),
        &declared,
        &[Up(held), IN_STEP],
        LinkView::default(),
    );
    assert_eq!(
        plan.steps,
        [
            Step::Remember(ShardMemory {
                unsettled: true,
                ..memory(Stance::Primary)
            }),
            Step::LiftFence,
            Step::StandAlone { node: 0 },
        ],
        "the fence is lifted before anything that can fail"
    );
}

#[test]
fn a_secondary_is_promoted_at_its_barrier_and_nowhere_else() {
    let m = memory(Stance::Follower);
    let promote = Step::StandAlone { node: 0 };
    assert!(steps(&taken_over_at(5), &m, &[Up(follower(5)), IN_STEP]).contains(&promote));
    for (role, node) in [
        (taken_over_at(6), follower(5)),
        (taken_over_at(5), follower(6)),
        (geo_primary(Standing::Founder), follower(5)),
        (
            geo_primary(Standing::AsFound),
            NodeFacts {
                syncing: true,
                ..follower(5)
            },
        ),
    ] {
        let plan = ask(&role, &m, &[Up(node), IN_STEP], LinkView::default());
        assert!(
            matches!(plan.standing, ShardStanding::Unpromotable { .. }),
            "{plan:?}"
        );
        assert!(!plan.steps.contains(&promote), "{plan:?}");
    }
    let as_found = geo_primary(Standing::AsFound);
    assert!(steps(&as_found, &m, &[Up(follower(5)), IN_STEP]).contains(&promote));
    assert!(steps(&GeoRole::Alone, &m, &[Up(follower(5)), IN_STEP]).contains(&promote));
}

#[test]
fn a_secondary_asks_for_the_decision_when_every_node_stands_at_the_barrier() {
    let role = GeoRole::Taking {
        link: link(),
        attempt: 4,
        source: None,
    };
    let m = memory(Stance::Follower);
    let got = |attempt, offset| LinkView {
        barrier: Some((attempt, at(offset))),
        ..LinkView::default()
    };
    let sibling = |offset| Up(replica(Upstream::Node(0), offset));
    let ready = |link, leader, other| ask(&role, &m, &[Up(follower(leader)), other], link).ready;
    assert_eq!(ready(got(4, 5), 5, sibling(5)), Some((4, at(5))));
    assert_eq!(
        ready(got(4, 5), 5, Down),
        Some((4, at(5))),
        "a dead sibling cannot hold it up"
    );
    assert_eq!(ready(got(4, 5), 4, sibling(5)), None);
    assert_eq!(ready(got(4, 5), 5, sibling(4)), None);
    assert_eq!(
        ready(got(3, 5), 5, sibling(5)),
        None,
        "another handoff's barrier"
    );
}

#[test]
fn a_leader_that_a_client_paused_is_reached_in_a_handoff() {
    let m = memory(Stance::Primary);
    let plan = ask(
        &yielding(),
        &m,
        &[NodeView::Silent, IN_STEP],
        LinkView::default(),
    );
    assert_eq!(plan.steps, [Step::TakePauseOver { node: 0 }]);
}
