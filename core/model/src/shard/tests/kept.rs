//! What persistence has on disk: loaded when every node is gone, never beside a living copy.

use super::*;

fn remembers(kept: Kept) -> ShardMemory {
    ShardMemory {
        kept: Some(kept),
        ..memory(Stance::Primary)
    }
}

/// What is remembered of a shard that goes back to what was kept.
fn back(memory: &ShardMemory, leader: u8) -> ShardMemory {
    ShardMemory {
        leader,
        lineage: vec![],
        ..memory.clone()
    }
}

const FILE_OF_0: Kept = Kept::AppendOnly { node: 0 };
const FILE_OF_1: Kept = Kept::AppendOnly { node: 1 };

#[test]
fn with_every_node_gone_the_kept_data_are_loaded_and_nothing_starts_empty() {
    for kept in [Kept::Snapshots, FILE_OF_0] {
        let m = remembers(kept);
        let plan = ask(&GeoRole::Alone, &m, &[Down, Down], LinkView::default());
        assert_eq!(
            plan.steps,
            [
                Step::Remember(back(&m, 0)),
                Step::Restore { node: 0 },
                starts(0, None, true, true)
            ],
            "{kept:?}"
        );
        assert_eq!(plan.standing, ShardStanding::Starting);
        let again = steps(&GeoRole::Alone, &back(&m, 0), &[Down, Down]);
        assert_eq!(
            again,
            [Step::Restore { node: 0 }, starts(0, None, true, true)],
            "an agent that died in between does the same"
        );
    }
}

#[test]
fn the_node_whose_file_is_the_newest_leads() {
    let m = remembers(FILE_OF_1);
    let first = steps(&GeoRole::Alone, &m, &[Down, Down]);
    assert_eq!(
        first,
        [
            Step::Remember(back(&m, 1)),
            Step::Restore { node: 1 },
            starts(1, None, true, true)
        ]
    );
}

#[test]
fn a_living_copy_goes_before_a_kept_one() {
    let m = remembers(Kept::Snapshots);
    let heir = Up(replica(Upstream::Node(0), 5));
    let promoted = ShardMemory {
        leader: 1,
        unsettled: true,
        ..m.clone()
    };
    assert_eq!(
        steps(&GeoRole::Alone, &m, &[Down, heir]),
        [Step::Remember(promoted)]
    );
    // One that hangs may have it, too.
    let hung = ask(
        &GeoRole::Alone,
        &m,
        &[Down, NodeView::Silent],
        LinkView::default(),
    );
    assert_eq!((hung.steps, hung.standing), (vec![], ShardStanding::Silent));
}

#[test]
fn an_orderly_stop_goes_before_a_kept_copy() {
    let m = ShardMemory {
        saved: Some(0),
        ..remembers(Kept::Snapshots)
    };
    assert_eq!(
        steps(&GeoRole::Alone, &m, &[Down, Down]),
        [starts(0, None, true, true)]
    );
}

#[test]
fn an_empty_node_never_leads_while_there_is_a_kept_copy() {
    let mut stranger = replica(Upstream::Node(0), 9);
    stranger.position.replid = id('b');
    stranger.link_up = false;
    stranger.keys = 0;
    let m = remembers(Kept::Snapshots);
    let first = steps(&GeoRole::Alone, &m, &[Down, Up(stranger)]);
    assert_eq!(
        first,
        [
            Step::Remember(back(&m, 0)),
            Step::Restore { node: 0 },
            starts(0, None, true, true)
        ]
    );
    // Where the file is in its directory, it makes room first.
    let m = remembers(FILE_OF_1);
    let first = steps(&GeoRole::Alone, &m, &[Down, Up(stranger)]);
    assert_eq!(first, [Step::Remember(back(&m, 1)), Step::Stop { node: 1 }]);
}

#[test]
fn whoever_has_the_only_file_is_not_started_empty() {
    let m = ShardMemory {
        leader: 1,
        ..remembers(FILE_OF_0)
    };
    let leads = Up(primary(5));
    assert_eq!(steps(&GeoRole::Alone, &m, &[Down, leads]), []);
    let whole = ShardMemory {
        kept: Some(FILE_OF_1),
        ..m
    };
    assert_eq!(
        steps(&GeoRole::Alone, &whole, &[Down, leads]),
        [starts(0, Some(Upstream::Node(1)), false, false)]
    );
}

#[test]
fn in_a_link_nothing_of_it_counts() {
    let m = remembers(Kept::Snapshots);
    let role = geo_primary(Standing::Founder);
    let plan = ask(&role, &m, &[Down, Down], LinkView::default());
    assert_eq!((plan.steps, plan.standing), (vec![], ShardStanding::Lost));
}
