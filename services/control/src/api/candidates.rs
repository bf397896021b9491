//! `linkCandidates`: which caches could be the geo-secondary of a cache, and everything that is in the
//! way of each of the others. Godwit's own.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use model::{CacheRecord, Candidate, Region, Unmet, candidates};
use serde_json::{Value, json};

use super::{
    ApiError, answer,
    caller::Caller,
    find::find_cache,
    links::{group_deleting, side},
    page::Page,
    query::{Asked, bad_query},
};
use crate::plane::Plane;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const PATH: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}/linkcandidates";
    Router::new().route(PATH, get(list))
}

/// The other caches of the subscription, best first, by region if one is asked for.
async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Path<(String, String, String)>,
    caller: Caller,
    page: Page,
    asked: Asked,
) -> Result<Response, ApiError> {
    let region = region(&asked)?;
    let compatible_only = flag(&asked, "compatible")?;
    let state = plane.store.state();
    let seen = plane.observations.seen();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let others = state
        .caches_behind(None)
        .filter(|other| {
            other.id.subscription == cache.id.subscription
                && caller.sees(&other.id.subscription, &other.id.group)
        })
        .filter(|other| region.as_ref().is_none_or(|region| other.region == *region));
    let others = others.map(|other| side(&seen, other));
    let going = |cache: &CacheRecord| group_deleting(&state, cache);
    let found = candidates(side(&seen, cache), others, going);
    let shown = found
        .iter()
        .filter(|candidate| candidate.is_compatible() || !compatible_only)
        .enumerate();
    // They are in the order of several keys: a number says where a page ended.
    let key = |(at, _): &(usize, &Candidate<'_>)| format!("{at:08}");
    let after = page.after.as_deref();
    let shown = shown.filter(|entry| after.is_none_or(|after| key(entry).as_str() > after));
    let shown = page.cut(shown);
    let mut body = page.value(&shown, key, |(_, candidate)| candidate_json(candidate));
    body["recommendedRegion"] = cache.region.pair().map_or(Value::Null, |pair| {
        json!({
            "name": pair,
            "displayName": pair.display_name(),
            "isInDeployment": plane.regions.contains(&pair),
        })
    });
    Ok(answer::ok(&body))
}

fn region(asked: &Asked) -> Result<Option<Region>, ApiError> {
    let region = asked.get("region").map(str::parse);
    region
        .transpose()
        .map_err(|error| bad_query(&format!("{error}.")))
}

fn flag(asked: &Asked, name: &str) -> Result<bool, ApiError> {
    match asked.get(name).map(str::to_ascii_lowercase).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(bad_query(&format!("`{name}` takes `true` or `false`."))),
    }
}

fn candidate_json(candidate: &Candidate<'_>) -> Value {
    let cache = candidate.cache;
    let failover = &candidate.unmet_for_failover;
    json!({
        "id": cache.id.to_string(),
        "name": cache.id.name,
        "location": cache.region.display_name(),
        "sku": {
            "name": cache.spec.sku.tier().to_string(),
            "family": cache.spec.sku.family(),
            "capacity": cache.spec.sku.capacity(),
        },
        "inRecommendedRegion": candidate.recommended,
        "isCompatible": candidate.is_compatible(),
        "reasons": candidate.unmet.iter().map(reason_json).collect::<Vec<_>>(),
        "canFailOver": failover.is_empty(),
        "failoverReasons": failover.iter().map(reason_json).collect::<Vec<_>>(),
    })
}

/// One thing that is in the way: a word for programs, the cache that it is about, a sentence.
fn reason_json(unmet: &Unmet) -> Value {
    json!({
        "code": unmet.code(),
        "cache": unmet.concerns().map(|id| &id.name),
        "message": sentence(unmet),
    })
}

/// Begins with a capital and ends with a full stop, as messages of the API do.
fn sentence(unmet: &Unmet) -> String {
    let text = unmet.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
