//! Agents that do as they are told.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use model::{
    CacheDesired, CacheObserved, CacheUid, Door, Doors, EngineBuild, EventObserved, GeoRole,
    InstalledEngine, LinkActivity, LinkObserved, NodeObserved, Presence, PrivateDoorObserved,
    PromotionAnswer, PromotionRequest, Region, RegionDesired, RegionObserved, ResizeObserved,
    RollObserved, RollStanding, ShardIndex, ShardObserved, ShardStanding, Timestamp,
};
use parking_lot::Mutex;
use tokio::task::yield_now;

use super::{AGENT_TOKEN, engine, position, send};

/// How a fake agent departs from doing as it is told.
#[derive(Default)]
pub(crate) struct Behaviour {
    /// It reports nothing.
    pub(crate) silent: bool,
    /// It has no engine.
    pub(crate) no_engine: bool,
    /// It does not settle anything.
    pub(crate) stuck: bool,
    /// Why it does not carry out what it is told of a cache.
    pub(crate) refuses: Option<String>,
    /// The memory that it says shards use, other than a byte.
    pub(crate) used_memory: Option<u64>,
    /// It does not ask for the promotion.
    pub(crate) never_takes: bool,
    /// The standing of geo-secondaries, other than `Following`.
    pub(crate) secondary: Option<ShardStanding>,
    /// The standing of geo-primaries, other than `Writable`.
    pub(crate) primary: Option<ShardStanding>,
    /// What it says of caches with a problem.
    pub(crate) problem: Option<String>,
    /// It keeps caches that are to be absent.
    pub(crate) keeps: bool,
    /// What it says of every half of a link, beside what follows from the standing.
    pub(crate) half: LinkObserved,
    /// A geo-primary that is lost starts empty, at the word to do so.
    pub(crate) starts_empty: bool,
    /// The lag that it tells, other than half a millisecond.
    pub(crate) lag_ms: Option<f64>,
    /// The receipts that it tells, of caches by these names.
    pub(crate) lost_writes: Vec<model::Receipt>,
    /// Its part of the latest handoff.
    pub(crate) handoff: Option<model::HandoffObserved>,
    /// What keeps it from listening at private endpoints.
    pub(crate) private_problem: Option<String>,
    /// The events that it repeats in every report.
    pub(crate) events: Vec<EventObserved>,
    /// The patch version of the engine that is installed; it then tells what its nodes run.
    pub(crate) installed: Option<u16>,
    /// How orders to restart nodes stand, other than `Done`.
    pub(crate) roll: Option<RollStanding>,
    /// What upgrades have brought, by cache.
    upgraded: BTreeMap<CacheUid, EngineBuild>,
    /// How every transfer ends; `None`: none does.
    pub(crate) transfers: Option<model::TransferOutcome>,
}

/// A fake agent.
#[derive(Clone)]
pub(crate) struct Agent {
    region: Region,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
}

