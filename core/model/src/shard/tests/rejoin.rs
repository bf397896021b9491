//! The way back of a former geo-primary: gate, journal, receipt, and only then it follows.

use super::*;
use crate::Rejoin;

const AT: Epoch = Epoch(7);

fn after_force(fork: Option<u64>, unsaved_accepted: bool) -> GeoRole {
    GeoRole::Secondary {
        link: link(),
        source: None,
        rejoin: Rejoin::AfterForce {
            at: AT,
            forks: fork.map(|offset| vec![at(offset)]),
            unsaved_accepted,
        },
    }
}

fn back() -> GeoRole {
    after_force(Some(5), false)
}

/// The outbound half reads into a journal that ends there.
fn drained(end: Option<u64>) -> LinkView {
    drained_from(
        Some(5),
        end.map_or(JournalEnd::Nowhere, |end| JournalEnd::At(at(end))),
    )
}

fn drained_from(from: Option<u64>, end: JournalEnd) -> LinkView {
    LinkView {
        held: true,
        drained: Some(Drained {
            from: from.map(at),
            end,
        }),
        ..LinkView::default()
    }
}

fn shut(offset: u64) -> NodeFacts {
    NodeFacts {
        gate: Gate::Shut,
        ..primary(offset)
    }
}

fn fenced(offset: u64) -> NodeFacts {
    NodeFacts {
        link_up: false,
        ..follower(offset)
    }
}

fn save(to: Option<u64>) -> Step {
    Step::SaveLost {
        at: AT,
        from: at(5),
        to: to.map(at),
        incomplete: false,
    }
}

fn gate_shut(node: u8) -> Step {
    Step::SetGate {
        node,
        gate: Gate::Shut,
    }
}

fn saving(memory: &ShardMemory, nodes: &[NodeView], saving: Saving<'_>) -> Plan {
    plan(&Situation {
        shard: ShardIndex(0),
        role: &back(),
        replicas: 1,
        memory,
        nodes,
        link: LinkView {
            held: true,
            ..LinkView::default()
        },
        lease: None,
        saving,
        staged: None,
    })
}

fn is_rejoining(plan: &Plan) -> bool {
    matches!(plan.standing, ShardStanding::Rejoining { .. })
}

#[test]
fn the_gate_is_shut_before_anything_else_whatever_is_known() {
    let m = memory(Stance::Primary);
    for role in [back(), after_force(None, false), after_force(Some(5), true)] {
        for loading in [false, true] {
            let open = NodeFacts {
                loading,
                paused: true,
                ..primary(9)
            };
            let plan = ask(&role, &m, &[Up(open), IN_STEP], drained(Some(9)));
            assert_eq!(plan.steps, [gate_shut(0)]);
            assert!(is_rejoining(&plan), "{plan:?}");
        }
    }
    let leased = NodeFacts {
        gate: Gate::Leased,
        ..primary(9)
    };
    assert_eq!(steps(&back(), &m, &[Up(leased), IN_STEP]), [gate_shut(0)]);
}

#[test]
fn any_node_that_could_take_a_write_is_shut() {
    let m = memory(Stance::Primary);
    let nodes = [NodeView::Silent, Up(primary(9))];
    assert_eq!(steps(&back(), &m, &nodes), [gate_shut(1)]);
}

#[test]
fn it_reads_all_that_its_engine_has_into_the_journal_then_saves() {
    let m = memory(Stance::Primary);
    let nodes = [Up(shut(9)), IN_STEP];
    let plan = |link| {
        let plan = ask(&back(), &m, &nodes, link);
        assert!(is_rejoining(&plan), "{plan:?}");
        plan.steps
    };
    assert_eq!(plan(LinkView::default()), [Step::Drain]);
    assert_eq!(plan(drained_from(Some(5), JournalEnd::Unknown)), []);
    assert_eq!(plan(drained(Some(7))), [], "bytes are under way");
    assert_eq!(plan(drained(Some(9))), [save(Some(9))]);
    assert_eq!(plan(drained(Some(12))), [save(Some(9))]);
}

