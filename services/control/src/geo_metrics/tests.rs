use std::time::Duration;

use model::{
    CacheObserved, Epoch, LinkId, LinkObserved, LinkPhase, LinkRecord, OffsetsObserved,
    RegionObserved, RoleKind, ShardIndex, ShardObserved, ShardStanding,
};
use psync::{Offset, Position};
use runtime::dice::Dice;

use super::*;
use crate::{
    history::{Cell, Metric},
    observations::{Observations, Seen},
    records::tests::{cache, member},
    store::{Change, State, Store},
};

/// The state of a store with one link of `east` and `west`.
async fn linked(phase: LinkPhase) -> (tempfile::TempDir, Arc<State>) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
    let (east, west) = (cache("east", "eastus"), cache("west", "westus"));
    let begun = LinkRecord::begin(
        LinkId::new("l"),
        member(&east),
        member(&west),
        Epoch(4),
        Timestamp(0),
    );
    let link = LinkRecord { phase, ..begun };
    let change = Change::new().insert(&east).insert(&west).insert(&link);
    store.commit(change).await.unwrap();
    let state = store.state();
    store.close().await;
    (dir, state)
}

fn report(
    name: &str,
    role: RoleKind,
    standing: ShardStanding,
    half: LinkObserved,
) -> RegionObserved {
    let place = format!("{name}us");
    let record = cache(name, &place);
    let offset = if role == RoleKind::Primary { 500 } else { 400 };
    RegionObserved {
        region: record.region,
        generation: 1,
        relay_address: None,
        engine: None,
        problem: None,
        caches: vec![CacheObserved {
            uid: record.uid,
            settled_revision: 1,
            epoch: Epoch(4),
            role,
            doors: None,
            engine: None,
            shards: vec![ShardObserved {
                shard: ShardIndex(0),
                standing,
                position: Some(Position::new(
                    "a".repeat(40).parse().unwrap(),
                    Offset(offset),
                )),
                keys: 1,
                used_memory: 0,
                ops_per_second: 0,
                clients: 0,
                nodes: vec![],
                link: Some(half),
                fork: None,
            }],
            problem: None,
            lost_writes: Vec::new(),
            handoff: None,
            transfer: None,
        }],
        events: vec![],
    }
}

fn connected(full_syncs_started: u64) -> LinkObserved {
    LinkObserved {
        connected: true,
        silent_ms: Some(250),
        full_syncs_started,
        full_syncs_finished: full_syncs_started,
        ..LinkObserved::default()
    }
}

fn west(standing: ShardStanding, half: LinkObserved) -> RegionObserved {
    report("west", RoleKind::Secondary, standing, half)
}

fn one(sampled: &BTreeMap<CacheUid, Minute>, name: &str, metric: Metric) -> Option<Cell> {
    let minute = sampled.get(&CacheUid::new(format!("uid-{name}")))?;
    minute.0.get(&metric)?.get(&0).copied()
}

#[tokio::test]
async fn the_lag_grows_while_the_link_is_down_and_falls_when_it_is_back() {
    let (_dir, state) = linked(LinkPhase::Linked).await;
    let mut sampler = Sampler::default();
    let start = Instant::now();
    let mut look = |after: u64, reports: Vec<RegionObserved>| {
        let seen = Seen::just_now(reports);
        let sampled = sampler.sample(&state, &seen, start + Duration::from_secs(after));
        let of = |metric| one(&sampled, "west", metric).map(|cell| cell.max);
        (of(Metric::Healthy), of(Metric::ConnectivityLag))
    };
    let cut = || west(ShardStanding::Cut, LinkObserved::default());
    let well = || west(ShardStanding::Following, connected(0));
    assert_eq!(
        look(0, vec![cut()]),
        (Some(0.0), Some(0.0)),
        "since it is looked at"
    );
    assert_eq!(look(10, vec![well()]), (Some(1.0), Some(0.25)));
    assert_eq!(look(20, vec![cut()]), (Some(0.0), Some(10.25)));
    // Without its agent nobody can call it healthy, and nothing was heard meanwhile either.
    assert_eq!(look(30, vec![]), (Some(0.0), Some(20.25)));
    assert_eq!(look(31, vec![well()]), (Some(1.0), Some(0.25)));
}