impl Agent {
    pub(super) fn new(region: Region) -> Self {
        let behaviour = Arc::default();
        Self { region, behaviour }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock());
    }

    pub(super) async fn run(self, service: Router) {
        let mut desired: Option<RegionDesired> = None;
        loop {
            // When the control plane stops, its answers come without a wait.
            yield_now().await;
            let after = desired
                .as_ref()
                .map_or_else(String::new, |d| format!("&after={}", d.generation));
            let path = format!(
                "/agents/v1/desired?region={}&wait_ms=20{after}",
                self.region
            );
            let answer = send(service.clone(), agent_request("GET", &path, Body::empty())).await;
            match answer.status {
                StatusCode::OK => desired = Some(serde_json::from_value(answer.body).unwrap()),
                StatusCode::NO_CONTENT => {}
                _ => panic!("{answer:?}"),
            }
            let Some(desired) = &desired else { continue };
            self.take_promotions(&service, desired).await;
            if self.behaviour.lock().silent {
                continue;
            }
            let report = serde_json::to_vec(&self.report(desired)).unwrap();
            let request = agent_request("POST", "/agents/v1/report", Body::from(report));
            let answer = send(service.clone(), request).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
    }

    async fn take_promotions(&self, service: &Router, desired: &RegionDesired) {
        for cache in &desired.caches {
            let GeoRole::Taking { link, attempt, .. } = &cache.role else {
                continue;
            };
            if self.behaviour.lock().never_takes {
                continue;
            }
            let request = PromotionRequest {
                link: link.clone(),
                attempt: *attempt,
                barriers: vec![position(100)],
            };
            let body = Body::from(serde_json::to_vec(&request).unwrap());
            let answer = send(
                service.clone(),
                agent_request("POST", "/agents/v1/promotions", body),
            )
            .await;
            assert!(serde_json::from_value::<PromotionAnswer>(answer.body).is_ok());
        }
    }

    fn report(&self, desired: &RegionDesired) -> RegionObserved {
        let mut behaviour = self.behaviour.lock();
        behaviour.upgrade(desired);
        let there = |cache: &&CacheDesired| cache.presence == Presence::Present || behaviour.keeps;
        RegionObserved {
            region: self.region.clone(),
            generation: desired.generation,
            relay_address: Some("127.0.0.1:7000".parse().unwrap()),
            engine: (!behaviour.no_engine).then(engine),
            installed: behaviour.installed.map(|patch| InstalledEngine {
                build: build(patch),
                since: Timestamp(1_000),
            }),
            problem: behaviour
                .no_engine
                .then(|| "valkey-server is not installed".to_owned()),
            caches: desired
                .caches
                .iter()
                .filter(there)
                .map(|c| observed(c, &behaviour))
                .collect(),
            events: behaviour.events.clone(),
        }
    }
}

pub(crate) fn agent_request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {AGENT_TOKEN}"))
        .body(body)
        .unwrap()
}

fn observed(cache: &CacheDesired, behaviour: &Behaviour) -> CacheObserved {
    let told = match &cache.role {
        GeoRole::Alone => ShardStanding::Writable,
        GeoRole::Primary {
            accept_empty: Some(_),
            ..
        } if behaviour.starts_empty => ShardStanding::Writable,
        GeoRole::Primary { .. } => behaviour.primary.clone().unwrap_or(ShardStanding::Writable),
        GeoRole::Yielding { attempt, .. } => ShardStanding::Yielded { attempt: *attempt },
        GeoRole::Secondary { .. } | GeoRole::Taking { .. } => behaviour
            .secondary
            .clone()
            .unwrap_or(ShardStanding::Following),
    };
    let refuses = behaviour.refuses.is_some();
    let stuck = behaviour.stuck || behaviour.no_engine;
    let standing = if stuck { ShardStanding::Starting } else { told };
    let activity = if standing == ShardStanding::Syncing {
        LinkActivity::FullSync {
            bytes: 250,
            total: Some(1_000),
        }
    } else {
        LinkActivity::Streaming
    };
    let link = LinkObserved {
        connected: standing != ShardStanding::Cut,
        activity,
        bytes_behind: 0,
        lag_ms: Some(behaviour.lag_ms.unwrap_or(0.5)),
        full_syncs_started: 1,
        full_syncs_finished: 1,
        partial_syncs: 0,
        silent_ms: Some(3),
        ..behaviour.half.clone()
    };
    CacheObserved {
        uid: cache.uid.clone(),
        settled_revision: if stuck || refuses { 0 } else { cache.revision },
        epoch: cache.epoch,
        role: cache.role.kind(),
        doors: cache.door.public.then(doors),
        private_doors: private_doors(cache, behaviour),
        engine: (!behaviour.no_engine).then(engine),
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            position: (standing != ShardStanding::Lost).then(|| position(100)),
            keys: if standing == ShardStanding::Lost {
                0
            } else {
                7
            },
            standing,
            used_memory: behaviour.used_memory.unwrap_or(1),
            ops_per_second: 0,
            clients: 0,
            nodes: nodes(cache, behaviour),
            link: cache.role.link().map(|_| link),
            fork: matches!(
                &cache.role,
                GeoRole::Primary {
                    standing: model::Standing::Forced { .. },
                    ..
                }
            )
            .then(|| position(100)),
        }],
        problem: behaviour.problem.clone(),
        lost_writes: lost_writes(cache, behaviour),
        handoff: behaviour.handoff.clone(),
        resize: resize(cache, behaviour),
        persistence: Vec::new(),
        roll: cache.roll.as_ref().map(|order| RollObserved {
            order: order.id,
            standing: behaviour.roll.clone().unwrap_or(RollStanding::Done),
            restarted: 1,
            nodes: 2,
        }),
        transfer: transfer(cache, behaviour),
    }
}

