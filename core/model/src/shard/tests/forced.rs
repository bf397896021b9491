//! Taking over by force: with what is there, and with a note of where.

use super::*;

fn forced(forks: Option<Vec<Position>>) -> GeoRole {
    geo_primary(Standing::Forced {
        at: Epoch(7),
        forks,
    })
}

const HELD: LinkView = LinkView {
    sent: None,
    lags: false,
    barrier: None,
    held: true,
    drained: None,
};

fn cut(offset: u64) -> NodeFacts {
    NodeFacts {
        link_up: false,
        ..follower(offset)
    }
}

fn noted(fork: Position) -> ShardMemory {
    ShardMemory {
        fork: Some((Epoch(7), fork)),
        unsettled: true,
        ..memory(Stance::Primary)
    }
}

#[test]
fn it_takes_over_once_nothing_more_can_arrive_and_notes_where() {
    let m = memory(Stance::Follower);
    for (node, link) in [
        (follower(5), HELD),
        (cut(5), LinkView::default()),
        (follower(5), LinkView::default()),
    ] {
        let plan = ask(&forced(None), &m, &[Up(node), IN_STEP], link);
        assert_eq!(
            (plan.steps, plan.standing),
            (vec![], ShardStanding::Starting)
        );
    }
    let plan = ask(&forced(None), &m, &[Up(cut(5)), IN_STEP], HELD);
    assert_eq!(
        plan.steps,
        [Step::Remember(noted(at(5))), Step::StandAlone { node: 0 }]
    );
}

#[test]
fn it_takes_over_in_a_history_that_began_since_the_last_look() {
    let m = memory(Stance::Follower);
    let renamed = NodeFacts {
        position: Position::new(id('b'), Offset(6)),
        before: Some(at(5)),
        ..cut(6)
    };
    let plan = ask(&forced(None), &m, &[Up(renamed), IN_STEP], HELD);
    assert_eq!(plan.steps.last(), Some(&Step::StandAlone { node: 0 }));
    let started_empty = NodeFacts {
        before: None,
        ..renamed
    };
    let plan = ask(&forced(None), &m, &[Up(started_empty), IN_STEP], HELD);
    assert!(matches!(plan.standing, ShardStanding::Unpromotable { .. }));
}

#[test]
fn a_shut_gate_of_its_own_return_is_opened_before_it_takes_over() {
    let m = memory(Stance::Follower);
    let shut = NodeFacts {
        gate: Gate::Shut,
        ..cut(5)
    };
    let plan = ask(&forced(None), &m, &[Up(shut), IN_STEP], HELD);
    let opens = Step::SetGate {
        node: 0,
        gate: Gate::Open,
    };
    assert_eq!(
        plan.steps,
        [
            Step::Remember(noted(at(5))),
            opens,
            Step::StandAlone { node: 0 }
        ]
    );
}

#[test]
fn what_it_noted_stays_once_it_is_promoted() {
    let promoted = NodeFacts {
        position: Position::new(id('b'), Offset(5)),
        ..primary(5)
    };
    let plan = ask(&forced(None), &noted(at(5)), &[Up(promoted), IN_STEP], HELD);
    assert_eq!(plan.standing, ShardStanding::Writable);
    let [Step::Remember(memory)] = &plan.steps[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(memory.fork, Some((Epoch(7), at(5))));
    assert_eq!(memory.lineage, [id('b'), id('a')]);
}

#[test]
fn bytes_that_arrived_before_the_promotion_count_before_anybody_is_told() {
    let promoted = NodeFacts {
        position: Position::new(id('b'), Offset(8)),
        before: Some(at(7)),
        ..primary(8)
    };
    let nodes = [Up(promoted), IN_STEP];
    let plan = ask(&forced(None), &noted(at(5)), &nodes, HELD);
    assert_eq!(plan.standing, ShardStanding::Starting);
    let [Step::Remember(memory)] = &plan.steps[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(memory.fork, Some((Epoch(7), at(7))));
    let plan = ask(&forced(None), memory, &nodes, HELD);
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Writable)
    );
}

#[test]
fn a_fenced_former_primary_takes_over_and_lifts_its_fence() {
    let fenced = memory(Stance::Fenced {
        attempt: 4,
        declared: true,
    });
    let plan = ask(&forced(None), &fenced, &[Up(cut(5)), IN_STEP], HELD);
    assert_eq!(
        plan.steps,
        [
            Step::Remember(noted(at(5))),
            Step::LiftFence,
            Step::StandAlone { node: 0 }
        ]
    );
}

#[test]
fn an_heir_takes_over_where_it_stands_until_somebody_was_told_of_another_place() {
    let heir = NodeFacts {
        link_up: false,
        ..replica(Upstream::Node(0), 4)
    };
    let dead = |forks| {
        let m = noted(at(5));
        let first = ask(&forced(forks), &m, &[Down, Up(heir)], HELD).steps;
        let [Step::Remember(next)] = &first[..] else {
            panic!("{first:?}");
        };
        assert_eq!((next.leader, next.fork), (1, m.fork));
        next.clone()
    };
    let after = |forks: Option<Vec<Position>>, heir| {
        let m = dead(forks.clone());
        let plan = ask(&forced(forks), &m, &[Down, Up(heir)], HELD);
        assert!(
            plan.steps.contains(&Step::StandAlone { node: 1 }),
            "{plan:?}"
        );
        let noted = plan.steps.iter().find_map(|step| {
            if let Step::Remember(memory) = step {
                Some(memory.fork)
            } else {
                None
            }
        });
        noted.unwrap_or(m.fork)
    };
    let none = None;
    assert_eq!(after(none, heir), Some((Epoch(7), at(4))));
    assert_eq!(
        after(Some(vec![at(5)]), heir),
        Some((Epoch(7), at(5))),
        "the former primary may have gone by it"
    );
    let mut beyond = heir;
    beyond.position = Position::new(id('b'), Offset(9));
    let m = ShardMemory {
        leader: 1,
        lineage: vec![id('b'), id('a')],
        ..noted(at(5))
    };
    let plan = ask(&forced(None), &m, &[Down, Up(beyond)], HELD);
    assert!(
        !plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::Remember(m) if m.fork != Some((Epoch(7), at(5))))),
        "it is in the history that began there: {plan:?}"
    );
    let fed = NodeFacts {
        link_up: true,
        ..heir
    };
    let plan = ask(&forced(None), &dead(None), &[Down, Up(fed)], HELD);
    assert!(
        !plan.steps.contains(&Step::StandAlone { node: 1 }),
        "it may still get more: {plan:?}"
    );
}

#[test]
fn nothing_takes_over_that_holds_no_whole_copy() {
    let syncing = NodeFacts {
        syncing: true,
        ..cut(5)
    };
    let fresh = ShardMemory {
        lineage: vec![],
        ..memory(Stance::Follower)
    };
    for (m, node) in [(memory(Stance::Follower), syncing), (fresh, cut(5))] {
        let plan = ask(&forced(None), &m, &[Up(node), IN_STEP], HELD);
        assert!(
            matches!(plan.standing, ShardStanding::Unpromotable { .. }),
            "{plan:?}"
        );
        assert!(!plan.steps.contains(&Step::StandAlone { node: 0 }));
    }
}
