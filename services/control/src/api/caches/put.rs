//! Creating and changing a cache.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{
    Access, AccessKeys, CacheId, CacheRecord, CacheSpec, CacheUid, Epoch, Lifecycle, OperationId,
    Region, engine_settings,
};

use super::{Names, being_deleted, name_taken, requested::Requested};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caller::{Caller, Leads},
        decide::{Plan, decide},
        find::{cache_id, find_cache, find_group},
        groups::not_deleting,
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
    let spec = asked.created()?;
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
        epoch: Epoch(0),
        link: None,
        lifecycle: Lifecycle::Creating,
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
    let spec = asked.updated(cache)?;
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
    no_data_change(cache, "change")?;
    record.lifecycle = if record.spec.sku == cache.spec.sku {
        Lifecycle::Updating
    } else {
        Lifecycle::Scaling
    };
    record.revision += 1;
    let change = Change::new().replace(cache, &record).insert(&op);
    Ok(Plan::Commit(change, (StatusCode::OK, record, op)))
}

/// Tells whether the agents have nothing to do for the change.
fn same_for_agents(a: &CacheRecord, b: &CacheRecord) -> bool {
    let made_of = |cache: &CacheRecord| {
        let spec = &cache.spec;
        let settings = engine_settings(spec.sku, &spec.configuration).ok();
        (spec.sku, spec.shards, spec.replicas, settings)
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
