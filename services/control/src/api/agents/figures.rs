//! Takes what agents sampled.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::HeaderMap, http::StatusCode, response::Response};
use model::{CacheUid, SampledReport};

use super::{Message, no_region};
use crate::{
    api::{ApiError, answer},
    plane::Plane,
};

/// A clock that is ahead by more minutes is put right: what was sampled now is of now.
const AHEAD: u64 = 2;

pub(super) async fn take(
    State(plane): State<Arc<Plane>>,
    Message(mut report): Message<SampledReport>,
) -> Result<Response, ApiError> {
    if !plane.regions.contains(&report.region) {
        return Err(no_region(&report.region));
    }
    let state = plane.store.state();
    let here: BTreeSet<&CacheUid> = state
        .caches
        .iter()
        .filter(|cache| cache.region == report.region)
        .map(|cache| &cache.uid)
        .collect();
    let present = plane.clock.now().0 / 60_000;
    report.parts.retain(|part| here.contains(&part.cache));
    for part in &mut report.parts {
        if part.minute > present + AHEAD {
            part.minute = present;
        }
    }
    let news = plane.history.add_sampled(report).await?;
    plane.latest.take(&news);
    Ok(answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()))
}
