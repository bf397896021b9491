use model::{
    CacheObserved, CacheRecord, Epoch, Lifecycle, LinkId, LinkPhase, LinkRecord, OperationId,
    RegionObserved, RoleKind, ShardIndex, ShardObserved, ShardStanding,
};
use runtime::dice::Dice;

use super::*;
use crate::{
    observations::Observations,
    records::{
        OperationRecord, Outcome, Work,
        tests::{cache, member},
    },
    store::Store,
};

/// A store with what is given, without a control plane.
struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    observations: Observations,
}

impl Bench {
    async fn new(change: Change) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
        store.commit(change).await.unwrap();
        Self {
            _dir: dir,
            store,
            observations: Observations::new(),
        }
    }

    /// Makes every step that is planned at `now`, once.
    async fn pass(&self, seen: &Seen, now: u64) -> usize {
        let state = self.store.state();
        let sight = Sight {
            state: &state,
            seen,
            now: Timestamp(now),
            leases: &self.observations.grants,
            desired: &Desired::new(self.store.id(), &[], &state),
        };
        let steps = plan(&sight);
        let count = steps.len();
        for step in steps {
            self.store.commit(step.change).await.unwrap();
        }
        count
    }

    fn cache(&self, name: &str) -> Option<CacheRecord> {
        let state = self.store.state();
        state
            .cache(&cache(name, "eastus").id)
            .map(|c| CacheRecord::clone(c))
    }

    fn link(&self) -> Option<LinkRecord> {
        let state = self.store.state();
        state
            .links
            .iter()
            .next()
            .map(|link| LinkRecord::clone(link))
    }

    fn outcome(&self) -> Outcome {
        self.store
            .state()
            .operations
            .iter()
            .next()
            .unwrap()
            .outcome
            .clone()
    }
}

fn op(work: Work) -> OperationRecord {
    OperationRecord {
        id: OperationId::new("o"),
        subscription: cache("east", "eastus").id.subscription,
        region: "eastus".parse().unwrap(),
        work,
        started: Timestamp(0),
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    }
}

fn creating() -> (CacheRecord, OperationRecord) {
    let record = CacheRecord {
        lifecycle: Lifecycle::Creating,
        ..cache("east", "eastus")
    };
    let work = Work::CreateCache {
        cache: record.id.clone(),
        uid: record.uid.clone(),
    };
    (record, op(work))
}

fn report(place: &str, caches: Vec<CacheObserved>) -> RegionObserved {
    RegionObserved {
        region: place.parse().unwrap(),
        generation: 1_000,
        relay_address: None,
        engine: Some(crate::harness::engine()),
        problem: None,
        caches,
        events: vec![],
    }
}

fn sees(
    record: &CacheRecord,
    epoch: u64,
    role: RoleKind,
    standing: ShardStanding,
) -> CacheObserved {
    CacheObserved {
        uid: record.uid.clone(),
        settled_revision: 1,
        epoch: Epoch(epoch),
        role,
        doors: None,
        engine: Some(crate::harness::engine()),
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing,
            position: None,
            keys: 0,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![],
            link: None,
            fork: None,
        }],
        problem: None,
        lost_writes: Vec::new(),
        handoff: None,
        transfer: None,
    }
}

#[tokio::test]
async fn a_cache_is_ready_when_its_shards_serve_at_its_revision() {
    let (record, op) = creating();
    let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
    let seen = |standing| {
        Seen::just_now(vec![report(
            "eastus",
            vec![sees(&record, 3, RoleKind::Alone, standing)],
        )])
    };
    assert_eq!(bench.pass(&seen(ShardStanding::Starting), 1).await, 0);
    let mut old = report(
        "eastus",
        vec![sees(&record, 3, RoleKind::Alone, ShardStanding::Writable)],
    );
    old.caches[0].settled_revision = 0;
    assert_eq!(bench.pass(&Seen::just_now(vec![old]), 1).await, 0);
    assert_eq!(bench.pass(&seen(ShardStanding::Writable), 1).await, 1);
    assert_eq!(bench.cache("east").unwrap().lifecycle, Lifecycle::Ready);
    assert_eq!(bench.pass(&seen(ShardStanding::Writable), 2).await, 1);
    assert_eq!(
        bench.outcome(),
        Outcome::Succeeded {
            ended: Timestamp(2)
        }
    );
    assert_eq!(bench.pass(&seen(ShardStanding::Writable), 3).await, 0);
}

