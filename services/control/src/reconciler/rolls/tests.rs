//! Upgrades that begin by themselves, with a clock of the test's own.

use model::{
    CacheObserved, Day, EngineBuild, Epoch, InstalledEngine, LinkId, LinkPhase, LinkRecord,
    NodeObserved, PatchSchedule, PatchWindow, RegionObserved, RoleKind, RollObserved, ShardIndex,
    ShardObserved, ShardStanding, Timestamp,
};
use runtime::dice::Dice;

use super::super::*;
use crate::{
    harness::engine,
    observations::Observations,
    records::{
        Outcome,
        tests::{cache, member},
    },
    store::Store,
};
use model::CacheRecord;

/// Tuesday, 2026-12-01, 15:00 UTC.
const TUESDAY: u64 = 1_796_137_200_000;
const HOUR: u64 = 3_600_000;

fn build(patch: u16) -> EngineBuild {
    let version = model::EngineVersion { patch, ..engine() };
    EngineBuild::new(version, "abc")
}

/// Two linked caches whose windows begin on Tuesdays at 16:00 UTC.
struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    observations: Observations,
}

impl Bench {
    async fn new() -> Self {
        let window = PatchWindow {
            day: Day::Tuesday,
            start_hour: 16,
            minutes: 120,
        };
        let schedule = PatchSchedule::new(vec![window]).unwrap();
        let id = LinkId::new("l");
        let mut change = Change::new();
        for (name, place) in [("east", "eastus"), ("west", "westus")] {
            let mut record = cache(name, place);
            record.maintenance.schedule = Some(schedule.clone());
            record.link = Some(id.clone());
            change = change.insert(&record);
        }
        let [east, west] = [("east", "eastus"), ("west", "westus")]
            .map(|(name, place)| member(&cache(name, place)));
        let mut link = LinkRecord::begin(id, east, west, Epoch(4), Timestamp(0));
        link.phase = LinkPhase::Linked;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &Dice::from_seed(1)).await.unwrap();
        store.commit(change.insert(&link)).await.unwrap();
        Self {
            _dir: dir,
            store,
            observations: Observations::new(),
        }
    }

    async fn pass(&self, seen: &Seen, now: u64) -> Vec<String> {
        let state = self.store.state();
        let sight = Sight {
            state: &state,
            seen,
            now: Timestamp(now),
            leases: &self.observations.grants,
            desired: &Desired::new(self.store.id(), &[], &state),
        };
        let mut told = Vec::new();
        for step in plan(&sight, Breadth::Everything) {
            self.store.commit(step.change).await.unwrap();
            told.push(step.what);
        }
        told
    }

    fn cache(&self, name: &str) -> CacheRecord {
        let state = self.store.state();
        CacheRecord::clone(state.cache(&cache(name, "eastus").id).unwrap())
    }

    /// What both agents say; `east` is geo-primary.
    fn seen(&self, east: u16, west: u16) -> Seen {
        let side = |name: &str, place: &str, runs: u16, role, standing| {
            let record = self.cache(name);
            let given = record.maintenance.order.as_ref();
            let mut cache = observed(&record, runs, role, standing);
            cache.roll = given.map(|given| RollObserved {
                order: given.order.id,
                standing: model::RollStanding::Done,
                restarted: 2,
                nodes: 2,
            });
            RegionObserved {
                region: place.parse().unwrap(),
                generation: 1_000,
                relay_address: None,
                engine: Some(engine()),
                installed: Some(InstalledEngine {
                    build: build(2),
                    since: Timestamp(5),
                }),
                problem: None,
                caches: vec![cache],
                events: vec![],
            }
        };
        Seen::just_now(vec![
            side(
                "east",
                "eastus",
                east,
                RoleKind::Primary,
                ShardStanding::Writable,
            ),
            side(
                "west",
                "westus",
                west,
                RoleKind::Secondary,
                ShardStanding::Following,
            ),
        ])
    }

    fn operations(&self) -> Vec<Outcome> {
        let state = self.store.state();
        let outcomes = state.operations.iter().map(|op| op.outcome.clone());
        outcomes.collect()
    }
}