#[test]
fn a_pause_of_the_handoff_that_was_under_way_ends_behind_the_gate() {
    let m = memory(Stance::Primary);
    let paused = NodeFacts {
        paused: true,
        ..shut(9)
    };
    let steps = steps(&back(), &m, &[Up(paused), IN_STEP]);
    assert_eq!(steps, [Step::Drain, Step::Resume { node: 0 }]);
}

#[test]
fn until_it_is_told_where_the_other_side_took_over_it_reads_and_holds() {
    let m = memory(Stance::Primary);
    let role = after_force(None, false);
    let nodes = [Up(shut(9)), IN_STEP];
    let plan = |link| ask(&role, &m, &nodes, link).steps;
    assert_eq!(plan(LinkView::default()), [Step::Drain]);
    assert_eq!(plan(drained_from(None, JournalEnd::At(at(9)))), []);
    assert_eq!(plan(drained_from(None, JournalEnd::Nowhere)), []);
    assert_eq!(
        ask(&back(), &m, &nodes, drained_from(None, JournalEnd::Nowhere)).steps,
        [Step::Drain],
        "the outbound half is told as well"
    );
    assert_eq!(ask(&role, &m, &[Down, Down], LinkView::default()).steps, []);
}

#[test]
fn what_neither_journal_nor_backlog_has_is_not_waited_for() {
    let m = memory(Stance::Primary);
    let short = NodeFacts {
        backlog_from: Some(Offset(8)),
        ..shut(9)
    };
    let plan = |node, link| ask(&back(), &m, &[Up(node), IN_STEP], link).steps;
    assert_eq!(plan(short, drained(Some(7))), [save(Some(9))]);
    assert_eq!(plan(short, drained(Some(8))), []);
    assert_eq!(plan(short, drained(None)), [save(Some(9))]);
    assert_eq!(plan(shut(9), drained(None)), [], "it is begun at the fork");
}

#[test]
fn an_engine_without_anything_of_its_own_is_not_read() {
    let fenced_stance = memory(Stance::Fenced {
        attempt: 4,
        declared: true,
    });
    let nodes = [Up(fenced(5)), IN_STEP];
    let held = LinkView {
        held: true,
        ..LinkView::default()
    };
    let plan = ask(&back(), &fenced_stance, &nodes, held);
    assert_eq!(plan.steps, [save(Some(5))]);
    let plan = ask(&back(), &fenced_stance, &nodes, LinkView::default());
    assert_eq!(plan.steps, [], "it may still get more");
}

#[test]
fn a_journal_that_is_ahead_of_a_promoted_heir_is_enough_for_it() {
    let heir = NodeFacts {
        position: Position::new(id('b'), Offset(9)),
        before: Some(at(9)),
        ..shut(9)
    };
    let m = ShardMemory {
        lineage: vec![id('b'), id('a')],
        ..memory(Stance::Primary)
    };
    let plan = |node| ask(&back(), &m, &[Up(node), IN_STEP], drained(Some(12))).steps;
    assert_eq!(plan(heir), [save(Some(9))]);
    let mut more = heir;
    more.position.offset = Offset(11);
    let lost = Step::SaveLost {
        at: AT,
        from: at(5),
        to: Some(more.position),
        incomplete: false,
    };
    assert_eq!(
        plan(more),
        [lost],
        "histories that parted cannot be put together"
    );
}

