//! A dead leader and its heirs; nothing starts empty that could be a lost copy.

use super::*;

#[test]
fn a_new_cache_is_founded_then_gets_its_replica() {
    let fresh = ShardMemory::default();
    let plan = ask(&GeoRole::Alone, &fresh, &[], LinkView::default());
    let founded = ShardMemory {
        founded: true,
        ..fresh
    };
    assert_eq!(
        plan.steps,
        [
            Step::Remember(founded.clone()),
            starts(0, None, false, true)
        ]
    );
    let next = steps(&GeoRole::Alone, &founded, &[Up(primary(0)), Down]);
    assert_eq!(
        next[1..],
        [starts(1, Some(Upstream::Node(0)), false, false)]
    );
    let done = ask(
        &GeoRole::Alone,
        &memory(Stance::Primary),
        &[Up(primary(5)), IN_STEP],
        LinkView::default(),
    );
    assert_eq!(
        (done.steps, done.standing),
        (vec![], ShardStanding::Writable)
    );
}

#[test]
fn a_dead_primary_is_succeeded_by_its_replica_and_returns_as_one() {
    let m = memory(Stance::Primary);
    let heir = Up(replica(Upstream::Node(0), 5));
    let promoted = ShardMemory {
        leader: 1,
        unsettled: true,
        ..m.clone()
    };
    assert_eq!(
        steps(&GeoRole::Alone, &m, &[Down, heir]),
        [Step::Remember(promoted.clone())]
    );
    assert_eq!(
        steps(&GeoRole::Alone, &promoted, &[Down, heir]),
        [
            Step::StandAlone { node: 1 },
            Step::TakeServiceAddress { node: 1 },
            starts(0, Some(Upstream::Node(1)), false, false),
        ]
    );
}

#[test]
fn an_empty_or_foreign_node_does_not_inherit_a_geo_primary() {
    let m = memory(Stance::Primary);
    let mut stranger = replica(Upstream::Node(0), 9);
    stranger.position.replid = id('b');
    let role = geo_primary(Standing::Founder);
    let cut = Step::Follow {
        node: 1,
        upstream: Upstream::Inbound,
    };
    assert_eq!(
        steps(&role, &m, &[Down, Up(stranger)]),
        [cut],
        "data may still be on their way to it"
    );
    let held = NodeFacts {
        upstream: Some(Upstream::Inbound),
        ..stranger
    };
    let plan = ask(&role, &m, &[Down, Up(held)], LinkView::default());
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Lost));
    let alone = steps(&GeoRole::Alone, &m, &[Down, Up(stranger)]);
    assert!(
        matches!(alone[..], [Step::Remember(ShardMemory { leader: 1, .. })]),
        "{alone:?}"
    );
}

#[test]
fn a_geo_primary_that_lost_every_node_holds_still_until_told() {
    let m = memory(Stance::Primary);
    let role = geo_primary(Standing::Founder);
    let plan = ask(&role, &m, &[Down, Down], LinkView::default());
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Lost));
    assert_eq!(
        steps(&may_be_empty(), &m, &[Down, Down]).last(),
        Some(&starts(0, None, false, true))
    );
    let as_replica = steps(&secondary(), &m, &[Down, Down]);
    let want = starts(0, Some(Upstream::Inbound), false, true);
    assert_eq!(as_replica.last(), Some(&want));
}

#[test]
fn a_saved_snapshot_starts_as_what_it_was() {
    let saved = |stance| ShardMemory {
        saved: Some(0),
        ..memory(stance)
    };
    let role = geo_primary(Standing::Founder);
    let nodes = [Down, Down];
    let follows = Some(Upstream::Inbound);
    assert_eq!(
        steps(&role, &saved(Stance::Primary), &nodes),
        [starts(0, None, true, true)]
    );
    let fenced = Stance::Fenced {
        attempt: 4,
        declared: true,
    };
    assert_eq!(
        steps(&yielding(), &saved(fenced), &nodes),
        [starts(0, follows, true, true)]
    );
    assert_eq!(
        steps(&secondary(), &saved(Stance::Follower), &nodes),
        [starts(0, follows, true, true)]
    );
    let used = steps(&role, &saved(Stance::Primary), &[Up(primary(5)), IN_STEP]);
    assert_eq!(used, [Step::Remember(memory(Stance::Primary))]);
}