#[tokio::test]
async fn full_syncs_are_counted_once_each_also_across_an_agent_s_restart() {
    let (_dir, state) = linked(LinkPhase::Linked).await;
    let mut sampler = Sampler::default();
    let mut started = |count| {
        let seen = Seen::just_now(vec![west(ShardStanding::Following, connected(count))]);
        let sampled = sampler.sample(&state, &seen, Instant::now());
        let of = |metric| one(&sampled, "west", metric).unwrap().count;
        (
            of(Metric::FullSyncEventStarted),
            of(Metric::FullSyncEventFinished),
        )
    };
    assert_eq!(started(3), (0, 0), "they were before the first look");
    assert_eq!(started(3), (0, 0));
    assert_eq!(started(5), (2, 2));
    assert_eq!(started(1), (1, 1), "the agent began anew");
}

#[tokio::test]
async fn the_first_full_sync_of_a_new_link_is_counted() {
    let (_dir, state) = linked(LinkPhase::Creating).await;
    let mut sampler = Sampler::default();
    let none = State::default();
    let nobody = Observations::new().seen();
    assert!(sampler.sample(&none, &nobody, Instant::now()).is_empty());
    let seen = Seen::just_now(vec![west(ShardStanding::Syncing, connected(1))]);
    let sampled = sampler.sample(&state, &seen, Instant::now());
    let count = one(&sampled, "west", Metric::FullSyncEventStarted).unwrap();
    assert_eq!(count.count, 1);
}

#[tokio::test]
async fn the_primary_tells_its_offset_and_nothing_else() {
    let (_dir, state) = linked(LinkPhase::Linked).await;
    let east = |half| report("east", RoleKind::Primary, ShardStanding::Writable, half);
    let told = |reports| {
        let seen = Seen::just_now(reports);
        let sampled = Sampler::default().sample(&state, &seen, Instant::now());
        let metrics = sampled.get(&CacheUid::new("uid-east"));
        assert!(metrics.is_none_or(|minute| minute.0.len() == 1));
        one(&sampled, "east", Metric::DataSyncOffset).map(|cell| cell.max)
    };
    let known = LinkObserved {
        offsets: OffsetsObserved {
            received: Some(Offset(500)),
            applied: Some(Offset(486)),
            ..OffsetsObserved::default()
        },
        ..LinkObserved::default()
    };
    assert_eq!(told(vec![east(known)]), Some(14.0));
    let unknown = LinkObserved::default;
    assert_eq!(told(vec![east(unknown())]), None, "nobody can tell");
    let other = west(ShardStanding::Cut, unknown());
    assert_eq!(
        told(vec![east(unknown()), other]),
        Some(100.0),
        "the engines can"
    );
    assert_eq!(told(vec![]), None);
}

#[tokio::test]
async fn silence_right_after_a_start_and_an_unlink_say_nothing() {
    let (_dir, state) = linked(LinkPhase::Linked).await;
    let nobody = Observations::new().seen();
    assert!(
        Sampler::default()
            .sample(&state, &nobody, Instant::now())
            .is_empty()
    );
    let (_dir, state) = linked(LinkPhase::UnlinkingPrimary).await;
    let seen = Seen::just_now(vec![west(ShardStanding::Following, connected(0))]);
    assert!(
        Sampler::default()
            .sample(&state, &seen, Instant::now())
            .is_empty()
    );
}

#[tokio::test]
async fn closed_minutes_go_to_the_history_and_are_read_with_the_open_one() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(dir.path(), &Dice::from_seed(1))
        .await
        .unwrap();
    let uid = CacheUid::new("c");
    let metrics = GeoMetrics::default();
    let put = |minute: u64, value: f64| {
        let mut sampled = Minute::default();
        sampled.add(Metric::Healthy, 0, Cell::one(value));
        let mut recent = metrics.recent.lock();
        let open = recent.minutes.entry(minute).or_default();
        open.insert(uid.clone(), sampled);
    };
    put(100, 1.0);
    put(101, 0.0);
    metrics.save(&history, false).await;
    assert_eq!(metrics.recent.lock().minutes.len(), 1, "the open one stays");
    let read = metrics.minutes(&history, &uid, 0, 200).await.unwrap();
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), [100, 101]);
    metrics.save(&history, true).await;
    assert_eq!(metrics.recent.lock().minutes.len(), 0);
    let read = metrics.minutes(&history, &uid, 0, 200).await.unwrap();
    assert_eq!(read.len(), 2);
    // A history that takes nothing does not fill the memory.
    history.close().await;
    for minute in 200..300 {
        put(minute, 1.0);
        metrics.save(&history, false).await;
    }
    assert!(metrics.recent.lock().minutes.len() <= MOST_UNSAVED + 1);
}
