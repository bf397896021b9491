use model::{Epoch, LinkId, Standing, Timestamp};
use runtime::dice::Dice;

use super::*;
use crate::{
    records::tests::{cache, member},
    store::{Change, Store},
};

fn link() -> LinkRecord {
    let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
    let (east, west) = (member(&east), member(&west));
    LinkRecord::begin(LinkId::new("l"), east, west, Epoch(1), Timestamp(0))
}

fn told(old: &LinkRecord, new: &LinkRecord) -> Vec<OwnKind> {
    changed(old, new, &Seen::just_now(vec![]))
        .into_iter()
        .map(|(kind, _)| kind)
        .collect()
}

#[test]
fn each_change_of_a_link_is_told_as_what_it_is() {
    let linked = LinkRecord {
        phase: LinkPhase::Linked,
        ..link()
    };
    let handing_off = LinkRecord {
        phase: LinkPhase::HandingOff {
            deadline: Timestamp(9),
        },
        attempt: 1,
        ..linked.clone()
    };
    let promoted = LinkRecord {
        primary: linked.secondary.clone(),
        secondary: linked.primary.clone(),
        epoch: Epoch(2),
        standing: Standing::AsFound,
        phase: LinkPhase::Promoting,
        ..handing_off.clone()
    };
    let aborted = LinkRecord {
        last_abort: Some((1, "`west` was slow".to_owned())),
        attempt: 1,
        ..linked.clone()
    };
    let accepted = LinkRecord {
        epoch: Epoch(2),
        accept_empty: true,
        ..linked.clone()
    };
    let again = LinkRecord {
        epoch: Epoch(3),
        ..accepted.clone()
    };
    let unlinking = linked.unlink(Timestamp(1)).unwrap();
    for (old, new, expected) in [
        (&link(), &linked, vec![OwnKind::InStep]),
        (&linked, &handing_off, vec![OwnKind::FailoverBegun]),
        (&handing_off, &promoted, vec![OwnKind::FailoverDecided]),
        (&handing_off, &aborted, vec![OwnKind::FailoverAborted]),
        // What happened in between was not seen.
        (
            &linked,
            &promoted,
            vec![OwnKind::FailoverBegun, OwnKind::FailoverDecided],
        ),
        (&linked, &accepted, vec![OwnKind::EmptyStartAllowed]),
        (&accepted, &again, vec![OwnKind::EmptyStartAllowed]),
        (&accepted, &linked, vec![]),
        (&linked, &unlinking, vec![OwnKind::UnlinkBegun]),
        (&linked, &linked, vec![]),
    ] {
        assert_eq!(told(old, new), expected, "{old:?} {new:?}");
    }
    let why = changed(&handing_off, &aborted, &Seen::just_now(vec![]))
        .remove(0)
        .1;
    assert!(why.ends_with("nothing changed: `west` was slow"), "{why}");
}

#[tokio::test]
async fn a_link_s_beginning_and_end_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
    let empty = store.state();
    store.commit(Change::new().insert(&link())).await.unwrap();
    let with = store.state();
    let kinds = |before: &State, after: &State| -> Vec<OwnKind> {
        let events = changes(before, after, &Seen::just_now(vec![])).into_iter();
        events.map(|event| event.kind).collect()
    };
    assert_eq!(kinds(&empty, &with), [OwnKind::LinkCreated]);
    assert_eq!(kinds(&with, &empty), [OwnKind::Unlinked]);
    assert!(kinds(&with, &with).is_empty());
}

#[test]
fn a_forced_failover_is_told_with_who_wanted_it_and_what_it_waited_for() {
    use model::ForcedBy;
    use psync::{Offset, Position};

    let linked = LinkRecord {
        phase: LinkPhase::Linked,
        ..link()
    };
    let forced = LinkRecord {
        primary: linked.secondary.clone(),
        secondary: linked.primary.clone(),
        epoch: Epoch(2),
        standing: Standing::Forced {
            at: Epoch(2),
            forks: None,
        },
        phase: LinkPhase::Promoting,
        attempt: 1,
        since: Timestamp(7_000),
        ..linked.clone()
    };
    let forcing = |by| LinkRecord {
        phase: LinkPhase::Forcing { by },
        attempt: 1,
        ..linked.clone()
    };
    let by_itself = LinkRecord {
        last_auto: Some(Timestamp(5)),
        ..forcing(ForcedBy::Setting)
    };
    let fork = Position::new("a".repeat(40).parse().unwrap(), Offset(3));
    let known = LinkRecord {
        standing: Standing::Forced {
            at: Epoch(2),
            forks: Some(vec![fork]),
        },
        phase: LinkPhase::Creating,
        ..forced.clone()
    };
    let accepted = LinkRecord {
        accept_unsaved: Some(Epoch(2)),
        ..known.clone()
    };
    let acknowledged = by_itself.acknowledge_auto_failover();
    for (old, new, expected) in [
        (
            &linked,
            &forced,
            vec![OwnKind::FailoverForced, OwnKind::FailoverDecided],
        ),
        (
            &linked,
            &forcing(ForcedBy::Person),
            vec![OwnKind::FailoverForced],
        ),
        (&linked, &by_itself, vec![OwnKind::AutoFailoverBegun]),
        (
            &forcing(ForcedBy::Person),
            &forced,
            vec![OwnKind::LeaseWaited, OwnKind::FailoverDecided],
        ),
        (&forced, &known, vec![OwnKind::ForkKnown]),
        (&known, &accepted, vec![OwnKind::UnsavedAccepted]),
        (
            &by_itself,
            &acknowledged,
            vec![OwnKind::AutoFailoverAcknowledged],
        ),
    ] {
        assert_eq!(told(old, new), expected, "{:?}", new.phase);
    }
    let waited = changed(&forcing(ForcedBy::Person), &forced, &Seen::just_now(vec![]));
    assert!(waited[0].1.contains("after 7000 ms"), "{waited:?}");
}
