//! A person's word that an empty geo-primary may replace what its geo-secondary holds.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::LinkRecord;

use super::{Names, find_link};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        decide::{Plan, decide},
        find::find_cache,
    },
    plane::Plane,
    reconciler::link_seen,
    store::Change,
    view::link_status,
};

/// `acceptEmptySource`: answers with the runtime status that follows from it.
pub(in crate::api) async fn accept_empty_source(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    body: Fields,
) -> Result<Response, ApiError> {
    body.finish()?;
    let (cache, link) = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        let link = find_link(state, cache, &other)?;
        let seen = plane.observations.seen();
        let next = link
            .accept_empty_source(link_seen(&seen, link))
            .map_err(|refused| ApiError::accept_empty(&refused))?;
        let answer = (cache.clone(), next);
        if answer.1 == **link {
            return Ok(Plan::Answer(answer));
        }
        let change = Change::new().replace(link, &answer.1);
        Ok(Plan::Commit(change, answer))
    })
    .await?;
    told(&link);
    let status = link_status(
        &plane.store.state(),
        &plane.observations.seen(),
        &cache,
        &link,
        plane.clock.now(),
    );
    Ok(answer::ok(&status))
}

fn told(link: &LinkRecord) {
    tracing::warn!(
        link.id = %link.id, epoch = %link.epoch,
        "A person accepts that `{}` starts empty and that `{}` loses its data",
        link.primary.id.name, link.secondary.id.name
    );
}
