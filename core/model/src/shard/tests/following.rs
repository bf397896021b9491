//! Roles of a geo-secondary, and nodes beside a leader.

use super::*;

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