#[tokio::test]
async fn a_cache_without_an_engine_fails_with_the_agent_s_words_and_recovers() {
    let (record, op) = creating();
    let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
    let mut agent = report("eastus", vec![]);
    agent.engine = None;
    agent.problem = Some("valkey-server is not in PATH".to_owned());
    let seen = Seen::just_now(vec![agent]);
    assert_eq!(bench.pass(&seen, 10_000).await, 0);
    assert_eq!(bench.pass(&seen, 10_001).await, 1);
    let Outcome::Failed { message, .. } = bench.outcome() else {
        panic!("not failed")
    };
    assert!(
        message.contains("valkey-server is not in PATH"),
        "{message}"
    );
    assert_eq!(
        bench.cache("east").unwrap().lifecycle,
        Lifecycle::Failed { why: message }
    );
    let up = Seen::just_now(vec![report(
        "eastus",
        vec![sees(&record, 3, RoleKind::Alone, ShardStanding::Writable)],
    )]);
    assert_eq!(bench.pass(&up, 20_000).await, 1);
    assert_eq!(bench.cache("east").unwrap().lifecycle, Lifecycle::Ready);
}

#[tokio::test]
async fn an_agent_that_never_reports_fails_a_creation_but_not_right_after_a_start() {
    let (record, op) = creating();
    let bench = Bench::new(Change::new().insert(&record).insert(&op)).await;
    assert_eq!(bench.pass(&Observations::new().seen(), 70_000).await, 0);
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 60_000).await, 0);
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 60_001).await, 1);
    assert!(
        matches!(bench.outcome(), Outcome::Failed { message, .. } if message.contains("does not report"))
    );
}

#[tokio::test]
async fn a_deleted_cache_goes_when_its_agent_has_let_go_of_it() {
    let record = CacheRecord {
        lifecycle: Lifecycle::Deleting,
        ..cache("east", "eastus")
    };
    let bench = Bench::new(Change::new().insert(&record)).await;
    let mut early = report("eastus", vec![]);
    early.generation = 0;
    assert_eq!(
        bench.pass(&Seen::just_now(vec![early]), 1).await,
        0,
        "an older generation"
    );
    let still = sees(&record, 3, RoleKind::Alone, ShardStanding::Starting);
    assert_eq!(
        bench
            .pass(&Seen::just_now(vec![report("eastus", vec![still])]), 1)
            .await,
        0
    );
    assert_eq!(
        bench.pass(&Seen::just_now(vec![]), 1).await,
        0,
        "not heard from"
    );
    assert_eq!(
        bench
            .pass(&Seen::just_now(vec![report("eastus", vec![])]), 1)
            .await,
        1
    );
    assert!(bench.cache("east").is_none());
}

/// East and west in a link at epoch 4, and an operation about it.
async fn linked(change: impl FnOnce(&mut LinkRecord), work: Work) -> Bench {
    let id = LinkId::new("l");
    let [east, west] = [("east", "eastus"), ("west", "westus")].map(|(name, place)| CacheRecord {
        link: Some(id.clone()),
        ..cache(name, place)
    });
    let mut link = LinkRecord::begin(id, member(&east), member(&west), Epoch(4), Timestamp(0));
    change(&mut link);
    let change = Change::new().insert(&east).insert(&west).insert(&link);
    Bench::new(change.insert(&op(work))).await
}