#[test]
fn a_fenced_engine_is_promoted_behind_its_gate_only_to_be_read() {
    let stance = memory(Stance::Fenced {
        attempt: 4,
        declared: false,
    });
    let nodes = [Up(fenced(9)), IN_STEP];
    let at_end = ask(&back(), &stance, &nodes, drained(Some(9))).steps;
    assert_eq!(at_end, [save(Some(9))], "the journal has it all");
    let promoted = ShardMemory {
        unsettled: true,
        ..memory(Stance::Primary)
    };
    assert_eq!(
        ask(&back(), &stance, &nodes, drained(Some(7))).steps,
        [
            Step::Remember(promoted),
            gate_shut(0),
            Step::StandAlone { node: 0 }
        ]
    );
    let fed = NodeFacts {
        link_up: true,
        ..fenced(9)
    };
    assert_eq!(
        ask(&back(), &stance, &[Up(fed), IN_STEP], drained(Some(7))).steps,
        []
    );
}

#[test]
fn a_promotion_to_be_read_goes_on_under_the_new_id() {
    let m = ShardMemory {
        unsettled: true,
        ..memory(Stance::Primary)
    };
    let promoted = NodeFacts {
        position: Position::new(id('b'), Offset(9)),
        before: Some(at(9)),
        ..shut(9)
    };
    let nodes = [Up(promoted), IN_STEP];
    let plan = ask(&back(), &m, &nodes, drained(Some(7)));
    let [Step::Remember(settled)] = &plan.steps[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(settled.lineage, [id('b'), id('a')]);
    let there = JournalEnd::At(Position::new(id('b'), Offset(9)));
    let plan = ask(&back(), settled, &nodes, drained_from(Some(5), there));
    let to = Some(Position::new(id('b'), Offset(9)));
    assert!(
        matches!(&plan.steps[..], [Step::SaveLost { to: end, .. }] if *end == to),
        "{plan:?}"
    );
}

#[test]
fn a_sibling_leads_on_for_a_leader_that_dies_and_is_shut_before_it_is_promoted() {
    let m = memory(Stance::Primary);
    let heir = NodeFacts {
        link_up: false,
        ..replica(Upstream::Node(0), 9)
    };
    let next = ShardMemory {
        leader: 1,
        ..m.clone()
    };
    assert_eq!(
        steps(&back(), &m, &[Down, Up(heir)]),
        [Step::Remember(next.clone())]
    );
    let behind = Step::Follow {
        node: 1,
        upstream: Upstream::Inbound,
    };
    let fed = NodeFacts {
        link_up: true,
        ..heir
    };
    let plan = |node, end| ask(&back(), &next, &[Down, Up(node)], drained(Some(end))).steps;
    assert_eq!(plan(fed, 7), [], "it may still get more");
    assert_eq!(plan(heir, 7), [behind], "and then nothing");
    let held = NodeFacts {
        upstream: Some(Upstream::Inbound),
        ..heir
    };
    let promoted = ShardMemory {
        unsettled: true,
        ..next.clone()
    };
    assert_eq!(
        plan(held, 7),
        [
            Step::Remember(promoted),
            gate_shut(1),
            Step::StandAlone { node: 1 }
        ]
    );
    assert_eq!(plan(held, 9), [save(Some(9))]);
    assert_eq!(plan(held, 12), [save(Some(9))]);
}

#[test]
fn without_an_engine_the_journal_alone_is_saved() {
    let m = memory(Stance::Primary);
    let plan = ask(&back(), &m, &[Down, Down], LinkView::default());
    assert_eq!(plan.steps, [save(None)]);
    let mut stranger = replica(Upstream::Node(0), 9);
    stranger.position.replid = id('b');
    stranger.syncing = true;
    let plan = ask(&back(), &m, &[Down, Up(stranger)], LinkView::default());
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Silent),
        "data may still be on their way to it"
    );
}

