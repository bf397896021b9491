//! Creating and changing a cache.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{
    Access, AccessKeys, CacheId, CacheRecord, CacheSpec, CacheUid, Epoch, FormerSize, Lifecycle,
    Maintenance, OperationId, RebootNodes, Region, Resize, RollWhat, engine_settings,
    refused_resize, resizes,
};

use super::{
    Names, being_deleted, name_taken,
    requested::{Requested, not_resizable},
};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caller::{Caller, Leads},
        decide::{Plan, decide},
        find::{cache_id, find_cache, find_group},
        groups::not_deleting,
        maintenance::not_restarting,
        transfers::no_data_change,
    },
    plane::Plane,
    records::{OperationRecord, Outcome, Work, cache, deployment},
    store::{Change, State as Records, Versioned},
    view::cache_json,
};

/// What a request has made: the answer's status, the cache, and the operation to follow.
type Made = (StatusCode, CacheRecord, OperationRecord);

/// What a new cache is made of, rolled once for a request.
struct Rolled {
    uid: CacheUid,
    keys: AccessKeys,
    operation: OperationId,
}

impl Rolled {
    fn new(plane: &Plane) -> Self {
        Self {
            uid: CacheUid::new(plane.dice.guid()),
            keys: AccessKeys {
                primary: plane.dice.access_key(),
                secondary: plane.dice.access_key(),
            },
            operation: OperationId::new(plane.dice.guid()),
        }
    }
}

/// Creates a cache, or changes the one that is there.
pub(in crate::api) async fn put(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let asked = Requested::read(body)?;
    let rolled = Rolled::new(&plane);
    let made = decide(&plane, |state| {
        let id = cache_id(state, &subscription, &group, &name)?;
        match state.cache(&id) {
            Some(cache) => {
                same_location(cache, asked.location.as_ref())?;
                update(&plane, state, cache, &asked, &rolled.operation)
            }
            None => create(&plane, state, id, &asked, &rolled),
        }
    })
    .await?;
    Ok(answered(&plane, &caller, made))
}

/// Changes a cache.
pub(in crate::api) async fn patch(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    caller: Caller,
    body: Fields,
) -> Result<Response, ApiError> {
    let asked = Requested::read(body)?;
    let operation = OperationId::new(plane.dice.guid());
    let made = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        same_location(cache, asked.location.as_ref())?;
        update(&plane, state, cache, &asked, &operation)
    })
    .await?;
    Ok(answered(&plane, &caller, made))
}

fn answered(plane: &Plane, caller: &Caller, (status, cache, op): Made) -> Response {
    let state = plane.store.state();
    let body = cache_json(plane, &state, &plane.observations.seen(), &cache, true);
    let headers = caller.follow(&op, &Leads::To(&cache.id.to_string()));
    answer::with_headers(answer::json_response(status, &body), headers)
}

fn same_location(cache: &CacheRecord, asked: Option<&Region>) -> Result<(), ApiError> {
    if asked.is_none_or(|asked| *asked == cache.region) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "InvalidResourceLocation",
        format!(
            "The cache `{}` is in '{}' and cannot move; leave `location` as it is, or choose another name.",
            cache.id.name,
            cache.region.display_name()
        ),
    ))
}

fn create(
    plane: &Plane,
    state: &Records,
    id: CacheId,
    asked: &Requested,
    rolled: &Rolled,
) -> Result<Plan<Made>, ApiError> {
    let group = find_group(state, id.subscription.as_str(), id.group.as_str())?;
    not_deleting(group)?;
    asked.placement.check()?;
    let mut spec = asked.created()?;
    if let Some(identity) = &asked.identity {
        spec.identity = identity.identity(&spec.identity, &plane.dice);
    }
    tokens_have_issuers(state, &spec, None)?;
    let region = place(plane, asked.location.as_ref())?;
    if state.caches.get(&cache::key(&id.name)).is_some() {
        return Err(name_taken(&id.name));
    }
    let now = plane.clock.now();
    let record = CacheRecord {
        id,
        uid: rolled.uid.clone(),
        region,
        spec,
        keys: rolled.keys.clone(),
        access: Access::default(),
        private_endpoints: Vec::new(),
        maintenance: Maintenance::default(),
        epoch: Epoch(0),
        link: None,
        lifecycle: Lifecycle::Creating,
        resize: None,
        revision: 1,
        created: now,
        transfer: None,
    };
    let op = operation(plane, &record, &rolled.operation, |cache, uid| {
        Work::CreateCache { cache, uid }
    });
    let change = Change::new().expect(group).insert(&record).insert(&op);
    Ok(Plan::Commit(change, (StatusCode::CREATED, record, op)))
}

fn place(plane: &Plane, asked: Option<&Region>) -> Result<Region, ApiError> {
    let regions: Vec<_> = plane.regions.iter().map(Region::as_str).collect();
    let Some(asked) = asked else {
        return Err(ApiError::body(format!(
            "The field `location` is missing; it takes a region of this deployment: {}.",
            regions.join(", ")
        )));
    };
    if plane.regions.contains(asked) {
        return Ok(asked.clone());
    }
    Err(ApiError::bad_request(
        "LocationNotAvailableForResourceType",
        format!(
            "The location '{asked}' is not a region of this deployment; use one of {}.",
            regions.join(", ")
        ),
    ))
}

