//! `Microsoft.Insights/metrics` of a cache: the five geo-replication metrics, as dashboards and
//! command lines of the managed service ask for them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{ApiError, answer, find::find_cache, query};
use crate::{
    plane::Plane,
    view::{metric_definitions, metrics_json},
};

mod asked;

use asked::read;

type Names = Path<(String, String, String)>;

pub(super) async fn metrics(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    asked: query::Asked,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let asked = read(&asked, plane.clock.now())?;
    let range = &asked.range;
    let minutes = plane
        .geo_metrics
        .minutes(&plane.history, &cache.uid, range.from, range.to)
        .await?;
    Ok(answer::ok(&metrics_json(cache, &asked, &minutes)))
}

pub(super) async fn definitions(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    Ok(answer::list(metric_definitions(cache)))
}
