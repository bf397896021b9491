use model::{CacheRecord, Epoch, LinkId, LinkRecord, RegionChanges, RegionDesired, Timestamp};
use runtime::dice::Dice;

use super::*;
use crate::{
    harness::region,
    records::{
        AgentRecord, agent_key, link,
        tests::{cache, member},
    },
    store::{Change, Store},
};

/// A store, and what is derived from it commit by commit.
struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    desired: Desired,
}

fn regions() -> Vec<Region> {
    ["eastus", "westus"].map(region).to_vec()
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
        let desired = Desired::new(store.id(), &regions(), &store.state());
        Self {
            _dir: dir,
            store,
            desired,
        }
    }

    /// Makes a change, follows it, and holds what comes of it against what is derived from nothing.
    async fn commit(&self, change: Change) {
        self.store.commit(change).await.unwrap();
        self.follow();
    }

    fn follow(&self) {
        let state = self.store.state();
        self.desired.follow(&state);
        let anew = Desired::new(self.store.id(), &regions(), &state);
        for place in regions() {
            let (kept, anew) = (self.of(&place), anew.of(&place).unwrap());
            assert_eq!(kept.caches, anew.caches, "{place}");
            assert_eq!((&kept.zone, &kept.issuers), (&anew.zone, &anew.issuers));
        }
    }

    fn of(&self, place: &Region) -> RegionDesired {
        self.desired.of(place).unwrap()
    }

    fn generation(&self, place: &str) -> u64 {
        self.of(&region(place)).generation
    }

    /// What is told to an agent that has generation `known`.
    fn changes(&self, place: &str, known: u64) -> Option<RegionChanges> {
        let published = self.desired.published(&region(place))?;
        let changes = serde_json::to_vec(&published.since(known)?).ok()?;
        serde_json::from_slice(&changes).ok()
    }

    fn stored(&self, record: &CacheRecord) -> crate::store::Versioned<CacheRecord> {
        self.store.state().cache(&record.id).unwrap().clone()
    }
}

fn agent(place: &str, port: u16) -> AgentRecord {
    AgentRecord {
        region: region(place),
        relay_address: Some(([127, 0, 0, 1], port).into()),
        engine: None,
        peers: BTreeMap::new(),
    }
}

#[tokio::test]
async fn what_commits_change_is_what_would_be_derived_anew() {
    let bench = Bench::new().await;
    let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
    bench.commit(Change::new().insert(&east)).await;
    let both = Change::new().insert(&west).insert(&agent("eastus", 7));
    bench.commit(both).await;
    let (was_east, was_west) = (bench.generation("eastus"), bench.generation("westus"));
    assert!(
        was_east < was_west,
        "the second commit is none of the first region's"
    );

    let linked = LinkRecord::begin(
        LinkId::new("l"),
        member(&east),
        member(&west),
        Epoch(4),
        Timestamp(0),
    );
    let in_link = |record: &CacheRecord| CacheRecord {
        link: Some(linked.id.clone()),
        ..record.clone()
    };
    let change = Change::new()
        .insert(&linked)
        .replace(&bench.stored(&east), &in_link(&east))
        .replace(&bench.stored(&west), &in_link(&west));
    bench.commit(change).await;

    // The geo-primary's agent moves; both are told, without a write of theirs.
    let was = bench.generation("westus");
    let state = bench.store.state();
    let old = state.agents.get(&agent_key(&region("eastus"))).unwrap();
    bench
        .commit(Change::new().replace(old, &agent("eastus", 8)))
        .await;
    assert!(bench.generation("westus") > was);

    // Two commits that nobody saw apart: the link goes, and one of the two is made anew by its name.
    let state = bench.store.state();
    let old = state.links.get(&link::key(&linked.id)).unwrap();
    let unlinked = Change::new()
        .remove(old)
        .replace(&bench.stored(&east), &east)
        .remove(&bench.stored(&west));
    bench.store.commit(unlinked).await.unwrap();
    let again = CacheRecord {
        uid: CacheUid::new("another"),
        region: region("eastus"),
        ..west.clone()
    };
    bench
        .store
        .commit(Change::new().insert(&again))
        .await
        .unwrap();
    bench.follow();
    assert!(bench.of(&region("westus")).caches.is_empty());
}

#[tokio::test]
async fn a_write_that_agents_have_nothing_to_do_for_is_no_generation() {
    let bench = Bench::new().await;
    let east = cache("east", "eastus");
    bench.commit(Change::new().insert(&east)).await;
    let was = bench.generation("eastus");
    let mut tagged = east.clone();
    tagged.spec.tags.insert("k".to_owned(), "v".to_owned());
    bench
        .commit(Change::new().replace(&bench.stored(&east), &tagged))
        .await;
    assert_eq!(bench.generation("eastus"), was);
}

#[tokio::test]
async fn who_has_a_generation_is_told_what_differs_and_no_more() {
    let bench = Bench::new().await;
    let (a, b) = (cache("a", "eastus"), cache("b", "eastus"));
    let first = bench.generation("eastus");
    bench.commit(Change::new().insert(&a)).await;
    assert_eq!(
        bench.changes("eastus", first),
        None,
        "of an earlier run, for all that is known"
    );
    let mut agent = bench.of(&region("eastus"));
    bench.commit(Change::new().insert(&b)).await;
    let next = CacheRecord {
        revision: 2,
        ..a.clone()
    };
    bench
        .commit(Change::new().replace(&bench.stored(&a), &next))
        .await;
    let known = agent.generation;
    let changes = bench.changes("eastus", known).unwrap();
    assert_eq!(changes.caches.len(), 2);
    assert!(agent.take_in(changes));
    assert_eq!(agent, bench.of(&region("eastus")));

    let mut third = cache("c", "eastus");
    third.lifecycle = Lifecycle::Deleting;
    bench.commit(Change::new().insert(&third)).await;
    let changes = bench.changes("eastus", agent.generation).unwrap();
    assert_eq!(changes.caches.len(), 1);
    assert!(agent.take_in(changes));
    // One that is not listed any more cannot be told as a change.
    bench
        .commit(Change::new().remove(&bench.stored(&third)))
        .await;
    assert_eq!(bench.changes("eastus", agent.generation), None);
}

#[test]
fn all_of_it_is_written_as_the_model_reads_it() {
    let state = Arc::new(State::default());
    let desired = Desired::new(&StoreId::new("s"), &regions(), &state);
    let expected = RegionDesired {
        store: StoreId::new("s"),
        generation: 0,
        zone: String::new(),
        issuers: Vec::new(),
        caches: Vec::new(),
    };
    let published = desired.published(&region("eastus")).unwrap();
    let written = serde_json::to_value(published.whole()).unwrap();
    assert_eq!(written, serde_json::to_value(expected).unwrap());
}

#[tokio::test]
async fn a_region_that_nothing_happens_in_wakes_nobody() {
    let bench = Bench::new().await;
    let mut watched = bench.desired.watch(&region("westus")).unwrap();
    watched.borrow_and_update();
    bench
        .commit(Change::new().insert(&cache("east", "eastus")))
        .await;
    assert!(!watched.has_changed().unwrap());
    let mut west = cache("west", "westus");
    west.link = Some(LinkId::new("none"));
    bench.commit(Change::new().insert(&west)).await;
    assert!(watched.has_changed().unwrap());
}
