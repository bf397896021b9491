//! Who may come in to a cache: `firewallRules`, `accessPolicies`, `accessPolicyAssignments`.

mod assignments;
mod policies;
mod rules;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use model::{Access, AccessProgress, CacheRecord, Lifecycle, MOST_ACCESS_ENTRIES, OperationId};
use serde_json::Value;

use super::{
    ApiError, answer,
    body::Fields,
    caches::being_deleted,
    caller::{Caller, Leads},
    find::find_cache,
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work},
    store::{Change, State as Records, Versioned},
};

/// Fields that answers carry and that clients send back.
const READ_ONLY: [&str; 5] = ["id", "name", "type", "etag", "systemData"];

/// The path of a cache's resources of one kind.
type Kind = axum::extract::Path<(String, String, String)>;
/// The path of one of them.
type Names = axum::extract::Path<(String, String, String, String)>;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const CACHE: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}";
    Router::new()
        .route(&format!("{CACHE}/firewallrules"), get(rules::list))
        .route(
            &format!("{CACHE}/firewallrules/{{rule}}"),
            get(rules::show).put(rules::put).delete(rules::delete),
        )
        .route(&format!("{CACHE}/accesspolicies"), get(policies::list))
        .route(
            &format!("{CACHE}/accesspolicies/{{policy}}"),
            get(policies::show)
                .put(policies::put)
                .delete(policies::delete),
        )
        .route(
            &format!("{CACHE}/accesspolicyassignments"),
            get(assignments::list),
        )
        .route(
            &format!("{CACHE}/accesspolicyassignments/{{assignment}}"),
            get(assignments::show)
                .put(assignments::put)
                .delete(assignments::delete),
        )
}

/// A cache that can still be changed.
fn changeable<'a>(
    state: &'a Records,
    (subscription, group, name): (&str, &str, &str),
) -> Result<&'a Versioned<CacheRecord>, ApiError> {
    let cache = find_cache(state, subscription, group, name)?;
    if cache.lifecycle == Lifecycle::Deleting {
        return Err(being_deleted(cache));
    }
    Ok(cache)
}

/// The `properties` of a body.
fn properties(mut body: Fields, takes: &str) -> Result<Fields, ApiError> {
    body.skip(&READ_ONLY);
    let properties = body.object("properties")?;
    let properties = properties.ok_or_else(|| body.missing("properties", takes))?;
    body.finish()?;
    Ok(properties)
}

/// The refusal of a name in a path that no such resource could be created with.
fn bad_name(error: &model::NameError) -> ApiError {
    ApiError::bad_request("InvalidResourceName", format!("{error}."))
}

/// The answer that there is no such resource.
fn nothing(cache: &CacheRecord, kind: &str, name: &str) -> ApiError {
    let name: String = name.chars().take(80).collect();
    let id = &cache.id;
    let resource = format!("Microsoft.Cache/Redis/{}/{kind}/{name}", id.name);
    ApiError::no_resource(&resource, &id.group)
}

/// Refuses one more of what there are as many as may be.
fn room<T>(cache: &CacheRecord, entries: &[T], what: &str) -> Result<(), ApiError> {
    if entries.len() < MOST_ACCESS_ENTRIES {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "The cache `{}` has {MOST_ACCESS_ENTRIES} {what}, as many as a cache may have; delete one first.",
        cache.id.name
    )))
}

/// A cache with another idea of who may come in. Its revision rises when its agent has something to
/// do for it; `edit` is told how far the change has come by that.
fn edited(cache: &CacheRecord, edit: impl Fn(&mut Access, AccessProgress)) -> CacheRecord {
    let with = |revision, progress| {
        let mut access = cache.access.clone();
        edit(&mut access, progress);
        CacheRecord {
            access,
            revision,
            ..cache.clone()
        }
    };
    let revision = cache.revision;
    let quiet = with(revision, AccessProgress::done(revision));
    if quiet.front_door() == cache.front_door() {
        return quiet;
    }
    with(revision + 1, AccessProgress::begun(revision + 1))
}

/// The change of a cache, and the operation that waits for its engines.
fn followed(
    plane: &Plane,
    cache: &Versioned<CacheRecord>,
    next: &CacheRecord,
    id: &OperationId,
) -> (Change, OperationRecord) {
    let started = plane.clock.now();
    let op = OperationRecord {
        id: id.clone(),
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work: Work::ChangeAccess {
            cache: cache.id.clone(),
            uid: cache.uid.clone(),
            revision: next.revision,
        },
        started,
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    };
    let op = if next.revision == cache.revision {
        op.succeeded(started)
    } else {
        op
    };
    (Change::new().replace(cache, next).insert(&op), op)
}

/// The answer to a PUT that is followed.
fn put_answer(caller: &Caller, status: StatusCode, body: &Value, op: &OperationRecord) -> Response {
    let id = body["id"].as_str().unwrap_or_default();
    let headers = caller.follow(op, &Leads::To(id));
    answer::with_headers(answer::json_response(status, body), headers)
}

/// The answer to a DELETE; `None`: there was nothing to delete.
fn delete_answer(caller: &Caller, op: Option<&OperationRecord>) -> Response {
    match op {
        None => answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()),
        Some(op) => answer::empty(StatusCode::ACCEPTED, caller.follow(op, &Leads::ToResult)),
    }
}