fn lost_writes(cache: &CacheDesired, behaviour: &Behaviour) -> Vec<model::Receipt> {
    let all = behaviour.lost_writes.iter();
    all.filter(|receipt| receipt.cache == cache.id.name)
        .cloned()
        .collect()
}

fn resize(cache: &CacheDesired, behaviour: &Behaviour) -> ResizeObserved {
    let refused = behaviour.refuses.clone();
    ResizeObserved {
        doing: None,
        refused: refused.map(|why| (cache.revision, why)),
    }
}

/// What is engine 8.0.`patch`.
pub(crate) fn build(patch: u16) -> EngineBuild {
    let version = model::EngineVersion { patch, ..engine() };
    EngineBuild::new(version, "abc")
}

/// The leading node; where engines are told of, all of them.
fn nodes(cache: &CacheDesired, behaviour: &Behaviour) -> Vec<NodeObserved> {
    let tells = behaviour.installed.is_some();
    let runs = behaviour.upgraded.get(&cache.uid).cloned();
    let count = if tells { cache.replicas + 1 } else { 1 };
    let node = |index| NodeObserved {
        index,
        pid: Some(1),
        address: None,
        leads: index == 0,
        in_step: true,
        build: tells.then(|| runs.clone().unwrap_or_else(|| build(1))),
    };
    (0..count).map(node).collect()
}

impl Behaviour {
    /// Orders that are done have brought what they bring.
    fn upgrade(&mut self, desired: &RegionDesired) {
        for cache in &desired.caches {
            let brings = cache.roll.as_ref().and_then(model::RollOrder::brings);
            if let Some(to) = brings.filter(|_| self.roll.is_none()) {
                self.upgraded.insert(cache.uid.clone(), to.clone());
            }
        }
    }
}

fn private_doors(cache: &CacheDesired, behaviour: &Behaviour) -> Vec<PrivateDoorObserved> {
    let each = cache.door.private.iter().zip(1..);
    let open = each.map(|(wanted, last)| {
        let problem = behaviour.private_problem.clone();
        let given = IpAddr::V4(Ipv4Addr::new(127, 9, 9, last));
        let door = Door {
            ip: wanted.address.unwrap_or(given),
            tls: 6380,
            plain: cache.door.plain.then_some(6379),
        };
        PrivateDoorObserved {
            name: wanted.name.clone(),
            door: problem.is_none().then_some(door),
            problem,
        }
    });
    open.collect()
}

fn transfer(cache: &CacheDesired, behaviour: &Behaviour) -> Option<model::TransferObserved> {
    let order = cache.transfer.as_ref()?;
    Some(model::TransferObserved {
        id: order.id.clone(),
        phase: model::TransferPhase::Load,
        done: 250,
        total: Some(1_000),
        outcome: behaviour.transfers.clone(),
    })
}

fn doors() -> Doors {
    let door = |tls, plain| Door {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        tls,
        plain: Some(plain),
    };
    Doors {
        direct: door(7000, 7001),
        geo: door(7002, 7003),
    }
}