#[test]
fn a_saved_data_set_is_loaded_by_a_follower_and_never_by_a_primary() {
    let saved = ShardMemory {
        saved: Some(0),
        ..memory(Stance::Primary)
    };
    let loads = starts(0, Some(Upstream::Inbound), true, true);
    assert_eq!(steps(&back(), &saved, &[Down, Down]), [loads]);
    let loaded = NodeFacts {
        backlog_from: None,
        ..fenced(9)
    };
    let m = memory(Stance::Primary);
    let plan = |link| ask(&back(), &m, &[Up(loaded), Down], link);
    assert_eq!(plan(drained(Some(9))).steps, [save(Some(9))]);
    let short = plan(drained(Some(7)));
    assert_eq!(
        short.steps,
        [save(Some(9))],
        "nobody has the rest: no promotion"
    );
    let loading = NodeFacts {
        loading: true,
        ..loaded
    };
    let plan = ask(&back(), &m, &[Up(loading), Down], LinkView::default());
    assert!(plan.steps.is_empty() && is_rejoining(&plan), "{plan:?}");
}

#[test]
fn nothing_happens_while_it_saves() {
    let m = memory(Stance::Primary);
    for nodes in [[Up(shut(9)), IN_STEP], [Down, Down]] {
        let plan = saving(&m, &nodes, Saving::UnderWay);
        assert!(plan.steps.is_empty() && is_rejoining(&plan), "{plan:?}");
    }
}

#[test]
fn it_follows_once_everything_is_saved() {
    let m = memory(Stance::Primary);
    let plan = saving(&m, &[Up(shut(9)), IN_STEP], Saving::Done);
    let done = ShardMemory {
        rejoined: Some(AT),
        ..memory(Stance::Follower)
    };
    let follows = Step::Follow {
        node: 0,
        upstream: Upstream::Inbound,
    };
    assert_eq!(plan.steps, [Step::Remember(done.clone()), follows.clone()]);
    assert_eq!(
        steps(&back(), &done, &[Up(shut(9)), IN_STEP]),
        [follows],
        "also when it died in between"
    );
    let following = NodeFacts {
        gate: Gate::Shut,
        ..follower(9)
    };
    let plan = ask(
        &back(),
        &done,
        &[Up(following), IN_STEP],
        LinkView::default(),
    );
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Following)
    );
    let empty = saving(&m, &[Down, Down], Saving::Done).steps;
    let starts = starts(0, Some(Upstream::Inbound), false, true);
    assert_eq!(empty.last(), Some(&starts));
    assert!(
        matches!(&empty[0], Step::Remember(m) if m.rejoined == Some(AT)),
        "{empty:?}"
    );
}

#[test]
fn what_cannot_be_saved_is_held_until_a_person_accepts_it() {
    let m = memory(Stance::Primary);
    let nodes = [Up(shut(9)), IN_STEP];
    let why = "it is gone";
    let plan = saving(&m, &nodes, Saving::Impossible { why });
    assert_eq!(plan.steps, []);
    assert!(
        matches!(&plan.standing, ShardStanding::Unsaved { why: told } if told == why),
        "{plan:?}"
    );
    let role = after_force(Some(5), true);
    let accepted = super::plan(&Situation {
        shard: ShardIndex(0),
        role: &role,
        replicas: 1,
        memory: &m,
        nodes: &nodes,
        link: drained(Some(9)),
        lease: None,
        saving: Saving::Impossible { why },
        staged: None,
    });
    let goes_on = Step::SaveLost {
        at: AT,
        from: at(5),
        to: Some(at(9)),
        incomplete: true,
    };
    assert_eq!(accepted.steps, [goes_on]);
}

#[test]
fn one_that_only_ever_followed_has_nothing_to_see_to() {
    let m = memory(Stance::Follower);
    let plan = ask(
        &back(),
        &m,
        &[Up(follower(5)), IN_STEP],
        LinkView::default(),
    );
    assert_eq!(
        (plan.steps, plan.standing),
        (vec![], ShardStanding::Following)
    );
}

#[test]
fn a_later_forced_failover_is_seen_to_anew() {
    let m = ShardMemory {
        rejoined: Some(Epoch(3)),
        ..memory(Stance::Primary)
    };
    assert_eq!(
        steps(&back(), &m, &[Up(primary(9)), IN_STEP]),
        [gate_shut(0)]
    );
}
