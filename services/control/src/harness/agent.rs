//! Agents that do as they are told.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use model::{
    CacheDesired, CacheObserved, Door, Doors, EventObserved, GeoRole, LinkActivity, LinkObserved,
    NodeObserved, Presence, PromotionAnswer, PromotionRequest, Region, RegionDesired,
    RegionObserved, ShardIndex, ShardObserved, ShardStanding,
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
    /// The events that it repeats in every report.
    pub(crate) events: Vec<EventObserved>,
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
        let behaviour = self.behaviour.lock();
        let there = |cache: &&CacheDesired| cache.presence == Presence::Present || behaviour.keeps;
        RegionObserved {
            region: self.region.clone(),
            generation: desired.generation,
            relay_address: Some("127.0.0.1:7000".parse().unwrap()),
            engine: (!behaviour.no_engine).then(engine),
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

pub(super) fn agent_request(method: &str, path: &str, body: Body) -> Request<Body> {
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
        settled_revision: if stuck { 0 } else { cache.revision },
        epoch: cache.epoch,
        role: cache.role.kind(),
        doors: Some(doors()),
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
            used_memory: 1,
            ops_per_second: 0,
            clients: 0,
            nodes: vec![NodeObserved {
                index: 0,
                pid: Some(1),
                address: None,
                leads: true,
                in_step: true,
            }],
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
        lost_writes: behaviour
            .lost_writes
            .iter()
            .filter(|receipt| receipt.cache == cache.id.name)
            .cloned()
            .collect(),
        handoff: behaviour.handoff.clone(),
        transfer: cache
            .transfer
            .as_ref()
            .map(|order| model::TransferObserved {
                id: order.id.clone(),
                phase: model::TransferPhase::Load,
                done: 250,
                total: Some(1_000),
                outcome: behaviour.transfers.clone(),
            }),
    }
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
