//! `Microsoft.Insights/metrics` of a cache, as dashboards and command lines of the managed service
//! ask for them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use serde_json::json;

use super::{ApiError, answer, find::find_cache, query};
use crate::{
    plane::Plane,
    view::{NAMESPACE, definitions_json, metrics_json},
};

mod asked;
mod filter;
mod span;

use asked::read;

type Names = Path<(String, String, String)>;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const INSIGHTS: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}/providers/microsoft.insights";
    let path = |rest: &str| format!("{INSIGHTS}/{rest}");
    Router::new()
        .route(&path("metrics"), get(metrics))
        .route(&path("metricdefinitions"), get(definitions))
        .route(&path("metricnamespaces"), get(namespaces))
}

async fn metrics(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    asked: query::Asked,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let now = plane.clock.now();
    let asked = read(&asked, now)?;
    let range = (asked.range.from, asked.range.to);
    let spans = plane
        .geo_metrics
        .figures(&plane.history, &cache.uid, range, now)
        .await?;
    Ok(answer::ok(&metrics_json(cache, &asked, &spans)))
}

async fn definitions(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    asked: query::Asked,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    asked::namespace(&asked)?;
    Ok(answer::list(definitions_json(cache)))
}

async fn namespaces(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let id = format!("{}/providers/microsoft.insights/metricNamespaces", cache.id);
    Ok(answer::list(vec![json!({
        "id": format!("{id}/{NAMESPACE}"),
        "name": NAMESPACE,
        "type": "Microsoft.Insights/metricNamespaces",
        "classification": "Platform",
        "properties": {"metricNamespaceName": NAMESPACE},
    })]))
}
