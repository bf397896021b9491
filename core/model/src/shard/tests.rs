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
    let fenced = memory(Stance::Fenced {
        attempt: 4,
        declared: false,
    });
    let far = LinkView {
        lags: true,
        ..sent(5)
    };
    let plan = ask(&yielding(), &m, &[Up(primary(5)), IN_STEP], far);
    assert_eq!(
        plan.steps,
        [Step::Remember(fenced.clone())],
        "takes writes until the other side is nearly in step"
    );
    let plan = ask(&yielding(), &fenced, &[Up(primary(5)), IN_STEP], sent(5));
    assert_eq!(
        plan.steps,
        [Step::Pause { node: 0 }],
        "even when it is caught up"
    );
    let plan = ask(&yielding(), &fenced, &[Up(paused), IN_STEP], sent(4));
    assert_eq!(plan.steps, [], "waits for the last bytes");
    let plan = ask(&yielding(), &fenced, &[Up(paused), IN_STEP], sent(5));
    assert_eq!(
        plan.steps,
        [
            Step::ExpectFence,
            Step::Follow {
                node: 0,
                upstream: Upstream::Inbound
            },
        ]
    );
    let held = NodeFacts {
        link_up: false,
        paused: true,
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
        [
            declare.clone(),
            Step::Remember(declared.clone()),
            Step::Resume { node: 0 }
        ]
    );
    assert_eq!(fenced.recalled(), declared, "nobody knows after a restart");
    assert_eq!(plan.standing, ShardStanding::Yielded { attempt: 4 });
    let held = NodeFacts {
        paused: false,
        ..held
    };
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
fn nothing_takes_over_as_found_that_was_never_in_step() {
    let fresh = ShardMemory {
        lineage: vec![],
        ..memory(Stance::Follower)
    };
    let role = geo_primary(Standing::AsFound);
    let plan = ask(
        &role,
        &fresh,
        &[Up(follower(0)), IN_STEP],
        LinkView::default(),
    );
    assert!(
        matches!(plan.standing, ShardStanding::Unpromotable { .. }),
        "{plan:?}"
    );
}

fn may_be_empty() -> GeoRole {
    GeoRole::Primary {
        link: link(),
        standing: Standing::Founder,
        accept_empty: Some(Epoch(3)),
    }
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
fn becoming_secondary_follows_the_inbound_and_reports_honestly() {
    let m = memory(Stance::Primary);
    let plan = ask(
        &secondary(),
        &m,
        &[Up(primary(5)), IN_STEP],
        LinkView::default(),
    );
    let follows = Step::Follow {
        node: 0,
        upstream: Upstream::Inbound,
    };
    assert_eq!(
        plan.steps,
        [Step::Remember(memory(Stance::Follower)), follows]
    );
    let m = memory(Stance::Follower);
    let standing =
        |facts| ask(&secondary(), &m, &[Up(facts), IN_STEP], LinkView::default()).standing;
    assert_eq!(standing(follower(5)), ShardStanding::Following);
    assert_eq!(
        standing(NodeFacts {
            link_up: false,
            ..follower(5)
        }),
        ShardStanding::Cut
    );
    let syncing = NodeFacts {
        syncing: true,
        link_up: false,
        ..follower(5)
    };
    assert_eq!(standing(syncing), ShardStanding::Syncing);
    assert_eq!(
        standing(NodeFacts {
            loading: true,
            ..syncing
        }),
        ShardStanding::Syncing
    );
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

#[test]
fn nodes_beyond_the_wanted_number_are_retired() {
    let m = ShardMemory {
        leader: 2,
        ..memory(Stance::Primary)
    };
    let sibling = Up(replica(Upstream::Node(2), 5));
    let plan = ask(
        &GeoRole::Alone,
        &m,
        &[sibling, sibling, Up(primary(5))],
        LinkView::default(),
    );
    assert_eq!(plan.steps, [Step::Retire { node: 1 }]);
}
