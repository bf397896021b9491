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
    changed(old, new)
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
    let why = changed(&handing_off, &aborted).remove(0).1;
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
        let events = changes(before, after).into_iter();
        events.map(|event| event.kind).collect()
    };
    assert_eq!(kinds(&empty, &with), [OwnKind::LinkCreated]);
    assert_eq!(kinds(&with, &empty), [OwnKind::Unlinked]);
    assert!(kinds(&with, &with).is_empty());
}
