//! Caches: `Microsoft.Cache/redis`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{AccessKeys, CacheName, CacheRecord, Lifecycle, OperationId};
use serde_json::json;

use super::{
    ApiError, answer,
    body::Fields,
    caller::{Caller, Leads, poll_again},
    decide::{Plan, decide},
    find::{cache_id, find_cache, find_group, find_subscription},
    page::{Cut, Page},
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work, cache},
    store::{Change, State as Records, Versioned},
    view::{cache_json, cache_status},
};

mod kept;
mod put;
mod requested;

pub(super) use put::{patch, put};

type Names = Path<(String, String, String)>;

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let body = cache_json(&plane, &state, &plane.observations.seen(), cache, false);
    let settled = body["properties"]["provisioningState"] == "Succeeded";
    let headers = if settled {
        HeaderMap::new()
    } else {
        poll_again()
    };
    Ok(answer::with_headers(answer::ok(&body), headers))
}

pub(super) async fn list_in_group(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group)): Path<(String, String)>,
    page: Page,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let group = find_group(&state, &subscription, &group)?;
    let caches = state.caches_behind(page.after.as_deref());
    let caches = caches.filter(|cache| cache.id.is_in(&group.subscription, &group.name));
    let caches = page.cut(caches.cloned());
    Ok(listed(&plane, &state, &page, caches).await)
}

pub(super) async fn list_in_subscription(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
    page: Page,
    caller: Caller,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let subscription = find_subscription(&state, &subscription)?;
    let caches = state.caches_behind(page.after.as_deref());
    let caches = caches.filter(|cache| cache.id.subscription == subscription.id);
    let caches = caches.filter(|cache| caller.sees(&cache.id.subscription, &cache.id.group));
    let caches = page.cut(caches.cloned());
    Ok(listed(&plane, &state, &page, caches).await)
}

async fn listed(
    plane: &Plane,
    state: &Records,
    page: &Page,
    caches: Cut<Versioned<CacheRecord>>,
) -> Response {
    let seen = plane.observations.seen();
    page.show(
        caches,
        |cache| cache.id.name.folded(),
        |cache| cache_json(plane, state, &seen, cache, false),
    )
    .await
}

pub(super) async fn runtime_status(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let status = cache_status(&plane, &state, &plane.observations.seen(), cache);
    Ok(answer::ok(&status))
}

pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let id = OperationId::new(plane.dice.guid());
    let op = decide(&plane, |state| {
        let cache_id = cache_id(state, &subscription, &group, &name)?;
        let Some(cache) = state.cache(&cache_id) else {
            return Ok(Plan::Answer(None));
        };
        not_linked(
            state
                .link_of(cache)
                .map(|link| &link.other(&cache.uid).id.name),
            cache,
        )?;
        let same = |work: &Work| matches!(work, Work::DeleteCache { uid, .. } if *uid == cache.uid);
        if let Some(running) = state.running(same) {
            return Ok(Plan::Answer(Some(running.clone())));
        }
        let op = OperationRecord {
            id: id.clone(),
            subscription: cache.id.subscription.clone(),
            region: cache.region.clone(),
            work: Work::DeleteCache {
                cache: cache.id.clone(),
                uid: cache.uid.clone(),
            },
            started: plane.clock.now(),
            outcome: Outcome::InProgress,
            failover: None,
            origin: None,
        };
        let going = CacheRecord {
            lifecycle: Lifecycle::Deleting,
            ..CacheRecord::clone(cache)
        };
        let change = Change::new().replace(cache, &going).insert(&op);
        Ok(Plan::Commit(change, Some(op)))
    })
    .await?;
    Ok(match op {
        None => answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()),
        Some(op) => answer::empty(StatusCode::ACCEPTED, caller.follow(&op, &Leads::ToResult)),
    })
}

fn not_linked(other: Option<&CacheName>, cache: &CacheRecord) -> Result<(), ApiError> {
    let Some(other) = other else {
        return Ok(());
    };
    let name = &cache.id.name;
    Err(ApiError::conflict(format!(
        "The cache `{name}` cannot be deleted, since it is linked to `{other}`. Unlink them first: DELETE {}/linkedServers/{other}.",
        cache.id
    )))
}

pub(super) async fn list_keys(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    Ok(answer::ok(&keys_json(&cache.keys)))
}

fn keys_json(keys: &AccessKeys) -> serde_json::Value {
    json!({"primaryKey": keys.primary.reveal(), "secondaryKey": keys.secondary.reveal()})
}

pub(super) async fn regenerate_key(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let which = body.one_of("keyType", &["Primary", "Secondary"])?;
    let which = which.ok_or_else(|| body.missing("keyType", "Primary or Secondary"))?;
    body.finish()?;
    let fresh = plane.dice.access_key();
    let keys = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        if cache.lifecycle == Lifecycle::Deleting {
            return Err(being_deleted(cache));
        }
        let mut keys = cache.keys.clone();
        if which == "Primary" {
            keys.primary = fresh.clone();
        } else {
            keys.secondary = fresh.clone();
        }
        let next = CacheRecord {
            keys: keys.clone(),
            revision: cache.revision + 1,
            ..CacheRecord::clone(cache)
        };
        Ok(Plan::Commit(Change::new().replace(cache, &next), keys))
    })
    .await?;
    Ok(answer::ok(&keys_json(&keys)))
}

pub(super) fn being_deleted(cache: &CacheRecord) -> ApiError {
    ApiError::conflict(format!(
        "The cache `{}` is being deleted; wait until it is gone.",
        cache.id.name
    ))
}

/// 200 without a body: the name is free.
pub(super) async fn check_name(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
    mut body: Fields,
) -> Result<StatusCode, ApiError> {
    let name = body.text("name")?;
    let name = name.ok_or_else(|| body.missing("name", "the name of a cache"))?;
    let kind = body.one_of("type", &["Microsoft.Cache/Redis"])?;
    kind.ok_or_else(|| body.missing("type", "Microsoft.Cache/Redis"))?;
    let name: CacheName = name.parse().map_err(|error| body.refused("name", error))?;
    body.finish()?;
    let state = plane.store.state();
    find_subscription(&state, &subscription)?;
    if state.caches.get(&cache::key(&name)).is_some() {
        return Err(name_taken(&name));
    }
    Ok(StatusCode::OK)
}

fn name_taken(name: &CacheName) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "NameNotAvailable",
        format!("The name `{name}` is taken by another cache of this deployment; choose another."),
    )
}
