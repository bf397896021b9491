use model::{Epoch, LinkId, LinkRecord, Timestamp};
use runtime::dice::Dice;

use super::*;
use crate::{
    records::tests::{cache, member},
    store::{Change, Store},
};

/// Follows the store, and holds what comes of it against what is derived from nothing.
fn follow(names: &Names, store: &Store) -> Vec<PublishedName> {
    let state = store.state();
    names.follow(&state);
    let anew = Names::new(store.id(), "z", 5, &state);
    let shown = |names: &Names| names.shown(&names.watch().borrow()).names;
    assert_eq!(shown(names), shown(&anew));
    shown(names)
}

#[tokio::test]
async fn what_commits_change_is_what_would_be_derived_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
    let names = Names::new(store.id(), "z", 5, &store.state());
    let (east, west) = (cache("East", "eastus"), cache("west", "westus"));
    let both = Change::new().insert(&east).insert(&west);
    store.commit(both).await.unwrap();
    assert_eq!(follow(&names, &store).len(), 2);

    let reached = AddressRecord {
        uid: east.uid.clone(),
        region: east.region.clone(),
        direct: Some("127.70.0.1".parse().unwrap()),
        geo: Some("127.70.0.2".parse().unwrap()),
        private: Default::default(),
    };
    store.commit(Change::new().insert(&reached)).await.unwrap();
    let told = follow(&names, &store);
    assert_eq!(
        told[0].leads,
        Leads::Addresses(vec![reached.direct.unwrap()])
    );

    let link = LinkRecord::begin(
        LinkId::new("l"),
        member(&east),
        member(&west),
        Epoch(4),
        Timestamp(0),
    );
    let state = store.state();
    let mut change = Change::new().insert(&link);
    for record in [&east, &west] {
        let linked = CacheRecord {
            link: Some(link.id.clone()),
            ..record.clone()
        };
        change = change.replace(state.cache(&record.id).unwrap(), &linked);
    }
    store.commit(change).await.unwrap();
    assert_eq!(follow(&names, &store).len(), 4);

    // The roles are swapped by the link's record alone.
    let state = store.state();
    let old = state.links.iter().next().unwrap();
    let swapped = LinkRecord {
        primary: link.secondary.clone(),
        secondary: link.primary.clone(),
        ..link.clone()
    };
    let change = Change::new().replace(old, &swapped);
    store.commit(change).await.unwrap();
    let told = follow(&names, &store);
    assert_eq!(told[1].leads, Leads::Alias("west.geo".to_owned()));

    let state = store.state();
    let mut change = Change::new().remove(state.links.iter().next().unwrap());
    for record in state.caches.iter() {
        change = change.remove(record);
    }
    for known in state.addresses.iter() {
        change = change.remove(known);
    }
    store.commit(change).await.unwrap();
    assert!(follow(&names, &store).is_empty());
}