fn operation(
    plane: &Plane,
    cache: &CacheRecord,
    id: &OperationId,
    work: impl FnOnce(CacheId, CacheUid) -> Work,
) -> OperationRecord {
    OperationRecord {
        id: id.clone(),
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work: work(cache.id.clone(), cache.uid.clone()),
        started: plane.clock.now(),
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    }
}

fn update(
    plane: &Plane,
    state: &Records,
    cache: &Versioned<CacheRecord>,
    asked: &Requested,
    id: &OperationId,
) -> Result<Plan<Made>, ApiError> {
    match cache.lifecycle {
        Lifecycle::Deleting => return Err(being_deleted(cache)),
        Lifecycle::Creating => {
            return Err(ApiError::conflict(format!(
                "The cache `{}` is still being created; wait until it is `Succeeded`.",
                cache.id.name
            )));
        }
        Lifecycle::Ready | Lifecycle::Updating | Lifecycle::Scaling | Lifecycle::Failed { .. } => {}
    }
    asked.placement.same(cache)?;
    let mut spec = asked.updated(cache)?;
    if let Some(identity) = &asked.identity {
        spec.identity = identity.identity(&spec.identity, &plane.dice);
    }
    tokens_have_issuers(state, &spec, Some(&cache.spec))?;
    let op = operation(plane, cache, id, |cache, uid| Work::UpdateCache {
        cache,
        uid,
    });
    let failed = matches!(cache.lifecycle, Lifecycle::Failed { .. });
    let mut record = CacheRecord {
        spec,
        ..CacheRecord::clone(cache)
    };
    if !failed && same_for_agents(&record, cache) {
        let op = op.succeeded(op.started);
        let change = Change::new().replace(cache, &record).insert(&op);
        return Ok(Plan::Commit(change, (StatusCode::OK, record, op)));
    }
    one_at_a_time(cache)?;
    no_data_change(cache, "change")?;
    let resizes = resizes(&cache.spec, &record.spec);
    if resizes {
        not_restarting(cache, "scale")?;
        fits(plane, cache, &record.spec)?;
    }
    let sized = |spec: &CacheSpec| (spec.sku, spec.replicas);
    record.lifecycle = if sized(&record.spec) == sized(&cache.spec) {
        Lifecycle::Updating
    } else {
        Lifecycle::Scaling
    };
    record.revision += 1;
    // A change that came to nothing is still to be gone back from.
    let former = cache.resize.as_ref().map(|resize| resize.former.clone());
    record.resize = (resizes || former.is_some()).then(|| Resize {
        operation: id.clone(),
        revision: record.revision,
        former: former.unwrap_or_else(|| FormerSize::of(&cache.spec)),
    });
    if record
        .resize
        .as_ref()
        .is_some_and(|resize| resize.restarts(&record.spec))
    {
        let nodes = RebootNodes::All;
        let what = RollWhat::Reboot { shard: None, nodes };
        record.maintenance = cache
            .maintenance
            .with_order(what, op.started, op.id.clone(), None);
    }
    let change = Change::new().replace(cache, &record).insert(&op);
    Ok(Plan::Commit(change, (StatusCode::OK, record, op)))
}

/// What a cache is made of is changed in one way at a time, so that it is known what to go back to.
fn one_at_a_time(cache: &CacheRecord) -> Result<(), ApiError> {
    let under_way = match cache.lifecycle {
        Lifecycle::Updating | Lifecycle::Scaling => cache.resize.is_some(),
        Lifecycle::Creating | Lifecycle::Ready | Lifecycle::Deleting | Lifecycle::Failed { .. } => {
            false
        }
    };
    if !under_way {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "The cache `{}` is being changed: its size, its replicas or its persistence. Wait until it is `Succeeded`, then try again.",
        cache.id.name
    )))
}

/// Whether the data have room in what the cache is to be, by what its agent sees now; the agent looks
/// again before it does anything.
fn fits(plane: &Plane, cache: &CacheRecord, spec: &CacheSpec) -> Result<(), ApiError> {
    let seen = plane.observations.seen();
    let seen = seen.cache(&cache.region, &cache.uid);
    let used: Option<Vec<u64>> =
        seen.map(|seen| seen.shards.iter().map(|shard| shard.used_memory).collect());
    match refused_resize(cache, spec, used.as_deref()) {
        None => Ok(()),
        Some(refused) => Err(not_resizable(&refused)),
    }
}

/// Tells whether the agents have nothing to do for the change.
fn same_for_agents(a: &CacheRecord, b: &CacheRecord) -> bool {
    let made_of = |cache: &CacheRecord| {
        let spec = &cache.spec;
        let settings = engine_settings(spec.sku, &spec.configuration).ok();
        let persistence = spec.persistence();
        (spec.sku, spec.shards, spec.replicas, settings, persistence)
    };
    made_of(a) == made_of(b) && a.front_door() == b.front_door()
}

/// Tokens cannot be checked without somebody whose tokens they are.
fn tokens_have_issuers(
    state: &Records,
    spec: &CacheSpec,
    before: Option<&CacheSpec>,
) -> Result<(), ApiError> {
    let told = state.deployment.get(&deployment::key());
    let anybody = told.is_some_and(|told| !told.issuers.is_empty());
    if anybody || !spec.takes_tokens() || before.is_some_and(CacheSpec::takes_tokens) {
        return Ok(());
    }
    Err(ApiError::body(
        "The field `properties.redisConfiguration` cannot be taken: `aad-enabled` lets clients in with tokens, and this control plane was started with nobody whose tokens it could believe; start it with `--token-issuer`.",
    ))
}