fn both(epoch: u64, east: (RoleKind, ShardStanding), west: (RoleKind, ShardStanding)) -> Seen {
    let one = |name, place: &str, (role, standing)| {
        report(
            place,
            vec![sees(&cache(name, place), epoch, role, standing)],
        )
    };
    Seen::just_now(vec![
        one("east", "eastus", east),
        one("west", "westus", west),
    ])
}

fn failing_over() -> Work {
    Work::FailOver {
        link: LinkId::new("l"),
        to: cache("west", "westus").uid,
        from_epoch: Epoch(4),
        attempt: Some(1),
        forced: false,
    }
}

#[tokio::test]
async fn a_handoff_that_is_late_is_given_up_and_its_operation_says_why() {
    let handing = |link: &mut LinkRecord| {
        link.phase = LinkPhase::HandingOff {
            deadline: Timestamp(100),
        };
        link.attempt = 1;
    };
    let bench = linked(handing, failing_over()).await;
    let seen = both(
        4,
        (RoleKind::Yielding, ShardStanding::Writable),
        (RoleKind::Taking, ShardStanding::Following),
    );
    assert_eq!(bench.pass(&seen, 99).await, 0);
    assert_eq!(bench.pass(&seen, 100).await, 1);
    assert_eq!(bench.link().unwrap().phase, LinkPhase::Linked);
    bench.pass(&seen, 101).await;
    let Outcome::Failed { message, .. } = bench.outcome() else {
        panic!("not failed")
    };
    assert!(
        message.contains("`east` could not stop its writes"),
        "{message}"
    );
    assert_eq!(bench.link().unwrap().epoch, Epoch(4));
}

#[tokio::test]
async fn a_failover_that_went_back_fails_and_says_that_nothing_is_lost() {
    let back = |link: &mut LinkRecord| {
        link.epoch = Epoch(6);
        link.attempt = 1;
        link.standing = model::Standing::AsFound;
        link.phase = LinkPhase::Promoting;
    };
    let bench = linked(back, failing_over()).await;
    let seen = both(
        6,
        (RoleKind::Primary, ShardStanding::Starting),
        (RoleKind::Secondary, ShardStanding::Cut),
    );
    bench.pass(&seen, 1).await;
    let Outcome::Failed { message, .. } = bench.outcome() else {
        panic!("not failed: {:?}", bench.outcome())
    };
    assert!(message.contains("`west` lost its data"), "{message}");
}

#[tokio::test]
async fn an_unlinked_pair_is_free_in_one_step_and_keeps_the_epoch() {
    let unlinking = |link: &mut LinkRecord| *link = link.unlink(Timestamp(0)).unwrap();
    let work = Work::Unlink {
        link: LinkId::new("l"),
    };
    let bench = linked(unlinking, work).await;
    let alone = || (RoleKind::Alone, ShardStanding::Writable);
    let seen = both(5, alone(), alone());
    assert_eq!(bench.pass(&seen, 1).await, 1);
    assert_eq!(bench.link().unwrap().phase, LinkPhase::UnlinkingSecondary);
    let before = bench.store.state().revision;
    assert_eq!(bench.pass(&seen, 2).await, 1);
    assert_eq!(bench.store.state().revision, before + 1, "one commit");
    assert!(bench.link().is_none());
    for name in ["east", "west"] {
        let record = bench.cache(name);
        let found = record.or_else(|| {
            let state = bench.store.state();
            state
                .cache(&cache(name, "westus").id)
                .map(|c| CacheRecord::clone(c))
        });
        let found = found.unwrap();
        assert_eq!((found.link, found.epoch), (None, Epoch(5)));
    }
    bench.pass(&seen, 3).await;
    assert_eq!(
        bench.outcome(),
        Outcome::Succeeded {
            ended: Timestamp(3)
        }
    );
}