#[test]
fn a_fence_goes_with_the_data_behind_it() {
    let fenced = memory(Stance::Fenced {
        attempt: 4,
        declared: true,
    });
    let told = steps(&may_be_empty(), &fenced, &[Down, Down]);
    assert!(
        matches!(
            told[..],
            [Step::Remember(_), Step::LiftFence, Step::Start { .. }]
        ),
        "{told:?}"
    );
}

#[test]
fn a_shard_is_lost_only_when_nothing_can_bring_it_back() {
    let m = memory(Stance::Primary);
    let role = geo_primary(Standing::Founder);
    let receiving = NodeFacts {
        syncing: true,
        link_up: false,
        position: Position::new(id('c'), Offset(0)),
        keys: 0,
        ..replica(Upstream::Node(0), 0)
    };
    for (node, standing) in [
        (Up(receiving), ShardStanding::Silent),
        (NodeView::Silent, ShardStanding::Silent),
    ] {
        let plan = ask(&role, &m, &[Down, node], LinkView::default());
        assert_eq!((plan.steps, plan.standing), (vec![], standing));
    }
}

#[test]
fn the_word_to_start_empty_counts_once() {
    let used = ShardMemory {
        emptied: Some(Epoch(3)),
        ..memory(Stance::Primary)
    };
    let plan = ask(&may_be_empty(), &used, &[Down, Down], LinkView::default());
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Lost));
    let first = steps(
        &may_be_empty(),
        &memory(Stance::Primary),
        &[Up(primary(5)), IN_STEP],
    );
    assert_eq!(first, [Step::Remember(used)], "from the first look on");
}

#[test]
fn a_node_with_data_leads_where_an_empty_one_could() {
    let mut stranger = replica(Upstream::Node(0), 9);
    stranger.position.replid = id('b');
    for role in [GeoRole::Alone, secondary(), may_be_empty()] {
        let m = memory(Stance::Primary);
        let plan = steps(&role, &m, &[Down, Up(stranger)]);
        assert!(
            matches!(plan[..], [Step::Remember(ShardMemory { leader: 1, .. })]),
            "{role:?}: {plan:?}"
        );
    }
}

#[test]
fn an_heir_behind_the_barrier_does_not_take_over() {
    let m = memory(Stance::Primary);
    let behind = Up(replica(Upstream::Inbound, 4));
    let plan = ask(&taken_over_at(5), &m, &[Down, behind], LinkView::default());
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Lost));
    let level = steps(
        &taken_over_at(5),
        &m,
        &[Down, Up(replica(Upstream::Inbound, 5))],
    );
    assert!(
        matches!(level[..], [Step::Remember(ShardMemory { leader: 1, .. })]),
        "{level:?}"
    );
}

#[test]
fn data_of_a_history_that_nobody_noted_are_not_called_lost() {
    let mut heir = replica(Upstream::Inbound, 9);
    heir.position.replid = id('b');
    let promoted = ShardMemory {
        unsettled: true,
        ..memory(Stance::Primary)
    };
    let standing = |m| {
        let role = taken_over_at(5);
        ask(&role, m, &[Down, Up(heir)], LinkView::default()).standing
    };
    assert!(
        matches!(standing(&promoted), ShardStanding::Unpromotable { .. }),
        "{:?}",
        standing(&promoted)
    );
    assert_eq!(standing(&memory(Stance::Primary)), ShardStanding::Lost);
}

#[test]
fn a_silent_leader_is_not_replaced() {
    let m = memory(Stance::Primary);
    let plan = ask(
        &GeoRole::Alone,
        &m,
        &[NodeView::Silent, IN_STEP],
        LinkView::default(),
    );
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Silent));
}