fn observed(
    record: &CacheRecord,
    runs: u16,
    role: RoleKind,
    standing: ShardStanding,
) -> CacheObserved {
    let node = |index| NodeObserved {
        index,
        pid: Some(1),
        address: None,
        leads: index == 0,
        in_step: true,
        build: Some(build(runs)),
    };
    CacheObserved {
        resize: model::ResizeObserved::default(),
        persistence: Vec::new(),
        uid: record.uid.clone(),
        settled_revision: 1,
        epoch: Epoch(4),
        role,
        doors: None,
        engine: Some(engine()),
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing,
            position: None,
            keys: 1,
            used_memory: 0,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![node(0), node(1)],
            link: None,
            fork: None,
        }],
        problem: None,
        lost_writes: Vec::new(),
        handoff: None,
        private_doors: Vec::new(),
        roll: None,
        transfer: None,
    }
}

#[tokio::test]
async fn a_newer_engine_waits_for_the_window_and_goes_to_the_geo_secondary_first() {
    let bench = Bench::new().await;
    assert_eq!(bench.pass(&bench.seen(1, 1), TUESDAY).await.len(), 0);
    let inside = TUESDAY + HOUR;
    let told = bench.pass(&bench.seen(1, 1), inside).await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("`west` go from valkey 8.0.1 to valkey 8.0.2"),
        "{told:?}"
    );
    assert!(bench.cache("east").maintenance.order.is_none());

    // The agent is done with it: the order ends, and then the geo-primary's begins.
    let told = bench.pass(&bench.seen(1, 2), inside + 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(bench.cache("west").maintenance.order, None);
    assert_eq!(bench.cache("west").maintenance.past.len(), 1);
    let told = bench.pass(&bench.seen(1, 2), inside + 2).await;
    assert!(told[0].contains("`east` go from"), "{told:?}");
    bench.pass(&bench.seen(2, 2), inside + 3).await;
    assert_eq!(bench.pass(&bench.seen(2, 2), inside + 4).await.len(), 0);
    let ended = |outcome: &Outcome| matches!(outcome, Outcome::Succeeded { .. });
    assert_eq!(bench.operations().iter().filter(|op| ended(op)).count(), 2);
}

#[tokio::test]
async fn nothing_begins_after_the_window_or_without_a_schedule() {
    let bench = Bench::new().await;
    let after = TUESDAY + 3 * HOUR;
    assert_eq!(bench.pass(&bench.seen(1, 1), after).await.len(), 0);
    let state = bench.store.state();
    for name in ["east", "west"] {
        let old = state.cache(&cache(name, "eastus").id).unwrap();
        let mut next = CacheRecord::clone(old);
        next.maintenance.schedule = None;
        let change = Change::new().replace(old, &next);
        bench.store.commit(change).await.unwrap();
    }
    let inside = TUESDAY + HOUR;
    assert_eq!(bench.pass(&bench.seen(1, 1), inside).await.len(), 0);
}

#[tokio::test]
async fn an_upgrade_that_failed_is_not_tried_again_by_itself() {
    let bench = Bench::new().await;
    let inside = TUESDAY + HOUR;
    bench.pass(&bench.seen(1, 1), inside).await;
    let mut west = observed(
        &bench.cache("west"),
        1,
        RoleKind::Secondary,
        ShardStanding::Following,
    );
    west.roll = Some(RollObserved {
        order: 1,
        standing: model::RollStanding::Stopped {
            why: "node 1 does not run with it".to_owned(),
        },
        restarted: 0,
        nodes: 2,
    });
    let report = RegionObserved {
        region: "westus".parse().unwrap(),
        generation: 1_000,
        relay_address: None,
        engine: Some(engine()),
        installed: Some(InstalledEngine {
            build: build(2),
            since: Timestamp(5),
        }),
        problem: None,
        caches: vec![west],
        events: vec![],
    };
    bench.pass(&Seen::just_now(vec![report]), inside + 1).await;
    assert!(matches!(
        &bench.operations()[..],
        [Outcome::Failed { message, .. }] if message.contains("does not run")
    ));
    assert_eq!(bench.pass(&bench.seen(1, 1), inside + 2).await.len(), 0);
}

#[tokio::test]
async fn an_order_that_no_agent_begins_is_given_up() {
    let bench = Bench::new().await;
    let inside = TUESDAY + HOUR;
    bench.pass(&bench.seen(1, 1), inside).await;
    let nobody = Seen::just_now(vec![]);
    assert_eq!(bench.pass(&nobody, inside + 60_000).await.len(), 0);
    bench.pass(&nobody, inside + 60_001).await;
    assert_eq!(bench.cache("west").maintenance.order, None);
    assert!(matches!(
        &bench.operations()[..],
        [Outcome::Failed { message, .. }] if message.contains("did not begin")
    ));
}