#[tokio::test]
async fn an_unlink_does_not_take_a_restart_s_silence_for_a_dead_region() {
    let unlinking = |link: &mut LinkRecord| *link = link.unlink(Timestamp(0)).unwrap();
    let work = Work::Unlink {
        link: LinkId::new("l"),
    };
    let bench = linked(unlinking, work).await;
    assert_eq!(bench.pass(&Observations::new().seen(), 60_000).await, 0);
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 60_000).await, 1);
}

#[tokio::test]
async fn ended_operations_are_kept_for_a_day() {
    let (record, running) = creating();
    let ended = running.succeeded(Timestamp(1_000));
    let bench = Bench::new(Change::new().insert(&ended)).await;
    assert_eq!(record.lifecycle, Lifecycle::Creating);
    let day = 24 * 3_600_000;
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 1_000 + day).await, 0);
    assert_eq!(bench.pass(&Seen::just_now(vec![]), 1_001 + day).await, 1);
    assert_eq!(bench.store.state().operations.iter().count(), 0);
}

/// East was heard last a minute ago, with this lag; west is heard now.
fn east_is_away(lag_ms: f64) -> Seen {
    let [mut east, mut west] = [
        ("east", "eastus", RoleKind::Primary, ShardStanding::Writable),
        ("west", "westus", RoleKind::Secondary, ShardStanding::Cut),
    ]
    .map(|(name, place, role, standing)| {
        report(place, vec![sees(&cache(name, place), 4, role, standing)])
    });
    east.caches[0].shards[0].link = Some(model::LinkObserved {
        lag_ms: Some(lag_ms),
        ..model::LinkObserved::default()
    });
    west.caches[0].shards[0].keys = 7;
    Seen::apart(east, west, Duration::from_secs(60))
}

fn with_auto_failover(link: &mut LinkRecord) {
    link.phase = LinkPhase::Linked;
    link.settings.fencing = model::Fencing::Lease;
    link.settings.auto_failover = Some(model::AutoFailover {
        after: 30,
        max_lag: 5,
    });
}

#[tokio::test]
async fn a_primary_that_is_away_for_long_is_replaced_where_the_link_says_so() {
    let bench = linked(with_auto_failover, failing_over()).await;
    let seen = east_is_away(4_000.0);
    bench.pass(&seen, 1).await;
    let link = bench.link().unwrap();
    let forcing = LinkPhase::Forcing {
        by: model::ForcedBy::Setting,
    };
    assert_eq!(
        (&link.phase, link.last_auto),
        (&forcing, Some(Timestamp(1)))
    );
    bench.pass(&seen, 2).await;
    let link = bench.link().unwrap();
    assert_eq!(link.phase, LinkPhase::Promoting);
    assert_eq!(link.primary.id.name.as_str(), "west");
}

#[tokio::test]
async fn a_failover_that_does_not_happen_by_itself_is_told_once_for_each_reason() {
    let bench = linked(with_auto_failover, failing_over()).await;
    let mut withheld = Withheld::default();
    let mut news = |lag_ms| {
        let seen = east_is_away(lag_ms);
        let state = bench.store.state();
        let events = withheld.news(&Sight {
            state: &state,
            seen: &seen,
            now: Timestamp(1),
            leases: &bench.observations.grants,
            desired: &Desired::new(bench.store.id(), &[], &state),
        });
        events
            .into_iter()
            .map(|event| event.text)
            .collect::<Vec<_>>()
    };
    let first = news(6_000.0);
    assert_eq!(first.len(), 1);
    assert!(
        first[0]
            .contains("`west` does not take over by itself: the geo-secondary was 6000 ms behind"),
        "{first:?}"
    );
    assert!(news(6_001.0).is_empty(), "the same reason");
    assert!(news(4_000.0).is_empty(), "it happens now");
    assert_eq!(news(6_000.0).len(), 1, "and again it does not");
    bench.pass(&east_is_away(6_000.0), 1).await;
    assert_eq!(bench.link().unwrap().phase, LinkPhase::Linked);
}
