//! Links: `linkedServers`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use model::{CacheId, CacheName, CacheRecord, LinkRecord, OperationId};

use super::{
    ApiError, answer,
    caller::{Caller, Leads, poll_again},
    decide::{Plan, decide},
    find::find_cache,
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work, cache},
    store::{Change, State as Records, Versioned},
    view::{link_json, link_status, shows_link},
};

mod egress;
mod empty;
mod events;
mod failover;
mod forced;
mod preflight;
mod put;
mod settings;

pub(super) use egress::egress;
pub(super) use empty::accept_empty_source;
pub(super) use events::events;
pub(super) use forced::{accept_unsaved, acknowledge, lost_writes};
pub(super) use preflight::preflight;
pub(super) use put::{group_deleting, put, side};
pub(super) use settings::{patch_settings, show_settings};

type Names = Path<(String, String, String, String)>;

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    let body = link_json(&plane, cache, link);
    let settled = link.provisioning_state() == "Succeeded";
    let headers = if settled {
        HeaderMap::new()
    } else {
        poll_again()
    };
    Ok(answer::with_headers(answer::ok(&body), headers))
}

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = state
        .link_of(cache)
        .filter(|link| shows_link(link, &cache.uid));
    let shown = link.map(|link| link_json(&plane, cache, link));
    Ok(answer::list(shown.into_iter().collect()))
}

pub(super) async fn runtime_status(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    let status = link_status(
        &plane.store.state(),
        &plane.observations.seen(),
        cache,
        link,
        plane.clock.now(),
    );
    Ok(answer::ok(&status))
}

/// Unlinks, from either side. 200 when there is no such link any more.
pub(super) async fn delete(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let id = OperationId::new(plane.dice.guid());
    let op = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        let other = other_name(&cache.id, &other)?;
        let link = state
            .link_of(cache)
            .filter(|link| link.other(&cache.uid).id.name == other);
        let Some(link) = link else {
            let exists = state.caches.get(&cache::key(&other)).is_some();
            return if exists {
                Ok(Plan::Answer(None))
            } else {
                Err(ApiError::no_link(&cache.id, &other))
            };
        };
        let unlinking = |work: &Work| matches!(work, Work::Unlink { link: id } if *id == link.id);
        if let Some(running) = state.running(unlinking) {
            return Ok(Plan::Answer(Some(running.clone())));
        }
        let op = operation(
            &plane,
            &id,
            cache,
            Work::Unlink {
                link: link.id.clone(),
            },
        );
        let mut change = Change::new().insert(&op);
        change = match link.unlink(plane.clock.now()) {
            Some(next) => change.replace(link, &next),
            None => change.expect(link),
        };
        Ok(Plan::Commit(change, Some(op)))
    })
    .await?;
    Ok(match op {
        None => answer::empty(StatusCode::OK, HeaderMap::new()),
        Some(op) => answer::empty(
            StatusCode::ACCEPTED,
            caller.follow(&op, &Leads::ToOperation),
        ),
    })
}

fn operation(plane: &Plane, id: &OperationId, cache: &CacheRecord, work: Work) -> OperationRecord {
    OperationRecord {
        id: id.clone(),
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work,
        started: plane.clock.now(),
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    }
}

fn other_name(cache: &CacheId, other: &str) -> Result<CacheName, ApiError> {
    let shown: String = other.chars().take(80).collect();
    other.parse().map_err(|_invalid| {
        let resource = format!("Microsoft.Cache/Redis/{}/linkedServers/{shown}", cache.name);
        ApiError::no_resource(&resource, &cache.group)
    })
}

fn find_link<'a>(
    state: &'a Records,
    cache: &CacheRecord,
    other: &str,
) -> Result<&'a Versioned<LinkRecord>, ApiError> {
    let other = other_name(&cache.id, other)?;
    let link = state.link_of(cache);
    link.filter(|link| link.other(&cache.uid).id.name == other)
        .filter(|link| shows_link(link, &cache.uid))
        .ok_or_else(|| ApiError::no_link(&cache.id, &other))
}
